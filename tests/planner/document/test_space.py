"""Bounds on the axes and their text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.document.space import AXES, FREE, NAMES, Bounds, Space, exactly, parse_bounds, write_bounds
from planner.errors import FieldError, UnknownName
from planner.search.search import search
from planner.specs.job import RANGE
from tests.planner.jobs import small


@st.composite
def bounded(draw: st.DrawFn) -> tuple[str, Bounds]:
    """An axis and bounds it can have."""
    axis = draw(st.sampled_from(AXES))
    low, high = RANGE.get(axis, (1, 1 << 20))
    values = st.sampled_from(sorted(NAMES[axis].values())) if axis in NAMES else st.integers(low, high)
    only = st.sets(values, min_size=1, max_size=4).map(lambda s: Bounds(tuple(sorted(s))))
    if axis in NAMES:
        return axis, draw(only | st.just(FREE))
    ranges = st.tuples(values, values).map(lambda pair: Bounds(None, min(pair), max(pair)))
    ends = values.map(lambda v: Bounds(None, v)) | values.map(lambda v: Bounds(None, 0, v))
    return axis, draw(only | ranges | ends | st.just(FREE))


@given(bounded())
def test_bounds_survive_writing_and_parsing(case: tuple[str, Bounds]) -> None:
    """Any bounds equal themselves after write_bounds and parse_bounds."""
    axis, bounds = case
    assert parse_bounds(axis, write_bounds(axis, bounds)) == bounds


@given(bounded(), st.lists(st.integers(0, 1 << 20), min_size=1))
def test_a_column_is_allowed_elementwise(case: tuple[str, Bounds], values: list[int]) -> None:
    """`allows` of a column equals `allows` of its values."""
    axis, bounds = case
    space = Space({axis: bounds})
    assert list(space.allows(axis, np.array(values))) == [bool(space.allows(axis, v)) for v in values]


@given(bounded(), bounded(), st.integers(0, 1 << 20))
def test_meet_is_the_intersection(one: tuple[str, Bounds], two: tuple[str, Bounds], value: int) -> None:
    """`meet` allows exactly the values that both bounds allow, and raises where there are none."""
    axis = one[0]
    try:
        both = one[1].meet(axis, two[1])
    except FieldError:
        assert not (one[1].allows(value) and two[1].allows(value))
    else:
        assert both.allows(value) == (one[1].allows(value) and two[1].allows(value))


@pytest.mark.parametrize("text", ["*", "8", "<=16", ">=2", "2..8", "1,2,4"])
def test_every_form_is_written_as_parsed(text: str) -> None:
    """Each notation of bounds is written in the form in which it was typed."""
    assert Space().with_("tp", text).text("tp") == text


def test_names_map_to_the_codes_of_a_plan() -> None:
    """Names and aliases of recompute, schedule and the flags give the codes of a plan."""
    assert parse_bounds("recompute", "full, none") == Bounds((0, 2))
    assert parse_bounds("sequence_parallel", "yes") == Bounds((1,))
    assert parse_bounds("zero", "none,3") == Bounds((0, 3))
    assert parse_bounds("schedule", "1f1b,zb-h1,dualpipev") == Bounds((0, 1, 4))
    assert parse_bounds("schedule", "interleaved,zb-1p,zb-2p") == Bounds((0, 1, 2))
    assert write_bounds("schedule", Bounds((3,))) == "zb-v"


@pytest.mark.parametrize(
    ("axis", "text", "message"),
    [
        ("tp", "0", "between 1 and"),
        ("tp", "x", "not 'x'"),
        ("tp", "-1", "not '-1'"),
        ("tp", "1e9", "not '1e9'"),
        ("tp", "99999999999", "must lie between"),
        ("tp", "9" * 5000, "whole numbers"),
        ("tp", "8..2", "write 2..8"),
        ("tp", "1,,2", "not ''"),
        ("zero", "4", "between 0 and 3"),
        ("recompute", "<=full", "no order"),
        ("recompute", "most", "none, selective, full, first"),
    ],
)
def test_invalid_bounds_are_refused_with_the_axis(axis: str, text: str, message: str) -> None:
    """The error has the axis, one line, and what would be valid."""
    with pytest.raises(FieldError, match=message) as refused:
        parse_bounds(axis, text)
    assert refused.value.key == axis and "\n" not in str(refused.value) and len(str(refused.value)) < 200


def test_an_unknown_axis_is_refused_with_the_nearest() -> None:
    """The closest axis is proposed."""
    with pytest.raises(UnknownName, match="micro_batch"):
        parse_bounds("micro-batch", "1")


def test_equal_spaces_are_one_cache_key() -> None:
    """Free bounds do not distinguish spaces."""
    assert len({Space(), Space({"tp": FREE}), Space().with_("tp", "8").with_("tp", None)}) == 1


def test_an_empty_intersection_is_refused() -> None:
    """The message shows both bounds."""
    with pytest.raises(FieldError, match=r"no tp is both 8 and <=4"):
        Space().with_("tp", "8").meet("tp", parse_bounds("tp", "<=4"))


@pytest.mark.parametrize("bounds", [{"zero": "0", "pp": "1"}, {"zero": "3", "dp_replicate": "2"}, {"recompute": "first"}])
def test_the_space_of_one_plan_contains_only_that_plan(bounds: dict[str, str]) -> None:
    """For any sharding and recomputation a search of that space returns the plan and no other."""
    space, job = Space(), small()
    for axis, text in bounds.items():
        space = space.with_(axis, text)
    result = search(job, space)
    plan = result.plan(int(result.order[0] if len(result.order) else result.rejected_order[0]))
    assert list(search(job, exactly(plan)).plans(np.arange(1)).rows()) == [plan]
    assert len(search(job, exactly(plan))) == 1
