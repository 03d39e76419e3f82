"""A process that loads recognisers of words one after the other and has them hear a clip; their folders are on stdin.

For each it prints its largest memory so far, in megabytes, and `heard`, `refused REASON` or `failed ERROR`.
"""

import resource
import sys

from peak import peak_megabytes

MOST_BYTES = 16 << 30
"""Of addresses: it ends here and not the machine, where a model asks for all there is."""


def main() -> None:
    from emovoz import InputError
    from emovoz.corpus import demo_corpus, load_audio
    from emovoz.transcription import Transcriber

    audio = demo_corpus().clips[0].audio
    assert audio is not None
    samples = load_audio(audio)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for name in sys.stdin:
        try:
            Transcriber.load(name.rstrip("\n"), "es")(samples)
            told = "heard ."
        except InputError as error:
            told = f"refused {error}"
        except BaseException as error:
            told = f"failed {type(error).__name__}: {error}"
        megabytes = peak_megabytes()
        print(f"{megabytes:.0f} {' '.join(told.split())}", flush=True)


if __name__ == "__main__":
    main()
