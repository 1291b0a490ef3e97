"""Every number shown or exported, each as one entry of COLUMNS.

An entry has the number's formula and the names of the formula's arguments. All else follows: its value and its tree, its order when
sorted, its place in JSON, CSV, plan files, filters and docs/columns.md; the table shows it if the user chooses it, or by default if
tui.state.table_columns names it. An argument is another column by its key, or a figure by its path: `step`, `plan.tp`,
`memory_band.low`, `job.cluster.gpu.board_w`. Figures are in base units (bytes, seconds). To add a number, declare its formula with its
quantity here and add the entry.

Nothing here needs numpy before a value is computed: values come as columns, a row for each plan, and leave as columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from planner.degrees import DEGREES, KEYS
from planner.document.training_run import PUE
from planner.errors import FieldError, UnknownName
from planner.formula.declare import formula, term
from planner.formula.quantities import Quantity
from planner.report.choice_text import (
    fit_code,
    recompute_code,
    schedule_code,
    sharding_code,
    write_fit,
    write_recompute,
    write_schedule,
    write_sharding,
)
from planner.report.number_text import write_count, write_figure, write_fill, write_gib, write_over, write_percent, write_yes
from planner.specs.hardware import GIB
from planner.specs.job import RECOMPUTES, SCHEDULES, Job

if TYPE_CHECKING:
    from planner.cost.records import Estimate

Plain = int | float | bool | str
RISK = "?"  # before the memory of a plan at risk, wherever plans are listed
UNITS = ("_gib", "_seconds")  # what the key of a number ends with, in GiB and in seconds


class Figures(Protocol):
    """What columns are computed from: an Estimate, the rows of a search (report.sort), or an Estimate whose values are traced.

    It has the figures that arguments name: job, plan, memory, memory_limit, fits, step, host and the bands; an Estimate has the parts too.
    """

    @property
    def derived(self) -> dict[str, Any]:
        """Values of columns computed so far, by key."""

    @property
    def job(self) -> Job:
        """The job of the plans."""

    @property
    def step(self) -> Any:
        """Seconds per step, one for each row."""


@dataclass(frozen=True)
class Column:
    """One number: how it is called, computed and written.

    formula: of the values of `args`, in base units; none: the one argument itself. write: the text of one value; plain: what JSON, CSV
    and plan files hold of it. ascending: whether the smallest value is the best.
    """

    key: str
    heading: str
    unit: str  # GiB of a number in bytes; else the unit of the formula
    width: int
    help: str
    args: tuple[str, ...]
    formula: Callable[..., Any] | None = None
    write: Callable[[Any], str] = write_figure
    plain: Callable[[Any], Plain] = float
    ascending: bool = True
    headline: int = 0  # its place among the numbers that an explanation starts with; 0: none
    flag: str = ""  # a yes-or-no column: where it holds, RISK stands before the figure
    requires: str = ""  # a figure of the job without which the number is not known: zero there means not known

    @property
    def name(self) -> str:
        """The key without its unit."""
        return next((self.key.removesuffix(unit) for unit in UNITS if self.key.endswith(unit)), self.key)

    @property
    def title(self) -> str:
        """The heading, right-aligned as its values are."""
        return self.heading.rjust(self.width)

    @property
    def yes_or_no(self) -> bool:
        """Whether its values are true or false."""
        return self.plain is bool

    @property
    def named(self) -> bool:
        """Whether its values are codes that stand for names."""
        return self.plain not in (bool, int, float)

    def known(self, figures: Figures) -> bool:
        """Whether the number can be computed for this job."""
        return not self.requires or bool(_figure_at(figures, self.requires))

    def base(self, figures: Figures) -> Any:
        """The value in base units, computed once: one for each row, or one that all rows share. FieldError where it is not known."""
        if self.key not in figures.derived:
            if not self.known(figures):
                *_, owner, field = self.requires.split(".")
                raise FieldError(self.key, f"{self.key} is not known for this job: the {owner}'s preset has no {field}")
            args = [value_of(figures, name) for name in self.args]
            figures.derived[self.key] = self.formula(*args) if self.formula else args[0]
        return figures.derived[self.key]

    def values(self, figures: Figures) -> Any:
        """A value in the column's unit for each row, also where all rows share it. FieldError where the number is not known."""
        base = self.base(figures)
        values = base / GIB if self.unit == "GiB" else base
        return values if getattr(values, "ndim", 0) else values + figures.step * 0.0

    def text(self, value: Any) -> str:
        """One value, right-aligned in the column's width."""
        return self.write(value).rjust(self.width)

    def texts(self, figures: Figures) -> list[str]:
        """One text for each row, right-aligned: - where the number is not known, RISK before those that are flagged."""
        if not self.known(figures):
            return ["-".rjust(self.width)] * len(figures.step)
        texts = [self.text(value) for value in self.values(figures)]
        if not self.flag:
            return texts
        flags = BY_KEY[self.flag].values(figures)
        return [f"{RISK}{text.lstrip()}".rjust(self.width) if flag else text for text, flag in zip(texts, flags, strict=True)]


