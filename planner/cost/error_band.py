"""Error of step times against measured runs: the band that contains 80 % of similar runs, and the ratio below which plans are alike.

The bands are in `presets/bands.toml`, written by `tmplan refit`: for each stack, mixtures of experts apart, the logarithms of measured
over predicted between which the middle 80 % lie, each run predicted with constants fitted to the other sources. Every source of runs has
the same weight. One margin at both ends of all bands is such that the bands of all other sources contain 80 % of the runs of a source
(`coverage`; Romano et al. 2019, "Conformalized Quantile Regression", adds such a margin). The most similar runs count: those of the stack,
then those on the GPU architecture, then all; for a mixture of experts other mixtures first.

A band is wider where no run is near: a job outside the architectures, sequences, precisions and tunings of its stack's runs has the wider
of that band and of all runs'; and one of a kind whose runs the bands of stacks miss too often, such as long sequences, the wider of that
band and the kind's. `Band.like` says so. A band always contains the estimate. Where more than nine of ten runs were above their prediction,
or below, estimates of that kind are biased; the band then ends at the estimate and contains more than 80 % of the runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp

import numpy as np

from planner import presets
from planner.presets.toml_keys import read_toml
from planner.specs.job import Job
from planner.specs.kinds import kinds

FILE = presets.SHIPPED / "bands.toml"
EXPERTS = " experts"  # suffix of the name of a stack that ran a mixture of experts
ALL = ""  # the key of all runs
ENOUGH = 15  # runs that a key needs for a band
LEAST = 10  # runs of a source below which it weighs less, as in scores
SHARE = 0.8
MISSED = 0.75  # share of the runs of a kind inside the bands of stacks below which the kind has a band
FAR = 2  # times the longest sequence of the runs, or the shortest over it: beyond, a band is extrapolated
STEPS = tuple(0.002 * i for i in range(151))  # margins that are tried, added to a logarithm at either end


@dataclass(frozen=True)
class Band:
    """The middle 80 % of measured over predicted, as factors; the number and kind of its runs; the ratio that distinguishes two plans.

    The band of an estimate is from `low` to `high` times the estimate: the quantiles, extended to include the estimate.
    `apart` is the ratio of two predicted steps of one job below which the order of the measured steps was random: half of the pairs
    of runs differ from their prediction by more.
    """

    tenth: float  # quantiles of measured over predicted: 10 % of the runs lie below the first, 10 % above the second
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
class StepBand:
    """An entry of the file: the band, and where its runs were measured."""

    low: float  # ln(measured / predicted)
    high: float
    apart: float  # of a logarithm
    runs: int
    sources: int
    archs: tuple[str, ...]
    sequences: tuple[int, int]  # shortest and longest
    precisions: tuple[str, ...]
    tunings: tuple[str, ...]

    def outside(self, like: Like) -> list[str]:
        """In what a job differs from all these runs, as text; empty for one like them."""
        shortest, longest = self.sequences
        beyond = [f"on {like.arch}"] if like.arch not in self.archs else []
        beyond += [f"with {like.sequence:,} tokens"] if not shortest / FAR <= like.sequence <= longest * FAR else []
        beyond += [f"in {like.precision}"] if like.precision not in self.precisions else []
        return beyond + ([f"of {like.tuning} tuning"] if like.tuning not in self.tunings else [])


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
class Residual:
    """One measured run: what it is like, ln(measured / predicted), its source, its model, and the sweep it belongs to."""

    like: Like
    error: float
    source: str
    model: str
    sweep: str = ""


Table = Mapping[str, StepBand]


def family(job: Job) -> str:
    """The stack of a job's runs, mixtures of experts apart: their estimates have larger errors."""
    return f"{job.stack.name}{EXPERTS}" if job.model.experts else job.stack.name


def like(job: Job) -> Like:
    """What decides which runs a job is like."""
    return Like(family(job), job.cluster.gpu.arch, job.sequence, job.precision, job.tuning, tuple(kinds(job)))


def keys(like: Like) -> tuple[str, ...]:
    """The keys of the table that a run counts for and may have its band from, the most similar first."""
    if like.family.endswith(EXPERTS):
        return like.family, f"{EXPERTS.strip()} on {like.arch}", EXPERTS.strip(), ALL
    return like.family, f"on {like.arch}", ALL


def _of_kind(kind: str) -> str:
    return f"kind {kind}"


@lru_cache(maxsize=1)
def shipped() -> dict[str, StepBand]:
    """The bands of the file by key."""
    return {
        e["like"]: StepBand(
            e["low"], e["high"], e["apart"], e["runs"], e["sources"], tuple(e["archs"]), tuple(e["sequences"]), tuple(e["precisions"]),
            tuple(e["tunings"]),
        )
        for e in read_toml(FILE)["band"]
        if e["of"] == "step"
    }  # fmt: skip


def band(job: Job, table: Table | None = None) -> Band:
    """The band of a job's step times; `like` names its runs and says in what they differ from the job.

    On a calibrated cluster the middle is 1: its runs are in the estimate.
    """
    similar = nearest(like(job), shipped() if table is None else table)
    if not job.cluster.calibrated_runs:
        return similar
    middle = (similar.tenth * similar.ninetieth) ** 0.5
    return replace(similar, tenth=similar.tenth / middle, ninetieth=similar.ninetieth / middle)


