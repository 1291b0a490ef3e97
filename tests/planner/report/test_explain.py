"""Every number of the table and the detail has a tree, and each tree gives the number of the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cost.evaluate import evaluate
from planner.errors import TmplanError, UnknownName
from planner.formula.trace import Step
from planner.report.columns import COLUMNS, columns_for
from planner.report.explain import explained, named
from planner.search.search import Result
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import FIELDS, Plan
from tests.planner.jobs import every_schedule, example, korthikanti, mixture, small
from tests.properties.strategies import SETTINGS, any_result, one

CHOICES = {"sharding", "fits", "at_risk", "fit", "dp_shard", *FIELDS}  # columns that no formula gives
PIPED = Plan(tp=2, pp=4, dp=2, dp_shard=2, zero=1, sequence_parallel=1)
MIXED = every_schedule(mixture("deepseek-v3-671b", 13, stack="torchtitan", gpus=64, global_batch=256))
DUAL = Plan(tp=2, pp=4, vpp=2, dp=8, ep=8, dp_shard=8, zero=2, sequence_parallel=1, schedule=4)


def held(job: Job, plan: Plan) -> dict[str, Step]:
    """The trees, each held against the table's number and unit."""
    trees, numbers = explained(job, plan), evaluate(job, plan)
    for column in columns_for(numbers):
        if column.key not in CHOICES:
            value = float(column.values(numbers)[0]) * (GIB if column.unit == "GiB" else 1.0)
            assert trees[column.key].value == pytest.approx(value, rel=1e-9, abs=1e-6), column.key
            assert trees[column.key].notation and trees[column.key].source and trees[column.key].meaning, column.key
    return trees


@pytest.mark.parametrize(
    ("job", "plan"),
    [(example(), Plan(tp=8, pp=16, vpp=8, dp=128, dp_shard=128, zero=1, sequence_parallel=1, recompute=1)),
     (small(), Plan(dp=16, dp_shard=16, zero=3)), (korthikanti("gpt-1t", 512, 512), Plan(tp=8, pp=64, recompute=2)),
     (small(offload_optimizer=True, stack="torchtitan"), Plan(cp=2, tp=2, dp=4, dp_shard=2, dp_replicate=2, zero=3, sequence_parallel=1)),
     (small(tuning="lora", stack="torchtitan"), PIPED), (MIXED, DUAL)],
    ids=["meta", "fsdp", "full", "offload", "lora", "mixture"],
)  # fmt: skip
def test_every_computed_column_has_a_tree_of_the_tables_number(job: Job, plan: Plan) -> None:
    """Memory, its limit, its parts and its band; step, parts, hidden traffic and band; utilisation and tokens."""
    trees = held(job, plan)
    assert set(trees) == {column.key for column in columns_for(evaluate(job, plan))} - CHOICES


WHOLES = {column.key for column in COLUMNS}


def test_parts_of_memory_and_of_time_sum_to_their_wholes() -> None:
    """The trees of the parts sum to those of memory and of the step."""
    trees = explained(MIXED, DUAL)
    for group, whole in (("memory_", "memory_gib"), ("time_", "step_seconds")):
        parts = [step.value for key, step in trees.items() if key.startswith(group) and key not in WHOLES]
        assert sum(parts) == pytest.approx(trees[whole].value, rel=1e-9)


def test_numbers_stand_in_the_notation_of_a_part() -> None:
    """Tensor-parallel traffic of a step is micro-batches times a stage's, and leads down to the collective."""
    step = explained(small(), PIPED)["time_tp_seconds"]
    assert step.notation == "m · T_i" and step.substituted.startswith("32 · ")
    assert step.find("gather_seconds") and step.find("stage_layers")


@pytest.mark.parametrize(
    ("name", "key"),
    [("memory", "memory_gib"), ("step", "step_seconds"), ("memory_gib", "memory_gib"), ("memory_activations", "memory_activations_gib"),
     ("activations", "memory_activations_gib"), ("tp", "time_tp_seconds"), ("time tp", "time_tp_seconds"),
     ("hidden-dp", "hidden_dp_seconds"),
     ("optimizer", "memory_optimizer_gib"), ("time_optimizer_seconds", "time_optimizer_seconds"), ("MFU", "mfu"), ("host", "host_gib")],
)  # fmt: skip
def test_numbers_go_by_their_key_without_the_unit_or_by_the_part_alone(name: str, key: str) -> None:
    """A column's key, the key without its unit, a part's name, whichever is shortest to write."""
    assert named(explained(small(), PIPED), name) == key


def test_a_choice_of_the_plan_has_no_tree() -> None:
    """A degree is a choice, and the refusal of a misspelt name has the nearest."""
    trees = explained(small(), PIPED)
    with pytest.raises(TmplanError, match="vpp is a choice of the plan"):
        named(trees, "vpp")
    with pytest.raises(UnknownName, match="did you mean time_bubble_seconds"):
        named(trees, "bubbl")


@SETTINGS
@given(any_result(), st.data())
@pytest.mark.slow
def test_of_any_plan_the_trees_give_the_tables_numbers(result: Result, data: st.DataObject) -> None:
    """Whatever the job and the plan, dense or a mixture of experts, whichever stage is fullest or slowest."""
    held(result.job, one(result, data))
