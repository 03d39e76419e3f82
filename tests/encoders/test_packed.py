"""Packed layers: the same numbers as plain ones, in the processor's fastest layout."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emovoz import SpeechEncoder
from emovoz.encoders.log_mel import log_mel
from emovoz.encoders.packed import (
    PackedConvolution,
    PackedLinear,
    can_pack,
    convolution_gelu,
    linear_gelu,
    pack,
    unpack,
)
from emovoz.encoders.sources import directory_of, locate
from emovoz.memory import give_back
from peak import resident_megabytes

needs_packing = pytest.mark.skipif(not can_pack(torch.zeros(1, 1)), reason="oneDNN's layout is for x86 processors")


@needs_packing
@pytest.mark.parametrize("activation", [False, True])
def test_a_packed_layer_gives_what_float64_gives_to_float32(activation: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(96, 200).requires_grad_(False)
    model, rows = nn.Sequential(layer), torch.randn(77, 96)
    expected = rows.double() @ layer.weight.double().T + layer.bias.double()
    if activation:
        expected = 0.5 * expected * (1 + torch.erf(expected / 2**0.5))
    pack(model)
    assert isinstance(model[0], PackedLinear)
    with torch.inference_mode():
        given = linear_gelu(model[0], rows) if activation else model(rows)
    torch.testing.assert_close(given.double(), expected, rtol=0, atol=2e-6)


@needs_packing
@pytest.mark.parametrize(("width", "stride"), [(3, 1), (3, 2), (10, 5)])
def test_a_packed_convolution_gives_what_a_loop_over_time_gives(width: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv1d(4, 8, width, stride).requires_grad_(False)
    assert layer.bias is not None
    model, rows = nn.Sequential(layer), torch.randn(64, 4)
    weight, bias = layer.weight.double(), layer.bias.double()
    expected = torch.stack(
        [
            torch.einsum("oct,tc->o", weight, rows[start : start + width].double()) + bias
            for start in range(0, 64 - width + 1, stride)
        ]
    )
    pack(model)
    assert isinstance(model[0], PackedConvolution)
    with torch.inference_mode():
        of_rows, of_library = convolution_gelu(model[0], rows), model(rows.T[None])[0].T
    torch.testing.assert_close(of_library.double(), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(of_rows.double(), nn.functional.gelu(expected), rtol=0, atol=1e-6)


@needs_packing
def test_unpacked_layers_are_those_that_were_packed_to_the_bit() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(33, 65, bias=False), nn.Sequential(nn.Linear(65, 7), nn.Conv1d(3, 5, 4, 2, 1)))
    weights = [tensor.clone() for tensor in model.state_dict().values()]
    pack(model)
    assert not any("weight" in name for name in model.state_dict())
    unpack(model)
    assert all(torch.equal(*pair) for pair in zip(model.state_dict().values(), weights, strict=True))


def test_hidden_states_are_as_near_the_truth_as_those_of_transformers(
    whisper: SpeechEncoder, speech_samples: np.ndarray
) -> None:
    """The last layer makes of one rounding more or less a hundred times as much; so float64 is the judge of both."""
    mel = log_mel(torch.from_numpy(speech_samples[: 30 * 16000]), whisper.filters.cpu())[None]  # type: ignore[attr-defined]
    plain = WhisperEncoder.from_pretrained(directory_of(locate("whisper-base")), dtype=torch.float32).eval()
    with torch.inference_mode():
        theirs = torch.stack(plain(mel, output_hidden_states=True).hidden_states)[:, 0].double()
        truth = torch.stack(plain.double()(mel.double(), output_hidden_states=True).hidden_states)[:, 0]
        ours = whisper.encode_each([speech_samples[: 30 * 16000]])[0].cpu().double()
    largest = truth.abs().amax((1, 2))
    our_error, their_error = ((one - truth).abs().amax((1, 2)) / largest for one in (ours, theirs))
    assert (our_error[:-1] <= 1e-5).all()
    assert (our_error <= 4 * their_error).all()


@needs_packing
def test_what_is_prepared_for_each_length_is_not_kept() -> None:
    layer = PackedLinear(torch.zeros(512, 512), None)

    def grown() -> float:
        """Megabytes, in a thread that has prepared nothing yet: what is kept is kept for each thread."""
        of_lengths(range(40, 140))
        before = resident_megabytes()
        of_lengths(range(140, 440))
        return resident_megabytes() - before

    def of_lengths(lengths: Iterable[int]) -> None:
        with torch.inference_mode():
            for length in lengths:
                layer(torch.zeros(length, 512))
        give_back()

    with ThreadPoolExecutor(1) as thread:
        # 84 where torch may keep a thousand of them
        assert thread.submit(grown).result() < 20
