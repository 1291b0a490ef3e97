"""Every number shown or exported: its key, heading, unit, width, and how one value of it is written.

The table on the screen, `tmplan plan` in all its formats and the plan file read this registry and nothing else; which of them a
table has is in tui.state.table_columns. To show a number more, add one entry to COLUMNS. Nothing here needs numpy: values come as
columns and leave as columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.errors import UnknownName
from planner.report.choice_text import recompute_code, schedule_code, sharding_code, write_recompute, write_schedule, write_sharding
from planner.report.number_text import write_count, write_figure, write_fill, write_gib, write_over, write_percent, write_yes
from planner.specs.hardware import GIB
from planner.specs.job import RECOMPUTES, SCHEDULES

if TYPE_CHECKING:
    from planner.search.search import Estimate


Plain = int | float | bool | str
RISK = "?"  # before the memory of a plan at risk, wherever plans are listed


@dataclass(frozen=True)
class Column:
    """One number. `value` gives a column of it (a row each) from an Estimate, in `unit`; the smallest is best if `ascending`.

    `write` makes text of one value, `plain` what JSON, CSV and the plan file hold of it.
    """

    key: str
    heading: str
    unit: str
    width: int
    help: str
    value: Callable[[Estimate], Any]
    write: Callable[[Any], str]
    plain: Callable[[Any], Plain]
    ascending: bool = True

    def text(self, value: Any) -> str:
        """One value, right-aligned in the column's width."""
        return self.write(value).rjust(self.width)

    @property
    def title(self) -> str:
        """The heading, right-aligned as its values are."""
        return self.heading.rjust(self.width)

    def texts(self, estimate: Estimate) -> list[str]:
        """One text for each row, right-aligned; memory with a sign before the figure where the plan is at risk."""
        texts = [self.text(value) for value in self.values(estimate)]
        if self.key != "memory_gib":
            return texts
        return [f"{RISK}{text.lstrip()}".rjust(self.width) if risky else text for text, risky in zip(texts, at_risk(estimate), strict=True)]

    def values(self, estimate: Estimate) -> Any:
        """A value for each row of the estimate, even where it is the same for all."""
        values = self.value(estimate)
        return values if getattr(values, "ndim", 0) else values + estimate.step * 0.0


def _degree(key: str, heading: str, width: int, help: str) -> Column:
    return Column(key, heading, "", width, help, lambda e: getattr(e.plan, key), write_count, int)


def _figure(
    key: str, heading: str, unit: str, width: int, help: str, value: Callable[[Estimate], Any], write: Callable[[Any], str] = write_figure,
    ascending: bool = True,
) -> Column:  # fmt: skip
    return Column(key, heading, unit, width, help, value, write, float, ascending)


def over(estimate: Estimate) -> Any:
    """GiB over the limit; 0 for a plan that fits."""
    excess = (estimate.memory - estimate.memory_limit) / GIB
    return (excess + abs(excess)) / 2  # never -0.0


def at_risk(estimate: Estimate) -> Any:
    """Whether each plan is at risk: it fits, and the 80 % band of its memory crosses the limit."""
    return estimate.fits & (estimate.memory * estimate.memory_band.high > estimate.memory_limit)


