"""Sessions: the document, every edit, pins and view of a program that was closed, hung up on or killed.

One JSON file a slot under the platform's state folder, written whole. A program holds the lock of its slot as long as it runs, so
that a second one takes the next slot and neither writes over the other. A file that cannot be read is set aside, never lost.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from planner.errors import TmplanError, fault
from planner.files import reader, writer
from planner.plaintext import PATH, named
from planner.report.columns import BY_KEY
from planner.specs.plan import Plan, from_named
from tui.settings import state_folder
from tui.state.history import History, Kept, Moment
from tui.state.view import View

SCHEMA, SLOTS = 1, 32
LARGEST = 2**26
SAVED = 100  # edits written: enough to go back a day's work, few enough to write in milliseconds
PATIENCE = 5.0  # seconds that a state waits for the one before it to be written


@dataclass
class State:
    """What outlives the program."""

    history: History
    pins: list[Plan] = field(default_factory=list)
    view: View = field(default_factory=View)
    columns: tuple[str, ...] = ()  # chosen by hand; empty: as many as there is room for
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)  # what was typed and not taken, and why
    chosen: Plan | None = None  # the plan under the cursor

    def mark(self) -> Any:
        """What tells this state from another, at no cost: no text is compared."""
        history = self.history
        typed = tuple(self.refused.items())
        return history.at, len(history.moments), history.now, tuple(self.pins), self.view, self.columns, typed, self.chosen


class Session:
    """One slot, or none: a session that keeps nothing has no path, so that nothing of anybody's is read, moved or written.

    `number` is 1 for the first program; `fault` says why nothing can be kept, or why the last session was set aside; `note` where one lies
    that was to be.
    """

    def __init__(self, path: Path | None, number: int, lock: IO[str] | None, fault: str = "") -> None:
        self.path, self.number, self._lock, self.fault, self.note = path, number, lock, fault, ""
        self._failed = ""  # why the newest state could not be written
        self._writing = threading.Lock()
        self._written = 0  # the newest of the states written: one written late on a thread never replaces a newer one
        self._newest = 0
        self._handing = threading.Lock()
        self._waiting: tuple[State, int] | None = None  # the state that the thread writes next
        self._busy = False  # whether there is a thread
        self.first_ever = number == 1 and not (path and path.exists())

    @property
    def kept(self) -> bool:
        """Whether this session can be written."""
        return self.path is not None and self._lock is not None

    @property
    def unkept(self) -> str:
        """Why what is done now would not be there next time; nothing where it would."""
        return self._failed if self.kept else self.fault or "no session is kept"

    @property
    def told(self) -> str:
        """Where the session is kept, or why it is not."""
        return self.unkept or f"kept in {self.path}"

    def read(self) -> State | None:
        """The state the slot holds; None where it holds none, or one that cannot be read, which is set aside."""
        if self.path is None or not os.path.lexists(self.path):
            return None
        try:
            text = reader.content(self.path, LARGEST, "is too large").decode("utf-8")
            return loads(text)
        except (TmplanError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            told = str(error) if isinstance(error, TmplanError) else type(error).__name__
            told = f"the last session could not be read ({told})"
            if lies := self._move(told, "unread"):
                self.fault = f"{told}; it lies in {lies}"
            return None

    def set_aside(self) -> None:
        """Begin anew; what the slot held stays beside it as <name>.old.json, or under the next such name that is free."""
        if self.path is not None and os.path.lexists(self.path):
            lies = self._move("the last session is left aside", "old")
            self.note = f"the last session lies in {lies}" if lies else ""

    def _move(self, told: str, mark: str) -> Path | None:
        """Set aside what the slot holds: where it lies then; None where it has to stay: nothing is written over it."""
        assert self.path is not None
        try:
            return state_folder.aside(self.path, mark)
        except TmplanError as error:
            self.fault, self.path = f"{told}, but {error}; so this session is not kept", None
            return None

    def turn(self) -> int:
        """The number of a state that is about to be written, the newest so far."""
        self._newest += 1
        return self._newest

    def write(self, state: State, turn: int | None = None) -> None:
        """Write the state whole, unless a newer one has been; `unkept` says why it could not be."""
        turn = self.turn() if turn is None else turn
        if not self._writing.acquire(timeout=PATIENCE):
            self.fault = self._failed = "the session cannot be kept: the disk does not answer"
            return
        try:
            if self.path is None or not self.kept or turn < self._written:
                return
            self._written = turn
            writer.write(self.path, dumps(state), private=True)
            self.fault = self._failed = ""
        except TmplanError as error:
            self.fault = self._failed = f"the session cannot be kept: {error}"
        finally:
            self._writing.release()

    def hand(self, state: State, told: Callable[[], None]) -> None:
        """Have a state written on a thread, one at a time, and `told` called then; of those that wait for a slow disk the newest alone."""
        with self._handing:
            self._waiting = (state, self.turn())
            if self._busy:
                return
            self._busy = True
        try:
            threading.Thread(target=self._work, args=(told,), daemon=True).start()
        except (RuntimeError, MemoryError):  # the system has no thread to give
            self._work(told)

    def _work(self, told: Callable[[], None]) -> None:
        """Write what waits until nothing does."""
        while True:
            with self._handing:
                if self._waiting is None:
                    self._busy = False
                    return
                (state, turn), self._waiting = self._waiting, None
            try:
                self.write(state, turn)
            except Exception as error:  # on a thread nobody else would hear of it
                self.fault = self._failed = fault(error)
            told()

    def close(self) -> None:
        """Give the slot up."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def take(where: Path | None = None) -> Session:
    """The first slot that no other program holds; one that keeps nothing, and says why, where there can be none."""
    refused: Exception | None = None
    try:
        where = where or state_folder.folder()
        where = state_folder.prepared(where)
        for number in range(1, SLOTS + 1):
            try:
                lock = state_folder.locked(where, number)
            except (OSError, ValueError) as error:
                refused = refused or error
                continue
            if lock is not None:
                state_folder.sweep(where, number)
                return Session(where / f"session-{number}.json", number, lock)
    except (OSError, ValueError, ImportError) as error:
        refused = error
    if refused is None:
        return Session(None, SLOTS, None, f"{SLOTS} programs are open; this one's session is not kept")
    told = "this platform has no file locks" if isinstance(refused, ImportError) else reader.reason(refused)
    return Session(None, 1, None, f"the session cannot be kept: {told}{f' ({named(str(where), PATH)})' if where else ''}")


