"""Sessions as files: what is written reads back, what is damaged is set aside, and no program writes over another's."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.document import planfile
from planner.document.inputs import EXAMPLE, resolve
from planner.document.planfile import Document
from planner.document.space import Bounds, Space
from planner.files import atomic, writer
from planner.specs.plan import Plan
from tests.tui.driving import SMALL
from tui.state import edits
from tui.state.history import History, Moment, StoredDocument
from tui.state.session import SAVED, Session, State, dumps, loads, take
from tui.state.view import View

PLAN = Plan(2, 2, 1, 1, 4, dp_shard=4, zero=1, sequence_parallel=1)


def state(edits: int = 3, at: int | None = None) -> State:
    """A state with something in every part."""
    bounds = [Space({"tp": Bounds((2,))}), Space()]
    moments = [
        Moment.of(Document(EXAMPLE.with_("gpus", 8 * (n + 1)), bounds[n % 2]), Path("a plan.toml") if n % 2 else None) for n in range(edits)
    ]
    view = View("mfu", reverse=True, filter="tp=2", unfit=True)
    return State(History(moments, at), [PLAN], view, ("tp", "mfu"), {"global_batch": ("many", "must be a number")}, PLAN)


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Session]:
    """The first slot of an empty folder."""
    session = take(tmp_path)
    yield session
    session.close()


def lies(session: Session) -> Path:
    """The path of a saved session."""
    assert session.path is not None
    return session.path


def same(a: State, b: State) -> bool:
    """Whether two states hold the same."""

    def reported(it: State) -> Any:
        h = it.history
        moments = [(m.stored.text, m.path, m.saved and m.saved.text, m.label) for m in h.moments]
        return moments, h.at, it.pins, it.view, it.columns, it.refused, it.chosen

    return bool(reported(a) == reported(b))


@given(st.integers(1, 12), st.integers(0, 11))
def test_a_state_reads_back_whole(edits: int, at: int) -> None:
    """Documents with their bounds, files and labels, the place in the history, pins, view, columns, what was refused, and the cursor."""
    before = state(edits, at)
    after = loads(dumps(before))
    assert same(before, after)
    first, again = before.history.now.document, after.history.now.document
    assert (first.inputs.values, first.space) == (again.inputs.values, again.space)


def test_a_long_history_is_written_around_the_moment_at_hand() -> None:
    """Of many edits the last are written; what was undone far back is still the moment at hand."""
    for at in (0, 40, 149):
        result = loads(dumps(state(150, at))).history
        assert len(result.moments) == SAVED
        assert result.now.document.inputs.values["gpus"] == 8 * (at + 1)


def test_a_document_whose_preset_has_gone_costs_no_session(tmp_path: Path) -> None:
    """A model file removed meanwhile: its edit is written as recorded, or omitted; all others are written."""
    from planner import presets

    path = tmp_path / "mine.toml"
    source = next(Path(presets.__file__).parent.rglob("llama-3.1-8b.toml"))
    path.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    mine = edits.set_text(SMALL, "model", str(path))
    taken, late = StoredDocument(mine), StoredDocument(edits.set_text(mine, "global_batch", "128"))
    assert taken.text
    path.unlink()
    result = loads(dumps(State(History([Moment.of(SMALL), Moment(taken), Moment(late), Moment.of(SMALL)], 3)))).history
    assert len(result.moments) == 3 and result.at == 2
    assert resolve(result.moments[1].document.inputs).model.layers == 32


VALUES: tuple[Any, ...] = (None, 1, -1, 2**70, 1e400, "x", [], {}, [[]], {"a": 1}, True)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a tree of JSON."""
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The tree with one thing in it replaced."""
    if not path:
        return value
    data = copy.deepcopy(data)
    inside = data
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return data


@pytest.mark.slow
def test_any_damage_is_set_aside_or_read(slot: Session) -> None:
    """Whatever stands in place of any part of a session, it is read as something or set aside: never an error, and nothing is lost."""
    good = json.loads(dumps(state(2)))
    for path in list(places(good)):
        for value in VALUES:
            text = json.dumps(changed(good, path, value))
            lies(slot).write_text(text, encoding="utf-8")
            result = slot.read()
            if result is None:
                aside = Path(slot.fault.rpartition("it is now ")[2])
                assert aside.read_text(encoding="utf-8") == text, (path, value)
                aside.unlink()
            slot.fault = ""


def test_columns_of_another_version_are_left_out() -> None:
    """A column that is not known any more is neither shown nor sorted by; the rest of the session stays."""
    data = json.loads(dumps(state()))
    result = loads(json.dumps(changed(changed(data, ("columns",), ["tp", "gone"]), ("view", "sort"), "gone")))
    assert result.columns == ("tp",) and result.view.sort == "" and result.view.filter == "tp=2"


DAMAGE = {"empty": b"", "cut": b"{", "deep": b"[" * 100_000, "binary": b"\xff\xfe\x00", "newer": b'{"schema": 99}', "null": b"null"}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_no_session_is_set_aside_and_reported(name: str, slot: Session) -> None:
    """An empty, cut, binary or newer file: no state, a sentence with where it lies, and the next write takes its place."""
    damage = DAMAGE[name]
    lies(slot).write_bytes(damage)
    assert slot.read() is None
    assert "could not be read" in slot.fault and str(lies(slot).with_suffix(".unread.json")) in slot.fault
    assert lies(slot).with_suffix(".unread.json").read_bytes() == damage
    slot.write(state())
    assert slot.fault == "" and same(slot.read() or State(History([Moment.of(SMALL)])), state())


def test_a_state_written_late_never_replaces_a_newer_one(slot: Session) -> None:
    """Turns are taken when a state is made: one that is written after a newer one is dropped."""
    early = slot.turn()
    slot.write(state(5))
    slot.write(state(2), early)
    result = slot.read()
    assert result is not None and len(result.history.moments) == 5


HOLD = "import sys; from tui.state.session import take; s = take(); print(s.number, flush=True); sys.stdin.readline()"


def test_programs_at_once_take_slots_of_their_custom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes each gets a slot; the slot of one that ended, or was killed, is free again."""
    monkeypatch.setenv("TMPLAN_STATE", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))

    def hold() -> tuple[subprocess.Popen[str], str]:
        child = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        return child, child.stdout.readline().strip()

    first, one = hold()
    second, two = hold()
    assert (one, two) == ("1", "2")
    first.kill()
    first.communicate()
    third, three = hold()
    assert three == "1"
    for child in (second, third):
        child.communicate("\n")


