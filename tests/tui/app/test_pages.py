"""Pages: each has a key, is computed on a thread, and is never of an older question."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from planner.document.planfile import Document
from planner.errors import TmplanError
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search, made_up
from tui import pages
from tui.pages import memory, step
from tui.pages.subject import Subject
from tui.settings.bindings import BINDINGS
from tui.state import edits

__all__ = ["made_up"]
HELPERS = {"subject", "writing", "spending"}  # what pages share
OPENED = {"compare": "c", "whynot": "n", "explain": "x", "versus": "V"}  # pages that other actions open
SHORT = ("verify",)  # pages of one sentence in the tests: no framework is installed
TURNED = {str(b.argument): b.keys[0] for b in BINDINGS if b.action == "pages.turn"}


def test_every_page_has_a_key_and_every_key_a_page() -> None:
    """Each module of tui.pages has work and draw, is opened by some key, and each key that turns to a page has its module."""
    names = {module.name for module in pkgutil.iter_modules(pages.__path__)} - HELPERS
    turned = {argument.split()[0]: key for argument, key in TURNED.items()}
    assert names == set(turned) | set(OPENED)
    keys = {key for b in BINDINGS for key in b.keys}
    for name in names:
        module = importlib.import_module(f"tui.pages.{name}")
        assert list(inspect.signature(module.work).parameters) == ["subject"]
        assert list(inspect.signature(module.draw).parameters)[1:] == ["width"]
        assert (turned | OPENED)[name] in keys


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.slow
def test_every_page_opens_scrolls_and_closes(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real planner: each page shows lines, G and g go to its ends, its key or esc closes it, and the plans are as before."""

    monkeypatch.setenv("TMPLAN_PYTHON", "/nowhere/python")

    async def play(it: Driver) -> None:
        before = it.plans
        for name, key in TURNED.items():
            await it.press("4", key)
            assert it.detail.page == name.split()[0] and it.pane == "detail"
            assert name in SHORT or sum(bool(line.strip()) for line in it.detail.lines()) > 3, name
            assert "please report" not in it.text()
            await it.press("G", "pageup", "g")
            assert it.detail.top == 0
            await it.press(key if name in ("memory", "scale") else "escape")
            assert it.detail.page == "" and it.pane == "plans"
        await it.press("n")
        await it.type("tp=3 pp=5")
        assert "It breaks" in it.text()
        await it.press("escape", "x", "enter")
        assert it.detail.page == "explain"
        await it.press("escape")
        assert it.plans == before

    drive(play, size=size)


class Slow:
    """A page whose work waits at a gate, and that records its subjects."""

    def __init__(self) -> None:
        self.subjects: list[Subject] = []
        self.gates: list[threading.Event] = []
        self.entered = threading.Semaphore(0)

    def work(self, subject: Subject) -> Any:
        gate = threading.Event()
        self.subjects.append(subject)
        self.gates.append(gate)
        self.entered.release()
        assert gate.wait(10)
        return subject

    async def begun(self, it: Driver) -> None:
        """Wait until the page is being computed once more."""
        for _ in range(500):
            if self.entered.acquire(blocking=False):
                return
            await it.pilot.pause(0.01)
        raise AssertionError("the page is not computed")


def drawn(subject: Any, width: int) -> list[Any]:
    """A page that names its plan."""
    return [[(f"page of tp {subject.plan.tp} pp {subject.plan.pp} mb {subject.plan.micro_batch} at {subject.job.sequence}", "text")]]


