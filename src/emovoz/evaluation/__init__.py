"""How good a recogniser is, and how sure we can be of it."""

from emovoz.evaluation.cross_validation import crossval
from emovoz.evaluation.evaluation import Evaluation, evaluate
from emovoz.evaluation.report import write_report

__all__ = ["Evaluation", "crossval", "evaluate", "write_report"]
