"""What - and + step through: values that the job can take, in their order, and back again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.document.fields import BY_KEY, FIELDS
from planner.document.inputs import EXAMPLE, Inputs, resolve, shown
from planner.document.space import AXES, Bounds, Space
from planner.errors import TmplanError
from planner.search import legal_values as legal
from planner.search.legal_values import axis_values, bounded, step_axis, step_field
from planner.search.search import search
from planner.specs.job import Job

SMALL = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "sequence": 4096})
EXPERTS = EXAMPLE.with_all({"model": "deepseek-v2-lite-16b", "gpus": 32, "global_batch": 64, "sequence": 4096, "stack": "torchtitan"})
REGULAR = ("gpus", "global_batch", "sequence", "layers", "ffn", "heads")  # a step up is undone by a step down


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("inputs", [SMALL, EXPERTS], ids=["dense", "experts"])
@pytest.mark.parametrize("bounds", [{}, {"pp": Bounds((2,))}], ids=["free", "pp=2"])
def test_axis_values_are_those_of_the_valid_plans(inputs: Inputs, axis: str, bounds: dict[str, Bounds]) -> None:
    """A value is legal if and only if some plan that the search evaluates has it, the other bounds as they are."""
    job, space = resolve(inputs), Space(bounds)
    values = axis_values(job, space, axis)
    assert list(values) == sorted(set(values))
    freed = space.with_(axis, Bounds(None, 1) if axis == "recompute_layers" else None)
    for value in values:
        assert search(job, freed.with_(axis, Bounds((value,)))).counts.evaluated, value
    drawn = search(job, freed)
    listed = set(bounded(drawn.plans(np.arange(drawn.counts.evaluated)), axis).tolist()) if drawn.counts.evaluated else set()
    assert listed <= set(values)


@given(st.sets(st.integers(1, 64), max_size=8), st.integers(1, 64), st.sampled_from([1, -1]))
def test_steps_of_an_axis_go_up_and_down_its_values(drawn: set[int], at: int, by: int) -> None:
    """From a value a step goes to the next legal one, a step back returns; beyond the ends there is none; from free to an end."""
    values = tuple(sorted(drawn))
    to = step_axis(values, Bounds((at,)), by)
    beyond = [v for v in values if (v > at if by > 0 else v < at)]
    assert to == ((min(beyond) if by > 0 else max(beyond)) if beyond else None)
    if to is not None and at in drawn:
        assert step_axis(values, Bounds((to,)), -by) == at
    assert step_axis(values, Bounds(), by) == ((values[0] if by > 0 else values[-1]) if values else None)


@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize("key", BY_KEY)
@pytest.mark.parametrize("inputs", [SMALL, EXPERTS], ids=["dense", "experts"])
def test_a_step_of_a_field_makes_a_job(inputs: Inputs, key: str, by: int) -> None:
    """The value that a field steps to resolves, and lies on the side it was stepped to; else there is none, or a sentence."""
    value = step_field(inputs, key, by)
    if value is None:
        return
    stepped = inputs.with_(key, value)
    resolve(stepped)
    before = shown(inputs)[key][0]
    assert shown(stepped)[key][0] != before
    if BY_KEY[key].kind in ("int", "float"):
        assert (float(value) - float(before)) * by > 0


@given(st.data())
@settings(max_examples=60, deadline=None)
@pytest.mark.slow
def test_walking_fields_up_and_down_keeps_a_job(data: st.DataObject) -> None:
    """However one steps from field to field, there is always a job; on regular ladders a step up and a step down come back."""
    inputs = data.draw(st.sampled_from([SMALL, EXPERTS]))
    for _ in range(6):
        key = data.draw(st.sampled_from([f.key for f in FIELDS]))
        by = data.draw(st.sampled_from([1, -1]))
        value = step_field(inputs, key, by)
        if value is None:
            continue
        before, inputs = inputs, inputs.with_(key, value)
        resolve(inputs)
        if key in REGULAR and _on_ladder(key, shown(before)[key][0]):
            assert step_field(inputs, key, -by) == shown(before)[key][0]


def _on_ladder(key: str, value: Any) -> bool:
    """Whether a value is one that steps land on, not one set by hand or by a preset between two of them."""
    if key == "ffn":
        return int(value) % 128 == 0
    return key not in ("gpus", "global_batch", "sequence") or int(value).bit_count() == 1


def test_a_job_refused_for_another_field_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no value of a field would do, the refusal of the field that is to blame is raised after one try, not after hundreds."""
    tries: list[Inputs] = []

    def counted(inputs: Inputs) -> Job:
        tries.append(inputs)
        return resolve(inputs)

    monkeypatch.setattr(legal, "resolve", counted)
    with pytest.raises(TmplanError, match="do not fill nodes"):
        step_field(SMALL.with_("gpus", 17), "layers", 1)
    assert len(tries) == 2
    assert step_field(SMALL.with_("gpus", 17), "gpus", 1) == 32


def test_sizes_step_to_what_heads_divide() -> None:
    """A hidden size that its heads do not divide is mended by a step, either way."""
    wrong = SMALL.with_("hidden", 4100)
    with pytest.raises(TmplanError):
        resolve(wrong)
    assert step_field(wrong, "hidden", 1) == 4128
    assert step_field(wrong, "hidden", -1) == 4096
