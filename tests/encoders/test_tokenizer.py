"""Tokenizers that are read without transformers: the same to the letter as those that it reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from emovoz import InputError
from emovoz.corpus import demo_corpus
from emovoz.encoders.sources import directory_of, locate
from emovoz.encoders.tokenizer import read_tokenizer
from helpers import change_json
from tiny_encoders import text_checkpoint

TEXTS = ["qué alegría", "", "  la   casa <s> y\tél </s>, sí.", "«¿Qué?» 漢字 😀 ﬁn", "hola " * 40]
LONGEST = 12


def _same_as_transformers(directory: Path, texts: list[str]) -> None:
    theirs: Any = AutoTokenizer.from_pretrained(directory)
    ours = read_tokenizer(directory, generic=True)
    # features are stored under a hash of this
    assert ours.backend.to_str() == theirs.backend_tokenizer.to_str()
    assert (ours.most, ours.truncation_side) == (theirs.model_max_length, theirs.truncation_side)
    special = (theirs.eos_token_id, theirs.bos_token_id, theirs.unk_token_id, 0)
    assert ours.stand_in == next(one for one in special if one is not None)
    wanted = theirs(texts, truncation=True, max_length=LONGEST, return_offsets_mapping=True)
    found = ours.cut_at(LONGEST).encode_batch(texts)
    assert [one.ids for one in found] == wanted["input_ids"]
    assert [one.offsets for one in found] == wanted["offset_mapping"]


def test_the_packaged_tokenizer_is_that_of_transformers() -> None:
    words = [clip.transcription or "" for clip in demo_corpus().clips]
    _same_as_transformers(directory_of(locate("multilingual-e5-small")), [*TEXTS, *words])


def _settings(**changed: Any) -> Callable[[Path], None]:
    return lambda directory: change_json(directory / "tokenizer_config.json", **changed)


def _tokenizer(**changed: Any) -> Callable[[Path], None]:
    return lambda directory: change_json(directory / "tokenizer.json", **changed)


def _also(name: str, told: Any) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        (directory / name).write_text(json.dumps(told))

    return write


CUT = {"max_length": 5, "stride": 0, "strategy": "LongestFirst", "direction": "Left"}
PADDED = {"strategy": {"Fixed": 9}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 3, "pad_type_id": 0}
USER_TOKEN = {"lstrip": True, "normalized": False, "rstrip": False, "single_word": False, "special": True}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_settings(), id="as saved"),
        pytest.param(_settings(tokenizer_class="PreTrainedTokenizerFast"), id="as older versions save it"),
        pytest.param(_settings(model_max_length="none"), id="no limit"),
        pytest.param(_settings(truncation_side="left"), id="cut on the left"),
        pytest.param(_settings(eos_token="none", bos_token="none"), id="unnamed ends"),
        pytest.param(_settings(mask_token="<mask>"), id="a special token that the file lacks"),
        pytest.param(_settings(mask_token="casa"), id="a special token that is a word"),
        pytest.param(_settings(extra_special_tokens=["casa"]), id="further special tokens"),
        pytest.param(_settings(added_tokens_decoder={"14": {**USER_TOKEN, "content": "casa"}}), id="told twice"),
        pytest.param(_settings(eos_token={"__type": "AddedToken", **USER_TOKEN, "content": "</s>"}), id="told in full"),
        pytest.param(_settings(add_bos_token=True), id="ends asked for"),
        pytest.param(_settings(split_special_tokens=True), id="special tokens split"),
        pytest.param(_settings(tokenizer_class="none"), id="no class"),
        pytest.param(_settings(tokenizer_class="BertTokenizer"), id="another class"),
        pytest.param(_also("special_tokens_map.json", {"eos_token": "casa"}), id="a map"),
        pytest.param(_also("added_tokens.json", {"perro": 17}), id="added tokens"),
        pytest.param(_tokenizer(truncation=CUT), id="cut by the file"),
        pytest.param(_tokenizer(padding={**PADDED, "pad_token": "<pad>"}), id="padded by the file"),
        pytest.param(_tokenizer(post_processor=None), id="no ends by the file"),
        pytest.param(_tokenizer(added_tokens=[]), id="no added tokens"),
    ],
)
def test_whatever_files_may_tell_the_tokenizer_is_that_of_transformers(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    text_checkpoint("BERT", tmp_path)
    change(tmp_path)
    _same_as_transformers(tmp_path, TEXTS)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_tokenizer(model={"type": "Unknown"}), id="of a kind that nobody knows"),
        pytest.param(_settings(tokenizer_class="XLMRobertaTokenizer"), id="of a class with another vocabulary"),
        pytest.param(_settings(eos_token=["</s>"]), id="with an end that is no token"),
    ],
)
def test_a_tokenizer_that_cannot_be_is_a_sentence(change: Callable[[Path], None], tmp_path: Path) -> None:
    text_checkpoint("BERT", tmp_path)
    change(tmp_path)
    with pytest.raises(InputError, match="the tokenizer cannot be loaded"):
        read_tokenizer(tmp_path, generic=True)
