"""Constants fitted without some runs, and what each constant is worth, on runs made with known constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.calibration import fit as fitting
from planner.calibration import left_out, processes
from planner.calibration.linearised import Box, Linear, Penalty, bounded, linear, loss, minimum, weights
from planner.calibration.processes import Evaluator, evaluator
from planner.calibration.worth import at_start, eliminated, judge, over_sources, worth
from tests.planner.calibration.test_fit import FIXED, TRAINING, with_times

TRUTH = {FIXED: 3.3, TRAINING: 0.8}


def two_sources() -> list[dict[str, str]]:
    """The made runs twice, as two sources; the second takes 20 % longer."""
    rows = with_times(TRUTH)
    slower = [{**row, "id": f"b{row['id']}", "group": "other", "step_s": repr(float(row["step_s"]) * 1.2)} for row in rows]
    return rows + slower


def test_runs_left_out_do_not_affect_their_constants() -> None:
    """Without the slower source the constants are those of the first, so that its runs take 1.2 times the prediction; and inversely."""
    rows = two_sources()
    data = fitting.runs(rows)
    at = Evaluator(data)
    values, problem = fitting.fitted(at, [FIXED, TRAINING], None, 8, penalty=Penalty(prior=1e-3))
    assert problem is not None
    without = left_out.without(problem, data.group, left_out.folds(rows, data, "sources"))
    assert without["other"][TRAINING] == pytest.approx(0.8, rel=0.02)
    seconds = left_out.seconds(at, data.group, without, values)
    ratio = data.measured / seconds
    assert ratio[data.group == "other"] == pytest.approx(1.2, rel=0.03)
    assert ratio[data.group == "made"].mean() == pytest.approx(1 / 1.2, rel=0.03)


def test_a_constant_of_one_source_alone_returns_to_its_start() -> None:
    """With every run of a stack left out the fold's constants are the starts."""
    rows = with_times(TRUTH)
    data = fitting.runs(rows)
    at = Evaluator(data)
    _, problem = fitting.fitted(at, [FIXED], None, 8)
    assert problem is not None
    without = left_out.without(problem, data.group, left_out.folds(rows, data, "stacks"))
    assert without == {"torchtitan": {FIXED: pytest.approx(FIXED.start)}}


def test_the_folds_of_runs() -> None:
    """A run is left out with its source, with the runs of models of its sizes, or with its stack."""
    rows = two_sources()
    data = fitting.runs(rows)
    assert sorted(set(left_out.folds(rows, data, "sources"))) == ["made", "other"]
    assert set(left_out.folds(rows, data, "models")) == {left_out.model(rows[0])}
    assert set(left_out.folds(rows, data, "stacks")) == {"torchtitan"}


def test_slopes_are_those_of_the_formulas() -> None:
    """The linear errors a little away are those of the formulas there."""
    data = fitting.runs(with_times(TRUTH))
    at = Evaluator(data)
    problem = linear(at, [FIXED, TRAINING], TRUTH)
    assert problem.errors == pytest.approx(np.zeros(12), abs=1e-12)
    moved = {FIXED: 3.3 * 1.05, TRAINING: 0.8 * 0.98}
    errors = np.log(at.every(moved) / data.measured)
    assert problem.at(np.log([moved[p] for p in problem.parameters])) == pytest.approx(errors, abs=1e-3)


def test_the_minimum_of_a_linear_problem_by_hand() -> None:
    """One constant, errors x - 0.1 and x - 0.3 of equal weight: x = 0.2 without a prior; 0.15 if it may not be larger; 0 if it is fixed."""
    problem = Linear((TRAINING,), np.zeros(1), np.array([-0.1, -0.3]), np.ones((2, 1)))
    box = Box(np.zeros(1), np.full(1, -1.0), np.full(1, 1.0))
    free = Penalty(prior=1e-6)
    assert minimum(problem, np.ones(2), box, None, free) == pytest.approx([0.2], abs=1e-3)
    assert minimum(problem, np.ones(2), replace(box, high=np.full(1, 0.15)), None, free) == pytest.approx([0.15], abs=1e-6)
    assert minimum(problem, np.ones(2), box, np.zeros(1, bool), free) == pytest.approx([0.0])
    assert minimum(problem, np.array([1.0, 0.0]), box, None, free) == pytest.approx([0.1], abs=1e-3)


def test_a_minimum_within_bounds_by_hand() -> None:
    """x'x / 2 - (1, 2) x is least at (1, 2); where the second is at most 1, at (1, 1)."""
    assert bounded(np.eye(2), np.array([1.0, 2.0]), np.zeros(2), np.full(2, 5.0)) == pytest.approx([1, 2])
    assert bounded(np.eye(2), np.array([1.0, 2.0]), np.zeros(2), np.array([5.0, 1.0])) == pytest.approx([1, 1])


def test_the_loss_by_hand() -> None:
    """An error of 0 costs nothing, one of 0.1 sqrt(3) at a softness of 0.1 its weight times 0.02; a constant e times its start 0.03^2."""
    errors, ones = np.array([0.0, 0.1 * 3**0.5]), np.ones(1)
    assert loss(errors, np.array([1.0, 0.5]), ones, np.zeros(1)) == pytest.approx(0.5 * 0.02 + 0.03**2)


def test_every_source_weighs_the_same_unless_it_has_few_runs() -> None:
    """Twenty runs weigh 1/20 each, five 1/10."""
    weight = weights(np.array(["a"] * 20 + ["b"] * 5))
    assert weight.tolist() == [0.05] * 20 + [0.1] * 5
    assert over_sources(np.array([1.0] * 20 + [2.0] * 5 + [4.0] * 5), np.array(["a"] * 20 + ["b"] * 5 + ["c"] * 5)) == 2.0


def test_a_constant_that_nothing_depends_on_is_dropped_and_one_that_explains_the_runs_is_not() -> None:
    """Half the rate of the start in products is worth percents; element-wise traffic at its start nothing."""
    truth = {TRAINING: 0.6, FIXED: FIXED.start}
    rows = with_times(truth)
    rows += [{**row, "id": f"b{row['id']}", "group": "other"} for row in rows]
    data = fitting.runs(rows)
    at = Evaluator(data)
    problem = linear(at, [FIXED, TRAINING], truth)
    by = judge(data, left_out.folds(rows, data, "models"))
    error, each = worth(at, by, problem)
    assert error.sources == pytest.approx(0, abs=0.5)
    assert [w.parameter for w in each] == [FIXED, TRAINING]
    assert each[0].sources < 0.05 and each[1].sources > 1
    assert eliminated(at, by, problem, each)[0] == (FIXED,)
    assert at_start(at, problem, 1).errors.min() < -0.05


def test_processes_predict_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions in two processes are those of one, part by part, and progress counts up to the number of parts."""
    monkeypatch.setattr(processes, "FEW", 1)
    monkeypatch.setattr(processes, "CHUNK", 1)
    data = fitting.runs(with_times(TRUTH))
    requests = [(TRUTH, np.arange(len(data.batches))), ({FIXED: 2.0}, np.arange(1)), ({}, np.arange(0))]
    seen: list[tuple[int, int]] = []
    with evaluator(data, 2) as at:
        assert at.pool is not None
        several = at.seconds(requests, lambda done, of: seen.append((done, of)))
    alone = Evaluator(data).seconds(requests)
    for one, other in zip(several, alone, strict=True):
        assert one.tolist() == other.tolist()
    assert seen[-1][0] == seen[-1][1] == len(seen)
