"""Error of step times against measured runs: the band that contains 80 % of similar runs, and the ratio below which plans are alike.

The bands are in `presets/bands.toml`, written by `tmplan refit`: for each kind of run the logarithms of measured over
predicted between which the middle 80 % lie. The most similar kind with enough runs counts: the same stack, GPU architecture and
size, then the same stack, then the same architecture, then all; for a mixture of experts other mixtures before all.

A band always contains the estimate. Where more than nine of ten runs were above their prediction, or below, estimates of that kind are
biased; the band then ends at the estimate and contains more than 80 % of the runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp

import numpy as np

from planner import presets
from planner.presets.toml_keys import read_toml
from planner.specs.job import Job

Kind = tuple[str, str, str]  # stack, architecture, size; "" for any
FILE = presets.SHIPPED / "bands.toml"
EXPERTS = " experts"  # suffix of the name of a stack that ran a mixture of experts
ENOUGH = 15  # runs that a kind needs for a band
SHARE = 0.8
# Bands over the residuals of the runs the constants were fitted to. Of runs of other models 84 % then lie inside (`covered`), of runs
# from sources in neither constants nor bands, some of other frameworks, about 57 %: a user's runs are between.
WIDEN = 1.3


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


def size(job: Job) -> str:
    """One node, a few (up to 8), or many."""
    nodes = -(-job.cluster.gpus // job.cluster.gpus_per_node)
    return "one node" if nodes == 1 else "2 to 8 nodes" if nodes <= 8 else "more than 8 nodes"


def family(job: Job) -> str:
    """The stack of a job's runs, mixtures of experts apart: their estimates have larger errors."""
    return f"{job.stack.name}{EXPERTS}" if job.model.experts else job.stack.name


def kinds(stack: str, arch: str, size: str) -> Iterator[Kind]:
    """The kinds a run belongs to, the most similar first."""
    yield from ((stack, arch, size), (stack, "", size), (stack, arch, ""), (stack, "", ""))
    if stack.endswith(EXPERTS):
        yield from ((EXPERTS.strip(), arch, size), (EXPERTS.strip(), arch, ""), (EXPERTS.strip(), "", ""), ("", "", ""))
    else:
        yield from (("", arch, size), ("", arch, ""), ("", "", ""))


@lru_cache(maxsize=1)
def shipped() -> Mapping[Kind, Band]:
    """The bands by kind."""
    return bands({(e["stack"], e["arch"], e["size"]): e for e in read_toml(FILE)["band"] if e["of"] == "step"})


def like(kind: Kind) -> str:
    """A kind as text."""
    return ", ".join(filter(None, kind)) or "all runs"


def band(job: Job, table: Mapping[Kind, Band] | None = None) -> Band:
    """The band of a job's step times. On a calibrated cluster the middle is 1: its runs are in the estimate.

    No run with adapters was measured: a job that trains them has the band of full training, and `like` states it.
    """
    table = shipped() if table is None else table
    nearest = next(table[kind] for kind in kinds(family(job), job.cluster.gpu.arch, size(job)) if kind in table)
    if job.frozen:
        nearest = replace(nearest, like=f"{nearest.like}, none with adapters")
    if not job.cluster.calibrated_runs:
        return nearest
    middle = (nearest.tenth * nearest.ninetieth) ** 0.5
    return replace(nearest, tenth=nearest.tenth / middle, ninetieth=nearest.ninetieth / middle)


@dataclass(frozen=True)
class Residual:
    """One measured run: its kinds, the logarithm of measured over predicted, and the sweep it belongs to."""

    stack: str
    arch: str
    size: str
    error: float
    sweep: str
    model: str


def table(residuals: Sequence[Residual], widen: float = 1.0) -> dict[Kind, dict[str, float]]:
    """The entries of the file: for every kind with enough runs its quantiles, widened, and the ratio that distinguishes two plans."""
    by_kind: dict[Kind, list[Residual]] = {}
    for r in residuals:
        for kind in dict.fromkeys(kinds(r.stack, r.arch, r.size)):
            by_kind.setdefault(kind, []).append(r)
    out = {}
    for key, members in by_kind.items():
        if len(members) >= ENOUGH or key == ("", "", ""):
            low, middle, high = _quantiles(members, ((1 - SHARE) / 2, 0.5, (1 + SHARE) / 2))
            out[key] = {
                "low": middle + widen * (low - middle), "high": middle + widen * (high - middle),
                "runs": len(members), "apart": _apart(members),
            }  # fmt: skip
    return out


def _quantiles(members: Sequence[Residual], shares: Sequence[float]) -> list[float]:
    """Quantiles of the errors, with the same weight for every stack among the runs, however often it was measured."""
    ordered = sorted(members, key=lambda r: r.error)
    counts = Counter(r.stack for r in ordered)
    weights = np.array([1 / counts[r.stack] for r in ordered])
    at = (np.cumsum(weights) - weights / 2) / weights.sum()
    return np.interp(shares, at, [r.error for r in ordered]).tolist()


def _apart(members: Sequence[Residual]) -> float:
    """Median difference of two residuals of one sweep (of one kind, where too few runs are of a sweep)."""
    sweeps: dict[str, list[float]] = {}
    for r in members:
        if r.sweep:
            sweeps.setdefault(r.sweep, []).append(r.error)
    gaps = [abs(a - b) for errors in sweeps.values() for i, a in enumerate(errors) for b in errors[:i]]
    if len(gaps) >= ENOUGH:
        return float(np.median(gaps))
    spread = np.array([r.error for r in members])
    return float(np.median(np.abs(spread - np.median(spread))) * 2**0.5)


def bands(entries: Mapping[Kind, Mapping[str, float]]) -> dict[Kind, Band]:
    """Entries as bands."""
    return {key: Band(exp(e["low"]), exp(e["high"]), int(e["runs"]), like(key), exp(e["apart"])) for key, e in entries.items()}


def covered(residuals: Sequence[Residual], widen: float = 1.0) -> tuple[float, int]:
    """Share of runs inside bands made of the runs of other models, and the number of runs: each half of the models tests the other."""
    names = sorted({(r.stack, r.model) for r in residuals})
    half = {name: i % 2 for i, name in enumerate(names)}
    inside = []
    for side in (0, 1):
        known = bands(table([r for r in residuals if half[r.stack, r.model] != side], widen))
        for r in residuals:
            if half[r.stack, r.model] == side:
                nearest = next(known[kind] for kind in kinds(r.stack, r.arch, r.size) if kind in known)
                inside.append(nearest.low <= exp(r.error) <= nearest.high)
    return float(np.mean(inside)), len(inside)
