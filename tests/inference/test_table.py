"""A folder's predictions as a table."""

from pathlib import Path

import pytest

from emovoz import InputError, Recognizer


def test_it_has_a_row_for_each_file_and_the_columns_of_the_command_line(
    untrained: Recognizer, recordings: Path, tmp_path: Path
) -> None:
    for path in recordings.iterdir():
        (tmp_path / path.name).symlink_to(path)
    first, second = sorted(path.name for path in recordings.iterdir())
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / Path(first).with_suffix(".txt")).write_text("hola casa")
    table = untrained.predict_folder(tmp_path)
    assert list(table["id"]) == ["a.wav", first, second]
    scores = [f"score_{label}" for label in untrained.labels]
    assert list(table.columns) == ["id", "label", "seconds", "transcription", "modalities", "error", *scores]
    assert table["error"].notna().tolist() == [True, False, False]
    assert table["modalities"].tolist() == ["", "speech+text", "speech"]
    assert table[scores].sum(axis=1).tolist()[1:] == pytest.approx([1, 1])
    table.to_csv(tmp_path / "table.csv", index=False)
    assert (tmp_path / "table.csv").read_text().startswith("id,label,seconds,")


def test_what_is_no_folder_is_refused(untrained: Recognizer, recordings: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        untrained.predict_folder(next(recordings.iterdir()))