@pytest.mark.usefixtures("made_up")
def test_a_page_of_an_older_plan_never_lands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of the plan before, or of the document before, computed late, is cancelled and never shown."""
    slow = Slow()
    monkeypatch.setattr(memory, "work", slow.work)
    monkeypatch.setattr(memory, "draw", drawn)

    async def play(it: Driver) -> None:
        await it.pilot.press("d")
        await slow.begun(it)
        await it.pilot.press("4", "down")
        await slow.begun(it)
        assert [subject.cancelled() for subject in slow.subjects] == [True, False]
        slow.gates[1].set()
        slow.gates[0].set()
        await it.ready()
        newest = slow.subjects[-1].plan
        assert newest == it.table.plan != slow.subjects[0].plan
        assert f"page of tp {newest.tp} pp {newest.pp} mb {newest.micro_batch}" in it.text()
        it.program.editing.edit(lambda document: edits.set_text(document, "sequence", "8k"), "sequence")
        await slow.begun(it)
        slow.gates[-1].set()
        await it.ready()
        assert "at 8192" in it.text() and "at 4096" not in it.text()

    drive(play, search=fake_search)


@pytest.mark.usefixtures("made_up")
def test_a_page_closed_or_left_for_another_never_lands(monkeypatch: pytest.MonkeyPatch) -> None:
    """esc before a page is there leaves the detail; another page takes its place; keys work all the while."""
    slow = Slow()
    monkeypatch.setattr(memory, "work", slow.work)
    monkeypatch.setattr(memory, "draw", drawn)
    monkeypatch.setattr(step, "work", lambda subject: SimpleNamespace(plan=subject.plan))
    monkeypatch.setattr(step, "draw", lambda subject, width: [[("the page of the step", "text")]])

    async def play(it: Driver) -> None:
        await it.pilot.press("d")
        await slow.begun(it)
        assert "working" in it.text(), it.text()
        await it.press("escape")
        slow.gates[0].set()
        await it.press("down")
        assert "page of tp" not in it.text() and slow.subjects[0].cancelled()
        await it.pilot.press("d")
        await slow.begun(it)
        await it.pilot.press("p")
        slow.gates[1].set()
        await it.ready()
        assert "the page of the step" in it.text() and "page of tp" not in it.text()

    drive(play, search=fake_search)


@pytest.mark.parametrize(
    ("error", "message"), [(TmplanError("no such page today"), "no such page today"), (ZeroDivisionError("x"), "report")]
)
def test_a_page_that_cannot_be_is_a_sentence(error: Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal, or a fault of the page, stands in its place as one sentence; esc leaves it."""

    def fails(subject: Subject) -> None:
        raise error

    monkeypatch.setattr(memory, "work", fails)

    async def play(it: Driver) -> None:
        await it.press("d")
        assert message in it.text() and "✗" in it.text()
        await it.press("escape")
        assert message not in it.text()

    drive(play, search=fake_search)


@pytest.mark.parametrize("key", [*TURNED.values(), "c", "x"])
@pytest.mark.slow
def test_pages_while_nothing_fits_are_about_the_nearest_plan(key: str) -> None:
    """Where nothing fits each page opens on the plan nearest to fitting, or says that there is none; while the job is refused too."""

    async def play(it: Driver) -> None:
        for _ in range(2):
            await it.press("4", key)
            assert "please report" not in it.text()
            await it.press("escape", "escape")
            await it.field("gpus", "17")
        assert "plans before the refused change" in it.text() or "do not fill nodes" in it.text()

    drive(play, Document(SMALL.inputs.with_all({"model": "llama-3.1-70b", "gpus": 8})))


def test_a_search_goes_to_the_next_match_of_a_word() -> None:
    """`/` in the detail scrolls to the next line that has a word, the same word again to the one after, and says where there is none."""

    async def play(it: Driver) -> None:
        await it.press("N", "slash")
        await it.type("pipeline")
        first = it.detail.at_find
        await it.press("slash", "enter")
        assert it.detail.at_find > first >= 0
        await it.press("slash")
        await it.type("no such word")
        assert "'no such word' is not there" in it.text()
        await it.press("escape", "escape", "5", "slash")
        await it.type("memory by stage")
        assert "memory by stage" in "".join(it.detail.lines())

    drive(play)


@pytest.mark.usefixtures("made_up")
def test_the_budget_is_open_while_the_training_run_has_the_keyboard() -> None:
    """The form of the run brings the budget, computed at once; it stays in the detail, and goes with the next pane."""

    async def play(it: Driver) -> None:
        await it.press("6")
        assert it.detail.page == "budget" and "budget" in it.detail.lines()[0] and "tokens" in it.detail.lines()[1]
        await it.press("5")
        assert it.detail.page == "budget"
        await it.press("6", "4")
        assert it.detail.page == "" and "memory" in "".join(it.detail.lines())

    drive(play, search=fake_search)