def nearest(like: Like, table: Table) -> Band:
    """The band of the most similar runs of a table."""
    key = next(key for key in keys(like) if key in table)
    narrow, others = table[key], []
    text = f"{key or 'all'}, {narrow.sources} source{'s' * (narrow.sources != 1)}"
    if key != like.family:
        text += f", too few on {like.family}"
    if differs := narrow.outside(like):
        text += f", none {' and '.join(differs)}"
        others.append(table[ALL])
    for kind in like.kinds:
        if wide := table.get(_of_kind(kind)):
            text += f"; widened for {kind}"
            others.append(wide)
    low, high = min(b.low for b in (narrow, *others)), max(b.high for b in (narrow, *others))
    return Band(exp(low), exp(high), narrow.runs, text, exp(narrow.apart))


def bands(residuals: Sequence[Residual], widen: float = 0.0) -> dict[str, StepBand]:
    """The entries of the file: of every key with enough runs, of all runs, and of kinds whose runs these bands miss too often."""
    table = {key: _band(runs, widen) for key, runs in _by(residuals, keys).items() if len(runs) >= ENOUGH or key == ALL}
    for kind, runs in _by(residuals, lambda like: like.kinds).items():
        if len(runs) >= ENOUGH and np.mean([_inside(r, table) for r in runs]) < MISSED:
            table[_of_kind(kind)] = _band(runs, widen)
    return table


def _by(residuals: Sequence[Residual], keys: Callable[[Like], Sequence[str]]) -> dict[str, list[Residual]]:
    groups: dict[str, list[Residual]] = {}
    for r in residuals:
        for key in keys(r.like):
            groups.setdefault(key, []).append(r)
    return groups


def _band(runs: Sequence[Residual], widen: float) -> StepBand:
    low, high = _quantiles(runs, ((1 - SHARE) / 2, (1 + SHARE) / 2))
    sequences = [r.like.sequence for r in runs]
    return StepBand(
        low=low - widen, high=high + widen, apart=_apart(runs), runs=len(runs), sources=len({r.source for r in runs}),
        archs=tuple(sorted({r.like.arch for r in runs})), sequences=(min(sequences), max(sequences)),
        precisions=tuple(sorted({r.like.precision for r in runs})), tunings=tuple(sorted({r.like.tuning for r in runs})),
    )  # fmt: skip


def _quantiles(runs: Sequence[Residual], shares: Sequence[float]) -> list[float]:
    """Quantiles of the errors, with the same weight for every source of at least LEAST runs, and for others in proportion."""
    ordered = sorted(runs, key=lambda r: r.error)
    counts = Counter(r.source for r in ordered)
    weights = np.array([1 / max(counts[r.source], LEAST) for r in ordered])
    at = (np.cumsum(weights) - weights / 2) / weights.sum()
    return np.interp(shares, at, [r.error for r in ordered]).tolist()


def _apart(runs: Sequence[Residual]) -> float:
    """Median difference of two residuals of one sweep (of all runs, where too few are of a sweep)."""
    sweeps = _by_sweep(runs)
    gaps = [abs(a - b) for errors in sweeps.values() for i, a in enumerate(errors) for b in errors[:i]]
    if len(gaps) >= ENOUGH:
        return float(np.median(gaps))
    spread = np.array([r.error for r in runs])
    return float(np.median(np.abs(spread - np.median(spread))) * 2**0.5)


def _by_sweep(runs: Sequence[Residual]) -> dict[str, list[float]]:
    sweeps: dict[str, list[float]] = {}
    for r in runs:
        if r.sweep:
            sweeps.setdefault(r.sweep, []).append(r.error)
    return sweeps


def _inside(residual: Residual, table: Table) -> bool:
    similar = nearest(residual.like, table)
    return similar.low <= exp(residual.error) <= similar.high


def coverage(residuals: Sequence[Residual], widen: float) -> dict[str, tuple[float, int]]:
    """For every source the share of its runs inside the bands of the other sources, and their number.

    Runs of a family that no other source has are tested by the family's other models as well: each half of the models tests the other.
    """
    return {source: (float(np.mean(inside)), len(inside)) for source, inside in _tested(residuals, widen)}


def _tested(residuals: Sequence[Residual], widen: float) -> Iterator[tuple[str, list[bool]]]:
    for source in sorted({r.source for r in residuals}):
        runs, others = [r for r in residuals if r.source == source], [r for r in residuals if r.source != source]
        elsewhere = {r.like.family for r in others}
        half = {model: i % 2 for i, model in enumerate(sorted({r.model for r in runs}))}
        inside = []
        for side in (0, 1):
            known = bands([*others, *(r for r in runs if half[r.model] != side and r.like.family not in elsewhere)], widen)
            inside += [_inside(r, known) for r in runs if half[r.model] == side]
        yield source, inside


def widening(residuals: Sequence[Residual]) -> float:
    """The margin with which the mean coverage of sources left out is nearest to SHARE; sources of fewer than LEAST runs count as one."""

    def share(widen: float) -> float:
        inside = coverage(residuals, widen)
        few = [(part, count) for part, count in inside.values() if count < LEAST]
        shares = [part for part, count in inside.values() if count >= LEAST]
        shares += [sum(part * count for part, count in few) / sum(count for _, count in few)] if few else []
        return float(np.mean(shares))

    low, high = 0, len(STEPS) - 1
    while low < high:  # coverage rises with the margin
        middle = (low + high) // 2
        low, high = (low, middle) if share(STEPS[middle]) >= SHARE else (middle + 1, high)
    return STEPS[low]


def covered(residuals: Sequence[Residual], table: Table, by: Callable[[Residual], Sequence[str]]) -> dict[str, tuple[float, int]]:
    """The share of runs inside the bands of a table and their number, by what a function says of each."""
    groups: dict[str, list[bool]] = {}
    for r in residuals:
        inside = _inside(r, table)
        for name in by(r):
            groups.setdefault(name, []).append(inside)
    return {name: (float(np.mean(inside)), len(inside)) for name, inside in sorted(groups.items())}
