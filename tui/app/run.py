"""run: open the terminal program on a document. The first search starts before Textual is imported, and both run at the same time."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import TmplanError
from planner.presets.folders import problems
from tui.app.termination import Termination, end
from tui.settings import bindings, config
from tui.state.session import Session, State, take

if TYPE_CHECKING:
    from planner.document.planfile import Document
    from tui.app.textual_app import Tmplan

FILES = 9  # open at the same time, in addition to the standard streams
REFUSED = 2  # the exit code of a fault too

# Textual reads these when imported. Kitty's key reports would outlive a dropped SSH session.
COLOURS = {"TEXTUAL_COLOR_SYSTEM": ("auto", "standard", "256", "truecolor")}  # values that a user may set to describe the terminal
SETTINGS = {"TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0", "TEXTUAL_DISABLE_KITTY_KEY": "1"}


def check_terminal(path: Path | None = None) -> None:
    """Refuse, in a sentence that names the way out, where nothing can be drawn."""
    instead = f"`{shlex.join(['tmplan', 'plan', *([str(path)] if path else [])])}`"
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__)):  # Textual draws on stderr
        raise TmplanError(f"the program needs a terminal; {instead} with the same options prints the same ranking without one")
    kind = os.environ.get("TERM", "")
    if kind in ("", "dumb", "unknown"):
        term = f"TERM={kind}" if kind else "TERM is not set"
        raise TmplanError(f"this terminal ({term}) cannot show the program; {instead} with the same options prints the same plans as text")


def check_files() -> None:
    """OSError where the system does not let as many files be open as the program needs: later it would fail half way."""
    held: list[int] = []
    try:
        while len(held) < FILES:
            held.append(os.dup(0))
    finally:
        for descriptor in held:
            os.close(descriptor)


def run(document: Document | None, path: Path | None, *, fresh: bool = False) -> None:
    """Open the program and return when it is left: on a document, from a file or not, else where the last session ended, or on the example.

    `fresh` leaves the last session aside. TmplanError where there is no terminal, OSError where too few files may be open. A fault of the
    program is raised once the session is written and the terminal is itself again.
    """
    check_terminal(path)
    check_files()
    termination = Termination()
    termination.watch()
    restrict_environment()
    from tui.state.planner_thread import Planner, Question

    settings = config.load()
    bindings.use(settings.keys)
    notices = (*settings.faults, *problems())
    session = take()
    state = opened(session, document, path, fresh=fresh)
    now = state.history.now.document
    planner = Planner()
    question = Question(now.inputs, now.space, state.view)
    generation = planner.ask(question)
    from tui.app.textual_app import Tmplan

    app = Tmplan(now, planner=planner, state=state, session=session, theme=settings.theme, notices=notices)
    app.program.ranking.expect(question, generation)
    termination.app = app
    threading.excepthook = lambda hook: app.thread_failed(hook.exc_value, hook.thread)
    failure = run_until_left(app)
    if failure is not None:
        termination.request(REFUSED)  # should even what follows not end
        planner.stop()
        with contextlib.suppress(Exception):
            app.program.keeper.write()
        termination.restore()
        raise failure
    end(termination.code or app.return_code or 0)


def restrict_environment() -> None:
    """Leave of Textual's switches in the environment only those that this program means: others break it, press keys or write files."""
    for name in [name for name in os.environ if name.startswith("TEXTUAL_") and os.environ[name] not in COLOURS.get(name, ())]:
        del os.environ[name]
    os.environ.update(SETTINGS)


def run_until_left(app: Tmplan) -> Exception | None:
    """Run the program until it is left; the error, if it ended in another way."""
    try:
        app.run(mouse=False)
    except Exception as error:
        return error
    return app._exception or (None if app.left else RuntimeError("the screen ended by itself"))


def opened(session: Session, document: Document | None, path: Path | None, *, fresh: bool) -> State:
    """The state to begin with. What was open before stays in the history of a document opened now: an undo brings it back."""
    from planner.document.inputs import EXAMPLE
    from planner.document.planfile import Document
    from tui.state.history import History, Moment
    from tui.state.prompt_texts import PREFIX
    from tui.state.view import View

    if fresh:
        session.set_aside()
    state = session.read()
    if state is None:
        return State(History([Moment.of(document or Document(EXAMPLE), path)]))
    if document is not None:
        state.history.opened(Moment.of(document, path, f"opened {path.name}" if path else "new document"))
        state.chosen, state.view = document.plan, View()
        state.refused = {key: text for key, text in state.refused.items() if key.startswith(PREFIX)}  # what was no field's
    return state
