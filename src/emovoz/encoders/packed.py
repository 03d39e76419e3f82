"""Linear layers and convolutions of frozen encoders, laid out once for the processor's fastest matrix product.

On x86 processors torch multiplies float32 matrices by MKL, which on AMD's uses half of the vector width; oneDNN, which
torch carries too, uses all of it, wants weights in a layout of its own, and adds the bias and applies GELU on the way.
"""

import copy
import platform
from collections.abc import Iterator
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, gelu, pad


class PackedLinear(nn.Module):
    """A linear layer without gradient whose weights lie as oneDNN wants them; its results are float32, as exact.

    Rows do not depend on each other: each is the same to the bit alone and in any company.

    Args:
        weight: [out, in]; it can be given up.
        bias: [out].
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.bias: Any = bias
        # a plain attribute: what is laid out so is no parameter that could be moved, saved or copied
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())

    def forward(self, rows: Tensor, activation: str = "none") -> Tensor:
        """[..., in] -> [..., out]; `gelu` is applied where it is asked for."""
        algorithm = "none" if activation == "gelu" else ""
        return torch.ops.mkldnn._linear_pointwise(rows, self.packed, self.bias, activation, [], algorithm)

    @property
    def weight(self) -> Tensor:
        """[out, in], to the bit as it was; made anew whenever it is asked for."""
        return self.packed.to_dense()

    def plain(self) -> nn.Linear:
        """The layer as it was."""
        weight = self.weight
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=self.bias is not None, device="meta")
        layer.weight, layer.bias = nn.Parameter(weight, requires_grad=False), self.bias
        return layer.eval()


class PackedConvolution(nn.Module):
    """A convolution over time without gradient, as a packed linear layer of `windows`.

    Args:
        layer: whose weights are taken; without groups or dilation, padded by zeros.
    """

    def __init__(self, layer: nn.Conv1d) -> None:
        super().__init__()
        # by the names that transformers asks for
        self.kernel_size, self.stride = layer.kernel_size, layer.stride
        self.padding = cast(tuple[int], layer.padding)
        self.linear = PackedLinear(layer.weight.detach().transpose(1, 2).flatten(1), layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """[batch, channel, time] -> [batch, channel, time'], as the layer itself gives it."""
        (before,) = self.padding
        return torch.stack([self.rows(pad(clip.T, (0, 0, before, before))).T for clip in features])

    def plain(self) -> nn.Conv1d:
        """The layer as it was."""
        weight = self.linear.weight.unflatten(1, (*self.kernel_size, -1)).transpose(1, 2).contiguous()
        (width,), (stride,), (padding,) = self.kernel_size, self.stride, self.padding
        biased = self.linear.bias is not None
        layer = nn.Conv1d(weight.shape[1], weight.shape[0], width, stride, padding, bias=biased, device="meta")
        layer.weight, layer.bias = nn.Parameter(weight, requires_grad=False), self.linear.bias
        return layer.eval()

    def rows(self, rows: Tensor, activation: str = "none") -> Tensor:
        """[time, channel] -> [time', channel'], without padding."""
        return self.linear(windows(rows, *self.kernel_size, *self.stride), activation)


def can_pack(tensor: Tensor) -> bool:
    """Whether a weight can be laid out for oneDNN here."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    here = x86 and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return here and tensor.device.type == "cpu" and tensor.dtype == torch.float32


def pack(module: nn.Module) -> None:
    """Lay out linear layers and convolutions of a frozen module, where it can be; the dense weights are given up."""
    for parent, name, layer in list(_layers(module)):
        if type(layer) is nn.Linear and can_pack(layer.weight):
            setattr(parent, name, PackedLinear(layer.weight, layer.bias))
        elif type(layer) is nn.Conv1d and _is_plain(layer) and can_pack(layer.weight):
            setattr(parent, name, PackedConvolution(layer))


def _is_plain(layer: nn.Conv1d) -> bool:
    zeros = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return zeros and layer.groups == 1 and layer.dilation == (1,)


def unpack(module: nn.Module) -> None:
    """Put plain layers back, for those who have to change them, to follow their gradient or to write them down."""
    for parent, name, layer in list(_layers(module)):
        if isinstance(layer, PackedLinear | PackedConvolution):
            setattr(parent, name, layer.plain())


def twin_of(encoder: Any) -> Any:
    """The same encoder with modules of its own, their weights shared with the original's until they are unpacked."""
    twin = copy.copy(encoder)
    layers = [layer for _, _, layer in _layers(encoder.model) if isinstance(layer, PackedLinear)]
    weights = chain(encoder.model.parameters(), encoder.model.buffers(), (layer.packed for layer in layers))
    twin.model = copy.deepcopy(encoder.model, {id(tensor): tensor for tensor in weights})
    names = {id(module): name for name, module in encoder.model.named_modules()}
    twin.blocks = [twin.model.get_submodule(names[id(block)]) for block in encoder.blocks]
    return twin


def unpacked(encoder: Any) -> Any:
    """A twin of an encoder with plain layers throughout; one without a model is given as it is."""
    if not hasattr(encoder, "model"):
        return encoder
    twin = twin_of(encoder)
    unpack(twin.model)
    return twin


def windows(rows: Tensor, width: int, stride: int = 1) -> Tensor:
    """[time, dim] -> [(time - width) // stride + 1, width x dim]: so many rows side by side, from every stride-th on.

    >>> windows(torch.arange(4.0)[:, None], 2).tolist()
    [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
    """
    count, dim = (len(rows) - width) // stride + 1, rows.shape[1]
    return rows.contiguous().as_strided((count, width * dim), (stride * dim, 1))


def linear_gelu(layer: nn.Module, rows: Tensor) -> Tensor:
    """GELU of a linear layer, packed or not."""
    return layer(rows, "gelu") if isinstance(layer, PackedLinear) else gelu(layer(rows))


def convolution(layer: Any, rows: Tensor) -> Tensor:
    """A convolution, packed or not, over rows [time, channel], without the padding that it may have."""
    if isinstance(layer, PackedConvolution):
        return layer.rows(rows)
    return conv1d(rows.T[None], layer.weight, layer.bias, layer.stride)[0].T


def convolution_gelu(layer: Any, rows: Tensor) -> Tensor:
    """GELU of the same."""
    return layer.rows(rows, "gelu") if isinstance(layer, PackedConvolution) else gelu(convolution(layer, rows))


def _layers(module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Every module that another holds: the other, and the name that it has there."""
    for parent in module.modules():
        for name, child in parent.named_children():
            yield parent, name, child
