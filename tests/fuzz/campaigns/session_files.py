"""Campaign: sessions, mutated as JSON and as bytes; what cannot be read is set aside whole, what can is written and read the same."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from planner.document import planfile
from planner.document.inputs import resolve
from planner.errors import TmplanError
from planner.specs.plan import Plan
from tests.fuzz import nasty, tomltext
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.campaigns.config_json import json_text
from tests.fuzz.campaigns.plan_files import plans
from tests.fuzz.mutate import mutated, shaken
from tui.state import edits, session
from tui.state.filter import parse_filter
from tui.state.history import History, Moment, StoredDocument
from tui.state.view import View

PLAN = Plan(2, 2, 1, 1, 4, dp_shard=4, zero=1)


@cache
def base() -> str:
    """The text of a session with a few edits, a pin, a view, a refused text."""
    stored = [StoredDocument(planfile.loads(text)) for text in plans()]
    moments = [Moment(each, Path("x.toml") if n % 2 else None, each if n % 2 else None, f"edit {n}") for n, each in enumerate(stored)]
    state = session.State(
        History(moments, 2), [PLAN], View("mfu", True, "tp=2", True), ("tp", "mfu"), {"gpus": ("many", "must be a number")}, PLAN
    )
    return session.dumps(state)


def draw(rng: Random) -> Case:
    """A session with objects, documents or bytes of it changed."""
    if rng.random() < 0.3:
        return {"data": nasty.packed(shaken(rng, base().encode()))}
    data = json.loads(base())
    if rng.random() < 0.3:
        data["documents"] = [tomltext.dumps(mutated(rng, tomllib.loads(text), none=False), rng) for text in data["documents"]]
    return {"data": nasty.packed(json_text(rng, mutated(rng, data), sorted(data)).encode("utf-8", "surrogatepass"))}


def check(case: Case, bench: Bench) -> None:
    """Nothing is lost: the state is read, or the same bytes are set aside and a message names the file."""
    data, folder = nasty.unpacked(case["data"]), bench.folder / "sessions"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    (folder / "session-1.json").write_bytes(data)
    taken = session.take(folder)
    try:
        state = taken.read()
    finally:
        taken.close()
    if state is None:
        need(taken.fault, "a session that cannot be read is passed over in silence")
        adjacent = [path for path in folder.iterdir() if path.suffix == ".json" and path.read_bytes() == data]
        need(adjacent, "a session that cannot be read is lost")
        return
    need(session.dumps(session.loads(session.dumps(state))) == session.dumps(state), "a session is not read back unchanged")
    for moment in state.history.moments:
        _shown(moment)
    _tolerated(lambda: parse_filter(state.view.filter))


def _shown(moment: Moment) -> None:
    """A moment's document can be shown, or is refused."""

    def show() -> object:
        document = moment.document
        edits.listed(document, edits.texts(document))
        return resolve(document.inputs)

    _tolerated(show)


def _tolerated(call: Callable[[], object]) -> None:
    """A call that may be refused."""
    try:
        call()
    except TmplanError:
        return


register(Campaign("sessions", "session files", draw, check, weight=0.7, shrinks=("data",)))
