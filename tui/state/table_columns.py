"""Which columns the table of a job has, on a screen of any width and on paper."""

from __future__ import annotations

from collections.abc import Sequence

from planner.report.columns import BY_KEY
from planner.specs.job import Job
from tui.state.axes import idle

TABLE = (
    "tp", "pp", "vpp", "schedule", "cp", "dp", "ep", "etp", "sharding", "sequence_parallel", "micro_batch", "recompute", "memory_gib",
    "memory_fill", "step_seconds", "tokens_per_second_per_gpu", "mfu",
)  # fmt: skip
MORE = ("dp_shard", "dp_replicate", "recompute_layers")  # behind them, where there is room
# Left out one by one where there is little room: what other columns tell as well comes first.
SPARED = ("sequence_parallel", "memory_fill", "tokens_per_second_per_gpu", "vpp", "etp", "mfu")
BESIDE = ("dp", "schedule", "sharding")  # given way to what stands beside the table
LEAST = 80  # cells that a table is made for; on a narrower screen it scrolls


def table_keys(job: Job) -> tuple[str, ...]:
    """The columns of a job's table, by key."""
    silent = idle(job.model.experts > 0, job.stack)
    return tuple(key for key in TABLE if key not in silent)


def keys_within(job: Job, width: int, *, sort: str = "", unfit: bool = False, beside: int = 0) -> tuple[str, ...]:
    """The columns of a job's table that have room in so many cells, the one it is sorted by among them.

    For plans that do not fit, how full the GPU is gives way to how much is too much; `beside` are the cells that something else takes,
    for which more columns give way.
    """
    width -= beside
    keys = tuple("over_gib" if unfit and key == "memory_fill" else key for key in table_keys(job))
    if width_of(keys + MORE) <= width:
        return keys + MORE
    for spared in (*SPARED, *(BESIDE if beside else ())):
        if width_of(keys) <= max(width, LEAST - beside):
            break
        keys = tuple(key for key in keys if key != spared or key == sort)
    return keys


def width_of(keys: Sequence[str]) -> int:
    """Cells these columns take: a mark before the first, a space between two."""
    return sum(BY_KEY[key].width + 1 for key in keys)