def test_where_nothing_can_be_written_it_is_reported(tmp_path: Path) -> None:
    """An impossible state folder: no session, a message, and the program works without it."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    slot = take(blocked)
    assert not slot.writable and slot.fault.startswith("the session cannot be saved")
    slot.write(state())
    slot.close()


@pytest.mark.parametrize("why", ["no folder", "every slot is held"])
def test_a_session_that_keeps_nothing_touches_no_file(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that cannot be saved has no path: reading, setting aside and writing move, open and write no file, not even /dev/null."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    if why == "every slot is held":
        monkeypatch.setattr("tui.state.session.SLOTS", 0)
        blocked = tmp_path / "state"
    slot = take(blocked)
    touched: list[object] = []
    written = state()
    for name in ("replace", "rename", "unlink", "open"):
        monkeypatch.setattr(f"os.{name}", lambda *given, **_: touched.append(given))
    slot.read()
    slot.set_aside()
    slot.write(written)
    monkeypatch.undo()
    assert (slot.path, slot.writable, touched) == (None, False, [])
    assert slot.fault


def test_sessions_set_aside_never_replace_each_other(slot: Session) -> None:
    """--fresh repeatedly, and damage repeatedly: each session set aside has a unique name, which is reported."""
    retained = {}
    for number in range(1, 5):
        slot.write(state(number))
        text = lies(slot).read_text(encoding="utf-8")
        slot.set_aside()
        assert not lies(slot).exists()
        retained[slot.note.rpartition(" is now ")[2]] = text
        lies(slot).write_text(damage := f"damaged {number}")
        assert slot.read() is None
        retained[slot.fault.rpartition(" is now ")[2]] = damage
    assert len(retained) == 8 and str(lies(slot).with_suffix(".old.json")) in retained
    for name, text in retained.items():
        assert Path(name).read_text(encoding="utf-8") == text
        assert Path(name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("what", ["unread", "fresh"])
def test_a_session_that_cannot_be_set_aside_is_not_written_over(what: str, slot: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it has to stay nothing is written in its place, and this is reported."""
    path = lies(slot)
    path.write_text("damaged")
    monkeypatch.setattr(os, "replace", _refused)
    slot.read() if what == "unread" else slot.set_aside()
    monkeypatch.undo()
    slot.write(state())
    assert path.read_text() == "damaged" and slot.path is None and not slot.writable
    assert "cannot be set aside" in slot.problem and "is not saved" in slot.problem
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".json"] == [path.name]


