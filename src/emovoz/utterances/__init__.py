"""Utterances found in recordings of any length, which may still be going on."""

from emovoz.utterances.finding import Utterance, utterances
from emovoz.utterances.limits import Limits

__all__ = ["Limits", "Utterance", "utterances"]
