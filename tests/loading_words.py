"""A process that loads recognisers of words one after the other and has them hear a clip; their folders are on stdin.

For each it prints its largest memory so far, in megabytes, and `heard`, `refused REASON` or `failed ERROR`.
"""

from pathlib import Path

from one_by_one import answer_each, limit_addresses


def main() -> None:
    from emovoz import InputError
    from emovoz.corpus import demo_corpus, load_audio
    from emovoz.transcription import Transcriber

    audio = demo_corpus().clips[0].audio
    assert audio is not None
    samples = load_audio(audio)

    def heard(folder: Path) -> str:
        Transcriber.load(str(folder), "es")(samples)
        return "heard ."

    limit_addresses()
    answer_each(heard, InputError)


if __name__ == "__main__":
    main()
