"""List the licence of every package that is installed, and mark those that ask something of what is built on them.

Run: make licences    ends with code 1 where a package tells no licence
"""

import json
import re
import subprocess
import sys

COPYLEFT = re.compile(r"\b[AL]?GPL|General Public|Mozilla|\bMPL|\bEPL|\bCDDL|\bEUPL", re.IGNORECASE)
RESEARCH = re.compile(r"research|non-?commercial|audeering|proprietary", re.IGNORECASE)
# of these the licence is told in a file of theirs alone
KNOWN = {"opensmile": "audEERING Research License (research, teaching and private use only)"}


def main() -> None:
    """Print the table."""
    command = [sys.argv[1], "--python", sys.executable, "--from", "mixed", "--format", "json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    rows = [(one["Name"], one["Version"], KNOWN.get(one["Name"].lower(), one["License"])) for one in told]
    for name, version, licence in rows:
        print(f"{name:40} {version:20} {_marked(licence)}")
    unknown = [name for name, _, licence in rows if licence.upper() == "UNKNOWN" and name != "emovoz"]
    if unknown:
        sys.exit(f"no licence told by: {', '.join(unknown)}")


def _marked(licence: str) -> str:
    short = " ".join(licence.split())[:80]
    if RESEARCH.search(licence):
        return f"{short}   <- research only"
    return f"{short}   <- copyleft" if COPYLEFT.search(licence) else short


if __name__ == "__main__":
    main()
