"""`tmplan`: the entry point. stdout is data, stderr is narration, every refusal is one sentence.

Exit codes: 0 done; 1 no plan fits (or none is valid), what was found is still on stdout; 2 an input was refused;
130 interrupted. Typer is loaded only when there is something to parse, so that a bare `tmplan` opens at once.
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
OWN = ("themes", "config", "completion")  # about what is a person's own
COMMANDS = (
    *("open", "plan", "explain", "symbols", "why-not", "compare", "pareto", "timeline", "ranks"),
    *("scale", "sensitivity", "versus", "budget", "fit"),
    *("export", "import"),
    *("estimate", "validate", "calibrate", "refit"),
    *LISTS,
    *OWN,
)
PIECE = 1 << 20  # characters written to stdout at a time


def main(argv: Sequence[str] | None = None) -> None:
    """Run `tmplan` and end the process with its exit code."""
    hush()
    try:
        code = run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # a second one, while the first was answered
        code = INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # from here on ctrl+c ends the process without a word of Python's, and 130 as well
    sys.exit(code)


def hush() -> None:
    """Leave stderr to the sentences of tmplan: no warnings of Python's, and no traceback of a thread or of what is cleared away."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's would have a thread a core, for which a small limit has no room
    if os.environ.get("TMPLAN_TRACEBACK"):
        return
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None


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
        from tui.cli.unforeseen import told, traced

        if os.environ.get("TMPLAN_TRACEBACK"):
            for line in traced(error):
                narrate(line)
        return refuse(told(error))


def dispatch(argv: list[str]) -> Answer:
    """Hand the arguments to their command: what does not begin with one opens the program."""
    if not argv or argv == ["--fresh"]:
        return open_program(None, fresh=bool(argv))
    if len(argv) == 1 and argv[0] not in COMMANDS and os.path.isfile(argv[0]):  # without Typer, which takes longer than the first search
        from pathlib import Path

        from tui.cli.inputs import document_from

        return open_program(document_from(argv[0], {}), Path(argv[0]))
    if argv[0] in LISTS and (len(argv) == 1 or (len(argv) == 3 and argv[1] == "--format")):
        from tui.cli.presets import list_presets  # without Typer, whose parsing takes longer than the list

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
    """Open the terminal program on a document, or where the last session ended."""
    from tui.app.run import run as run_program

    run_program(document, path, fresh=fresh)
    return Answer()


def deliver(answer: Answer) -> int:
    """Write the data to stdout, all of it or with a sentence why not. What a terminal acts on stays out of it, wherever it came from."""
    if not answer.text and not answer.more:
        return answer.code
    if sys.stdout is None:
        return refuse("stdout is closed; there is nowhere to print to")
    text = answer.text if answer.text.endswith("\n") or not answer.text else answer.text + "\n"
    try:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # a terminal without box-drawing characters gets question marks, not a traceback
        stdout.write(sys.stdout, map(plain, chain((text[start : start + PIECE] for start in range(0, len(text), PIECE)), answer.more)))
    except BrokenPipeError:
        return leave_pipe()
    except KeyboardInterrupt:
        leave_pipe()  # or Python would go on to write what is left
        return INTERRUPTED
    except OSError as error:
        leave_pipe()
        return refuse(f"stdout cannot be written: {(error.strerror or 'input/output error').lower()}")
    return answer.ending() if answer.ending else answer.code


def leave_pipe() -> int:
    """Whoever read stdout has had enough, as `head` does: say nothing, and keep Python from saying anything when it ends."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass
    return DONE


def refuse(said: str) -> int:
    """Say on stderr, in one line, what was wrong."""
    narrate(f"tmplan: {sentence(said)}")
    return REFUSED


if __name__ == "__main__":
    main()
