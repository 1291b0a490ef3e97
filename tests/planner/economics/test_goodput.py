"""Failures and checkpoints: Daly's own figures, Llama 3's, a simulation, and what must hold of any."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.document.inputs import EXAMPLE, resolve, run_of
from planner.document.training_run import GPU_MTBF_HOURS
from planner.economics import goodput as g
from planner.errors import FieldError
from tests.planner.jobs import example

MINUTE, HOUR = 60.0, 3600.0


@pytest.mark.parametrize(("mtbf_minutes", "interval"), [(24 * 60, 117), (6 * 60, 57), (15, 9.1)])
def test_the_best_interval_is_dalys(mtbf_minutes: float, interval: float) -> None:
    """Daly 2006, Figures 3 to 5 (from memory): with 5 minutes a checkpoint, 117, 57 and 9.1 minutes between them."""
    save, mtbf = 5 * MINUTE, mtbf_minutes * MINUTE
    assert g.daly_seconds(g.young_seconds(save, mtbf), save, mtbf) / MINUTE == pytest.approx(interval, rel=0.01)


def test_llama_3_trains_nine_tenths_of_the_time() -> None:
    """16,384 GPUs fail every 3.1 hours (419 times in 54 days), and more than 90 % of the time trains (Llama 3 2024, Section 3.3.4)."""
    job = example()
    good = g.goodput_of(job, run_of(EXAMPLE, job), 6.4, 54 * 24 * HOUR)
    assert pytest.approx(54 * 24 * 16_384 / 419, abs=1) == GPU_MTBF_HOURS
    assert good.mtbf_seconds / HOUR == pytest.approx(54 * 24 / 419, rel=1e-4)
    assert 0.90 < good.goodput < 0.95
    assert good.failures * good.goodput == pytest.approx(419, rel=0.001)


def test_the_checkpoint_of_bloom_is_as_large_as_published() -> None:
    """176B parameters with AdamW: 2.3 TB as its files show it (BLOOM's model card; its 329 GB of weights are powers of two)."""
    job = resolve(EXAMPLE.with_all({"model": "bloom-176b", "stack": "megatron-deepspeed", "sequence": 2048}))
    assert g.saved_bytes(job, g.saved_parameters(job)) / 2**40 == pytest.approx(2.3, abs=0.1)


def test_the_formula_is_what_a_simulation_gives() -> None:
    """Ten thousand segments of work under failures at random take the time of the complete model, within a per cent."""
    save, mtbf, restart, interval = 60.0, 2000.0, 300.0, 500.0
    random, elapsed = np.random.default_rng(7), 0.0
    for _ in range(10_000):
        need = interval + save
        while (until := random.exponential(mtbf)) < need:
            elapsed, need = elapsed + until, restart + interval + save  # after a failure the segment begins with a restart
        elapsed += need
    simulated = 10_000 * interval / elapsed
    assert simulated == pytest.approx(g.goodput(interval, save, restart, mtbf), rel=0.01)


@given(st.floats(0.1, 1e4), st.floats(600, 1e7), st.floats(0, 1e3))
def test_no_interval_is_much_better_than_the_best(save: float, mtbf: float, restart: float) -> None:
    """Where a checkpoint takes less than a tenth of the time between failures, Daly's interval loses no more than any other."""
    save = min(save, mtbf / 10)
    best = g.daly_seconds(g.young_seconds(save, mtbf), save, mtbf)
    there = g.goodput(best, save, restart, mtbf)
    for times in (0.3, 0.5, 0.8, 0.9, 1.1, 1.25, 2, 3):
        assert g.goodput(best * times, save, restart, mtbf) <= there * (1 + 1e-4)


@given(st.floats(0.1, 1e3), st.floats(100, 1e8), st.floats(0, 1e3), st.floats(1, 1e4))
def test_the_shares_of_the_time_are_all_of_it(save: float, mtbf: float, restart: float, interval: float) -> None:
    """Training, checkpoints, restarts and what is done again sum to the whole, and none is negative."""
    share = g.goodput(interval, save, restart, mtbf)
    saving, restarting = g.saving_share(share, save, interval), g.restart_share(restart, mtbf)
    redone = 1 - share - saving - restarting
    assert min(share, saving, restarting) >= 0 and redone >= -1e-9
    assert share + saving + restarting + g.redone_share(share, saving, restarting) == pytest.approx(1)


@given(st.sampled_from([8, 64, 512, 4096, 16_384]), st.floats(0.1, 60))
def test_more_failures_slower_storage_and_longer_restarts_never_help(gpus: int, step: float) -> None:
    """Each of them worse leaves no more of the time to train."""
    job = example(gpus=gpus)
    run = run_of(EXAMPLE, job)
    share = g.goodput_of(job, run, step, 1e6).goodput
    for worse in (
        replace(run, gpu_mtbf_s=run.gpu_mtbf_s / 2), replace(run, storage_bytes_s=run.storage_bytes_s / 2),
        replace(run, restart_s=run.restart_s * 2),
    ):  # fmt: skip
        assert g.goodput_of(job, worse, step, 1e6).goodput <= share + 1e-12


def test_an_interval_told_is_kept_and_never_less_than_a_step() -> None:
    """A person's interval stands; one shorter than a step is a step, one longer than the training saves at its end."""
    job = example()
    run = run_of(EXAMPLE, job)
    assert g.goodput_of(job, replace(run, checkpoint_s=1800.0), 6.4, 1e6).interval_seconds == 1800
    assert g.goodput_of(job, replace(run, checkpoint_s=1.0), 6.4, 1e6).interval_seconds == 6.4
    assert g.goodput_of(job, replace(run, checkpoint_s=1e6), 6.4, 640.0).interval_seconds == 640


def test_a_cluster_that_never_gets_ahead_is_refused_with_what_would_help() -> None:
    """A failure every second leaves no time: one sentence that names the fields."""
    job = example()
    run = replace(run_of(EXAMPLE, job), gpu_mtbf_s=16_384.0)
    with pytest.raises(FieldError, match="no progress") as refused:
        g.goodput_of(job, run, 6.4, 1e6)
    assert "storage_gb_s" in str(refused.value) and math.isfinite(g.goodput(1e9, 1.0, 1e9, 1.0))
