"""The accuracy of the shipped constants on published runs, as data: `presets/accuracy.toml`, written by `tmplan refit --write`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from planner import presets
from planner.calibration.measured_runs import Runs
from planner.files import writer
from planner.presets.toml_keys import read_toml
from planner.runs.score import CLOSE, SMALL, Score
from planner.specs.kinds import KINDS

FILE = presets.SHIPPED / "accuracy.toml"
HEAD = "# Written by `tmplan refit --write`: errors of step times of published runs, in percent."


@dataclass(frozen=True)
class Figures:
    """A way to predict the runs: mean error over sources and share within 10 %, in percent; rank correlation; regret in percent."""

    error: float
    within_10: float
    rho: float
    regret: float
    regret_of_three: float


@dataclass(frozen=True)
class Part:
    """A source or a kind of job: its runs, and its errors with its source left out, its model left out, and nothing left out; percent.

    `within_10` and `inside` are the shares, in percent, within 10 % and inside the 80 % band, with the source left out.
    """

    name: str
    runs: int
    sources: float
    models: float
    fitted: float
    within_10: float
    inside: float


@dataclass(frozen=True)
class Stack:
    """A stack, mixtures of experts apart: the share of its runs inside the bands of other sources, in percent; runs and sources."""

    name: str
    inside: float
    runs: int
    sources: int


@dataclass(frozen=True)
class Accuracy:
    """Figures of all runs by what was left out, and of sources, kinds and stacks."""

    runs: int
    constants: int
    sources: Figures
    models: Figures
    fitted: Figures
    by_source: tuple[Part, ...]
    by_kind: tuple[Part, ...]
    by_stack: tuple[Stack, ...]


def figures(of: Score) -> Figures:
    """The headline of a score; 0 without data."""
    return Figures(of.time_mape or 0, of.within_10_percent or 0, of.rho or 0, of.regret_top1 or 0, of.regret_top3 or 0)


def by_source(scores: Mapping[str, Score], inside: Mapping[str, tuple[float, int]]) -> tuple[Part, ...]:
    """A part per source of the scores by what was left out; `inside`: the shares inside the band."""
    left_out, models, fitted = (scores[key].time for key in ("sources", "models", "fitted"))
    few = [(share, count) for name, (share, count) in inside.items() if name not in left_out]
    inside = {SMALL: (sum(share * count for share, count in few) / max(1, sum(count for _, count in few)), 0), **inside}
    return tuple(
        Part(name, row.n, row.mape, models[name].mape, fitted[name].mape, row.within_10, 100 * inside.get(name, (0.0, 0))[0])
        for name, row in left_out.items()
    )


def by_kind(data: Runs, seconds: Mapping[str, Any], inside: Mapping[str, tuple[float, int]]) -> tuple[Part, ...]:
    """A part per kind of job that has runs."""
    parts = []
    for name, applies in KINDS.items():
        rows = np.repeat([applies(batch.job) for batch in data.batches], np.diff(data.ends))
        if rows.any():
            errors = {key: np.abs(values[rows] / data.measured[rows] - 1) for key, values in seconds.items()}
            left_out, models, fitted = (100 * float(errors[key].mean()) for key in ("sources", "models", "fitted"))
            close = 100 * float((errors["sources"] <= CLOSE).mean())
            parts.append(Part(name, int(rows.sum()), left_out, models, fitted, close, 100 * inside.get(name, (0.0, 0))[0]))
    return tuple(parts)


def write(accuracy: Accuracy) -> None:
    """Write the file."""
    lines = [HEAD, f"runs = {accuracy.runs}", f"constants = {accuracy.constants}", ""]
    for name in ("sources", "models", "fitted"):
        lines += [f"[{name}]", *_numbers(asdict(getattr(accuracy, name))), ""]
    for key, parts in (("by_source", accuracy.by_source), ("by_kind", accuracy.by_kind), ("by_stack", accuracy.by_stack)):
        for part in parts:
            lines += [f"[[{key}]]", *_numbers(asdict(part)), ""]
    writer.write(FILE, "\n".join(lines))


def _numbers(values: Mapping[str, Any]) -> Sequence[str]:
    return [f"{key} = {value:.2f}" if isinstance(value, float) else f"{key} = {json.dumps(value)}" for key, value in values.items()]


@lru_cache(maxsize=1)
def shipped() -> Accuracy:
    """The accuracy of the shipped constants."""
    table = read_toml(FILE)
    return Accuracy(
        table["runs"], table["constants"], Figures(**table["sources"]), Figures(**table["models"]), Figures(**table["fitted"]),
        tuple(Part(**part) for part in table["by_source"]), tuple(Part(**part) for part in table["by_kind"]),
        tuple(Stack(**part) for part in table["by_stack"]),
    )  # fmt: skip
