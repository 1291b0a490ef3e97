"""What an edit changed: rank, memory and time of every plan then, as a search of the document of then gives them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.document.inputs import EXAMPLE, Inputs, resolve
from planner.document.planfile import Document
from planner.document.space import Bounds, Space
from planner.search.search import Result, search
from tests.tui.driving import SMALL, Driver, drive
from tui.state.before import Before, Then

SHORT = SMALL.inputs
EDITS: dict[str, tuple[tuple[Inputs, Space], tuple[Inputs, Space]]] = {
    "longer": ((SHORT, Space()), (SHORT.with_("sequence", 8192), Space())),
    "freed": ((SHORT, Space({"tp": Bounds((2,))})), (SHORT, Space())),
    "bounded": ((SHORT, Space()), (SHORT, Space({"pp": Bounds((1, 2))}))),
    "more GPUs": ((SHORT, Space()), (SHORT.with_("gpus", 32), Space())),
    "another stack": ((SHORT, Space()), (SHORT.with_("stack", "torchtitan"), Space())),
    "another model": ((SHORT.with_("model", "deepseek-v2-lite-16b"), Space()), (SHORT, Space())),
}


def searched(what: tuple[Inputs, Space]) -> Result:
    """A direct search."""
    return search(resolve(what[0]), what[1])


@pytest.mark.parametrize("name", EDITS)
def test_what_was_is_what_a_search_then_matched(name: str) -> None:
    """Of every plan now: whether it was a plan then, its memory, step and rank, exactly as the search of then ranks them."""
    old, new = (searched(what) for what in EDITS[name])
    rows = np.unique(np.linspace(0, new.counts.evaluated - 1, 1500).astype(int))
    reported = Before.of(old).values(new.plans(rows))
    steps = np.sort(old.step_seconds[old.order])
    assert len(reported) == len(rows)
    known = 0
    for row, then in zip(rows.tolist(), reported, strict=True):
        plan = new.plan(row)
        at = old.find(plan)
        if at is None or old.plan(at) != plan:  # of those that recompute the first few layers a search lists the fewest that fit
            assert not then.fits or plan.recompute_layers, plan
            continue
        known += 1
        assert then.valid and then.fits == bool(old.fits[at])
        assert math.isclose(then.memory, old.memory_bytes[at], rel_tol=1e-6)
        assert math.isclose(then.step, old.step_seconds[at], rel_tol=1e-6)
        if then.fits:
            fraction = steps[then.rank - 1] / old.step_seconds[at]
            assert math.isclose(fraction, 1, rel_tol=1e-6)
        else:
            assert then.rank == 0
    assert known or name == "more GPUs"


def test_a_plan_that_was_none_reads_new() -> None:
    """After GPUs are doubled no plan of now was one before, and each says so."""
    old, new = (searched(what) for what in EDITS["more GPUs"])
    reported = Before.of(old).values(new.plans(np.arange(50)))
    assert all(then.texts(7) == ("new→7", "-", "-") for then in reported)


def test_a_rank_that_did_not_change_is_one_number() -> None:
    """The rank before and now; a plan that was beyond the ranks is far, one that did not fit is unfit."""
    then = [Then(rank, 2.0**30, 1.5, fits, True) for rank, fits in ((7, True), (0, True), (0, False))]
    assert [each.texts(7)[0] for each in then] == ["7", "far→7", "unfit→7"]
    assert then[0].texts(1008)[0] == "7→1,008" and then[0].texts(0)[0] == "7"


def test_the_summary_states_what_an_edit_came_to() -> None:
    """Before and after in one line: slower or faster by how much, how many fit, or that something fits now or nothing any more."""
    short, long = searched((SHORT, Space())), searched((SHORT.with_("sequence", 8192), Space()))
    nothing = searched((SHORT.with_("model", "llama-3.1-405b"), Space()))
    assert Before.of(short).summary(short).startswith("best step unchanged")
    ratio = float(long.step_seconds[long.order[0]]) / float(short.step_seconds[short.order[0]])
    assert f"({100 * (ratio - 1):+.1f} %)" in Before.of(short).summary(long)
    assert f"{short.counts.fit:,} → {long.counts.fit:,} fit" in Before.of(short).summary(long)
    assert Before.of(nothing).summary(short).startswith("plans fit now")
    assert Before.of(short).summary(nothing).startswith("no plan fits any more")


def test_the_table_shows_rank_memory_and_step_before_and_after() -> None:
    """After a step of the sequence each row has its rank then and now, its GiB and step of then; ] puts them away, [ brings them back."""

    async def play(it: Driver) -> None:
        old = it.answer.result  # type: ignore[union-attr]
        assert old is not None
        await it.press("3")
        it.active_form.go("sequence")
        await it.press("plus")
        assert it.document.inputs.values["sequence"] == 8192
        assert "was GiB" in it.plans[0] or "was GiB" in "".join(it.table.lines())
        at = old.find(it.table.result.plan(int(it.table.rows[0])))  # type: ignore[union-attr]
        assert at is not None
        step = f"{old.step_seconds[at]:.3f}"
        assert it.plans[0].rstrip().endswith(step)
        await it.press("right_square_bracket")
        assert "was GiB" not in "".join(it.table.lines())
        assert "compared with nothing" in it.text()
        await it.press("left_square_bracket")
        assert it.plans[0].rstrip().endswith(step)
        await it.press("left_square_bracket")
        assert "there is no edit before that" in it.text()

    drive(play, size=(200, 60))


def test_edits_further_back_are_compared_with_too() -> None:
    """[ twice compares with the document two edits ago, recomputed if its plans were dropped."""

    async def play(it: Driver) -> None:
        await it.field("sequence", "8k")
        await it.field("global_batch", "128")
        it.program.earlier.plans.clear()
        await it.press("left_square_bracket")
        for _ in range(100):
            if it.table.before is not None:
                break
            await it.pilot.pause(0.05)
        assert it.table.before is not None
        direct = search(resolve(SHORT), Space())
        assert it.table.before.fit == direct.counts.fit
        assert it.table.before.best == direct.step_seconds[direct.order[0]]

    drive(play, size=(200, 60))


def test_the_example_is_left_as_it_was() -> None:
    """A document that was not edited is compared with nothing."""

    async def play(it: Driver) -> None:
        await it.press("left_square_bracket")
        assert "nothing was edited yet" in it.text()
        assert it.table.before is None

    drive(play, Document(EXAMPLE.with_all(SHORT.values)))
