"""Prediction by processes of a real Ray."""

from pathlib import Path

import fsspec
import pytest

from emovoz import Corpus, InputError
from emovoz.cli import app
from emovoz.inference.inputs import clips_of
from emovoz.remote import listing, read, write
from emovoz.scale.predict_verb import run
from helpers import emovoz, emovoz_from_nothing, json_lines


@pytest.fixture(scope="module")
def recordings(demo: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty recordings, words beside one of them, and one that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    for clip in demo.clips[:20]:
        assert isinstance(clip.audio, Path)
        (folder / clip.audio.name).write_bytes(clip.audio.read_bytes())
    (folder / Path(demo.clips[0].id).with_suffix(".txt").name).write_text("qué alegría")
    (folder / "broken.wav").write_bytes(b"no audio")
    return folder


@pytest.fixture(scope="module")
def local(untrained_model: Path, recordings: Path) -> str:
    """What one process prints."""
    done = emovoz("predict", str(untrained_model), str(recordings), "--batch-size", "4")
    assert done.returncode == 2, done.stderr
    return done.stdout


def test_the_lines_are_those_of_one_process(
    untrained_model: Path, recordings: Path, local: str, ray_address: str
) -> None:
    done = emovoz_from_nothing(
        *("predict", str(untrained_model), str(recordings), "--batch-size", "4", "--engine", "ray", "--workers", "2")
    )
    assert (done.returncode, done.stdout) == (2, local), done.stderr
    assert len(json_lines(local)) == 21


def test_all_of_it_on_s3_and_nothing_judged_twice(
    untrained_model: Path,
    recordings: Path,
    local: str,
    bucket: str,
    ray_address: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for path in untrained_model.rglob("*"):
        if path.is_file():
            write(f"{bucket}/models/untrained/{path.relative_to(untrained_model).as_posix()}", path.read_bytes())
    for path in recordings.iterdir():
        write(f"{bucket}/recordings/{path.name}", path.read_bytes())
    asked = (f"{bucket}/models/untrained", f"{bucket}/recordings", f"{bucket}/answers")
    assert predicted(*asked) == 2
    assert capsys.readouterr().out == ""
    assert read(f"{bucket}/answers/predictions.jsonl").decode() == local
    parts = listing(f"{bucket}/answers/parts")
    lost = next(iter(parts))
    # as if the run had been stopped before it was there
    fsspec.filesystem("s3").rm(f"corpus/answers/parts/{lost}")
    assert predicted(*asked) == 2
    assert read(f"{bucket}/answers/predictions.jsonl").decode() == local
    after = listing(f"{bucket}/answers/parts")
    assert after.keys() == parts.keys()
    # of the batch with the file that is no audio, nobody knows before it is read
    assert sum(after[name].state != parts[name].state for name in parts) <= 2


def test_what_makes_no_sense_with_it_is_refused() -> None:
    with pytest.raises(InputError, match="no --timeline, --stdin or --adapt-speaker"):
        app(["predict", "model", "a.wav", "--engine", "ray", "--timeline"], standalone_mode=False)


def predicted(model: str, folder: str, out: str) -> int:
    """The exit code of a prediction of a folder."""
    return run(model, clips_of(folder), "jsonl", out, 1, 4, {}, None)
