"""Goodput under failures and checkpoints: figures of Daly and of Llama 3, a simulation, and properties."""

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
def test_the_optimal_interval_is_dalys(mtbf_minutes: float, interval: float) -> None:
    """Daly 2006, Figures 3 to 5 (from memory): with 5 minutes per checkpoint, 117, 57 and 9.1 minutes between them."""
    save, mtbf = 5 * MINUTE, mtbf_minutes * MINUTE
    assert g.daly_seconds(g.young_seconds(save, mtbf), save, mtbf) / MINUTE == pytest.approx(interval, rel=0.01)


def test_llama_3_trains_nine_tenths_of_the_time() -> None:
    """16,384 GPUs fail every 3.1 hours (419 times in 54 days), effective training time above 90 % (Llama 3 2024, Section 3.3.4)."""
    job = example()
    good = g.goodput_of(job, run_of(EXAMPLE, job), 6.4, 54 * 24 * HOUR)
    assert pytest.approx(54 * 24 * 16_384 / 419, abs=1) == GPU_MTBF_HOURS
    assert good.mtbf_seconds / HOUR == pytest.approx(54 * 24 / 419, rel=1e-4)
    assert 0.90 < good.goodput < 0.95
    assert good.failures * good.goodput == pytest.approx(419, rel=0.001)


def test_the_checkpoint_of_bloom_has_the_published_size() -> None:
    """176B parameters with AdamW: 2.3 TB in units of 2^40 bytes (BLOOM's model card; its 329 GB of weights are binary units too)."""
    job = resolve(EXAMPLE.with_all({"model": "bloom-176b", "stack": "megatron-deepspeed", "sequence": 2048}))
    assert g.saved_bytes(job, g.saved_parameters(job)) / 2**40 == pytest.approx(2.3, abs=0.1)


def test_the_formula_agrees_with_a_simulation() -> None:
    """10,000 segments of work under Poisson failures take the time of the complete model, within 1 %."""
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
def test_no_interval_is_much_better_than_the_optimum(save: float, mtbf: float, restart: float) -> None:
    """If a checkpoint takes less than 10 % of the time between failures, no other interval has a higher goodput than Daly's."""
    save = min(save, mtbf / 10)
    best = g.daly_seconds(g.young_seconds(save, mtbf), save, mtbf)
    there = g.goodput(best, save, restart, mtbf)
    for times in (0.3, 0.5, 0.8, 0.9, 1.1, 1.25, 2, 3):
        assert g.goodput(best * times, save, restart, mtbf) <= there * (1 + 1e-4)


@given(st.floats(0.1, 1e3), st.floats(100, 1e8), st.floats(0, 1e3), st.floats(1, 1e4))
def test_the_shares_of_the_time_sum_to_one(save: float, mtbf: float, restart: float, interval: float) -> None:
    """The shares of training, checkpoints, restarts and repeated work sum to 1, and none is negative."""
    share = g.goodput(interval, save, restart, mtbf)
    saving, restarting = g.saving_share(share, save, interval), g.restart_share(restart, mtbf)
    redone = 1 - share - saving - restarting
    assert min(share, saving, restarting) >= 0 and redone >= -1e-9
    assert share + saving + restarting + g.redone_share(share, saving, restarting) == pytest.approx(1)


@given(st.sampled_from([8, 64, 512, 4096, 16_384]), st.floats(0.1, 60))
def test_more_failures_slower_storage_and_longer_restarts_never_help(gpus: int, step: float) -> None:
    """Halving the MTBF, halving the storage bandwidth or doubling the restart time does not raise the goodput."""
    job = example(gpus=gpus)
    run = run_of(EXAMPLE, job)
    share = g.goodput_of(job, run, step, 1e6).goodput
    for worse in (
        replace(run, gpu_mtbf_s=run.gpu_mtbf_s / 2), replace(run, storage_bytes_s=run.storage_bytes_s / 2),
        replace(run, restart_s=run.restart_s * 2),
    ):  # fmt: skip
        assert g.goodput_of(job, worse, step, 1e6).goodput <= share + 1e-12


def test_a_given_interval_is_limited_by_step_and_training() -> None:
    """The user's interval is used unchanged, but at least one step and at most the whole training."""
    job = example()
    run = run_of(EXAMPLE, job)
    assert g.goodput_of(job, replace(run, checkpoint_s=1800.0), 6.4, 1e6).interval_seconds == 1800
    assert g.goodput_of(job, replace(run, checkpoint_s=1.0), 6.4, 1e6).interval_seconds == 6.4
    assert g.goodput_of(job, replace(run, checkpoint_s=1e6), 6.4, 640.0).interval_seconds == 640


def test_a_cluster_without_progress_is_refused_with_the_fields_to_change() -> None:
    """A failure every second leaves no time to train: the message names the fields."""
    job = example()
    run = replace(run_of(EXAMPLE, job), gpu_mtbf_s=16_384.0)
    with pytest.raises(FieldError, match="no progress") as refused:
        g.goodput_of(job, run, 6.4, 1e6)
    assert "storage_gb_s" in str(refused.value) and math.isfinite(g.goodput(1e9, 1.0, 1e9, 1.0))
