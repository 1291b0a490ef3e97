"""Sessions: the document, edits, pins and view of a program that was closed, hung up on or killed.

One JSON file per slot in the platform's state folder, written atomically. A program holds the lock of its slot while it runs, so that
a second one uses the next slot and they never overwrite each other. A file that cannot be read is set aside, never lost.
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
from tui.state.history import History, Moment, StoredDocument
from tui.state.view import View

SCHEMA, SLOTS = 1, 32
LARGEST = 2**26
SAVED = 100  # edits written: enough for a day's work, few enough to write in milliseconds
PATIENCE = 5.0  # seconds that a state waits for the previous one to be written


@dataclass
class State:
    """The state that outlives the program."""

    history: History
    pins: list[Plan] = field(default_factory=list)
    view: View = field(default_factory=View)
    columns: tuple[str, ...] = ()  # chosen by the user; empty: as many as fit
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)  # texts typed and not accepted, and why
    chosen: Plan | None = None  # the plan under the cursor

    def mark(self) -> Any:
        """A cheap key that changes with the state: no texts are serialised."""
        history = self.history
        typed = tuple(self.refused.items())
        return history.at, len(history.moments), history.now, tuple(self.pins), self.view, self.columns, typed, self.chosen


class Session:
    """One slot, or none: a session that is not saved has no path, so that no file is read, moved or written.

    `number` is 1 for the first program; `fault` is why the session cannot be saved or why the last one was set aside; `note` is the path
    of a session set aside on request.
    """

    def __init__(self, path: Path | None, number: int, lock: IO[str] | None, fault: str = "") -> None:
        self.path, self.number, self._lock, self.fault, self.note = path, number, lock, fault, ""
        self._failed = ""  # why the newest state could not be written
        self._writing = threading.Lock()
        self._written = 0  # the newest state written: a thread that is late never replaces a newer state
        self._newest = 0
        self._handing = threading.Lock()
        self._waiting: tuple[State, int] | None = None  # the state that the thread writes next
        self._busy = False  # whether a thread is writing
        self.first_ever = number == 1 and not (path and path.exists())

    @property
    def writable(self) -> bool:
        """Whether this session can be saved."""
        return self.path is not None and self._lock is not None

    @property
    def problem(self) -> str:
        """Why the current state would not be restored next time; empty if it would."""
        return self._failed if self.writable else self.fault or "no session is saved"

    @property
    def notice(self) -> str:
        """Where the session is saved, or why it is not."""
        return self.problem or f"saved in {self.path}"

    def read(self) -> State | None:
        """The state in the slot; None if there is none, or if it cannot be read, in which case it is set aside."""
        if self.path is None or not os.path.lexists(self.path):
            return None
        try:
            text = reader.content(self.path, LARGEST, "is too large").decode("utf-8")
            return loads(text)
        except (TmplanError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            cause = str(error) if isinstance(error, TmplanError) else type(error).__name__
            failure = f"the last session could not be read ({cause})"
            if moved := self._move(failure, "unread"):
                self.fault = f"{failure}; it is now {moved}"
            return None

    def set_aside(self) -> None:
        """Start a new session; the previous one is moved to <name>.old.json, or to the next such name that is free."""
        if self.path is not None and os.path.lexists(self.path):
            moved = self._move("the last session was to be set aside", "old")
            self.note = f"the last session is now {moved}" if moved else ""

    def _move(self, reason: str, mark: str) -> Path | None:
        """Set the file of the slot aside and return its new path; None if it cannot be moved, and then it is never overwritten."""
        assert self.path is not None
        try:
            return state_folder.aside(self.path, mark)
        except TmplanError as error:
            self.fault, self.path = f"{reason}, but {error}; this session is not saved", None
            return None

    def turn(self) -> int:
        """A number for a state that is about to be written, larger than all before."""
        self._newest += 1
        return self._newest

    def write(self, state: State, turn: int | None = None) -> None:
        """Write the state atomically, unless a newer one has been written; `problem` is why it could not be."""
        turn = self.turn() if turn is None else turn
        if not self._writing.acquire(timeout=PATIENCE):
            self.fault = self._failed = "the session cannot be saved: the disk does not respond"
            return
        try:
            if self.path is None or not self.writable or turn < self._written:
                return
            self._written = turn
            writer.write(self.path, dumps(state), private=True)
            self.fault = self._failed = ""
        except TmplanError as error:
            self.fault = self._failed = f"the session cannot be saved: {error}"
        finally:
            self._writing.release()

    def hand(self, state: State, done: Callable[[], None]) -> None:
        """Write a state on a thread, one at a time, then call `done`; of states waiting for a slow disk only the newest is written."""
        with self._handing:
            self._waiting = (state, self.turn())
            if self._busy:
                return
            self._busy = True
        try:
            threading.Thread(target=self._work, args=(done,), daemon=True).start()
        except (RuntimeError, MemoryError):  # the system cannot start a thread
            self._work(done)

    def _work(self, done: Callable[[], None]) -> None:
        """Write waiting states until there are none."""
        while True:
            with self._handing:
                if self._waiting is None:
                    self._busy = False
                    return
                (state, turn), self._waiting = self._waiting, None
            try:
                self.write(state, turn)
            except Exception as error:  # otherwise it would be lost with the thread
                self.fault = self._failed = fault(error)
            done()

    def close(self) -> None:
        """Release the slot."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def take(where: Path | None = None) -> Session:
    """The first slot that no other program holds; if there is none, a session without a slot, with the reason."""
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
        return Session(None, SLOTS, None, f"{SLOTS} programs are open; this one's session is not saved")
    cause = "this platform has no file locks" if isinstance(refused, ImportError) else reader.reason(refused)
    return Session(None, 1, None, f"the session cannot be saved: {cause}{f' ({named(str(where), PATH)})' if where else ''}")


