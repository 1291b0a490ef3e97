"""The columns of a job's table, for screens of any width and for printed tables."""

from __future__ import annotations

from collections.abc import Sequence

from planner import degrees
from planner.report.columns import BY_KEY
from planner.specs.job import Job
from tui.state.axes import idle

TABLE = (
    *degrees.placed_after(degrees.KEYS, "vpp", "schedule"), "sharding", "sequence_parallel", "micro_batch", "recompute", "memory_gib",
    "memory_fill", "step_seconds", "tokens_per_second_per_gpu", "mfu",
)  # fmt: skip
MORE = ("dp_shard", "dp_replicate", "recompute_layers")  # appended if there is room
# Dropped in this order if there is little room: first what other columns show too.
SPARED = ("sequence_parallel", "memory_fill", "tokens_per_second_per_gpu", "vpp", "etp", "mfu")
FURTHER = ("dp", "schedule", "sharding")  # dropped in addition if other columns need the room
LEAST = 80  # least width the table is designed for; on a narrower screen it scrolls


def table_keys(job: Job) -> tuple[str, ...]:
    """The keys of the columns of a job's table."""
    silent = idle(job.model.experts > 0, job.stack)
    return tuple(key for key in TABLE if key not in silent)


def keys_within(job: Job, width: int, *, sort: str = "", unfit: bool = False, reserved: int = 0) -> tuple[str, ...]:
    """The columns of a job's table that fit in `width` cells, always with the sort column.

    For plans that do not fit, the fill of the GPU is replaced by the excess memory; `reserved` cells are for other columns, for which
    more columns are dropped.
    """
    width -= reserved
    keys = tuple("over_gib" if unfit and key == "memory_fill" else key for key in table_keys(job))
    if width_of(keys + MORE) <= width:
        return keys + MORE
    for spared in (*SPARED, *(FURTHER if reserved else ())):
        if width_of(keys) <= max(width, LEAST - reserved):
            break
        keys = tuple(key for key in keys if key != spared or key == sort)
    return keys


def width_of(keys: Sequence[str]) -> int:
    """Cells that these columns take: a mark before the first, a space between two."""
    return sum(BY_KEY[key].width + 1 for key in keys)
