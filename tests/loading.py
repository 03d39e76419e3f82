"""A process that loads models and exports one after the other, and says what came of each: their folders are on stdin.

For each it prints its largest memory so far, in megabytes, and `loaded`, `refused REASON` or `failed ERROR`.
"""

from pathlib import Path

from one_by_one import answer_each, limit_addresses


def main() -> None:
    from emovoz import Clip, ExportedRecognizer, InputError, Recognizer

    def loaded(folder: Path) -> str:
        if (folder / "export.json").is_file():
            # its graphs are loaded by the first clip
            ExportedRecognizer.from_pretrained(folder).predict(Clip("a", transcription="hola"))
        else:
            Recognizer.from_pretrained(folder)
        return "loaded ."

    limit_addresses()
    answer_each(loaded, InputError)


if __name__ == "__main__":
    main()
