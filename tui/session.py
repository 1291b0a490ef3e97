"""Sessions: the document, every edit, pins and view of a program that was closed, hung up on or killed.

One JSON file a slot under the platform's state folder, written whole. A program holds the lock of its slot as long as it runs, so
that a second one takes the next slot and neither writes over the other. A file that cannot be read is set aside, never lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from planner import wholefile
from planner.columns import BY_KEY
from planner.errors import TmplanError
from planner.plan import Plan, from_named
from tui.history import History, Kept, Moment
from tui.rows import View

SCHEMA, SLOTS = 1, 32
LARGEST = 2**26
SAVED = 100  # edits written: enough to go back a day's work, few enough to write in milliseconds


@dataclass
class State:
    """What outlives the program."""

    history: History
    pins: list[Plan] = field(default_factory=list)
    view: View = field(default_factory=View)
    columns: tuple[str, ...] = ()  # chosen by hand; empty: as many as there is room for
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)  # what was typed and not taken, and why
    chosen: Plan | None = None  # the plan under the cursor


def folder() -> Path:
    """Where sessions lie: TMPLAN_STATE, else the platform's state folder."""
    import platformdirs

    return Path(os.environ.get("TMPLAN_STATE") or platformdirs.user_state_dir("tmplan"))


class Session:
    """One slot, or none: a session that keeps nothing has no path, so that nothing of anybody's is read, moved or written.

    `number` is 1 for the first program; `fault` says why nothing can be kept, or what was set aside.
    """

    def __init__(self, path: Path | None, number: int, lock: IO[str] | None, fault: str = "") -> None:
        self.path, self.number, self._lock, self.fault = path, number, lock, fault
        self._writing = threading.Lock()
        self._written = 0  # the newest of the states written: one written late on a thread never replaces a newer one
        self._newest = 0
        self.first_ever = number == 1 and not (path and path.exists())

    @property
    def kept(self) -> bool:
        """Whether this session can be written."""
        return self.path is not None and self._lock is not None

    def read(self) -> State | None:
        """The state the slot holds; None where it holds none, or one that cannot be read, which is set aside."""
        if self.path is None or not self.path.exists():
            return None
        try:
            text = wholefile.content(self.path, LARGEST, "is too large").decode("utf-8")
            return loads(text)
        except (TmplanError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            aside = self.path.with_suffix(".unread.json")
            with contextlib.suppress(OSError):
                os.replace(self.path, aside)
            told = str(error) if isinstance(error, TmplanError) else type(error).__name__
            self.fault = f"the last session could not be read ({told}); it lies in {aside}"
            return None

    def set_aside(self) -> None:
        """Begin anew; what the slot held stays beside it as <name>.old.json."""
        if self.path is None:
            return
        with contextlib.suppress(OSError):
            os.replace(self.path, self.path.with_suffix(".old.json"))

    def turn(self) -> int:
        """The number of a state that is about to be written, the newest so far."""
        self._newest += 1
        return self._newest

    def write(self, state: State, turn: int | None = None) -> None:
        """Write the state whole, unless a newer one has been; `fault` says why it could not be."""
        turn = self.turn() if turn is None else turn
        with self._writing:
            if self.path is None or not self.kept or turn < self._written:
                return
            self._written = turn
            try:
                wholefile.write(self.path, dumps(state))
                self.fault = ""
            except TmplanError as error:
                self.fault = f"the session cannot be kept: {error}"

    def close(self) -> None:
        """Give the slot up."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def take(where: Path | None = None) -> Session:
    """The first slot that no other program holds; one that keeps nothing, and says why, where there can be none."""
    try:
        import fcntl

        where = where or folder()
        where.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(1, SLOTS + 1):
            lock = open(where / f"session-{number}.lock", "w", encoding="utf-8")  # noqa: SIM115  (held as long as the program runs)
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):  # held, as one system or another says it
                lock.close()
                continue
            except OSError:  # a file system without locks: better a session that two could write than none
                pass
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            return Session(where / f"session-{number}.json", number, lock)
        return Session(None, SLOTS, None, f"{SLOTS} programs are open; this one's session is not kept")
    except (OSError, ImportError) as error:
        told = wholefile.reason(error) if isinstance(error, OSError) else "this platform has no file locks"
        return Session(None, 1, None, f"the session cannot be kept: {told}")


def dumps(state: State) -> str:
    """The JSON of a state; every plan-file text once."""
    texts: dict[str, int] = {}

    def place(kept: Kept | None) -> int | None:
        return None if kept is None else texts.setdefault(kept.text, len(texts))

    first = max(0, min(state.history.at, len(state.history.moments) - SAVED))
    moments: list[dict[str, Any]] = []
    at = 0
    for number, m in enumerate(state.history.moments[first : first + SAVED], first):
        try:
            moment = {"document": place(m.kept), "saved": place(m.saved), "path": str(m.path) if m.path else "", "label": m.label}
        except TmplanError:  # it rests on a preset's file that has gone: one edit is lost, not all
            if number == state.history.at and not moments:
                raise
            continue
        moments.append(moment)
        at = len(moments) - 1 if number <= state.history.at else at
    view = state.view
    data: dict[str, Any] = {
        "schema": SCHEMA, "documents": list(texts), "moments": moments, "at": at,
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

    moments = [
        Moment(kept[m["document"]], Path(m["path"]) if m["path"] else None, document(m["saved"]), str(m["label"])) for m in data["moments"]
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
