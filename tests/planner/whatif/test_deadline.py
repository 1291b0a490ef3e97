"""The smallest cluster for a deadline agrees with a scan of every candidate; twice the GPUs train faster, or the cause is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.document.inputs import EXAMPLE, Inputs, resolve, run_of
from planner.document.space import Space, parse_bounds
from planner.economics.budget import budget
from planner.errors import FieldError
from planner.report.wording import STEP
from planner.search.search import Cancelled, search
from planner.specs.job import Job
from planner.whatif import deadline as d
from tests.properties.strategies import SETTINGS, any_job

DAY = 86400.0
SMALL = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 64, "global_batch": 256, "sequence": 4096})
FEW = Space({"tp": parse_bounds("tp", "1,8"), "pp": parse_bounds("pp", "1,4"), "cp": parse_bounds("cp", "1")})


def scanned(inputs: Inputs, space: Space, deadline_s: float, counts: tuple[int, ...]) -> int | None:
    """The first candidate that meets the deadline, with every candidate searched."""
    for gpus in counts:
        best = d.best_on(d.with_gpus(inputs, gpus), space)
        if best is not None and best.budget.elapsed_seconds <= deadline_s:
            return gpus
    return None


@pytest.mark.parametrize("days", [0.2, 1, 2.5, 6, 9, 30])
def test_the_answer_is_that_of_a_scan(days: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower bounds do not change the answer: it is the first candidate that meets the deadline in a search of all."""
    monkeypatch.setattr(d, "LARGEST", 640)
    counts = d.candidates(SMALL)
    answer = d.smallest_cluster(SMALL, FEW, days * DAY)
    assert (answer.best.gpus if answer.best else None) == scanned(SMALL, FEW, days * DAY, counts)
    assert answer.candidates == counts and answer.searched + answer.ruled_out <= len(counts)
    assert answer.best is not None or answer.searched + answer.ruled_out == len(counts)


def test_candidates_are_whole_nodes_of_small_prime_factors() -> None:
    """8, 16, ... GPUs on nodes of 8 for any current number, without 11 and 13 nodes; other node sizes accordingly."""
    counts = d.candidates(SMALL.with_("gpus", 4))
    assert counts[:12] == (8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 96, 112) and counts[-1] <= d.LARGEST
    assert list(counts) == sorted(set(counts))
    assert d.candidates(SMALL.with_("gpus_per_node", 4))[:3] == (4, 8, 12)


@SETTINGS
@given(any_job())
def test_no_step_is_shorter_than_the_bound(job: Job) -> None:
    """No plan of any job takes less time than its matrix products at their highest rate."""
    result = search(job)
    if len(result):
        assert result.step_seconds.min() >= d.step_bound(job)


@given(st.sampled_from([8, 64, 640]), st.floats(0.1, 1e5), st.floats(0, 1e4), st.floats(0.001, 1e3), st.none() | st.floats(1, 1e5))
def test_no_training_is_shorter_than_its_bound(
    gpus: int, hours: float, restart: float, storage: float, checkpoint: float | None
) -> None:  # fmt: skip
    """With any failures, restarts and checkpoints, the elapsed time is at least the lower bound."""
    inputs = SMALL.with_all({"gpus": gpus, "gpu_mtbf_hours": hours, "restart_minutes": restart, "storage_gb_s": storage})
    inputs = inputs.with_("checkpoint_minutes", checkpoint)
    job = resolve(inputs)
    run = run_of(inputs, job)
    try:
        elapsed = budget(job, run, d.step_bound(job)).elapsed_seconds
    except FieldError:
        return
    assert elapsed >= d.elapsed_bound(job, run) * (1 - 1e-9)


@pytest.mark.parametrize(("tuning", "stack"), [("lora", "nemo"), ("qlora", "pytorch-fsdp")])
def test_the_bound_counts_no_gradients_of_frozen_weights(tuning: str, stack: str) -> None:
    """Adapters on frozen weights take two thirds of the products, and no plan takes less time than the bound."""
    job = resolve(SMALL.with_all({"gpus": 8, "tuning": tuning, "stack": stack}))
    assert d.step_bound(job) == pytest.approx(2 / 3 * d.step_bound(replace(job, tuning="full")))
    assert search(job).step_seconds.min() >= d.step_bound(job)


def test_a_deadline_nothing_meets_is_answered_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a solution the fastest candidate that is not ruled out is returned, or all are ruled out without a search."""
    monkeypatch.setattr(d, "LARGEST", 640)
    answer = d.smallest_cluster(SMALL, FEW, 0.5 * DAY)
    assert answer.best is None and answer.nearest is not None and answer.nearest.budget.elapsed_seconds > 0.5 * DAY
    every = [best for gpus in answer.candidates if (best := d.best_on(d.with_gpus(SMALL, gpus), FEW))]
    assert answer.nearest.gpus == min(every, key=lambda best: best.budget.elapsed_seconds).gpus
    assert d.smallest_cluster(SMALL, FEW, 60.0).searched == 0


def test_the_search_can_be_cancelled_and_reports_progress() -> None:
    """It checks `cancelled` before each cluster, and reports those it searches."""
    searched: list[int] = []
    d.smallest_cluster(SMALL, FEW, 9 * DAY, progress=searched.append)
    assert searched == sorted(searched) and searched
    with pytest.raises(Cancelled):
        d.smallest_cluster(SMALL, FEW, 9 * DAY, cancelled=lambda: True)


@pytest.mark.parametrize(
    ("changes", "bounds"),
    [({}, {}), ({"gpus": 256}, {}), ({"gpus": 8}, {}), ({"gpus": 512, "global_batch": 128}, {}), ({"gpus": 64}, {"dp": "64"}),
     ({"gpus": 64, "model": "qwen3-30b-a3b"}, {}), ({"gpus": 256, "gpu_mtbf_hours": 30.0}, {}), ({"gpus": 3, "gpus_per_node": 3}, {}),
     ({"gpus": 1024, "model": "gpt2-124m", "global_batch": 1024, "sequence": 1024}, {})],
    ids=["64", "256", "8", "batch", "pinned", "experts", "failures", "odd", "tiny"],
)  # fmt: skip
def test_twice_the_gpus_train_no_slower_or_the_cause_is_reported(changes: dict[str, int | float | str], bounds: dict[str, str]) -> None:
    """The elapsed time of the best plan does not increase with twice the GPUs, unless the answer names the cause."""
    inputs = SMALL.with_all(changes)
    space = Space({axis: parse_bounds(axis, text) for axis, text in bounds.items()})
    here = d.best_on(inputs, space)
    assert here is not None
    twice = d.doubled_cluster(inputs, space, here)
    assert twice.gpus == 2 * here.gpus
    faster = twice.best is not None and twice.best.budget.elapsed_seconds <= here.budget.elapsed_seconds
    assert faster or twice.stopped
    if twice.best is not None and not faster:
        assert any(word in twice.stopped for word in (*STEP.values(), "failures", "no part takes longer"))


def test_a_cluster_that_does_not_fill_nodes_is_no_error() -> None:
    """Twice 9 GPUs do not fill nodes of 12; the reason is reported."""
    inputs = SMALL.with_all({"gpus": 9, "gpus_per_node": 12, "global_batch": 9, "model": "llama-3.2-1b"})
    here = d.best_on(inputs, Space())
    assert here is not None
    assert "18 GPUs do not fill nodes of 12" in d.doubled_cluster(inputs, Space(), here).stopped
