"""Live memory of transformers' models against their own code, run on fake tensors."""

from __future__ import annotations

from statistics import mean

import pytest

from tests.planner.cost.lab_rows import Row, errors, live_gib, reserved_gib, rows

ROWS = rows("transformers")


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}" for i in range(len(ROWS))])
def test_live_memory_of_a_row_is_within_six_percent(row: Row) -> None:
    """The peak of live tensors is what the code of the framework allocates, to 6 % at worst."""
    assert live_gib(row) == pytest.approx(float(row["live_gib"]), rel=0.06)


def test_live_memory_is_within_two_percent_on_average() -> None:
    """The mean absolute error over the table is at most 2 %."""
    assert mean(abs(error) for error in errors(ROWS)) <= 0.02


def test_reserved_memory_is_within_six_percent_on_average() -> None:
    """The mean absolute error of what the caching allocator holds is at most 6 %, on one GPU and with sharded weights."""
    for sharded in (False, True):
        table = [row for row in ROWS if (int(row["gpus"]) > 1) == sharded]
        assert mean(abs(reserved_gib(row) / float(row["reserved_gib"]) - 1) for row in table) <= 0.06
