"""multilingual-e5-small out of a PyPI package, where it lies in 4-bit blocks (format `E5S1`)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emovoz.encoders.packaged import convert_once, read_checked

SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
LONGEST = 512
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])


def converted(packages: tuple[str, ...]) -> Path:
    """A Hugging Face directory with the model and its tokenizer, made the first time it is asked for."""
    return convert_once(f"multilingual-e5-small-{SHA256[:12]}", partial(_write, packages))


def _write(packages: tuple[str, ...], directory: Path) -> None:
    from safetensors.torch import save_file

    model = read_e5(read_checked([(package, "e5-small-q4.bin") for package in packages], SHA256))
    _config(model).save_pretrained(directory)
    _tokenizer(model).save_pretrained(directory)
    save_file(_state(model), directory / "model.safetensors", metadata={"format": "pt"})


@dataclass(frozen=True)
class PackedE5:
    """What the file holds: sizes, the Unigram vocabulary with its special ids, and the packed tensors."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    epsilon: float
    special: dict[str, int]
    vocabulary: list[tuple[str, float]]
    tensors: dict[str, bytes]

    def dense(self, key: str) -> Tensor:
        """An unpacked float32 vector."""
        return torch.from_numpy(np.frombuffer(self.tensors[key], "<f4").copy())

    def quantised(self, key: str, width: int) -> Tensor:
        """A matrix [rows, width] from 4-bit blocks: value = (nibble - 8) x the block's scale."""
        blocks = np.frombuffer(self.tensors[key], _BLOCK)
        nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32)
        return torch.from_numpy(((nibbles - 8) * blocks["scale"].astype(np.float32)[:, None]).reshape(-1, width))


def read_e5(data: bytes) -> PackedE5:
    """Parse an `E5S1` file (little-endian).

    Raises:
        ValueError: it is no such file.
    """
    if data[:4] != b"E5S1":
        raise ValueError("not an E5S1 file")
    at = 8

    def take(kind: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from("<" + kind, data, at)
        at += struct.calcsize("<" + kind)
        return values

    def array(kind: str, count: int) -> np.ndarray:
        nonlocal at
        values = np.frombuffer(data, kind, count, at)
        at += values.nbytes
        return values

    hidden, layers, heads, feed_forward, _, _, _ = take("7i")
    epsilon, _ = take("fi")
    pieces, begin, end, pad, unknown = take("5i")
    (text_bytes,) = take("Q")
    offsets, scores = array("<u4", pieces + 1), array("<f4", pieces)
    text = array("u1", text_bytes).tobytes()
    # The character map equals the NMT and NFKC normalisers of `tokenizers`, which the tokenizer below uses instead.
    _, map_bytes = take("iI")
    at += map_bytes
    directory = []
    for _ in range(take("i")[0]):
        name = array("u1", take("H")[0]).tobytes().rstrip(b"\0").decode()
        directory.append((name, *take("BIQQ")))
    return PackedE5(
        hidden=hidden,
        layers=layers,
        heads=heads,
        feed_forward=feed_forward,
        epsilon=epsilon,
        special={"<s>": begin, "<pad>": pad, "</s>": end, "<unk>": unknown},
        vocabulary=[
            (text[offsets[i] : offsets[i + 1]].decode("utf-8", "replace"), float(scores[i])) for i in range(pieces)
        ],
        tensors={name: data[offset : offset + size] for name, _, _, offset, size in directory},
    )


def _config(model: PackedE5) -> Any:
    from transformers import BertConfig

    return BertConfig(
        hidden_size=model.hidden,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        intermediate_size=model.feed_forward,
        vocab_size=len(model.quantised("emb.word", model.hidden)),
        layer_norm_eps=model.epsilon,
        max_position_embeddings=LONGEST,
        type_vocab_size=len(model.dense("emb.type")) // model.hidden,
        pad_token_id=model.special["<pad>"],
        architectures=["BertModel"],
    )


def _tokenizer(model: PackedE5) -> Any:
    """XLM-RoBERTa's SentencePiece tokenizer, put together from the vocabulary."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    unigram = Tokenizer(models.Unigram(model.vocabulary, unk_id=model.special["<unk>"], byte_fallback=False))
    unigram.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    unigram.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    unigram.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(name, model.special[name]) for name in ("<s>", "</s>")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=unigram,
        model_max_length=LONGEST,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )


def _state(model: PackedE5) -> dict[str, Tensor]:
    """The packed tensors under the names that transformers' BertModel gives them."""
    state = {
        "embeddings.word_embeddings.weight": model.quantised("emb.word", model.hidden),
        "embeddings.position_embeddings.weight": model.dense("emb.pos").view(-1, model.hidden),
        "embeddings.token_type_embeddings.weight": model.dense("emb.type").view(-1, model.hidden),
        "embeddings.LayerNorm.weight": model.dense("emb.ln.w"),
        "embeddings.LayerNorm.bias": model.dense("emb.ln.b"),
    }
    for i in range(model.layers):
        for ours, theirs in _linear_names(i):
            width = model.feed_forward if theirs.endswith(".fo") else model.hidden
            state[f"{ours}.weight"] = model.quantised(f"{theirs}.w", width)
            state[f"{ours}.bias"] = model.dense(f"{theirs}.b")
        for ours, theirs in (("attention.output.LayerNorm", "aln"), ("output.LayerNorm", "oln")):
            state[f"encoder.layer.{i}.{ours}.weight"] = model.dense(f"l{i}.{theirs}.w")
            state[f"encoder.layer.{i}.{ours}.bias"] = model.dense(f"l{i}.{theirs}.b")
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _linear_names(layer: int) -> Iterator[tuple[str, str]]:
    names = {
        "attention.self.query": "q",
        "attention.self.key": "k",
        "attention.self.value": "v",
        "attention.output.dense": "ao",
        "intermediate.dense": "fi",
        "output.dense": "fo",
    }
    for ours, theirs in names.items():
        yield f"encoder.layer.{layer}.{ours}", f"l{layer}.{theirs}"
