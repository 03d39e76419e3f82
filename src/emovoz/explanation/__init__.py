"""Why a clip was judged so: which seconds, which words, how much each modality counted, and a check that it is true."""

from emovoz.explanation.check import Check, Falls
from emovoz.explanation.evidence import Evidence, evidence_of
from emovoz.explanation.explanation import Explanation
from emovoz.explanation.judge import Judge
from emovoz.explanation.modalities import Modalities
from emovoz.explanation.recognition import LONGEST_SECONDS, explain, explain_input, judge_of
from emovoz.explanation.seconds import SecondScore
from emovoz.explanation.words import WordScore

__all__ = [
    "LONGEST_SECONDS",
    "Check",
    "Evidence",
    "Explanation",
    "Falls",
    "Judge",
    "Modalities",
    "SecondScore",
    "WordScore",
    "evidence_of",
    "explain",
    "explain_input",
    "judge_of",
]
