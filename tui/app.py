"""run: open the terminal program on a document. The first search starts before Textual is imported, and both go on at once."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import TmplanError
from planner.presetfolders import troubles
from tui import bindings, config
from tui.session import Session, State, take

if TYPE_CHECKING:
    from planner.planfile import Document

# Textual reads these when imported. Kitty's key reports would outlive a dropped SSH session.
SETTINGS = {"TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0", "TEXTUAL_DISABLE_KITTY_KEY": "1"}


def check_terminal(path: Path | None = None) -> None:
    """Refuse, in a sentence that names the way out, where nothing can be drawn."""
    instead = f"`{shlex.join(['tmplan', 'plan', *([str(path)] if path else [])])}`"
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__)):  # Textual draws on stderr
        raise TmplanError(f"the program needs a terminal; {instead} with the same options prints the same ranking without one")
    kind = os.environ.get("TERM", "")
    if kind in ("", "dumb", "unknown"):
        said = f"TERM={kind}" if kind else "TERM is not set"
        raise TmplanError(f"this terminal ({said}) cannot show the program; {instead} with the same options prints the same plans as text")


def run(document: Document | None, path: Path | None, *, fresh: bool = False) -> None:
    """Open the program and return when it is left: on a document, from a file or not, else where the last session ended, or on the example.

    `fresh` leaves the last session aside. TmplanError where there is no terminal.
    """
    check_terminal(path)
    os.environ.update(SETTINGS)
    from tui.planning import Planner, Question

    settings = config.load()
    bindings.use(settings.keys)
    notices = (*settings.faults, *troubles())
    session = take()
    state = opened(session, document, path, fresh=fresh)
    now = state.history.now.document
    planner = Planner()
    question = Question(now.inputs, now.space, state.view)
    generation = planner.ask(question)
    with contextlib.suppress(KeyboardInterrupt):  # ctrl+c before the keyboard is Textual's
        from tui.actions import Tmplan

        program = Tmplan(now, planner=planner, state=state, session=session, theme=settings.theme, notices=notices)
        program.expect(question, generation)
        program.run(mouse=False)
        planner.stop()
        if program._exception is not None:  # a fault of the program: Textual would print every local variable
            program.keep()
            raise program._exception
        end(program.return_code or 0)


def end(code: int) -> None:
    """End the process at once: a planning thread cannot be killed, and Python would first free a million plans piece by piece."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def opened(session: Session, document: Document | None, path: Path | None, *, fresh: bool) -> State:
    """The state to begin with. What was open before stays in the history of a document opened now: an undo brings it back."""
    from planner.inputs import EXAMPLE
    from planner.planfile import Document
    from tui.history import History, Moment
    from tui.rows import View

    if fresh:
        session.set_aside()
    state = session.read()
    if state is None:
        return State(History([Moment.of(document or Document(EXAMPLE), path)]))
    if document is not None:
        state.history.opened(Moment.of(document, path, f"opened {path.name}" if path else "started anew"))
        state.chosen, state.view = document.plan, View()
        state.refused.clear()
    return state
