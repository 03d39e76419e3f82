"""The text encoder: how fast transcripts become hidden states, beside transformers."""

import csv

import torch
from plain_e5 import NAME, plain_e5
from ratio import Times, alternated, table
from record import EMOSPEECH

from emovoz.corpus import demo_corpus
from emovoz.encoders import load_text_encoder
from emovoz.encoders.sources import directory_of, locate

TITLE = "encoding text"
TEXTS = 1000


def measured() -> str:
    """The table."""
    from transformers import AutoTokenizer

    texts, whose = _texts()
    encoder, plain = load_text_encoder(NAME), plain_e5()
    tokenizer = AutoTokenizer.from_pretrained(directory_of(locate(NAME)))

    def one_by_one() -> None:
        for text in texts:
            inputs = tokenizer(encoder.prefix + text, truncation=True, max_length=512, return_tensors="pt")
            with torch.inference_mode():
                plain(**inputs, output_hidden_states=True)

    every = alternated(lambda: encoder.encode_each(texts), one_by_one, rounds=3)
    three = alternated(lambda: encoder.encode_each(texts, [6, 9, 11]), one_by_one, rounds=1)
    rows: list[tuple[str, Times, float | None]] = [
        ("multilingual-e5-small, all layers", every, 4.0),
        ("the layers that the recipes take, 6, 9 and 11", three, None),
    ]
    tokens = sum(map(len, encoder.tokens(texts)))
    return (
        f"{len(texts)} transcripts {whose}, {tokens} tokens; transformers one text at a time, all hidden states.\n\n"
        f"{table(rows)}"
    )


def _texts() -> tuple[list[str], str]:
    if EMOSPEECH.is_dir():
        with (EMOSPEECH / "train.csv").open(encoding="utf-8") as file:
            texts = [row["transcription"] for row in csv.DictReader(file)]
        return texts[:TEXTS], "of EmoSPeech 2024"
    texts = [clip.transcription or "" for clip in demo_corpus()]
    return (texts * (1 + TEXTS // len(texts)))[:TEXTS], "of the demo corpus, again and again"
