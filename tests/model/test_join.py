"""Joining pooled parts: the formulas are those of the papers, and an absent part adds nothing of its own."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from emovoz.model.fusion import Part
from emovoz.model.join import AttentionJoin, GatedJoin, Join, SideBySide

DIMS = {"speech": 5, "text": 3}
JOINS: dict[str, Any] = {
    "side by side": lambda: SideBySide(DIMS, standardise=False),
    "attention": lambda: AttentionJoin(DIMS, standardise=False),
    "gated": lambda: GatedJoin(DIMS, standardise=False, width=4),
}


def make(name: str) -> Join:
    torch.manual_seed(0)
    join: Join = JOINS[name]()
    for parameter in join.parameters():
        torch.nn.init.normal_(parameter)
    return join


def parts(*present: tuple[bool, bool]) -> dict[str, Part]:
    random = torch.Generator().manual_seed(1)
    return {
        name: Part(torch.randn(len(present), dim, generator=random), torch.tensor([row[i] for row in present]))
        for i, (name, dim) in enumerate(DIMS.items())
    }


def weights(join: Join) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in join.named_parameters()}


def vectors(given: dict[str, Part], row: int) -> tuple[np.ndarray, np.ndarray]:
    return given["speech"].vector[row].numpy(), given["text"].vector[row].numpy()


def result(join: Join, given: dict[str, Part]) -> np.ndarray:
    joined: Tensor = join(given)
    assert joined.shape[1] == join.out_dim
    return joined.detach().numpy()


def test_attention_weighs_the_parts_by_a_softmax_of_their_product_with_the_query() -> None:
    join, given = make("attention"), parts((True, True), (True, False), (False, True), (False, False))
    values, found = weights(join), result(join, given)

    def both(row: int) -> tuple[np.ndarray, np.ndarray]:
        speech, text = vectors(given, row)
        return speech, values["project.text.weight"] @ text + values["project.text.bias"]

    speech, text = both(0)
    scores = np.exp([speech @ values["query"], text @ values["query"]])
    expected = (scores[0] * speech + scores[1] * text) / scores.sum()
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], both(1)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[2], both(2)[1], rtol=1e-5, atol=1e-6)
    assert not found[3].any()


def test_the_gate_is_that_of_the_gated_multimodal_unit_and_closed_to_what_is_absent() -> None:
    join, given = make("gated"), parts((True, True), (True, False), (False, True), (False, False))
    values, found = weights(join), result(join, given)

    def heard(row: int) -> tuple[np.ndarray, np.ndarray]:
        speech, text = vectors(given, row)
        return np.tanh(values["values.speech.weight"] @ speech), np.tanh(values["values.text.weight"] @ text)

    speech, text = heard(0)
    gate = 1 / (1 + np.exp(-values["gate.weight"] @ np.concatenate(vectors(given, 0))))
    np.testing.assert_allclose(found[0], gate * speech + (1 - gate) * text, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1], heard(1)[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[2], heard(2)[1], rtol=1e-4, atol=1e-6)
    assert not found[3].any()


def test_side_by_side_a_learned_vector_stands_for_what_is_absent() -> None:
    join, given = make("side by side"), parts((True, True), (True, False))
    found = result(join, given)
    np.testing.assert_array_equal(found[0], np.concatenate(vectors(given, 0)))
    np.testing.assert_array_equal(found[1], np.concatenate([vectors(given, 1)[0], weights(join)["absent.text"]]))


@pytest.mark.parametrize("name", JOINS)
def test_what_an_absent_part_happens_to_hold_never_counts(name: str) -> None:
    join, given = make(name), parts((True, False), (False, True))
    expected = join(given)
    for value in (1e30, float("nan")):
        filled = {
            part: Part(torch.where(found.present[:, None], found.vector, torch.tensor(value)), found.present)
            for part, found in given.items()
        }
        found = join(filled)
        assert torch.equal(found, expected)
        found.square().sum().backward()
    assert all(parameter.grad is None or torch.isfinite(parameter.grad).all() for parameter in join.parameters())