COLUMNS: tuple[Column, ...] = (
    _degree("tp", "TP", 3, "tensor parallel degree"),
    _degree("pp", "PP", 3, "pipeline stages"),
    _degree("vpp", "VPP", 3, "virtual pipeline stages a rank (interleaved)"),
    Column("schedule", "Schedule", "", 11, "pipeline schedule", lambda e: schedule_code(e.plan), write_schedule,
           lambda code: SCHEDULES[int(code) // 2]),
    _degree("cp", "CP", 3, "context parallel degree"),
    _degree("dp", "DP", 5, "data parallel degree"),
    _degree("ep", "EP", 3, "expert parallel degree"),
    _degree("etp", "ETP", 3, "ranks that one expert is divided over"),
    _degree("dp_shard", "Shard", 5, "data parallel ranks that share one sharded copy"),
    _degree("dp_replicate", "Repl", 5, "sharded copies"),
    _degree("zero", "ZeRO", 4, "ZeRO stage: 1 shards the optimizer, 2 the gradients too, 3 the parameters too"),
    Column("sharding", "Sharding", "", 8, "what is sharded over data parallel ranks", lambda e: sharding_code(e.plan),
           write_sharding, write_sharding),
    Column("sequence_parallel", "SP", "", 3, "sequence parallelism", lambda e: e.plan.sequence_parallel, write_yes, bool),
    _degree("micro_batch", "MB", 3, "sequences in a micro-batch"),
    Column("recompute", "Recomp", "", 8, "what the backward pass computes again", lambda e: recompute_code(e.plan), write_recompute,
           lambda code: RECOMPUTES[int(code) % 4]),
    _degree("recompute_layers", "RL", 3, "layers recomputed in each virtual stage, for recompute first"),
    _figure("memory_gib", "GiB", "GiB", 6, "device memory of the fullest GPU", lambda e: e.memory / GIB, write_gib),
    _figure("memory_low_gib", "Low", "GiB", 6, "device memory that at most 10 of 100 measured runs like it stay below",
            lambda e: e.memory * e.memory_band.low / GIB, write_gib),
    _figure("memory_high_gib", "High", "GiB", 6, "device memory that at most 10 of 100 measured runs like it go beyond",
            lambda e: e.memory * e.memory_band.high / GIB, write_gib),
    _figure("memory_limit_gib", "Limit", "GiB", 6, "device memory a plan may use", lambda e: e.memory_limit / GIB, write_gib),
    _figure("memory_fill", "Full", "share", 5, "device memory over its limit", lambda e: e.memory / e.memory_limit, write_fill),
    _figure("over_gib", "Over", "GiB", 7, "device memory beyond the limit", over, write_over),
    _figure("host_gib", "Host", "GiB", 7, "host memory of a node that offload takes", lambda e: e.host / GIB, write_gib),
    Column("fits", "Fits", "", 4, "whether it fits the device memory", lambda e: e.fits, write_yes, bool, False),
    Column("at_risk", "Risk", "", 4, "whether it fits, but its memory's 80 % band does not", at_risk, write_yes, bool),
    _figure("step_seconds", "Step s", "s", 7, "time of one step", lambda e: e.step),
    _figure("step_low_seconds", "Low s", "s", 7, "time of one step that at most 10 of 100 measured runs like it stay below",
            lambda e: e.step * e.step_band.low),
    _figure("step_high_seconds", "High s", "s", 7, "time of one step that at most 10 of 100 measured runs like it go beyond",
            lambda e: e.step * e.step_band.high),
    _figure("tokens_per_second_per_gpu", "tok/s", "tokens/s", 7, "tokens a second and GPU", lambda e: e.tokens_per_second_per_gpu,
            ascending=False),
    _figure("mfu", "MFU", "share", 6, "model FLOPs, of the precision's peak", lambda e: e.mfu, write_percent,
            ascending=False),
)  # fmt: skip
BY_KEY: Mapping[str, Column] = {c.key: c for c in COLUMNS}


def columns_for(estimate: Estimate) -> tuple[Column, ...]:
    """Every column, and one for each part of memory and of time this estimate has."""
    return COLUMNS + tuple(
        _part(f"{group}_{part}{suffix}", part, unit, scale, names)
        for group, suffix, unit, scale, names in PARTS
        for part in getattr(estimate, names).named()
    )


PARTS = (  # prefix and suffix of the key, unit, scale, field of Estimate
    ("memory", "_gib", "GiB", GIB, "memory_parts"),
    ("time", "_seconds", "s", 1.0, "time_parts"),
    ("hidden", "_seconds", "s", 1.0, "hidden"),
)


def _part(key: str, part: str, unit: str, scale: float, names: str) -> Column:
    return _figure(key, part, unit, max(7, len(part)), f"{part} ({unit})", lambda e: getattr(getattr(e, names), part) / scale)


def find(key: str, columns: Sequence[Column] = COLUMNS) -> Column:
    """The column of this key, or of this heading; UnknownName with the nearest if there is none."""
    for column in columns:
        if key in (column.key, column.heading.lower()):
            return column
    raise UnknownName("column", key, [c.key for c in columns])


def records(estimate: Estimate) -> list[dict[str, Any]]:
    """One mapping of plain values a row, as the JSON contract has it: parts of memory and time as mappings of their own."""
    head = [(c.key, c.plain, c.values(estimate)) for c in COLUMNS]
    parts = [(f"{group}_parts{suffix}", scale, getattr(estimate, names).named()) for group, suffix, _, scale, names in PARTS]
    return [
        {key: plain(values[i]) for key, plain, values in head}
        | {name: {part: _at(values, i) / scale for part, values in by_part.items()} for name, scale, by_part in parts}
        for i in range(len(estimate.plan))
    ]


def predictions(estimate: Estimate) -> dict[str, Any]:
    """What is predicted of the first row, without the plan itself: what a plan file holds beside the plan."""
    plan = estimate.plan.one(0).named()
    return {key: value for key, value in records(estimate)[0].items() if key not in plan}


def _at(values: Any, row: int) -> float:
    """A part at one row; a part may be one number for all rows."""
    return float(values[row] if getattr(values, "ndim", 0) else values)
