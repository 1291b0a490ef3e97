"""The session is written soon after any change, however steadily one works; where it cannot be, quitting asks and says why."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planner.document import planfile
from planner.errors import FileError
from planner.files import writer
from tests.tui.driving import SMALL, Driver, drive
from tui.app.run import opened
from tui.app.session_keeper import DELAY
from tui.state.prompt_texts import PREFIX
from tui.state.session import Session, State, loads, take


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Session]:
    """The first slot of an empty folder."""
    session = take(tmp_path / "state")
    session.first_ever = False  # no first lines
    yield session
    session.close()


class Timers:
    """Timers of the program that run when a test says so."""

    def __init__(self, it: Driver, session: Session) -> None:
        self.set: list[tuple[float, Callable[[], None]]] = []
        self.session, loop = session, it.program.loop
        real = loop.after

        def held(seconds: float, callback: Callable[[], None]) -> Any:
            if callback != it.program.keeper.write_soon:
                return real(seconds, callback)
            self.set.append((seconds, callback))
            return object()

        loop.after = held  # type: ignore[method-assign]
        self.hand = session.hand
        session.hand = lambda state, done: session.write(state)  # type: ignore[method-assign]

    def run(self) -> State:
        """The time has come: what the session holds then."""
        self.set.pop()[1]()
        assert self.session.path
        return loads(self.session.path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_steady_edits_are_written_from_the_first_on(slot: Session) -> None:
    """However many edits follow, the time set with the first is not put off; the next edit after the write sets another."""

    async def play(it: Driver) -> None:
        timers = Timers(it, slot)
        for batch in ("128", "192", "256"):
            await it.field("global_batch", batch)
            assert [delay for delay, _ in timers.set] == [DELAY] and DELAY < 3
        assert timers.run().history.now.document.inputs.values["global_batch"] == 256
        assert not timers.set
        await it.field("global_batch", "384")
        assert timers.run().history.now.document.inputs.values["global_batch"] == 384

    drive(play, session=slot)


async def typing(it: Driver) -> None:
    it.forms["batch"].go("global_batch")
    await it.press("3", "enter", "7", "7")


Change = tuple[Callable[[Driver], Awaitable[None]], Callable[[State], bool]]
CHANGES: dict[str, Change] = {
    "cursor": (lambda it: it.press("down", "down"), lambda state: state.chosen is not None),
    "pin": (lambda it: it.press("m"), lambda state: len(state.pins) == 1),
    "order": (lambda it: it.press("S"), lambda state: state.view.reverse),
    "misfits": (lambda it: it.press("exclamation_mark"), lambda state: state.view.unfit),
    "filter": (lambda it: it.press("slash", "t", "p", "equals_sign", "2", "enter"), lambda state: state.view.filter == "tp=2"),
    "columns": (lambda it: it.press("C", "down", "enter", "escape"), lambda state: bool(state.columns)),
    "undo": (lambda it: it.press("u"), lambda state: state.history.at == 0),
    "a text being typed": (typing, lambda state: state.refused["global_batch"][0] == "77"),
    "a path being typed": (lambda it: it.press("w", "x"), lambda state: state.refused[f"{PREFIX}write to"][0].endswith("x")),
    "a text refused": (lambda it: it.field("global_batch", "many"), lambda state: state.refused["global_batch"][0] == "many"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.slow
def test_whatever_outlives_the_program_is_written_soon(what: str, slot: Session) -> None:
    """Not edits of the document alone: cursor, pins, view, columns, undo, text that was refused or is still being typed."""
    do, holds = CHANGES[what]

    async def play(it: Driver) -> None:
        await it.field("global_batch", "128")
        await it.press("4")
        it.program.keeper.timer = None
        it.program.keeper.begin()
        timers = Timers(it, slot)
        await do(it)
        assert len(timers.set) == 1
        assert holds(timers.run())

    drive(play, session=slot)


@pytest.mark.slow
def test_who_only_looks_has_nothing_written(slot: Session) -> None:
    """Panes, pages, help, a picker closed again, an editor opened and closed: no timer, and none while nothing is done."""

    async def play(it: Driver) -> None:
        timers = Timers(it, slot)
        for keys in (("1", "2", "tab"), ("question_mark", "escape"), ("4", "d", "escape"), ("s", "escape"), ("3", "enter", "escape")):
            await it.press(*keys)
        assert not timers.set

    drive(play, session=slot)


def test_a_session_that_fails_is_reported_once_and_stays_marked(slot: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has become full: the sentence, then a mark in the top line as long as it lasts, and the reason in the help."""
    full = FileError("cannot be written: no space left on device; nothing was changed", where="session-1.json")

    async def play(it: Driver) -> None:
        assert "not saved" not in it.text()
        with monkeypatch.context() as patch:
            patch.setattr(writer, "write", _raising(full))
            slot.write(it.program.state())
            it.program.keeper.report(slot)
            await it.pilot.pause()
        assert "the session cannot be saved" in it.text() and " not saved " in it.text()
        await it.press("question_mark", "G")
        assert "no space left on device" in it.text()
        slot.write(it.program.state())
        it.program.keeper.report(slot)
        await it.press("escape")
        assert " not saved " not in it.text()

    drive(play, session=slot)


