"""How much speech and words each counted."""

from dataclasses import dataclass
from typing import Any

from emovoz.explanation.judge import Features, Judge, probability


@dataclass(frozen=True)
class Modalities:
    """What becomes of the probability of a label by what of a clip is given.

    Attributes:
        together: probability with all that the clip has.
        alone: with each modality alone, `speech` and `text`.
        neither: with none of them: what the model says of nothing, which is near how frequent the label was.
        evidence: of each modality, in log-odds; together they are the way from `neither` to `together`. That of two is
            shared fairly (Shapley 1953): the mean of what a modality adds to nothing and what it adds to the other.
    """

    together: float
    alone: dict[str, float]
    neither: float
    evidence: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "together": round(self.together, 6),
            "alone": {name: round(value, 6) for name, value in self.alone.items()},
            "neither": round(self.neither, 6),
            "evidence": {name: round(value, 4) for name, value in self.evidence.items()},
        }


def modalities_of(judge: Judge, features: Features, label: str) -> Modalities:
    """How much each modality of a clip counted for a label."""
    parts = {name: of for name in ("speech", "text") if (of := judge.of_modality(features, name))}
    whole, others = judge.log_odds(features, [{}, *parts.values()], label)
    nothing, *each = others.tolist()
    alone = dict(zip(parts, each, strict=True))
    if len(parts) == 2:
        speech, text = each
        evidence = {
            "speech": ((speech - nothing) + (whole - text)) / 2,
            "text": ((text - nothing) + (whole - speech)) / 2,
        }
    else:
        evidence = dict.fromkeys(parts, whole - nothing)
    return Modalities(
        together=float(probability(whole)),
        alone={name: float(probability(value)) for name, value in alone.items()},
        neither=float(probability(nothing)),
        evidence=evidence,
    )