def value_of(figures: Figures, name: str) -> Any:
    """The value of an argument: of a column that has a formula by its key, else the figure at a path."""
    column = BY_KEY.get(name)
    return column.base(figures) if column and column.formula else _figure_at(figures, name)


def _figure_at(figures: Figures, path: str) -> Any:
    """The figure at a path of attributes, or of keys of a mapping."""
    value: Any = figures
    for part in path.split("."):
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    return value


@formula("M_d / M_o", "tmplan", "a plan fits up to 1")
def memory_fill(device_bytes: Any, limit_bytes: Any) -> Any:
    """Device memory over its limit; ratio."""
    return device_bytes / limit_bytes


@formula("max(M_d - M_o, 0)", "tmplan", "what a plan lacks to fit")
def over_bytes(device_bytes: Any, limit_bytes: Any) -> Any:
    """Device memory beyond the limit; bytes."""
    excess = device_bytes - limit_bytes
    return (excess + abs(excess)) / 2  # never -0.0


@formula("b_0 · M_d", "tmplan", "measured runs like it, the middle 80 % of measured over estimated and 1")
def memory_low(device_bytes: Any, memory_band_low: Any) -> Any:
    """10th percentile of device memory over similar measured runs; bytes."""
    return memory_band_low * device_bytes


@formula("b_1 · M_d", "tmplan", "measured runs like it, the middle 80 % of measured over estimated and 1")
def memory_high(device_bytes: Any, memory_band_high: Any) -> Any:
    """90th percentile of device memory over similar measured runs; bytes."""
    return memory_band_high * device_bytes


@formula("q_0 · t_step", "tmplan", "measured runs like it, the middle 80 % of measured over estimated and 1")
def step_low(step_seconds: Any, step_band_low: Any) -> Any:
    """10th percentile of the step time over similar measured runs; seconds."""
    return step_band_low * step_seconds


@formula("q_1 · t_step", "tmplan", "measured runs like it, the middle 80 % of measured over estimated and 1")
def step_high(step_seconds: Any, step_band_high: Any) -> Any:
    """90th percentile of the step time over similar measured runs; seconds."""
    return step_band_high * step_seconds


def tokens_per_second_per_gpu(job: Job, step_seconds: Any) -> Any:
    """Tokens per second per GPU."""
    from planner.cost import schedule  # which needs numpy

    return schedule.tokens_per_second_per_gpu(job, step_seconds)


def mfu(job: Job, step_seconds: Any) -> Any:
    """Model FLOPs utilization; ratio."""
    from planner.cost import schedule

    return schedule.mfu(job, schedule.needed_flops(job), step_seconds)


@formula("tok / (W_b · PUE)", "patterson21", "Section 2.5, the board at its full power", quantity=Quantity("tok_J", "", "tokens per joule"))
def tokens_per_joule(tokens_per_second_per_gpu: Any, power_w: float) -> Any:
    """Tokens per joule of the GPUs' boards and of the building around them, as `tmplan budget` counts energy."""
    return tokens_per_second_per_gpu / (power_w * term("pue", PUE))