def _raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def unkept(tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session that keeps nothing."""
    if why == "no folder":
        (tmp_path / "file").write_text("")
        return take(tmp_path / "file" / "x")
    monkeypatch.setattr("tui.state.session.SLOTS", 0)
    return take(tmp_path / "state")


@pytest.mark.parametrize("why", ["no folder", "every slot is held"])
@pytest.mark.parametrize("keys", [("q",), ("ctrl+c",)])
def test_quitting_asks_where_nothing_keeps_the_edits(
    keys: tuple[str, ...], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a document without a file, and the reason stands next to the question, at the start, in the top line and in the help."""
    session = unkept(tmp_path, why, monkeypatch)
    reason = "not a directory" if why == "no folder" else "0 programs are open"

    async def play(it: Driver) -> None:
        assert reason in it.text() and " not saved " in it.text()
        await it.press("question_mark", "G")
        assert reason in it.text()
        await it.press("escape")
        await it.field("global_batch", "128")
        await it.press(*keys)
        assert "the changes are not written; quit all the same?" in it.text() and reason in it.text()
        await it.press("n")
        assert it.app.is_running and it.app._exit is False
        assert it.document.inputs.values["global_batch"] == 128
        await it.press(*keys)
        await it.pilot.press("y")
        assert it.app._exit

    drive(play, session=session)


async def nothing(it: Driver) -> None:
    await it.press("down", "m", "S")


LOSSES: dict[str, tuple[Callable[[Driver], Awaitable[None]], bool]] = {
    "nothing": (nothing, False),
    "an edit taken back": (lambda it: _then(it.field("global_batch", "128"), it.press("u")), False),
    "an edit": (lambda it: it.field("global_batch", "128"), True),
    "a text refused": (lambda it: it.field("global_batch", "many"), True),
    "an edit left behind": (lambda it: _then(it.field("global_batch", "128"), it.press("o"), it.type("other.toml")), True),
    "an edit written": (lambda it: _then(it.field("global_batch", "128"), it.press("w", "enter")), False),
    "another file": (lambda it: _then(it.press("o"), it.type("other.toml")), False),
}


async def _then(*steps: Awaitable[None]) -> None:
    for step in steps:
        await step


@pytest.mark.parametrize("what", LOSSES)
def test_quitting_asks_only_where_something_would_be_lost(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits, text that was not taken, edits left behind by opening another file; not what stands in a file, or was only looked at."""
    monkeypatch.chdir(tmp_path)
    planfile.write("other.toml", SMALL)
    do, asks = LOSSES[what]

    async def play(it: Driver) -> None:
        await do(it)
        await it.pilot.press("q")
        assert it.app._exit is not asks

    drive(play, session=unkept(tmp_path, "no folder", monkeypatch))


def test_whoever_quits_again_means_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ctrl+c always quits, the second time at the latest; what was being typed at a prompt is there again after a no."""

    async def play(it: Driver) -> None:
        await it.field("global_batch", "128")
        await it.press("w", "x", "ctrl+c")
        assert "quit all the same?" in it.text()
        await it.press("n")
        assert it.foot.prompt and it.foot.prompt.edit.text.endswith("x")
        await it.pilot.press("ctrl+c", "ctrl+c")
        assert it.app._exit

    drive(play, session=unkept(tmp_path, "no folder", monkeypatch))


def test_a_terminal_too_small_asks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the one line it has."""

    async def play(it: Driver) -> None:
        await it.field("global_batch", "128")
        await it.pilot.resize_terminal(40, 8)
        await it.press("q")
        assert "quit all the same?" in " ".join(it.text().split())
        await it.press("n")
        assert "enlarge the terminal" in " ".join(it.text().split()) and not it.app._exit
        await it.pilot.press("q", "y")
        assert it.app._exit

    drive(play, session=unkept(tmp_path, "no folder", monkeypatch))


def test_a_disk_that_is_full_when_one_quits_is_noticed(slot: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session is tried before the program goes."""

    async def play(it: Driver) -> None:
        await it.field("global_batch", "128")
        monkeypatch.setattr(writer, "write", _raising(FileError("cannot be written: no space left on device")))
        await it.press("q")
        assert "quit all the same?" in it.text() and not it.app._exit
        monkeypatch.undo()
        await it.press("n")
        await it.pilot.press("q")
        assert it.app._exit and slot.path
        assert json.loads(slot.path.read_text(encoding="utf-8"))["at"] == 1

    drive(play, session=slot)


def test_fresh_names_the_file_of_the_last_session(slot: Session) -> None:
    """The message names the file."""
    slot.write(State(opened(slot, SMALL, None, fresh=False).history))
    state = opened(slot, None, None, fresh=True)

    async def play(it: Driver) -> None:
        assert "session-1.old.json" in "".join(it.text().split())

    drive(play, state=state, session=slot)
