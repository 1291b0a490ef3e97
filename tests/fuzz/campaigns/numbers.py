"""Campaign: the numbers of random jobs: sound, the same twice, in order, the best the first of its ranking, the same in a plan file."""

from __future__ import annotations

import json
import warnings
from random import Random
from typing import Any

import numpy as np

from planner.cost.evaluate import evaluate
from planner.document import planfile
from planner.document.inputs import Inputs, resolve, run_of
from planner.document.planfile import Document
from planner.document.space import Space
from planner.report.best import EvaluatedPlan, best_fitting
from planner.report.columns import COLUMNS, predictions, records
from planner.report.sort import ordered
from planner.search.search import Result, search
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.jobs import bounds, values
from tests.fuzz.numbered import sound
from tui.cli.plan import candidates, contract
from tui.state.view import View, ranked

SOME = 400  # plans of a ranking that are looked at in order
SMALL = 64  # GPUs up to which every plan is looked at


def draw(rng: Random) -> Case:
    """A job with bounds, and the checks to run."""
    job, space = values(rng), bounds(rng)
    small = job["gpus"] <= SMALL and job["global_batch"] <= 512
    requested = {"whole": rng.random() < (0.5 if small else 0.05), "twice": rng.random() < 0.2, "file": rng.random() < 0.2}
    return {"inputs": job, "space": space, "asked": requested, "sort": rng.randrange(len(COLUMNS))}


def check(case: Case, bench: Bench) -> None:
    """Every promise on numbers holds for this job."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _job(case)


def _job(case: Case) -> None:
    inputs, space = Inputs().with_all(case["inputs"]), space_of(case["space"])
    job, requested = resolve(inputs), case["asked"]
    best = best_fitting(job, space)
    if best is not None:
        sound(records(best.estimate)[0])
        need(best.fits, "the best plan does not fit")
        if requested["twice"]:
            again = best_fitting(resolve(inputs), space)
            same = again is not None and again.plan == best.plan and records(again.estimate) == records(best.estimate)
            need(same, "the same job has another best plan")
        if requested["file"]:
            _in_a_file(inputs, space, best)
    if requested["whole"]:
        _ranking(Document(inputs, space, version="0.1.0"), search(job, space), best, case)
    run_of(inputs, job)


def space_of(texts: dict[str, str]) -> Space:
    """The bounds that texts say."""
    space = Space()
    for axis, text in texts.items():
        space = space.with_(axis, text)
    return space


def _in_a_file(inputs: Inputs, space: Space, best: EvaluatedPlan) -> None:
    """A plan file reads back to the same document, and its job to the same numbers."""
    reported = predictions(best.estimate)
    read = planfile.loads(planfile.dumps(Document(inputs, space, best.plan, reported, "0.1.0")))
    need((read.plan, read.inputs.values, read.space) == (best.plan, inputs.values, space), "a plan file is not read back unchanged")
    need(read.predictions == reported, "the predictions of a plan file do not read back")
    need(predictions(evaluate(resolve(read.inputs), best.plan)) == reported, "the job of a plan file has other numbers")


def _ranking(document: Document, result: Result, best: EvaluatedPlan | None, case: Case) -> None:
    """Every plan: sound numbers, the documented order, the same order in the program and the command."""
    need((best is None) == (not len(result.order)), "the best plan and the ranking do not agree whether anything fits")
    if best is not None:
        first = float(result.estimate(result.order[:1]).step[0])
        need(abs(first - best.step) <= 1e-12 * first, "the best plan is not the first of the ranking", (first, best.step))
    rows = candidates(result, True)
    some = np.unique(np.concatenate([rows[:6], rows[-4:], rows[len(rows) // 2 :][:4]])) if len(rows) else rows
    reported = contract(document, result, []) | {"plans": records(result.estimate(some))}
    json.dumps(reported, allow_nan=False)
    for record in reported["plans"]:
        sound(record)
    _in_order(result.estimate(result.order[:SOME]).step, True, "the ranking is not in order of step time")
    need(np.array_equal(ranked(result, View()), result.order), "the program ranks otherwise than the command")
    need(np.array_equal(ranked(result, View(unfit=True)), result.rejected_order), "the program ranks what does not fit otherwise")
    column = COLUMNS[case["sort"]]
    if len(result.order):
        sorted_rows = ordered(result, result.order[:3000], column)
        _in_order(column.values(result.estimate(sorted_rows)), column.ascending, f"sorted by {column.key}, the column is not in order")
    if case["asked"]["twice"]:
        again = search(resolve(document.inputs), document.space)
        same = np.array_equal(again.order[:SOME], result.order[:SOME]) and again.counts.seen == result.counts.seen
        need(same, "the same job has another ranking")


def _in_order(figures: Any, ascending: bool, promise: str) -> None:
    steps = np.diff(np.asarray(figures, dtype=float))
    need(not len(steps) or bool(np.all(steps >= 0 if ascending else steps <= 0)), promise)


register(Campaign("numbers", "the numbers of random jobs", draw, check, weight=3.0, shrinks=("inputs", "space"), limit=90.0))
