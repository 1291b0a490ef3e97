"""Error of step times against measured runs: the band that contains 80 % of similar runs, and the ratio below which plans are alike.

`presets/bands.toml`, written by `tmplan refit`, holds the logarithms of measured over predicted of all runs, each predicted with constants
fitted to the other sources, in cells of one stack, source, GPU architecture, precision and tuning: ten quantiles of each. The band of a
job is the middle 80 % of a mixture of all cells. A cell weighs more the more it is like the job (`Cell.differs`), every source of a stack
alike; the cells of all other stacks together weigh as much as one source of the job's stack (OTHERS). So the bias of a source and the
scatter of its runs both count: a new source has another bias, and only several sources show how much those differ. Where no run is
near, few of the cells are like the job, those of other stacks count for more, and the band is wider; `Band.like` says on which runs it
rests.

A margin at both ends is such that the bands of all other sources contain 80 % of the runs of a source (planner/calibration/bands.py;
Romano et al. 2019, "Conformalized Quantile Regression", adds such a margin; Tibshirani et al. 2019, "Conformal Prediction Under Covariate
Shift", weighs runs by their likeness). A band always contains the estimate: where more than nine of ten runs were above their prediction,
or below, it begins there and contains 80 % of the runs as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import exp

import numpy as np

from planner import presets
from planner.presets.toml_keys import read_toml
from planner.specs.job import Job
from planner.specs.kinds import kinds
from planner.specs.plan import Column

FILE = presets.SHIPPED / "bands.toml"
EXPERTS = " experts"  # suffix of the name of a stack that ran a mixture of experts
ALL = ""  # the key of all runs
ENOUGH = 15  # runs that a key needs for a separate ratio
LEAST = 10  # runs of a source below which it weighs less, as in scores
SHARE = 0.8
FAR = 2  # times the longest sequence of a cell, or the shortest over it: beyond, it differs
OTHER_GPU = 0.3  # weight of a cell on another GPU architecture; chosen with the two below by the interval score of sources left out
DIFFERENT = 0.5  # of one that differs in precision, tuning, sequence, experts or class of GPU, for each
OTHERS = 1.0  # of all cells of other stacks together, in sources of the job's stack
NAMED = 4  # sources that a band names
WORKSTATION = "consumer and workstation GPUs"


@dataclass(frozen=True)
class Band:
    """The middle 80 % of measured over predicted, as factors; the number and kind of its runs; the ratio that distinguishes two plans.

    The band of an estimate is from `low` to `high` times the estimate: the ends, extended to include the estimate.
    `apart` is the ratio of two predicted steps of one job below which the order of the measured steps was random: half of the pairs
    of runs differ from their prediction by more.
    """

    tenth: float  # ends over the estimate
    ninetieth: float
    runs: int
    like: str
    apart: float

    @property
    def low(self) -> float:
        """The lower end over the estimate: 1 at most."""
        return min(self.tenth, 1.0)

    @property
    def high(self) -> float:
        """The upper end over the estimate: 1 at least."""
        return max(self.ninetieth, 1.0)


@dataclass(frozen=True)
class Like:
    """What decides which runs a job is like."""

    family: str
    arch: str
    sequence: int
    precision: str
    tuning: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """Measured runs of one stack and source that are alike: what they are, how many, and their errors ln(measured / predicted) in order,
    or that many quantiles of them."""

    family: str
    source: str
    arch: str
    precision: str
    tuning: str
    workstation: bool
    sequences: tuple[int, int]  # shortest and longest
    runs: int
    errors: tuple[float, ...]

    def differs(self, like: Like) -> list[str]:
        """In what a job differs from these runs, as text, the GPU architecture first; empty for one like them."""
        shortest, longest = self.sequences
        beyond = [f"on {like.arch}"] if like.arch != self.arch else []
        beyond += [f"with {like.sequence:,} tokens"] if not shortest / FAR <= like.sequence <= longest * FAR else []
        beyond += [f"in {like.precision}"] if _bits(like.precision) != _bits(self.precision) else []
        beyond += [f"of {like.tuning} tuning"] if like.tuning != self.tuning else []
        beyond += ["of that class of GPU"] if (WORKSTATION in like.kinds) != self.workstation else []
        experts = like.family.endswith(EXPERTS)
        return beyond + ([f"{'with' if experts else 'without'} experts"] if experts != self.family.endswith(EXPERTS) else [])

    def likeness(self, like: Like) -> float:
        """The weight of its runs for a job: 1 if it differs in nothing."""
        differences, gpu = len(self.differs(like)), like.arch != self.arch
        return float(OTHER_GPU**gpu * DIFFERENT ** (differences - gpu))


@dataclass(frozen=True)
class Ends:
    """The ends of a band of ln(measured / predicted), and the quantiles they come from; the weight of every cell, which add up to 1."""

    low: float
    high: float
    tenth: float
    ninetieth: float
    weights: Column


@dataclass(frozen=True)
class Table:
    """The cells of measured runs, the margin of bands at both ends, and the ratio that distinguishes plans, as a logarithm, by key."""

    cells: tuple[Cell, ...]
    apart: Mapping[str, float]
    margin: float = 0.0

    @cached_property
    def _points(self) -> tuple[Column, Column, Column]:
        """The errors of all cells in order, the cell of each, and its weight among those of its source."""
        campaigns = Counter[tuple[str, str]]()
        for cell in self.cells:
            campaigns[cell.family, cell.source] += cell.runs
        errors = np.array([e for cell in self.cells for e in cell.errors])
        owner = np.repeat(np.arange(len(self.cells)), [len(cell.errors) for cell in self.cells])
        each = np.array([cell.runs / len(cell.errors) / max(campaigns[cell.family, cell.source], LEAST) for cell in self.cells])
        order = np.argsort(errors, kind="stable")
        return errors[order], owner[order], each[owner[order]]

    def ends(self, like: Like, counts: Column | None = None) -> Ends:
        """The ends of a job's band; `counts`: a factor of the weight of each cell, 0 for one that does not count, None for 1."""
        errors, owner, each = self._points
        alike = np.array([cell.likeness(like) for cell in self.cells]) * (1 if counts is None else counts)
        same = np.array([cell.family == like.family for cell in self.cells])[owner]
        weight = each * alike[owner]
        if weight[same].any() and weight[~same].any():
            weight[~same] *= OTHERS / weight[~same].sum()
        weight /= weight.sum()
        tenth, ninetieth = quantiles(errors, weight, ((1 - SHARE) / 2, (1 + SHARE) / 2))
        low, high, below = tenth, ninetieth, float(weight[errors < 0].sum())
        if tenth > 0:
            low, high = 0.0, *quantiles(errors, weight, (below + SHARE,))
        elif ninetieth < 0:
            low, high = *quantiles(errors, weight, (below - SHARE,)), 0.0
        return Ends(low, high, tenth, ninetieth, np.bincount(owner, weight, len(self.cells)))

    def apart_of(self, like: Like) -> float:
        """The logarithm of the ratio that distinguishes two plans of a job."""
        return self.apart[next(key for key in keys(like) if key in self.apart)]

    def text(self, like: Like, weights: Column) -> tuple[int, str]:
        """The runs on the job's stack, or all without one, and on which a band rests: sources by weight, and in what all differ."""
        same = [i for i, cell in enumerate(self.cells) if cell.family == like.family]
        name = like.family if same else "other stacks"
        shares: dict[str, float] = {}
        for i in same or range(len(self.cells)):
            part = self.cells[i].source if same else self.cells[i].family
            shares[part] = shares.get(part, 0.0) + float(weights[i])
        largest = sorted(shares.items(), key=lambda item: -item[1])[:NAMED]
        named = [f"{part} {100 * share:.0f} %" for part, share in largest]
        rest = 1 - sum(share for _, share in largest)
        named += [f"others {100 * rest:.0f} %"] if rest >= 0.005 else []
        text = f"{name}: {', '.join(named)}" + ("" if same else f"; none on {like.family}")
        differs = [self.cells[i].differs(like) for i in same]
        common = [word for word in differs[0] if all(word in words for words in differs)] if same else []
        count = sum(self.cells[i].runs for i in same or range(len(self.cells)))
        return count, text + (f"; none {' and '.join(common)}" if common else "")


