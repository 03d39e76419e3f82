"""Timeline: what a recogniser says of a recording, utterance by utterance."""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emovoz.corpus.envelope import Envelope
from emovoz.errors import InputError
from emovoz.files import write_bytes, write_whole
from emovoz.inference.prediction import Prediction
from emovoz.inference.segment import Segment
from emovoz.inference.segment_lines import FORMS, segment_lines


@dataclass(frozen=True)
class Timeline(Prediction):
    """The emotions of a recording, utterance by utterance, and of the whole.

    Its own scores are the mean of its segments', weighted by their lengths. It has no label where nobody speaks. Where
    there is an error, its segments are of what was heard until then.

    Attributes:
        segments: in order of time; between them, nobody speaks.
        labels: all that the recogniser tells apart.
        envelope: the outline of the waveform.
    """

    segments: tuple[Segment, ...] = ()
    labels: tuple[str, ...] = ()
    envelope: Envelope | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The timeline as the command line prints it."""
        segments = [segment.to_dict() for segment in self.segments]
        return {**super().to_dict(), **({"segments": segments} if segments or self.error is None else {})}

    def text(self, form: str) -> str:
        """It as text.

        Args:
            form: `jsonl`: a JSON object on a line; `csv`: a row for each segment; `srt`: subtitles, such as
                `[joy 0.83] ¡Qué alegría!`; `audacity`: a label track, start, end and label separated by tabs.

        Raises:
            InputError: another form.
        """
        if form not in FORMS:
            raise InputError(f"no form {form!r}; choose {', '.join(FORMS)}")
        if form == "jsonl":
            return json.dumps(self.to_dict(), ensure_ascii=False) + "\n"
        # a table has no other place for the error of the whole
        failed = [Segment(0.0, self.seconds or 0.0, error=self.error)] if self.error and form == "csv" else []
        return "".join(segment_lines(self.id, [*self.segments, *failed], self.labels, form))

    def to_png(self, look: str = "light") -> bytes:
        """A picture: the waveform with the emotions, and the probabilities below; `light` or `dark`."""
        from emovoz.pictures.timeline import draw_timeline

        return draw_timeline(self, look)

    def save(self, path: str | Path) -> None:
        """Write it as the ending of the name says: .json, .csv, .srt, .txt (for Audacity) or .png.

        Raises:
            InputError: another ending.
        """
        path = Path(path)
        forms = {".json": "jsonl", ".csv": "csv", ".srt": "srt", ".txt": "audacity"}
        if path.suffix == ".png":
            write_bytes(path, self.to_png())
        elif path.suffix in forms:
            write_whole(path, self.text(forms[path.suffix]))
        else:
            raise InputError(f"{path}: a timeline is written as {', '.join(forms)} or .png")

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        picture = b64encode(self.to_png()).decode()
        return f'<img alt="Timeline of emotions" style="max-width:100%" src="data:image/png;base64,{picture}">'