def _refused(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_folder_in_the_place_of_a_session_is_set_aside(slot: Session) -> None:
    """With all its contents, and again under a unique name."""
    for name in ("unread", "unread-2"):
        lies(slot).mkdir()
        (lies(slot) / name).touch()
        assert slot.read() is None
        assert (lies(slot).with_suffix(f".{name}.json") / name).exists()


def test_one_state_is_written_at_a_time_and_of_those_that_wait_the_newest(slot: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk: many states handed over meanwhile cause one more write, of the last; an explicit write comes after it."""
    begun, go, done, written = threading.Event(), threading.Event(), threading.Semaphore(0), []
    real = writer.write

    def slow(path: Path, text: str, **how: Any) -> None:
        begun.set()
        assert go.wait(20)
        written.append(len(json.loads(text)["moments"]))
        real(path, text, **how)

    monkeypatch.setattr(writer, "write", slow)
    slot.hand(state(1), done.release)
    assert begun.wait(20)
    for number in range(2, 8):
        slot.hand(state(number), done.release)
    go.set()
    assert done.acquire(timeout=20) and done.acquire(timeout=20)
    assert written == [1, 7]
    slot.write(state(3))
    assert written == [1, 7, 3] and not done.acquire(blocking=False)


def test_a_disk_that_does_not_answer_holds_nobody_for_ever(slot: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving while a write hangs works, with the message that the session is not saved."""
    begun, go, done = threading.Event(), threading.Event(), threading.Event()

    def hanging(*_: object, **__: object) -> None:
        begun.set()
        go.wait(20)

    monkeypatch.setattr(writer, "write", hanging)
    monkeypatch.setattr("tui.state.session.PATIENCE", 0.05)
    slot.hand(state(1), done.set)
    assert begun.wait(20)
    slot.write(state(2))
    assert "does not respond" in slot.problem
    go.set()
    assert done.wait(20)


def test_a_session_reads_back_however_long_its_documents_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A written session is never larger than can be read: it has fewer edits then, and always the current moment."""
    whole = dumps(state(60))
    monkeypatch.setattr("tui.state.session.LARGEST", len(whole) // 2)
    cut = dumps(state(60))
    assert len(cut) <= len(whole) // 2 and loads(cut).history.now.document.inputs.values["gpus"] == 8 * 60


def test_a_session_from_before_digests_knows_its_file(tmp_path: Path) -> None:
    """Of an older session the text that was read or written stands for the file."""
    data = json.loads(dumps(State(History([Moment.of(SMALL, tmp_path / "plan.toml")]))))
    del data["moments"][0]["digest"], data["folder"]
    planfile.write(tmp_path / "plan.toml", SMALL)
    assert loads(json.dumps(data)).history.now.digest == atomic.fingerprint(tmp_path / "plan.toml")


def test_a_path_means_the_same_file_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session opened from elsewhere writes to the file it was about, not to one of the same name there."""
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    text = dumps(State(History([Moment.of(SMALL, Path("plan.toml")), Moment.of(SMALL)])))
    assert loads(text).history.moments[0].path == Path("plan.toml")
    monkeypatch.chdir(tmp_path / "there")
    result = loads(text).history.moments
    assert (result[0].path, result[1].path) == (tmp_path / "plan.toml", None)
