"""`tmplan`: the entry point. stdout is data, stderr is narration, every refusal is one sentence.

Exit codes: 0 done; 1 no plan fits (or none is valid), what was found is still on stdout; 2 an input was refused;
130 interrupted. Typer is loaded only when there is something to parse, so that a bare `tmplan` opens at once.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.errors import TmplanError, UnknownName, fault

if TYPE_CHECKING:
    from pathlib import Path

    from planner.planfile import Document

LISTS = ("models", "gpus", "clusters", "stacks")
OWN = ("themes", "config", "completion")  # about what is a person's own
COMMANDS = (
    *("open", "plan", "explain", "symbols", "why-not", "compare", "pareto", "timeline", "ranks"),
    *("scale", "sensitivity", "versus", "budget", "fit"),
    *("export", "import"),
    *("estimate", "validate", "calibrate", "refit"),
    *LISTS,
    *OWN,
)
DONE, NO_PLAN, REFUSED, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Answer:
    """What a command gives back: the text for stdout, and the exit code."""

    text: str = ""
    code: int = DONE


def main(argv: Sequence[str] | None = None) -> None:
    """Run `tmplan` and end the process with its exit code."""
    code = run(list(sys.argv[1:] if argv is None else argv))
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Run one command line; the exit code. No exception leaves it but SystemExit."""
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
        if hasattr(error, "format_message"):  # Typer's own refusals: an unknown option, a missing value
            return refuse(error.format_message())
        if os.environ.get("TMPLAN_TRACEBACK"):
            raise
        return refuse(f"{fault(error)} (TMPLAN_TRACEBACK=1 shows where)")


def dispatch(argv: list[str]) -> Answer:
    """Hand the arguments to their command: what does not begin with one opens the program."""
    if not argv or argv == ["--fresh"]:
        return open_program(None, fresh=bool(argv))
    if len(argv) == 1 and argv[0] not in COMMANDS and os.path.isfile(argv[0]):  # without Typer, which takes longer than the first search
        from pathlib import Path

        from tui.cli_inputs import document_from

        return open_program(document_from(argv[0], {}), Path(argv[0]))
    if argv[0] in LISTS and (len(argv) == 1 or (len(argv) == 3 and argv[1] == "--format")):
        from tui.cli_presets import list_presets  # without Typer, whose parsing takes longer than the list

        return list_presets(argv[0], argv[2] if len(argv) == 3 else "table")
    if argv[:2] == ["completion", "names"] and len(argv) == 3:
        from planner import presets  # without Typer: a shell waits for it

        return Answer("\n".join(presets.names(argv[2])))
    from tui.cli_app import call

    if argv[0] in COMMANDS or argv[0] in ("--help", "--version"):
        return call(argv)
    word = argv[0]
    if not word.startswith("-") and "." not in word and os.sep not in word and not os.path.exists(word):
        raise UnknownName("command or file", word, COMMANDS)
    return call(["open", *argv])


def open_program(document: Document | None, path: Path | None = None, *, fresh: bool = False) -> Answer:
    """Open the terminal program on a document, or where the last session ended."""
    from tui.app import run as run_program

    run_program(document, path, fresh=fresh)
    return Answer()


def deliver(answer: Answer) -> int:
    """Write the data to stdout, all of it or with a sentence why not."""
    if not answer.text:
        return answer.code
    if sys.stdout is None:
        return refuse("stdout is closed; there is nowhere to print to")
    try:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # a terminal without box-drawing characters gets question marks, not a traceback
        sys.stdout.write(answer.text if answer.text.endswith("\n") else answer.text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return leave_pipe()
    except OSError as error:
        leave_pipe()
        return refuse(f"stdout cannot be written: {(error.strerror or 'input/output error').lower()}")
    return answer.code


def leave_pipe() -> int:
    """Whoever read stdout has had enough, as `head` does: say nothing, and keep Python from saying anything when it ends."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass
    return DONE


def refuse(sentence: str) -> int:
    """Say on stderr, in one line, what was wrong."""
    narrate(f"tmplan: {' '.join(sentence.split())}")
    return REFUSED


def narrate(line: str) -> None:
    """One line for the person, on stderr; lost without complaint where stderr is closed."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(line.encode("utf-8", "replace").decode("utf-8") + "\n")
        sys.stderr.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EBADF):
            raise


if __name__ == "__main__":
    main()
