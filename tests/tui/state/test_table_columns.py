"""The columns of a job's table: those that say something of it, as many as there is room for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.document.inputs import EXAMPLE, resolve
from planner.report.columns import BY_KEY
from planner.specs.job import Job
from tui.state.table_columns import LEAST, MORE, TABLE, keys_within, table_keys, width_of

DENSE = (
    "tp", "pp", "vpp", "cp", "dp", "sharding", "sequence_parallel", "micro_batch", "recompute", "memory_gib", "memory_fill", "step_seconds",
    "tokens_per_second_per_gpu", "mfu",
)  # fmt: skip


def job(model: str, *schedules: str, tensor: str = "any") -> Job:
    """A job on a stack with these pipeline schedules, which divides experts so."""
    result = resolve(EXAMPLE.with_("model", model))
    return replace(result, stack=replace(result.stack, schedules=schedules or ("1f1b",), expert_tensor=tensor))


JOBS = {
    "dense": job("llama-3.1-405b"),
    "dense-schedules": job("llama-3.1-405b", "1f1b", "zb-v"),
    "experts": job("mixtral-8x7b"),
    "experts-schedules": job("mixtral-8x7b", "1f1b", "dualpipev"),
    "experts-whole": job("mixtral-8x7b", tensor="never"),
}


def test_a_dense_model_has_the_table_it_always_had() -> None:
    """Neither experts nor a schedule that cannot be chosen take any room, on paper or on a screen of any width."""
    dense = JOBS["dense"]
    assert table_keys(dense) == DENSE and keys_within(dense, 85) == DENSE and keys_within(dense, 120) == (*DENSE, *MORE)
    assert keys_within(dense, 80) == tuple(key for key in DENSE if key != "sequence_parallel")


@pytest.mark.parametrize(
    ("name", "custom"),
    [
        ("dense-schedules", {"schedule"}),
        ("experts", {"ep", "etp"}),
        ("experts-whole", {"ep"}),
        ("experts-schedules", {"schedule", "ep", "etp"}),
    ],
)
def test_experts_and_schedules_have_columns_where_there_is_a_choice(name: str, custom: set[str]) -> None:
    assert set(table_keys(JOBS[name])) - set(DENSE) == custom
    assert list(table_keys(JOBS[name])) == sorted(table_keys(JOBS[name]), key=TABLE.index)


@pytest.mark.parametrize("unfit", [False, True])
@pytest.mark.parametrize("name", JOBS)
def test_a_table_fits_its_screen_and_keeps_what_shows_plans_apart(name: str, unfit: bool) -> None:
    """From 80 cells on every column is whole; degrees, memory and step time are there, and MFU for plans that fit."""
    for width in range(LEAST, 160):
        keys = keys_within(JOBS[name], width, unfit=unfit)
        assert width_of(keys) <= width
        assert {"tp", "pp", "dp", "sharding", "micro_batch", "recompute", "memory_gib", "step_seconds"} <= set(keys)
        assert unfit or "mfu" in keys
        assert ("ep" in keys) == name.startswith("experts") and ("schedule" in keys) == name.endswith("schedules")
        assert ("over_gib" in keys) == unfit


def test_the_column_that_orders_the_table_is_not_left_out() -> None:
    for key in table_keys(JOBS["experts"]):
        assert key in keys_within(JOBS["experts"], LEAST, sort=key)


def test_cells_reserved_for_a_comparison_are_not_used_by_columns() -> None:
    """The columns and the reserved cells together fit the width from 120 cells on; a column has one cell between it and the next."""
    reserved = 27
    for width in range(120, 160):
        assert width_of(keys_within(JOBS["dense"], width, reserved=reserved)) <= width - reserved
    assert width_of(("tp", "pp")) == BY_KEY["tp"].width + BY_KEY["pp"].width + 2
