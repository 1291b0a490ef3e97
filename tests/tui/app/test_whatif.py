"""What-if by keyboard alone: step, free, lock, adopt, undo, redo."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from planner.document.inputs import EXAMPLE, resolve
from planner.document.planfile import Document
from planner.document.space import AXES, Space
from planner.search import legal_values as legal
from planner.search.legal_values import axis_values
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search
from tui.app.stepping import Legal, Place


async def at(it: Driver, key: str) -> None:
    """Put the cursor on a field."""
    name = next(name for name, form in it.forms.items() if any(entry.key == key for entry in form.entries))
    it.program.layout.go(name)
    it.forms[name].go(key)
    await it.pilot.pause()


async def stepped(it: Driver, *keys: str) -> None:
    """Step an axis, and wait until its legal values are known."""
    await it.press(*keys)
    for _ in range(500):
        if not it.program.stepping.pending:
            break
        await it.pilot.pause(0.01)
    await it.ready()


@pytest.mark.parametrize("axis", ["tp", "pp", "vpp", "zero", "micro_batch", "recompute"])
def test_plus_walks_up_the_legal_values_and_minus_down(axis: str) -> None:
    """From free, + locks to the first value that some valid plan has, and on to the last, where it says so; - walks back."""
    values = axis_values(resolve(SMALL.inputs), Space(), axis)
    assert len(values) > 1

    async def play(it: Driver) -> None:
        await at(it, axis)
        for value in values:
            await stepped(it, "plus")
            assert it.document.space[axis].only == (value,)
            assert it.answer is not None and it.answer.result is not None and it.answer.result.counts.evaluated
        await stepped(it, "plus")
        assert it.document.space[axis].only == (values[-1],) and "the last legal value" in it.text()
        await stepped(it, "minus")
        assert it.document.space[axis].only == (values[-2],)
        await it.press("asterisk")
        await stepped(it, "minus")
        assert it.document.space[axis].only == (values[-1],)

    drive(play)


def test_steps_pressed_while_values_are_looked_for_are_all_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three presses before the legal values are known count three; one that came for another document counts none."""
    gate, entered = threading.Event(), threading.Semaphore(0)
    real = legal.axis_values

    def slow(*arguments: Any) -> tuple[int, ...]:
        entered.release()
        assert gate.wait(10)
        return real(*arguments)

    monkeypatch.setattr(legal, "axis_values", slow)

    async def play(it: Driver) -> None:
        values = real(resolve(SMALL.inputs), Space(), "tp")
        await at(it, "tp")
        await it.pilot.press("plus", "plus", "plus")
        assert it.document.space["tp"].free
        gate.set()
        await stepped(it)
        assert it.document.space["tp"].only == (values[2],)
        await it.press("asterisk")
        late = Legal(Place(EXAMPLE, Space(), "tp"), (1, 2))
        it.program.stepping.pending[late.place] = 1
        it.program.stepping.receive(late)
        await it.ready()
        assert it.document.space["tp"].free

    drive(play, search=fake_search)


@pytest.mark.parametrize(("key", "up"), [("sequence", 8192), ("global_batch", 128), ("gpus", 32), ("layers", 33), ("tflops_bf16", 1000.0)])
def test_fields_step_to_the_next_value_a_job_can_take(key: str, up: float) -> None:
    """+ doubles counts of tokens, sequences and GPUs, adds a layer, rounds a figure up; - comes back to where it was or below."""

    async def play(it: Driver) -> None:
        await at(it, key)
        before = float(it.active_form.texts[key][0])
        await it.press("plus")
        assert it.document.inputs.values[key] == up
        await it.press("minus")
        assert float(it.active_form.texts[key][0]) <= before
        await it.press("asterisk")
        assert key not in it.document.inputs.values or it.document.inputs.values[key] == before

    drive(play, search=fake_search)


def test_a_field_at_its_last_value_does_not_change() -> None:
    """A choice has a last value; + there changes nothing. A job refused for another field says which."""

    async def play(it: Driver) -> None:
        await at(it, "tied")
        await it.press("plus", "plus")
        assert it.document.inputs.values["tied"] is True and "no legal value above" in it.text()
        await it.field("gpus", "17")
        await at(it, "layers")
        await it.press("plus")
        assert "layers" not in it.document.inputs.values and "do not fill nodes" in it.text()

    drive(play, search=fake_search)


@pytest.mark.slow
def test_locking_bounds_a_degree_to_the_plan_selected() -> None:
    """= on each axis leaves only plans with the value of the plan under the cursor, and that plan among them; fields cannot be locked."""

    async def play(it: Driver) -> None:
        await it.press("4", "down", "down", "down")
        plan = it.table.plan
        assert plan is not None
        for axis in AXES:
            if not any(entry.key == axis for entry in it.forms["batch"].entries):
                continue
            await at(it, axis)
            await it.press("equals_sign")
            result = it.answer.result  # type: ignore[union-attr]
            assert result is not None and result.find(plan) is not None, axis
            await it.press("asterisk")
        await at(it, "sequence")
        await it.press("equals_sign")
        assert "only what the search tries can be locked" in it.text()

    drive(play)


def test_adopting_leaves_the_plan_alone() -> None:
    """a bounds every degree to the plan selected: it is the only one left, and one undo brings all back."""

    async def play(it: Driver) -> None:
        everything = len(it.table.rows)
        await it.press("down", "down")
        plan = it.table.plan
        await it.press("a")
        assert len(it.table.rows) == 1 and it.table.plan == plan
        await it.press("u")
        assert len(it.table.rows) == everything and it.table.plan == plan

    drive(play)


def test_every_edit_can_be_taken_back_and_done_again() -> None:
    """Fields typed, stepped, freed and locked, a plan adopted: u walks back through all of them, U forth again."""

    async def play(it: Driver) -> None:
        documents = [it.document]

        async def edited(*keys: str) -> None:
            await it.press(*keys)
            assert it.document != documents[-1]
            documents.append(it.document)

        await at(it, "sequence")
        await edited("enter", "2", "k", "enter")
        await edited("plus")
        await at(it, "tp")
        await edited("equals_sign")
        await edited("asterisk")
        await edited("a")
        for document in reversed(documents[:-1]):
            await it.press("u")
            assert it.document == document
        await it.press("u")
        assert "there is no edit to take back" in it.text()
        for document in documents[1:]:
            await it.press("U")
            assert it.document == document
        await it.press("U")
        assert "there is no edit to do again" in it.text()

    drive(play, search=fake_search)


def test_where_there_is_no_plan_nothing_is_locked_or_adopted() -> None:
    """With a job refused, = and a say why and change nothing."""

    async def play(it: Driver) -> None:
        await it.field("gpus", "17")
        before = it.document
        for key in ("a", "equals_sign"):
            await at(it, "tp")
            await it.press(key)
            assert it.document == before and "there is no plan here" in it.text()

    drive(play, Document(SMALL.inputs))
