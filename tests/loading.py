"""A process that loads models one after the other, and says what came of each: run with their folders on stdin.

For each it prints its largest memory so far, in megabytes, and `loaded`, `refused REASON` or `failed ERROR`.
"""

import resource
import sys
from pathlib import Path

MOST_BYTES = 16 << 30
"""Of addresses: it ends here and not the machine, where a model asks for all there is."""


def main() -> None:
    from emovoz import InputError, Recognizer

    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for name in sys.stdin:
        try:
            Recognizer.from_pretrained(Path(name.rstrip("\n")))
            told = "loaded ."
        except InputError as error:
            told = f"refused {error}"
        except BaseException as error:
            told = f"failed {type(error).__name__}: {error}"
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{megabytes:.0f} {' '.join(told.split())}", flush=True)


if __name__ == "__main__":
    main()
