"""Fixtures shared by all tests, doctests included: real encoders, tiny ones of the same classes, a trained model."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from filelock import FileLock

from clusters import ray_here, s3_bucket
from emovoz import Clip, Corpus, ExportedRecognizer, Recipe, Recognizer, SpeechEncoder, TextEncoder
from emovoz.corpus import demo_corpus, load_audio
from faults_tried import SOAK
from helpers import emovoz, write_manifest
from served import Served, started
from warm import Warm

LONGEST = (
    "exporting/test_export",
    "scale/test_submit",
    "training/test_processes",
    "scale/test_ray_extract",
    "faults/test_disk",
    "training/test_resume",
    "faults/test_kills",
    "faults/test_determinism",
    "encoders/test_families",
    "scale/test_object_store",
    "faults/test_flips",
    "training/test_train",
    "training/test_fitting",
    "test_cli",
    "test_cli_timeline",
    "exporting/test_graphs",
    "scale/test_ray_predict",
    "test_published_runs",
    "inference/test_recognizer",
    "serve/test_web_page",
    "serve/test_limits",
    "faults/test_hostile_labels",
    "test_readme",
    "training/test_lora",
)
"""Files of tests that take longest. They begin first, so that no core is without work at the end."""


OF_THE_SOAK = (
    "test_on_real_clips_the_embedded_encoders_are_within_a_thousandth",
    "test_heads_fitted_by_gradient_are_exported_too[bsc-upc-3]",
    "gives_it_alone[wav2vec 2.0 base]",
    "gives_it_alone[MMS]",
    "gives_it_alone[data2vec-audio]",
    "gives_it_alone[HuBERT base]",
    "test_a_cross_validation_in_parts_is_the_whole_one",
    "test_a_full_disk_is_told_and_what_was_there_is_kept[crossval]",
    "test_a_full_disk_is_told_and_what_was_there_is_kept[predict]",
    "test_a_limit_on_the_size_of_files[crossval]",
    "test_the_same_again_gives_the_same_bytes[sequences]",
    "test_the_service_and_its_page_show_them_as_text",
    "test_an_export_replaces_an_earlier_one_and_nothing_else",
    "test_heads_fitted_by_gradient_are_exported_too[spectrogram]",
    "test_a_run_that_is_killed_is_gone_on_with",
    "test_the_lines_are_those_of_one_process",
    "test_a_published_run_trains_and_predicts[bsc-upc-0]",
    "test_a_published_run_trains_and_predicts[bsc-upc-1]",
    "test_a_published_run_trains_and_predicts[bsc-upc-4]",
    "test_a_published_run_trains_and_predicts[bsc-upc-5]",
    "gives_it_alone[RoBERTa]",
    "gives_it_alone[XLM-RoBERTa]",
    "gives_it_alone[ELECTRA]",
    "test_a_published_run_trains_and_predicts[bsc-upc-2]",
    "test_the_head_decides_in_a_graph_as_in_torch[settings1]",
    "test_the_head_decides_in_a_graph_as_in_torch[settings3]",
    "test_the_baselines_train_save_and_predict[compare]",
    "test_a_training_that_slurm_stops_goes_on_and_gives_the_same_model",
    "test_a_recipe_trains_it_and_the_saved_model_says_the_same[resnet101]",
    "test_a_download_that_broke_off_goes_on_when_the_hub_is_back",
)
"""Tests that take long, beside others like them that `make test` runs: `make soak` runs these."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not SOAK and item.nodeid.endswith(OF_THE_SOAK):
            item.add_marker(pytest.mark.skip(reason="takes long: make soak runs it"))
    places = {f"tests/{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.split("::")[0], len(LONGEST)))


@pytest.fixture(scope="session")
def of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of the tests, in which the processes that share it make things once for all of them."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(of_this_run: Path) -> None:
    """Nothing of the user's cache is read or written."""
    os.environ["EMOVOZ_CACHE"] = str(of_this_run / "cache")


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What has been said on stderr so far, as on the command line."""
    monkeypatch.setattr("emovoz.progress._shown", True)
    return lambda: capsys.readouterr().err


@pytest.fixture(scope="session")
def demo() -> Corpus:
    return demo_corpus()


@pytest.fixture(scope="session")
def speech_samples(demo: Corpus) -> np.ndarray:
    """A minute of demo speech, one clip after the other: float32 [time] at 16 kHz."""
    clips = [load_audio(clip.audio) for clip in demo.clips[:36] if clip.audio is not None]
    return np.concatenate(clips)[: 60 * 16000]


@pytest.fixture(scope="session")
def whisper() -> SpeechEncoder:
    """Whisper base from the installed packages."""
    from emovoz.encoders import load_speech_encoder

    return load_speech_encoder("whisper-base")


@pytest.fixture(scope="session")
def e5() -> TextEncoder:
    """multilingual-e5-small from the installed package."""
    from emovoz.encoders import load_text_encoder

    return load_text_encoder("multilingual-e5-small")


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper of random weights, saved as the library saves it."""
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=64,
        vocab_size=50,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    directory = tmp_path_factory.mktemp("tiny-whisper")
    WhisperForConditionalGeneration(config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of random weights with a word tokenizer, saved as the library saves it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "qué", "alegría", "miedo", "no", "sí", "hola", "la", "casa"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    directory = tmp_path_factory.mktemp("tiny-bert")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=16,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(directory)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=16,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def quickstart(of_this_run: Path) -> Path:
    """What `emovoz quickstart` leaves: model, results and report."""
    out = of_this_run / "quickstart"
    with FileLock(of_this_run / "quickstart.lock"):
        if not (out / "printed.txt").is_file():
            done = emovoz("quickstart", "--out", str(out))
            assert done.returncode == 0, done.stderr
            (out / "printed.txt").write_text(done.stdout)
    return out


@pytest.fixture(scope="session")
def recognizer(quickstart: Path) -> Recognizer:
    """The model of quickstart."""
    return Recognizer.from_pretrained(quickstart / "model")


@pytest.fixture(scope="session")
def clips(demo: Corpus) -> list[Clip]:
    """Demo clips of voices that it has not learned from."""
    return list(demo.split("test"))


@pytest.fixture(scope="session")
def served(quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A process that serves it, with the limits of everyday."""
    with started(quickstart / "model", tmp_path_factory.mktemp("served")) as one:
        yield one


@pytest.fixture(scope="session")
def client(served: Served) -> Iterator[httpx.Client]:
    """Who asks it."""
    with served.client() as one:
        yield one


@pytest.fixture(scope="session")
def recordings(demo: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two demo clips."""
    folder = tmp_path_factory.mktemp("recordings")
    for clip in demo.split("test").clips[:2]:
        assert isinstance(clip.audio, Path)
        shutil.copy(clip.audio, folder)
    return folder


@pytest.fixture(scope="session")
def untrained(tiny_whisper: Path, tiny_bert: Path) -> Recognizer:
    """Of recipe default, on tiny encoders and means of three frames of speech."""
    from exports import recognizer_of, tiny

    changed = ("model.pooling=mean_quantiles", "features.stride=3", "ngrams.buckets=256")
    return recognizer_of("default", *tiny(tiny_whisper, tiny_bert), *changed)


@pytest.fixture(scope="session")
def untrained_model(untrained: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the same is saved in, to be read only; a recogniser is called by it from then on."""
    folder = tmp_path_factory.mktemp("models") / untrained.name
    untrained.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def exported(untrained: Recognizer, of_this_run: Path) -> ExportedRecognizer:
    """The same, exported."""
    from emovoz import export

    folder = of_this_run / "exported"
    with FileLock(of_this_run / "exported.lock"):
        return ExportedRecognizer.from_pretrained(folder) if folder.is_dir() else export(untrained, folder)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    one = Warm(tmp_path_factory.mktemp("warm") / "scratch")
    yield one
    one.close()


@pytest.fixture(scope="session")
def few_clips(tmp_path_factory: pytest.TempPathFactory, demo: Corpus) -> Path:
    """24 demo clips, one of each label of each of four voices."""
    rows = [
        {
            "id": clip.id,
            "audio": str(clip.audio),
            "label": clip.label or "",
            "speaker": clip.speaker or "",
            "transcription": clip.transcription or "",
        }
        for clip in demo.clips[:96:4]
    ]
    return write_manifest(tmp_path_factory.mktemp("faults") / "clips.csv", rows)


@pytest.fixture(scope="session")
def three_clips(few_clips: Path) -> Path:
    """The first three of them: a picture of a timeline takes its time."""
    fewer = few_clips.with_name("three.csv")
    fewer.write_text("".join(few_clips.read_text().splitlines(keepends=True)[:4]))
    return fewer


@pytest.fixture(scope="session")
def tiny_options(tiny_whisper: Path, tiny_bert: Path) -> list[str]:
    """Options that put tiny encoders into the place of a recipe's."""
    settings = [f"speech.model={tiny_whisper}", f"text.model={tiny_bert}", "speech.layers=all", "text.layers=all"]
    return [part for setting in settings for part in ("--set", setting)]


@pytest.fixture(scope="session")
def gradient(tiny_options: list[str]) -> list[str]:
    """Options of a recipe that is fitted by gradient within a second."""
    settings = ["model.hidden_width=16", "training.epochs=6", "training.batch_size=8"]
    return ["--recipe", "default-gradient", *tiny_options, *(part for one in settings for part in ("--set", one))]


@pytest.fixture(scope="session")
def small_model(warm: Warm, few_clips: Path, gradient: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of it, with the store that it was trained from beside it as `store`."""
    folder = tmp_path_factory.mktemp("small")
    model = folder / "model"
    done = warm.run("train", few_clips, "--audio-dir", "/", *gradient, "--store", folder / "store", "--out", model)
    assert done.code == 0, done.err
    return model


@pytest.fixture(scope="session")
def light_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of spectrograms, without an encoder."""
    from exports import recognizer_of

    folder = tmp_path_factory.mktemp("light") / "model"
    recognizer_of("speech", "speech.model=log-mel", "speech.layers=last").save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The URL of a bucket on a real S3 server."""
    with s3_bucket() as url:
        yield url


@pytest.fixture(scope="session")
def ray_address(bucket: str) -> Iterator[str]:
    """The address of a real Ray, which knows the S3 server."""
    with ray_here() as address:
        yield address


@pytest.fixture(scope="session")
def tiny_recipe(tiny_whisper: Path, tiny_bert: Path) -> Recipe:
    """Both modalities by tiny encoders."""
    from exports import tiny

    return Recipe.load("default", tiny(tiny_whisper, tiny_bert))


@pytest.fixture(autouse=True)
def _names_in_docstrings(request: pytest.FixtureRequest) -> None:
    """What examples in docstrings find: a saved `model`, a `recording`, a folder of `recordings`, and the `corpus`."""
    if isinstance(request.node, pytest.DoctestItem) and "model" in str(request.node.dtest.docstring):
        names = request.getfixturevalue("doctest_namespace")
        demo: Corpus = request.getfixturevalue("demo")
        names["corpus"] = demo
        names["recording"] = str(demo.split("test").clips[0].audio)
        names["recordings"] = str(request.getfixturevalue("recordings"))
        # an export takes as long as its encoders are deep
        light = "export(" in str(request.node.dtest.docstring)
        model = request.getfixturevalue("light_model" if light else "quickstart")
        names["model"] = str(model if light else model / "model")
