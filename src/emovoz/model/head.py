"""Head: from frozen features to logits."""

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from emovoz.encoders.tuned import TunedLayers
from emovoz.errors import InputError
from emovoz.model.adaptation import SpeakerAdaptation
from emovoz.model.branch import Branch, branch_of, natural_width
from emovoz.model.config import NGRAMS, HeadConfig
from emovoz.model.fusion import Part, fusion_of
from emovoz.model.join import join_of
from emovoz.model.layer_mix import WeightedLayers
from emovoz.sequence import MaskedSequence
from emovoz.weights import config_of, load_weights
from emovoz.widths import branch_widths, indivisible


class HeadOutput(NamedTuple):
    """What a head says of a batch: logits [batch, classes], and their loss where the labels are told."""

    loss: Tensor | None
    logits: Tensor


class Head(nn.Module):
    """The trainable part: layer mix, normalisation, sequence layers, pooling, fusion, classifier; no encoder weights.

    `EmotionHead` is the same as transformers keeps its models; what only predicts does not wait for that.

    Raises:
        InputError: heads that do not divide the width they are to share.

    >>> import torch
    >>> from emovoz.settings import Model
    >>> head = Head(HeadConfig.of(Model(), {"speech": (3, 8)}, ["joy", "anger"])).eval()
    >>> head(speech=torch.zeros(1, 3, 5, 8), speech_mask=torch.ones(1, 5, dtype=bool)).logits.shape
    torch.Size([1, 2])
    """

    config: HeadConfig

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        self._build(config)

    def _build(self, config: HeadConfig) -> None:
        branches = _branches(config)
        widths = {name: branch.out_dim for name, branch in branches.items()}
        faults = list(indivisible(config, {name: width for name, width in widths.items() if name != NGRAMS}))
        if faults:
            raise InputError(faults)
        self.branches = nn.ModuleDict(branches)
        self.fusion = fusion_of(config, widths)
        self.join = join_of(config, self.fusion.dims)
        self.classifier = _classifier(config, self.join.out_dim)
        adapts = config.adapts and self.pooling_is_fixed and self.speech_part in self.fusion.dims
        self.adaptation = SpeakerAdaptation(self.fusion.dims[self.speech_part]) if adapts else None

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(chain(self.parameters(), self.buffers())).device

    @property
    def input_shapes(self) -> dict[str, tuple[int, int]]:
        """(layers, dim) of each branch's features that it is given."""
        return self.config.shapes

    @property
    def tuned_layers(self) -> dict[str, TunedLayers]:
        """The layers of encoders that are tuned with it, by modality: none, but in a `TunedHead`."""
        return {}

    @property
    def pooling_is_fixed(self) -> bool:
        """Whether nothing before the pooled parts can learn, so that a clip's parts never change."""
        return not [*self.branches.parameters(), *self.fusion.parameters()]

    @property
    def speech_part(self) -> str:
        """The pooled part that is speech and nothing else, where there is one."""
        return "speech" if "speech" in self.fusion.dims or [*self.config.shapes] != ["speech"] else "joint"

    @property
    def layer_weights(self) -> dict[str, list[float]]:
        """Softmaxed weight of each layer, by modality, where several are mixed by trainable weights."""
        mixes = {name: branch.mix for name, branch in self.branches.items()}
        weights = {name: mix.weights for name, mix in mixes.items() if isinstance(mix, WeightedLayers)}
        return {name: values.tolist() for name, values in weights.items() if len(values) > 1}

    def parts(self, **given: Tensor | None) -> dict[str, Part]:
        """The pooled parts that the decision is made of; arguments as in `forward`."""
        return self.fusion(self.sequences(**given))

    def parts_in_pieces(self, pieces: Iterable[Mapping[str, Tensor]]) -> dict[str, Part]:
        """What `parts` gives for one clip, whose frames come piece by piece; memory holds one piece.

        Exactly that where no sequence layer and no cross-attention relates frames. Where one does, frames are related
        within each piece: a long recording is heard a piece at a time, each beside all the words, and the pieces are
        then pooled together by their weights.

        Args:
            pieces: arguments of `forward` for a batch of one; the first piece has those of every branch, the others
                only those that go on.
        """
        return self.fusion.in_pieces(self.sequences(**piece) for piece in pieces)

    def sequences(self, **given: Tensor | None) -> dict[str, MaskedSequence]:
        """The sequence of each branch on its way to fusion; arguments as in `forward`."""
        return {
            name: branch(given[name], given[f"{name}_mask"])
            for name, branch in self.branches.items()
            if given.get(name) is not None
        }

    def decide(self, parts: Mapping[str, Part]) -> Tensor:
        """Logits [batch, classes] from the pooled parts."""
        return self.classifier(self.join(parts))

    def forward(
        self,
        speech: Tensor | None = None,
        speech_mask: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
        ngrams: Tensor | None = None,
        ngrams_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> HeadOutput:
        """Logits of a batch.

        Args:
            speech, text, ngrams: features [batch, layer, time, dim] of each branch the head has; of n-grams, term
                frequencies [batch, 1, 1, dim].
            speech_mask, text_mask, ngrams_mask: bool [batch, time]; a clip without a modality has no true frame in it.
            labels: class indices [batch]; with them the output has the cross-entropy as `loss`.

        Returns:
            `logits` [batch, classes].
        """
        parts = self.parts(
            speech=speech,
            speech_mask=speech_mask,
            text=text,
            text_mask=text_mask,
            ngrams=ngrams,
            ngrams_mask=ngrams_mask,
        )
        logits = self.decide(parts)
        loss = None if labels is None else cross_entropy(logits, labels)
        return HeadOutput(loss, logits)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """A saved head in eval mode.

        Raises:
            InputError: a tensor that is missing, extra or of another shape, by name.
        """
        return load_weights(lambda: cls(config_of(HeadConfig, directory)), directory)


def not_finite(head: Head) -> list[str]:
    """Names of the tensors of a head that hold a NaN or an infinity."""
    tensors = head.state_dict().items()
    return [name for name, tensor in tensors if tensor.is_floating_point() and not bool(tensor.isfinite().all())]


def _branches(config: HeadConfig) -> dict[str, Branch]:
    """The branches, all but n-grams brought to the widths that the fusion needs."""
    framed = [name for name in config.shapes if name != NGRAMS]
    widths = branch_widths(config, {name: natural_width(config, name) for name in framed}) if framed else {}
    return {name: branch_of(config, name, widths.get(name)) for name in config.shapes}


def _classifier(config: HeadConfig, dim: int) -> nn.Sequential:
    """Input dropout; hidden layers of Linear, LayerNorm, GELU and dropout; Linear to the classes."""
    layers: list[nn.Module] = [nn.Dropout(config.input_dropout)]
    for _ in range(config.hidden_layers):
        width = config.hidden_width
        layers += [nn.Linear(dim, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(config.dropout)]
        dim = width
    return nn.Sequential(*layers, nn.Linear(dim, len(config.labels)))
