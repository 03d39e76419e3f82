"""Words recognised from speech, with their times (the extra `asr`)."""

from emovoz.transcription.transcriber import Transcriber
from emovoz.transcription.transcript import Transcript, Word

__all__ = ["Transcriber", "Transcript", "Word"]