def at_risk(figures: Figures) -> Any:
    """Whether each plan is at risk: it fits, and the 80 % band of its memory crosses the limit."""
    return BY_KEY["at_risk"].values(figures)


def _crosses(fits: Any, device_bytes: Any, limit_bytes: Any, memory_band_high: float) -> Any:
    """Whether each plan fits, and the upper end of the band of its memory does not."""
    return fits & (device_bytes * memory_band_high > limit_bytes)


def _degree(key: str, heading: str, width: int, help: str) -> Column:
    return Column(key, heading, "", width, help, (f"plan.{key}",), write=write_count, plain=int)


PIPELINE = KEYS.index("vpp") + 1  # degrees before the schedule
COLUMNS: tuple[Column, ...] = (
    *(_degree(degree.key, degree.heading, 5 if degree.key == "dp" else 3, degree.name) for degree in DEGREES[:PIPELINE]),
    Column("schedule", "Schedule", "", 11, "pipeline schedule", ("plan",), schedule_code, write_schedule,
           lambda code: SCHEDULES[int(code) // 2]),
    *(_degree(degree.key, degree.heading, 5 if degree.key == "dp" else 3, degree.name) for degree in DEGREES[PIPELINE:]),
    _degree("dp_shard", "Shard", 5, "data-parallel ranks that share one sharded copy"),
    _degree("dp_replicate", "Repl", 5, "sharded copies"),
    _degree("zero", "ZeRO", 4, "ZeRO stage: 1 shards the optimizer, 2 also the gradients, 3 also the parameters"),
    Column("sharding", "Sharding", "", 8, "states sharded over data-parallel ranks", ("plan",), sharding_code, write_sharding,
           write_sharding),
    Column("sequence_parallel", "SP", "", 3, "sequence parallelism", ("plan.sequence_parallel",), write=write_yes, plain=bool),
    _degree("micro_batch", "MB", 3, "sequences in a micro-batch"),
    Column("recompute", "Recomp", "", 8, "activations recomputed in the backward pass", ("plan",), recompute_code, write_recompute,
           lambda code: RECOMPUTES[int(code) % 4]),
    _degree("recompute_layers", "RL", 3, "layers recomputed in each virtual stage, for recompute first"),
    Column("memory_gib", "GiB", "GiB", 6, "device memory of the fullest GPU", ("memory",), write=write_gib, headline=1, flag="at_risk"),
    Column("memory_low_gib", "Low", "GiB", 6, "10th percentile of device memory over similar measured runs",
           ("memory", "memory_band.low"), memory_low, write_gib),
    Column("memory_high_gib", "High", "GiB", 6, "90th percentile of device memory over similar measured runs",
           ("memory", "memory_band.high"), memory_high, write_gib),
    Column("memory_limit_gib", "Limit", "GiB", 6, "device memory that a plan may use", ("memory_limit",), write=write_gib),
    Column("memory_fill", "Full", "share", 5, "device memory over its limit", ("memory", "memory_limit"), memory_fill, write_fill),
    Column("over_gib", "Over", "GiB", 7, "device memory in excess of the limit", ("memory", "memory_limit"), over_bytes, write_over),
    Column("host_gib", "Host", "GiB", 7, "host memory per node that offload uses", ("host",), write=write_gib),
    Column("fits", "Fits", "", 4, "whether the plan fits the device memory", ("fits",), write=write_yes, plain=bool, ascending=False),
    Column("at_risk", "Risk", "", 4, "whether the plan fits but the 80 % band of its memory does not",
           ("fits", "memory", "memory_limit", "memory_band.high"), _crosses, write_yes, bool),
    Column("fit", "Fit", "", 12, "how the plan fits, as text: fits; at risk: it fits, but the 80 % band of its memory crosses the limit; "
           "does not fit", ("fits", "at_risk"), fit_code, write_fit, write_fit),
    Column("step_seconds", "Step s", "s", 7, "step time", ("step",), headline=2),
    Column("step_low_seconds", "Low s", "s", 7, "10th percentile of the step time over similar measured runs",
           ("step", "step_band.low"), step_low),
    Column("step_high_seconds", "High s", "s", 7, "90th percentile of the step time over similar measured runs",
           ("step", "step_band.high"), step_high),
    Column("tokens_per_second_per_gpu", "tok/s", "tokens/s", 7, "tokens per second per GPU", ("job", "step"), tokens_per_second_per_gpu,
           ascending=False, headline=4),
    Column("mfu", "MFU", "share", 6, "model FLOPs utilization, of the peak of the precision", ("job", "step"), mfu, write_percent,
           ascending=False, headline=3),
    Column("tokens_per_joule", "tok/J", "tokens/J", 7, f"tokens per joule, at the board_w of the GPU's preset and PUE {PUE}",
           ("tokens_per_second_per_gpu", "job.cluster.gpu.board_w"), tokens_per_joule, ascending=False,
           requires="job.cluster.gpu.board_w"),
)  # fmt: skip
BY_KEY: Mapping[str, Column] = {c.key: c for c in COLUMNS}
HEADLINES: tuple[Column, ...] = tuple(sorted((c for c in COLUMNS if c.headline), key=lambda c: c.headline))


class PartGroup(NamedTuple):
    """Parts of a number: what their keys start and end with, their unit, and the field of an Estimate that has them by name."""

    prefix: str
    suffix: str
    unit: str
    field: str

    @property
    def key(self) -> str:
        """The key of all of them as one mapping: memory_parts_gib."""
        return f"{self.prefix}_parts{self.suffix}"

    def columns(self, estimate: Estimate) -> dict[str, Column]:
        """The columns of the parts that an estimate has, by the name of the part."""
        return {
            name: Column(
                f"{self.prefix}_{name}{self.suffix}", name, self.unit, max(7, len(name)), f"{name} ({self.unit})", (f"{self.field}.{name}",)
            )
            for name in getattr(estimate, self.field).named()
        }


PARTS = (
    PartGroup("memory", "_gib", "GiB", "memory_parts"),
    PartGroup("time", "_seconds", "s", "time_parts"),
    PartGroup("hidden", "_seconds", "s", "hidden"),
)


def known_columns(figures: Figures) -> tuple[Column, ...]:
    """Every column that is known for the job."""
    return tuple(column for column in COLUMNS if column.known(figures))


def columns_for(estimate: Estimate) -> tuple[Column, ...]:
    """Every column that is known for the job, and one for each part of memory and of time that the estimate has."""
    return known_columns(estimate) + tuple(column for parts in PARTS for column in parts.columns(estimate).values())


def find(key: str, columns: Sequence[Column] = COLUMNS) -> Column:
    """The column of this key, or of this heading; UnknownName with the nearest if there is none."""
    for column in columns:
        if key in (column.key, column.heading.lower()):
            return column
    raise UnknownName("column", key, [c.key for c in columns])


def records(estimate: Estimate) -> list[dict[str, Any]]:
    """The numbers of each plan as plain values: every column that is known by its key, the phase of a step with the most memory, and the
    parts of memory (in that phase) and time as mappings.
    """
    from planner.cost.phases import PHASES  # which needs numpy

    phases = list(PHASES)
    head = [(column.key, column.plain, column.values(estimate)) for column in known_columns(estimate)]
    groups = [(parts.key, [(name, c.values(estimate)) for name, c in parts.columns(estimate).items()]) for parts in PARTS]
    return [
        {key: plain(values[i]) for key, plain, values in head}
        | {"memory_phase": phases[int(estimate.phase[i])]}
        | {key: {name: float(values[i]) for name, values in columns} for key, columns in groups}
        for i in range(len(estimate.plan))
    ]


def predictions(estimate: Estimate) -> dict[str, Any]:
    """The numbers of the first row without its plan: what a plan file holds as predictions."""
    plan = estimate.plan.one(0).named()
    return {key: value for key, value in records(estimate)[0].items() if key not in plan}
