"""Step times of measured runs predicted with constants fitted to other runs: without their source, their model or their stack.

The constants without some runs are the minimum of the problem linearised at the full fit, with these runs' weights 0: one Gauss-Newton step
from the full fit (a second one changes the mean error over sources by 0.1 points). A constant that only runs left out depend on returns to
its start. The runs left out are then predicted by the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from planner.calibration.linearised import Linear, as_values, box, minimum, rows_of, weights
from planner.calibration.measured_runs import Runs, Values
from planner.calibration.processes import Evaluator, Progress
from planner.runs.configure import Row, cell

BY = ("sources", "models", "stacks")


def folds(rows: Sequence[Row], data: Runs, by: str) -> Any:
    """The fold of each run: its source, its model, or the stack that its framework is modelled by."""
    if by == "sources":
        return data.group
    if by == "models":
        return np.array([model(rows[int(i)]) for i in data.rows])
    names = [batch.job.stack.name for batch in data.batches]
    return np.repeat(names, np.diff(data.ends))


def model(row: Row) -> str:
    """A row's model, by its sizes: names differ between sources."""
    return " ".join(cell(row, key) for key in ("layers", "hidden", "ffn", "experts", "expert_ffn"))


def without(problem: Linear, group: Any, fold: Any) -> dict[str, Values]:
    """For each fold the constants fitted to the runs of all others; `group`: the source of each run."""
    weight, bounds = weights(group), box(problem.parameters)
    points = {name: minimum(problem, np.where(fold == name, 0.0, weight), bounds) for name in sorted(set(fold.tolist()))}
    return {name: as_values(problem.parameters, x) for name, x in points.items()}


def seconds(at: Evaluator, fold: Any, constants: Mapping[str, Values], fitted: Values, progress: Progress | None = None) -> Any:
    """The step time of every run with the constants without its fold; with `fitted` those of a fold that no fit has used."""
    starts = at.data.ends[:-1]
    requests = []
    for name in sorted(set(fold.tolist())):
        batches = np.flatnonzero([name in fold[at.data.ends[i] : at.data.ends[i + 1]] for i in range(len(starts))])
        requests.append((name, batches))
    out = np.empty(len(at.data.measured))
    answers = at.seconds([(constants.get(name, fitted), batches) for name, batches in requests], progress)
    for (name, batches), answer in zip(requests, answers, strict=True):
        places = rows_of(at.data, batches)
        inside = fold[places] == name
        out[places[inside]] = answer[inside]
    return out
