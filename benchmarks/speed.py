"""How fast emovoz is: each case a ratio against a baseline in the same run (`make bench`).

Run: python benchmarks/speed.py [CASE ...]     all cases by default; --list names them
Takes the audio of `../shared/data/spanish-elicited` where it is beside the project, else the built-in demo corpus.
Writes what it measured into benchmarks/RESULTS.md, a heading for each case.
"""

import argparse
import importlib
import pkgutil
import sys

import cases
from record import machine, write_section


def main() -> None:
    """Run the cases that are named, one after the other."""
    known = [module.name for module in pkgutil.iter_modules(cases.__path__)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", choices=[*known, []])
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    given = parser.parse_args()
    if given.list:
        print("\n".join(known))
        return
    failed = []
    for name in given.case or known:
        case = importlib.import_module(f"cases.{name}")
        print(f"{name}: {case.TITLE} ...", file=sys.stderr, flush=True)
        try:
            text = case.measured()
        except Exception as error:
            # the others are measured all the same
            failed.append(f"{name}: {type(error).__name__}: {error}")
            continue
        write_section(f"## Speed: {case.TITLE}", f"{machine()}\n\n{text}")
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
