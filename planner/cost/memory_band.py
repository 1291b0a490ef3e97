"""Error of estimates of memory against measured peaks: the band that contains 80 % of runs, and where its runs were measured.

The bands are in `presets/bands.toml`, written by `tmplan refit`: for each stack, mixtures of experts apart, the logarithms of measured
over predicted between which the middle 80 % lie, every source of runs with the same weight, with one margin at both ends of all bands, so
that the bands of all other sources contain 80 % of the runs of a source (`coverage`; Romano et al. 2019, "Conformalized Quantile
Regression", adds such a margin). A job outside the sequences, precisions and tunings of its stack's runs has the
wider of its stack's band and that of all runs, and so has a job of a stack without enough runs; the band says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp

import numpy as np

from planner.cost.error_band import ENOUGH, EXPERTS, FILE, SHARE, Band, family
from planner.presets.toml_keys import read_toml
from planner.specs.job import Job

ALL = ""  # the family of all runs
FAR = 2  # times the longest sequence of the runs, or the shortest over it: beyond, a band is extrapolated
LEAST = 10  # runs of a source below which it weighs less, as in scores
STEPS = tuple(0.002 * i for i in range(151))  # widenings that are tried, added to a logarithm at either end


@dataclass(frozen=True)
class Peak:
    """One measured peak: its family, source and model, what decides whether a job is like it, ln(measured / predicted)."""

    family: str
    source: str
    model: str
    sequence: int
    precision: str
    tuning: str
    error: float


@dataclass(frozen=True)
class MemoryBand:
    """The band of a family, and where its runs were measured: shortest and longest sequence, precisions, tunings."""

    low: float  # ln(measured / predicted)
    high: float
    runs: int
    sources: int
    sequences: tuple[int, int]
    precisions: tuple[str, ...]
    tunings: tuple[str, ...]

    def outside(self, job: Job) -> list[str]:
        """In what a job differs from all runs of the family, as text; empty for one like them."""
        shortest, longest = self.sequences
        beyond = [f"{job.sequence:,} tokens"] if not shortest / FAR <= job.sequence <= longest * FAR else []
        beyond += [job.precision] if job.precision not in self.precisions else []
        return beyond + ([job.tuning] if job.tuning not in self.tunings else [])


Table = Mapping[str, MemoryBand]


def families(name: str) -> tuple[str, ...]:
    """The families whose band a job may have, the most similar first: that of its stack, for a mixture of experts that of others, all."""
    return (name, EXPERTS.strip(), ALL) if name.endswith(EXPERTS) else (name, ALL)


@lru_cache(maxsize=1)
def shipped() -> dict[str, MemoryBand]:
    """The bands by family."""
    return {
        e["stack"]: MemoryBand(
            e["low"], e["high"], e["runs"], e["sources"], tuple(e["sequences"]), tuple(e["precisions"]), tuple(e["tunings"])
        )
        for e in read_toml(FILE)["band"]
    }


def memory_band(job: Job, table: Table | None = None) -> Band:
    """The band of a job's estimates of memory; `like` says where its runs differ from the job."""
    table = shipped() if table is None else table
    name = next(name for name in families(family(job)) if name in table)
    narrow, every = table[name], table[ALL]
    like = name or "all runs"
    if name != family(job):
        like += f", too few of them on {job.stack.name}"
    if differs := narrow.outside(job):
        like += f", none with {' and '.join(differs)}"
    low, high = (min(narrow.low, every.low), max(narrow.high, every.high)) if differs else (narrow.low, narrow.high)
    return Band(exp(low), exp(high), narrow.runs, like, 1.0)


def bands(peaks: Sequence[Peak], widen: float = 0.0) -> dict[str, MemoryBand]:
    """The band of every family with enough runs, of mixtures of experts, and of all runs, widened at both ends."""
    by_family: dict[str, list[Peak]] = {}
    for peak in peaks:
        for name in families(peak.family):
            by_family.setdefault(name, []).append(peak)
    return {name: _band(members, widen) for name, members in by_family.items() if len(members) >= ENOUGH or name == ALL}


def _band(members: Sequence[Peak], widen: float) -> MemoryBand:
    low, high = _quantiles(members, ((1 - SHARE) / 2, (1 + SHARE) / 2))
    sequences = [peak.sequence for peak in members]
    return MemoryBand(
        low=low - widen, high=high + widen, runs=len(members),
        sources=len({peak.source for peak in members}), sequences=(min(sequences), max(sequences)),
        precisions=tuple(sorted({peak.precision for peak in members})), tunings=tuple(sorted({peak.tuning for peak in members})),
    )  # fmt: skip


def _quantiles(members: Sequence[Peak], shares: Sequence[float]) -> list[float]:
    """Quantiles of the errors, with the same weight for every source of at least LEAST runs, and for others in proportion."""
    ordered = sorted(members, key=lambda peak: peak.error)
    counts = Counter(peak.source for peak in ordered)
    weights = np.array([1 / max(counts[peak.source], LEAST) for peak in ordered])
    at = (np.cumsum(weights) - weights / 2) / weights.sum()
    return np.interp(shares, at, [peak.error for peak in ordered]).tolist()


def coverage(peaks: Sequence[Peak], widen: float) -> dict[str, tuple[float, int]]:
    """For every source the share of its runs inside the bands of the other sources, and their number.

    Runs of a family that no other source has are tested by the family's other models as well: each half of the models tests the other.
    """
    out = {}
    for source in sorted({peak.source for peak in peaks}):
        apart = [peak for peak in peaks if peak.source == source]
        others = [peak for peak in peaks if peak.source != source]
        elsewhere = {peak.family for peak in others}
        models = sorted({peak.model for peak in apart})
        half = {model: i % 2 for i, model in enumerate(models)}
        inside = []
        for side in (0, 1):
            known = bands([*others, *(p for p in apart if half[p.model] != side and p.family not in elsewhere)], widen)
            inside += [_inside(peak, known) for peak in apart if half[peak.model] == side]
        out[source] = float(np.mean(inside)), len(inside)
    return out


def _inside(peak: Peak, known: Table) -> bool:
    """Whether a run lies in the band of the most similar family, which always contains the estimate."""
    nearest = next(known[name] for name in families(peak.family) if name in known)
    return min(nearest.low, 0.0) <= peak.error <= max(nearest.high, 0.0)


def widening(peaks: Sequence[Peak]) -> float:
    """The margin with which the mean coverage of sources left out is nearest to SHARE; sources of fewer than LEAST runs count as one."""

    def distance(widen: float) -> float:
        inside = coverage(peaks, widen)
        few = [(share, count) for share, count in inside.values() if count < LEAST]
        shares = [share for share, count in inside.values() if count >= LEAST]
        shares += [sum(share * count for share, count in few) / sum(count for _, count in few)] if few else []
        return abs(float(np.mean(shares)) - SHARE)

    return min(STEPS, key=distance)
