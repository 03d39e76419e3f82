"""What is in a corpus, and what is wrong with it."""

from emovoz.auditing.corpus_audit import Audit, audit
from emovoz.auditing.finding import Finding

__all__ = ["Audit", "Finding", "audit"]
