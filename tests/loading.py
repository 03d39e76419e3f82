"""A process that loads models and exports one after the other, and says what came of each: their folders are on stdin.

For each it prints its largest memory so far, in megabytes, and `loaded`, `refused REASON` or `failed ERROR`.
"""

import resource
import sys
from pathlib import Path

from peak import peak_megabytes

MOST_BYTES = 16 << 30
"""Of addresses: it ends here and not the machine, where a model asks for all there is."""


def main() -> None:
    from emovoz import Clip, ExportedRecognizer, InputError, Recognizer

    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for name in sys.stdin:
        try:
            folder = Path(name.rstrip("\n"))
            if (folder / "export.json").is_file():
                # its graphs are loaded by the first clip
                ExportedRecognizer.from_pretrained(folder).predict(Clip("a", transcription="hola"))
            else:
                Recognizer.from_pretrained(folder)
            told = "loaded ."
        except InputError as error:
            told = f"refused {error}"
        except BaseException as error:
            told = f"failed {type(error).__name__}: {error}"
        megabytes = peak_megabytes()
        print(f"{megabytes:.0f} {' '.join(told.split())}", flush=True)


if __name__ == "__main__":
    main()
