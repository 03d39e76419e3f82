"""The program: which command line runs, and how it ends."""

import io
import os
import sys
from typing import Any

from emovoz import processes
from emovoz.errors import InputError, printable
from emovoz.files import FULL
from emovoz.progress import show_progress


def main() -> None:
    """Run the command line; what the user can mend ends with code 2 and a sentence, all else with code 1."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    # advice of libraries about themselves is not for the user of this program
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for stream in (sys.stdout, sys.stderr):
        # a file name that is no valid text must not end a run
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if not _takes_part(arguments):
            return
        code = _run(arguments)
        sys.stdout.flush()
    except InputError as error:
        _fail(error, debug, 2, error.faults)
    except BrokenPipeError:
        _end_unread()
    except SystemExit as end:
        # typer catches a closed pipe first and makes a failure of it
        if isinstance(end.__context__, BrokenPipeError):
            _end_unread()
        raise
    except KeyboardInterrupt as error:
        _fail(error, debug, 130, ["stopped"])
    except OSError as error:
        if error.filename is None and error.errno in FULL:
            _fail(error, debug, 2, [f"the output cannot be written: {FULL[error.errno]}"])
        if error.filename is None:
            _fail(error, debug, 1, [f"emovoz failed: {error}", "run again with --debug for details"])
        _fail(error, debug, 2, [f"{error.filename}: cannot be read or written ({error.strerror})"])
    except Exception as error:
        if type(error).__name__ == "Abort":  # typer's word for Ctrl-C
            _fail(None, debug, 130, ["stopped"])
        if hasattr(error, "format_message"):
            _fail(error, debug, 2, [error.format_message()])
        _fail(
            error, debug, 1, [f"emovoz failed: {type(error).__name__}: {error}", "run again with --debug for details"]
        )
    sys.exit(code or 0)


def _takes_part(arguments: list[str]) -> bool:
    """Whether this process has something to do: of several that a launcher has started, all train, and one speaks."""
    own, count = processes.started_as()
    if count > 1 and arguments[:1] == ["train"]:
        processes.join()
    else:
        processes.leave()
    if own == 0:
        show_progress()
    else:
        # results are printed once
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return own == 0 or processes.count() > 1


def _run(arguments: list[str]) -> int | None:
    """The exit code of a verb; prediction by an export runs where nothing but its few libraries is installed."""
    if arguments[:1] == ["predict"]:
        from emovoz.exported.command import predict

        code = predict(arguments[1:])
        if code is not None:
            return code
    try:
        from emovoz.cli import app
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        raise InputError(
            "without typer there is only: emovoz predict EXPORT INPUT..., by a folder that emovoz export has written; "
            "for all else: pip install emovoz"
        ) from error
    return app(arguments, standalone_mode=False)


def _end_unread() -> None:
    """Whoever read the output has had enough; what Python would still flush goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(0)


def _fail(error: BaseException | None, debug: bool, code: int, sentences: Any) -> None:
    first, code = processes.fails_first(code)
    if debug and error is not None:
        raise error
    for sentence in sentences if first else ():
        print(printable(str(sentence)), file=sys.stderr)
    sys.exit(code)