def dumps(state: State) -> str:
    """The JSON of a state, of its last edits as many as can be read back again; every plan-file text once."""
    for most in (SAVED, SAVED // 10, 1):
        text = _dumps(state, most)
        if len(text) <= LARGEST:
            break
    return text


def _dumps(state: State, most: int) -> str:
    texts: dict[str, int] = {}

    def place(kept: Kept | None) -> int | None:
        return None if kept is None else texts.setdefault(kept.text, len(texts))

    first = max(0, min(state.history.at, len(state.history.moments) - most))
    moments: list[dict[str, Any]] = []
    at = 0
    for number, m in enumerate(state.history.moments[first : first + most], first):
        try:
            told = {"path": str(m.path) if m.path else "", "digest": m.digest, "label": m.label}
            moment = {"document": place(m.kept), "saved": place(m.saved), **told}
        except TmplanError:  # it rests on a preset's file that has gone: one edit is lost, not all
            if number == state.history.at and not moments:
                raise
            continue
        moments.append(moment)
        at = len(moments) - 1 if number <= state.history.at else at
    view = state.view
    data: dict[str, Any] = {
        "schema": SCHEMA, "documents": list(texts), "moments": moments, "at": at, "folder": here(),
        "pins": [plan.named() for plan in state.pins], "chosen": None if state.chosen is None else state.chosen.named(),
        "view": {"sort": view.sort, "reverse": view.reverse, "filter": view.filter, "unfit": view.unfit},
        "columns": list(state.columns), "refused": {key: list(value) for key, value in state.refused.items()},
    }  # fmt: skip
    return json.dumps(data)


def loads(text: str) -> State:
    """The state of a JSON text; TmplanError, or one of Python's own errors of look-up and type, where it is none."""
    data = json.loads(text)
    if data["schema"] != SCHEMA:
        raise TmplanError(f"it is of schema {data['schema']}, this tmplan reads {SCHEMA}")
    kept = [Kept(text=str(text)) for text in data["documents"]]

    def document(number: int | None) -> Kept | None:
        return None if number is None else kept[number]

    folder = str(data.get("folder", ""))
    moments = [
        Moment(kept[m["document"]], placed(m["path"], folder), document(m["saved"]), str(m["label"]), digest_of(m, kept))
        for m in data["moments"]
    ]
    if not moments:
        raise TmplanError("it holds no document")
    history = History(moments, int(data["at"]))
    history.now.document  # noqa: B018  (read now: a document that cannot be read makes no session)
    view = data["view"]
    return State(
        history,
        [from_named(plan) for plan in data["pins"]],
        View(view["sort"] if view["sort"] in BY_KEY else "", bool(view["reverse"]), str(view["filter"]), bool(view["unfit"])),
        tuple(key for key in data["columns"] if key in BY_KEY),  # one of another version may be gone
        {str(key): (str(value[0]), str(value[1])) for key, value in data["refused"].items()},
        from_named(data["chosen"]) if data["chosen"] else None,
    )


def here() -> str:
    """The folder that the program runs in; nothing where that has gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def placed(path: str, folder: str) -> Path | None:
    """The path of a moment: one that starts from the folder that an earlier program ran in still does."""
    return (Path(path) if folder in ("", here()) else Path(folder) / path) if path else None


def digest_of(moment: dict[str, Any], kept: list[Kept]) -> str:
    """What the file of a moment was told by; a session from before that was kept knows the text that was read or written."""
    if "digest" in moment or moment["saved"] is None:
        return str(moment.get("digest", ""))
    number: int = moment["saved"]
    return kept[number].digest
