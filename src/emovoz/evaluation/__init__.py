"""How good a recogniser is, and how sure we can be of it."""

from emovoz.evaluation.cross_validation import crossval, crossval_part, fits_of
from emovoz.evaluation.evaluation import Evaluation, evaluate
from emovoz.evaluation.report import write_report

__all__ = ["Evaluation", "crossval", "crossval_part", "evaluate", "fits_of", "write_report"]