def dumps(state: State) -> str:
    """The JSON of a state with as many of its last edits as can be read back; every plan-file text is stored once."""
    for most in (SAVED, SAVED // 10, 1):
        text = _dumps(state, most)
        if len(text) <= LARGEST:
            break
    return text


def _dumps(state: State, most: int) -> str:
    texts: dict[str, int] = {}

    def place(stored: StoredDocument | None) -> int | None:
        return None if stored is None else texts.setdefault(stored.text, len(texts))

    first = max(0, min(state.history.at, len(state.history.moments) - most))
    moments: list[dict[str, Any]] = []
    at = 0
    for number, m in enumerate(state.history.moments[first : first + most], first):
        try:
            entry = {"path": str(m.path) if m.path else "", "digest": m.digest, "label": m.label}
            moment = {"document": place(m.stored), "saved": place(m.saved), **entry}
        except TmplanError:  # it depends on a preset file that is gone: one edit is lost, not all
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
    """Parse the state of a JSON text; TmplanError, or one of Python's lookup and type errors, if it is not valid."""
    data = json.loads(text)
    if data["schema"] != SCHEMA:
        raise TmplanError(f"it has schema {data['schema']}, this version of tmplan reads {SCHEMA}")
    stored = [StoredDocument(text=str(text)) for text in data["documents"]]

    def document(number: int | None) -> StoredDocument | None:
        return None if number is None else stored[number]

    folder = str(data.get("folder", ""))
    moments = [
        Moment(stored[m["document"]], placed(m["path"], folder), document(m["saved"]), str(m["label"]), digest_of(m, stored))
        for m in data["moments"]
    ]
    if not moments:
        raise TmplanError("it contains no document")
    history = History(moments, int(data["at"]))
    history.now.document  # noqa: B018  (parsed now: a session whose document cannot be read is not valid)
    view = data["view"]
    return State(
        history,
        [from_named(plan) for plan in data["pins"]],
        View(view["sort"] if view["sort"] in BY_KEY else "", bool(view["reverse"]), str(view["filter"]), bool(view["unfit"])),
        tuple(key for key in data["columns"] if key in BY_KEY),  # a key of another version may not exist
        {str(key): (str(value[0]), str(value[1])) for key, value in data["refused"].items()},
        from_named(data["chosen"]) if data["chosen"] else None,
    )


def here() -> str:
    """The current folder; empty if it does not exist any more."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def placed(path: str, folder: str) -> Path | None:
    """The path of a moment; a relative path is resolved against the folder of the program that wrote it."""
    return (Path(path) if folder in ("", here()) else Path(folder) / path) if path else None


def digest_of(moment: dict[str, Any], stored: list[StoredDocument]) -> str:
    """The digest of the file of a moment; an old session without digests has the text that was read or written."""
    if "digest" in moment or moment["saved"] is None:
        return str(moment.get("digest", ""))
    number: int = moment["saved"]
    return stored[number].digest
