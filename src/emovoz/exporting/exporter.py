"""export: a recogniser in, a folder of ONNX graphs out."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from emovoz.corpus import Clip, demo_corpus
from emovoz.encoders import SpeechEncoder, TextEncoder
from emovoz.errors import InputError
from emovoz.exported import ExportedRecognizer
from emovoz.exported.card import CARD, TOKENIZER, Card, NgramsCard, SpeechCard, TextCard, may_be_replaced
from emovoz.exporting import speech, text
from emovoz.exporting.head import HeadGraph, example_inputs
from emovoz.exporting.onnx_file import Port, check_tools, quantise, write_graph
from emovoz.features.branch import Branch
from emovoz.files import check_folder, clear_leftovers, folder_in_making, put_in_place
from emovoz.inference import Recognizer
from emovoz.progress import say

LONGEST_SECONDS = 600.0
RELATED_SECONDS = 100.0
"""The longest recording of a head that relates its frames to each other: torch does so within pieces of this length."""
TOLERANCE = 1e-3
"""Between the probabilities of the model and of its export, where it is not quantised."""

_BATCH, _FRAMES = "batch", "frames"
_SAMPLES = (
    Port("waveform", (_BATCH, "samples"), "float32 samples of one channel, from -1 to 1"),
    Port("waveform_mask", (_BATCH, "samples"), "bool, true up to the clip's end"),
)
_TOKENS = (
    Port("input_ids", (_BATCH, "tokens"), "int64 tokens of tokenizer.json"),
    Port("attention_mask", (_BATCH, "tokens"), "int64, 1 up to the text's end, then 0"),
)


def export(recognizer: Recognizer, directory: str | Path, *, quantize: bool = False) -> ExportedRecognizer:
    """Write a recogniser as ONNX graphs with all that is needed to predict; whole or not at all.

    What is written is first asked, as is the recogniser, about clips of the demo corpus, and is an error where their
    probabilities differ by more than 1e-3 (int8 is let be, and the difference told).

    Args:
        recognizer: trained.
        directory: of the export; an earlier one there is replaced.
        quantize: whether the weights of the encoders' matrix products are made int8.

    Raises:
        InputError: a recogniser that cannot be exported, each reason; or a folder that holds something else.

    >>> recognizer = Recognizer.from_pretrained(model)
    >>> exported = export(recognizer, f"{model}-exported")
    >>> exported.predict(recording)[0].label == recognizer.predict(recording)[0].label
    True
    """
    target = Path(directory).resolve()
    check_export_directory(target)
    check_tools()
    faults = [*_without_graph(recognizer), *_elsewhere(recognizer)]
    if faults:
        raise InputError(faults)
    with folder_in_making(target) as scratch:
        _write(recognizer, scratch, quantize)
        _compare(recognizer, ExportedRecognizer.from_pretrained(scratch), exact=not quantize)
        scratch.chmod(0o755)
        put_in_place(scratch, target)
    return ExportedRecognizer.from_pretrained(target)


def check_export_directory(target: Path) -> None:
    """Raise InputError unless an export may be written there: nothing, an empty folder, or an earlier export."""
    check_folder(target.parent)
    clear_leftovers(target)
    if target.is_dir() and any(target.iterdir()) and not may_be_replaced(target):
        raise InputError(f"{target}: holds something that is no export; choose another folder for the export")
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: is a file; choose a folder for the export")


def _without_graph(recognizer: Recognizer) -> Iterator[str]:
    """Why a recogniser cannot be exported."""
    for name, branch in recognizer.encoders.branches.items():
        encoder = branch.encoder
        reason = None
        if branch.lora is not None:
            reason = "its last layers are tuned with the head, which no graph does"
        elif isinstance(encoder, SpeechEncoder):
            reason = speech.without_graph(encoder)
        elif isinstance(encoder, TextEncoder):
            reason = text.without_graph(encoder)
        if reason:
            yield f"{branch.model} cannot be exported as the encoder of {name}: {reason}; predict with the model itself"


def _elsewhere(recognizer: Recognizer) -> Iterator[str]:
    """Why graphs cannot be made of encoders where they are."""
    for name, branch in recognizer.encoders.branches.items():
        encoder: Any = branch.encoder
        device, precision = getattr(encoder, "device", None), getattr(encoder, "multiplies_in", "float32")
        if (device is not None and device.type != "cpu") or precision != "float32":
            yield (
                f"the encoder of {name} is on {device}, in {precision}; graphs are made on the processor in float32: "
                "set EMOVOZ_DEVICE=cpu EMOVOZ_PRECISION=float32"
            )


def _write(recognizer: Recognizer, folder: Path, quantize: bool) -> None:
    from emovoz import __version__

    branches = recognizer.encoders.branches
    facts = {"emovoz": __version__, "model": recognizer.name}
    if "speech" in branches:
        _write_speech(branches["speech"], folder / "speech.onnx", facts)
    if "text" in branches:
        _write_text(branches["text"], folder, facts)
    if quantize:
        for name in ("speech", "text"):
            if name in branches and branches[name].layers != (0,):
                quantise(folder / f"{name}.onnx")
    _write_head(recognizer, folder / "head.onnx", facts)
    config = recognizer.head.config
    relates = config.sequence != "none" or config.fusion == "cross_attention"
    card = Card(
        emovoz=__version__,
        model=recognizer.name,
        labels=recognizer.labels,
        temperature=recognizer.temperature,
        thresholds=recognizer.thresholds,
        quantised=quantize,
        longest_seconds=RELATED_SECONDS if relates else LONGEST_SECONDS,
        speech=_speech_card(branches["speech"]) if "speech" in branches else None,
        text=_text_card(branches["text"]) if "text" in branches else None,
        ngrams=_ngrams_card(recognizer) if "ngrams" in branches else None,
        files={file.name: _told(file) for file in sorted(folder.iterdir())},
    )
    (folder / CARD).write_text(card.to_json(), encoding="utf-8")


def _write_speech(branch: Branch, file: Path, facts: Mapping[str, str]) -> None:
    encoder: Any = branch.encoder
    ports = (
        Port(
            "speech",
            (_BATCH, "layer", _FRAMES, "dim"),
            f"float32 hidden states {_listed(branch.layers)} of {branch.model}, zero behind the clip's end",
        ),
        Port("speech_mask", (_BATCH, _FRAMES), "bool, true where a frame is real"),
    )
    more = {
        "sample_rate": f"{encoder.sample_rate} Hz",
        "frame_rate": f"{encoder.frame_rate:g} Hz",
        "longest": f"{encoder.window_frames / encoder.frame_rate:g} s at once; longer clips in overlapping windows",
    }
    samples = torch.linspace(-0.5, 0.5, encoder.sample_rate + 1).repeat(2, 1)
    inputs = {"waveform": samples, "waveform_mask": torch.ones(samples.shape, dtype=torch.bool)}
    write_graph(speech.graph_of(encoder, branch.layers), file, inputs, _SAMPLES, ports, {**facts, **more})


def _write_text(branch: Branch, folder: Path, facts: Mapping[str, str]) -> None:
    encoder: Any = branch.encoder
    ports = (
        Port(
            "text",
            (_BATCH, "layer", "tokens", "dim"),
            f"float32 hidden states {_listed(branch.layers)} of {branch.model}, zero behind the text's end",
        ),
        Port("text_mask", (_BATCH, "tokens"), "bool, true where a token is real"),
    )
    more = {"prefix": encoder.prefix, "longest": f"{encoder.longest} tokens"}
    ids = torch.tensor(encoder.tokens(["no"])[0][:1]).repeat(2, 9)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    graph = text.TextGraph(encoder, branch.layers).eval()
    write_graph(graph, folder / "text.onnx", inputs, _TOKENS, ports, {**facts, **more})
    encoder.tokenizer.save(str(folder / TOKENIZER))


def _write_head(recognizer: Recognizer, file: Path, facts: Mapping[str, str]) -> None:
    graph = HeadGraph(recognizer.head, recognizer.encoders, recognizer.temperature).eval()
    speech_branch = recognizer.encoders.branches.get("speech")
    inputs = example_inputs(recognizer.head, 1 if speech_branch is None else speech_branch.stride)
    about = {
        "speech": "hidden states as speech.onnx gives them",
        "text": "hidden states as text.onnx gives them",
        "ngrams": "term frequencies of the words, one frame (emovoz.term_frequencies)",
    }
    ports = []
    for name in recognizer.encoders.branches:
        axes = (_BATCH, "layer", f"{name}_frames", "dim")
        fixed = ("layer", "dim", "ngrams_frames")
        ports.append(Port(name, axes, f"float32 {about[name]}; at least one frame", fixed))
        mask = f"bool, true where a frame is real; nowhere in a clip without {name}"
        ports.append(Port(f"{name}_mask", (_BATCH, f"{name}_frames"), mask, fixed))
    outputs = (
        Port("logits", (_BATCH, "label"), "float32"),
        Port("probabilities", (_BATCH, "label"), "float32 softmax of the logits divided by the temperature"),
    )
    more = {"labels": ", ".join(recognizer.labels), "temperature": str(recognizer.temperature or 1.0)}
    write_graph(graph, file, inputs, ports, outputs, {**facts, **more})


def _speech_card(branch: Branch) -> SpeechCard:
    encoder: Any = branch.encoder
    return SpeechCard(
        model=branch.model,
        fingerprint=encoder.fingerprint,
        layers=branch.layers,
        dim=encoder.dim,
        sample_rate=encoder.sample_rate,
        frame_rate=encoder.frame_rate,
        window_frames=encoder.window_frames,
        overlap_frames=encoder.overlap_frames,
        fewest_samples=getattr(encoder, "fewest_samples", 0),
        stride=branch.stride,
    )


def _text_card(branch: Branch) -> TextCard:
    encoder: Any = branch.encoder
    return TextCard(
        model=branch.model,
        fingerprint=encoder.fingerprint,
        layers=branch.layers,
        dim=encoder.dim,
        prefix=encoder.prefix,
        longest=encoder.longest,
        truncation_side=encoder.tokenizer.truncation["direction"],
        stand_in=encoder.stand_in,
    )


def _ngrams_card(recognizer: Recognizer) -> NgramsCard:
    settings = recognizer.recipe.ngrams
    assert settings is not None
    return NgramsCard(settings.characters, settings.words, settings.buckets)


def _told(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}


def _compare(recognizer: Recognizer, exported: ExportedRecognizer, *, exact: bool) -> None:
    """Ask both about the same clips.

    Raises:
        RuntimeError: an exact export that does not say what the model says.
    """
    clips = demo_corpus().clips[::17]
    # one clip without words, one without audio
    asked = [*clips, Clip("mute", transcription=clips[0].transcription), Clip("wordless", clips[0].audio)]
    theirs, ours = recognizer.predict(asked), exported.predict(asked)
    judged = [(one, other) for one, other in zip(theirs, ours, strict=True) if one.error is None is other.error]
    gaps = [abs(one.scores[label] - other.scores[label]) for one, other in judged for label in recognizer.labels]
    largest = max(gaps, default=math.inf)
    same = [one.error for one in theirs] == [other.error for other in ours]
    if exact and (largest > TOLERANCE or not same):
        raise RuntimeError(f"the export differs from the model by {largest:.2g} in a probability; nothing was written")
    say(f"largest difference to the model in a probability: {largest:.1g}, on {len(judged)} clips")


def _listed(layers: tuple[int, ...]) -> str:
    return ", ".join(map(str, layers))
