"""The entry point of `tmplan`. Data goes to stdout, messages to stderr; every refusal is one sentence.

Exit codes: 0 done; 1 no plan fits (or none is valid), results are still on stdout; 2 an input was refused; 130 interrupted.
Typer is imported only when there is something to parse, so that `tmplan` without arguments opens at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from planner.errors import TmplanError, UnknownName
from planner.plaintext import flat, plain, sentence
from tui.cli import stdout
from tui.cli.answer import DONE, INTERRUPTED, REFUSED, Answer, narrate

if TYPE_CHECKING:
    from pathlib import Path

    from planner.document.planfile import Document

LISTS = ("models", "gpus", "clusters", "stacks")
SETTINGS = ("themes", "config", "completion")
COMMANDS = (
    *("open", "plan", "explain", "symbols", "why-not", "compare", "pareto", "timeline", "ranks"),
    *("scale", "sensitivity", "versus", "budget", "fit", "verify"),
    *("export", "import"),
    *("estimate", "validate", "calibrate", "refit"),
    *LISTS,
    *SETTINGS,
)
PIECE = 1 << 20  # characters written to stdout at a time


def main(argv: Sequence[str] | None = None) -> None:
    """Run `tmplan` and end the process with its exit code."""
    hush()
    try:
        code = run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # a second one, while the first was being handled
        code = INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # from here on ctrl+c ends the process silently, also with 130
    sys.exit(code)


def hush() -> None:
    """Reserve stderr for tmplan's messages: no Python warnings, and no tracebacks of threads or finalizers."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one thread per core would exceed small process limits
    if os.environ.get("TMPLAN_TRACEBACK"):
        return
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None


def run(argv: list[str]) -> int:
    """Run one command line and return the exit code. Only SystemExit propagates."""
    try:
        answer = dispatch(argv)
        return deliver(answer)
    except TmplanError as error:
        return refuse(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return leave_pipe()
    except Exception as error:
        if hasattr(error, "format_message"):  # Typer's usage errors: an unknown option, a missing value
            return refuse(error.format_message())
        from tui.cli.unforeseen import message_for, traced

        if os.environ.get("TMPLAN_TRACEBACK"):
            for line in traced(error):
                narrate(line)
        return refuse(message_for(error))


def dispatch(argv: list[str]) -> Answer:
    """Run the command that the arguments name; arguments without a command open the program."""
    if not argv or argv == ["--fresh"]:
        return open_program(None, fresh=bool(argv))
    if (
        len(argv) == 1 and argv[0] not in COMMANDS and os.path.isfile(argv[0])
    ):  # without Typer, whose import takes longer than the first search
        from pathlib import Path

        from tui.cli.inputs import document_from

        return open_program(document_from(argv[0], {}), Path(argv[0]))
    if argv[0] in LISTS and (len(argv) == 1 or (len(argv) == 3 and argv[1] == "--format")):
        from tui.cli.presets import list_presets  # without Typer, whose parsing takes longer than the listing

        return list_presets(argv[0], argv[2] if len(argv) == 3 else "table")
    if argv[:2] == ["completion", "names"] and len(argv) == 3:
        from planner import presets  # without Typer: a shell waits for it

        return Answer("\n".join(map(flat, presets.names(argv[2]))))
    from tui.cli.app import call

    if argv[0] in COMMANDS or argv[0] in ("--help", "--version"):
        return call(argv)
    word = argv[0]
    if not word.startswith("-") and "." not in word and os.sep not in word and not os.path.lexists(word):
        raise UnknownName("command or file", word, COMMANDS)
    return call(["open", *argv])


def open_program(document: Document | None, path: Path | None = None, *, fresh: bool = False) -> Answer:
    """Open the terminal program on a document, or on the last session."""
    from tui.app.run import run as run_program

    run_program(document, path, fresh=fresh)
    return Answer()


def deliver(answer: Answer) -> int:
    """Write the data to stdout completely, or report why not. Control characters are removed, whatever their source."""
    if not answer.text and not answer.more:
        return answer.code
    if sys.stdout is None:
        return refuse("stdout is closed, so the output cannot be printed")
    text = answer.text if answer.text.endswith("\n") or not answer.text else answer.text + "\n"
    try:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # a terminal without box-drawing characters gets question marks, not a traceback
        stdout.write(sys.stdout, map(plain, chain((text[start : start + PIECE] for start in range(0, len(text), PIECE)), answer.more)))
    except BrokenPipeError:
        return leave_pipe()
    except KeyboardInterrupt:
        leave_pipe()  # otherwise Python would write the rest on exit
        return INTERRUPTED
    except OSError as error:
        leave_pipe()
        return refuse(f"stdout cannot be written: {(error.strerror or 'input/output error').lower()}")
    return answer.ending() if answer.ending else answer.code


def leave_pipe() -> int:
    """The reader of stdout has closed it, as `head` does: end silently, without an error of Python's at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass
    return DONE


def refuse(message: str) -> int:
    """Print on stderr, in one line, what is wrong; returns the exit code."""
    narrate(f"tmplan: {sentence(message)}")
    return REFUSED


if __name__ == "__main__":
    main()
