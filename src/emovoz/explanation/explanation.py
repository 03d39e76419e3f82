"""Explanation: one clip's decision explained, for people and for programs."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emovoz.corpus import Clip
from emovoz.explanation.check import Check
from emovoz.explanation.evidence import Evidence
from emovoz.explanation.modalities import Modalities
from emovoz.explanation.seconds import SecondScore
from emovoz.explanation.words import WordScore
from emovoz.files import write_bytes, write_whole
from emovoz.inference import Prediction


@dataclass(frozen=True)
class Explanation:
    """Why a clip was judged so.

    Attributes:
        prediction: what was decided.
        evidence: which seconds and words speak for a label, and how much each modality counted.
        checks: of `seconds` and of `words`, where they could be checked.
        clip: what is explained.
    """

    prediction: Prediction
    evidence: Evidence
    checks: dict[str, Check]
    clip: Clip = field(repr=False)

    @property
    def id(self) -> str:
        """Of the clip."""
        return self.prediction.id

    @property
    def label(self) -> str:
        """The label that is explained; the decision, unless another was asked for."""
        return self.evidence.label

    @property
    def seconds(self) -> tuple[SecondScore, ...]:
        """The stretches of the clip in order."""
        return self.evidence.seconds

    @property
    def words(self) -> tuple[WordScore, ...]:
        """The words of the clip in order."""
        return self.evidence.words

    @property
    def modalities(self) -> Modalities:
        """How much speech and words each counted."""
        return self.evidence.modalities

    def to_dict(self) -> dict[str, Any]:
        """The prediction as the command line prints it, and `explanation`."""
        checks = {name: check.to_dict() for name, check in self.checks.items()}
        return {**self.prediction.to_dict(), "explanation": {**self.evidence.to_dict(), "checks": checks}}

    def png(self, *, dark: bool = False) -> bytes:
        """The explanation as a picture."""
        from emovoz.pictures.explanation import explanation_picture

        return explanation_picture(self, dark=dark)

    def save(self, directory: Path | str) -> None:
        """Write explanation.json, explanation.png and explanation-dark.png into a folder."""
        folder = Path(directory)
        write_whole(folder / "explanation.json", json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")
        write_bytes(folder / "explanation.png", self.png())
        write_bytes(folder / "explanation-dark.png", self.png(dark=True))

    def _repr_html_(self) -> str:
        """The picture, in a notebook."""
        picture = base64.b64encode(self.png()).decode()
        return f'<img alt="explanation" style="max-width: 60rem; width: 100%" src="data:image/png;base64,{picture}">'
