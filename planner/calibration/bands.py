"""The bands of step times from the residuals of measured runs, and the share of runs left out that they contain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.cost.error_band import ENOUGH, LEAST, SHARE, WORKSTATION, Cell, Like, Table, keys

QUANTILES = 10  # errors of a cell; of more runs that number of quantiles, each at the middle of its share
STEPS = tuple(0.002 * i for i in range(151))  # margins that are tried, added to a logarithm at either end


@dataclass(frozen=True)
class Residual:
    """One measured run: what it is like, ln(measured / predicted), its source, its model, and the sweep it belongs to."""

    like: Like
    error: float
    source: str
    model: str
    sweep: str = ""


@dataclass(frozen=True)
class Judged:
    """A run and the ends, without a margin, of the band that others have for it."""

    run: Residual
    low: float
    high: float

    def inside(self, margin: float) -> bool:
        """Whether the band with a margin contains it."""
        return self.low - margin <= self.run.error <= self.high + margin


def bands(residuals: Sequence[Residual], margin: float = 0.0) -> Table:
    """The table of these runs."""
    cells = [cell for cell, _ in _cells(residuals, lambda r: "")]
    return Table(tuple(cells), {key: _apart(runs) for key, runs in _by_key(residuals).items()}, margin)


def _cells(residuals: Sequence[Residual], also: Callable[[Residual], Hashable]) -> list[tuple[Cell, Hashable]]:
    """Cells of runs that are alike, also in what a function says of them, with that."""
    groups: dict[tuple[str, str, str, str, str, bool, Hashable], list[Residual]] = {}
    for r in residuals:
        of = r.like
        key = (of.family, r.source, of.arch, of.precision, of.tuning, WORKSTATION in of.kinds, also(r))
        groups.setdefault(key, []).append(r)
    return [(_cell(key[:6], runs), key[6]) for key, runs in sorted(groups.items(), key=lambda item: str(item[0]))]


def _cell(key: tuple[str, str, str, str, str, bool], runs: Sequence[Residual]) -> Cell:
    lengths = [r.like.sequence for r in runs]
    errors = sorted(r.error for r in runs)
    if len(errors) > QUANTILES:
        errors = np.quantile(errors, (np.arange(QUANTILES) + 0.5) / QUANTILES).tolist()
    return Cell(*key, (min(lengths), max(lengths)), len(runs), tuple(errors))


def _by_key(residuals: Sequence[Residual]) -> dict[str, list[Residual]]:
    groups: dict[str, list[Residual]] = {}
    for r in residuals:
        for key in keys(r.like):
            groups.setdefault(key, []).append(r)
    return {key: runs for key, runs in groups.items() if len(runs) >= ENOUGH or not key}


def _apart(runs: Sequence[Residual]) -> float:
    """Median difference of two residuals of one sweep (of all runs, where too few are of a sweep)."""
    sweeps: dict[str, list[float]] = {}
    for r in runs:
        if r.sweep:
            sweeps.setdefault(r.sweep, []).append(r.error)
    gaps = [abs(a - b) for errors in sweeps.values() for i, a in enumerate(errors) for b in errors[:i]]
    if len(gaps) >= ENOUGH:
        return float(np.median(gaps))
    spread = np.array([r.error for r in runs])
    return float(np.median(np.abs(spread - np.median(spread))) * 2**0.5)


def judged(residuals: Sequence[Residual]) -> list[Judged]:
    """Every run with the ends of the band that the runs of all other sources have for it.

    Runs of a stack that no other source has are tested by the stack's other runs as well: each half of the models (of the sweeps, where
    there is one model) tests the other.
    """
    sources: dict[str, set[str]] = {}
    for r in residuals:
        sources.setdefault(r.like.family, set()).add(r.source)
    halves = _halves(residuals)
    parts = _cells(residuals, lambda r: halves[id(r)])
    table = Table(tuple(cell for cell, _ in parts), {})
    ends: dict[tuple[Like, str, Hashable], tuple[float, float]] = {}
    out = []
    for r in residuals:
        half = halves[id(r)]
        if (r.like, r.source, half) not in ends:
            alone = len(sources[r.like.family]) == 1
            other = [cell.source != r.source for cell, _ in parts]
            mine = [alone and cell.family == r.like.family and side != half for cell, side in parts]
            counts = np.where(mine, _whole(parts, mine), np.array(other, dtype=float))
            ends_of = table.ends(r.like, counts) if counts.any() else None
            ends[r.like, r.source, half] = (min(ends_of.low, 0.0), max(ends_of.high, 0.0)) if ends_of else (0.0, 0.0)
        out.append(Judged(r, *ends[r.like, r.source, half]))
    return out


def _whole(parts: Sequence[tuple[Cell, Hashable]], mine: Sequence[bool]) -> float:
    """The factor by which half of the runs of a source weigh as much as a source."""
    half = sum(cell.runs for (cell, _), mine in zip(parts, mine, strict=True) if mine)
    families = {(cell.family, cell.source) for (cell, _), mine in zip(parts, mine, strict=True) if mine}
    whole = sum(cell.runs for cell, _ in parts if (cell.family, cell.source) in families)
    return max(whole, LEAST) / max(half, LEAST)


def _halves(residuals: Sequence[Residual]) -> dict[int, int]:
    """The half of the runs of its stack and source to which each run belongs, by its id."""
    groups: dict[tuple[str, str], list[Residual]] = {}
    for r in residuals:
        groups.setdefault((r.like.family, r.source), []).append(r)
    halves: dict[int, int] = {}
    for runs in groups.values():
        names = sorted({r.model for r in runs})
        by = {name: i % 2 for i, name in enumerate(names if len(names) > 1 else sorted({r.sweep for r in runs}))}
        halves |= {id(r): by[r.model if len(names) > 1 else r.sweep] for r in runs}
    return halves


def margin(runs: Sequence[Judged]) -> float:
    """The least margin with which the bands contain SHARE of the runs, the mean over sources; those of fewer than LEAST runs are one."""
    counts = Counter(t.run.source for t in runs)

    def share(step: float) -> float:
        inside = covered(runs, step, lambda r: (r.source if counts[r.source] >= LEAST else ALL_FEW,))
        return float(np.mean([part for part, _ in inside.values()]))

    return next((step for step in STEPS if share(step) >= SHARE), STEPS[-1])


ALL_FEW = ""  # the name of sources of fewer than LEAST runs


def covered(runs: Sequence[Judged], step: float, by: Callable[[Residual], Sequence[str]]) -> Mapping[str, tuple[float, int]]:
    """The share of runs inside the bands with a margin and their number, by what a function says of each."""
    groups: dict[str, list[bool]] = {}
    for t in runs:
        inside = t.inside(step)
        for name in by(t.run):
            groups.setdefault(name, []).append(inside)
    return {name: (float(np.mean(inside)), len(inside)) for name, inside in sorted(groups.items())}


def with_margin(residuals: Sequence[Residual]) -> tuple[Table, list[Judged]]:
    """The table of these runs with its margin, and the runs tested by those of other sources."""
    runs = judged(residuals)
    return replace(bands(residuals), margin=margin(runs)), runs