def _bits(precision: str) -> int:
    """Bits of the operands of matrix products."""
    return next((bits for start, bits in (("fp4", 4), ("fp8", 8), ("fp32", 32)) if precision.startswith(start)), 16)


def quantiles(errors: Column, weights: Column, shares: Sequence[float]) -> list[float]:
    """Quantiles of errors in ascending order, each at the middle of its weight; the weights add up to 1."""
    some = weights > 0
    return [float(q) for q in np.interp(shares, (np.cumsum(weights) - weights / 2)[some], errors[some])]


def family(job: Job) -> str:
    """The stack of a job's runs, mixtures of experts apart: their estimates have larger errors."""
    return f"{job.stack.name}{EXPERTS}" if job.model.experts else job.stack.name


def like(job: Job) -> Like:
    """What decides which runs a job is like."""
    return Like(family(job), job.cluster.gpu.arch, job.sequence, job.precision, job.tuning, tuple(kinds(job)))


def keys(like: Like) -> tuple[str, ...]:
    """The keys that a run counts for in the ratio that distinguishes plans, the most similar first."""
    return (like.family, EXPERTS.strip(), ALL) if like.family.endswith(EXPERTS) else (like.family, ALL)


@lru_cache(maxsize=1)
def shipped() -> Table:
    """The table of the file."""
    file = read_toml(FILE)
    cells = (
        Cell(e["stack"], e["source"], e["arch"], e["precision"], e["tuning"], e["workstation"], tuple(e["sequences"]), e["runs"],
             tuple(e["errors"]))
        for e in file["cell"]
    )  # fmt: skip
    return Table(tuple(cells), file["apart"], file["margin"])


@lru_cache(maxsize=256)
def _of_shipped(like: Like, centred: bool) -> Band:
    return nearest(like, shipped(), centred)


def band(job: Job, table: Table | None = None) -> Band:
    """The band of a job's step times; `like` names its runs and says in what they differ from the job.

    On a calibrated cluster the middle is 1: its runs are in the estimate.
    """
    centred = bool(job.cluster.calibrated_runs)
    return _of_shipped(like(job), centred) if table is None else nearest(like(job), table, centred)


def nearest(like: Like, table: Table, centred: bool = False) -> Band:
    """The band of a table's runs for a job; `centred`: with its middle at the estimate."""
    ends, margin = table.ends(like), table.margin
    runs, text = table.text(like, ends.weights)
    half = (ends.ninetieth - ends.tenth) / 2
    low, high = (-half, half) if centred else (ends.low, ends.high)
    return Band(exp(low - margin), exp(high + margin), runs, text, exp(table.apart_of(like)))
