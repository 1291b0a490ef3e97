"""Goodput under failures and checkpoints: checkpoint size and write time, optimal interval, and the share of the time that trains."""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner.cost.optimizers import optimizer_width
from planner.cost.states import WEIGHT_BYTES
from planner.document.training_run import Run
from planner.errors import FieldError
from planner.formula.trace import formula, scalar, term
from planner.specs.job import Job
from planner.specs.lora import adapter_parameters
from planner.specs.parameters import mtp_parameters, total_parameters

MIN_PROGRESS = 1e-3  # of the rate of progress without failures; below it a job is rejected as making no progress


@formula("P_tot + P_mt", "tmplan", "each once, however many ranks hold it")
def saved_parameters(job: Job) -> float:
    """Parameters in a checkpoint."""
    return float(term("all_parameters", total_parameters(job.model)) + term("prediction_parameters", mtp_parameters(job.model)))


@formula("L · P_ad", "lora21", "Section 4.2: a checkpoint holds the adapters alone")
def saved_adapters(job: Job) -> float:
    """Parameters in a checkpoint of adapters."""
    return float(job.model.layers * term("adapter_weights", adapter_parameters(job.model, job.lora_targets, job.lora_rank)))


@formula("((2 if not fp32) + g_m + u_l) · P_c", "math101", "Model weights and optimizer states")
def saved_bytes(job: Job, saved_parameters: float) -> float:
    """Size of a checkpoint: weights, master weights and optimizer states without replication; bytes."""
    weights = 0.0 if job.stack.master_is_parameter else WEIGHT_BYTES
    return (weights + optimizer_width(job)) * saved_parameters


@formula("S_c / B_s", "tmplan", "training waits until it is written")
def save_seconds(saved_bytes: float, storage_bytes_s: float) -> float:
    """Time to write a checkpoint; seconds."""
    return saved_bytes / storage_bytes_s


@formula("θ / W", "llama3", "Section 3.3.4; any GPU's failure stops all")
def mtbf_seconds(gpu_mtbf_s: float, gpus: float) -> float:
    """Mean time between failures of the cluster; seconds."""
    return gpu_mtbf_s / gpus


@formula("sqrt(2 · δ · θ_W)", "young74", "first order")
def young_seconds(save_seconds: float, mtbf_seconds: float) -> float:
    """Optimal time between checkpoints, to first order; seconds."""
    return math.sqrt(2.0 * save_seconds * mtbf_seconds)


@formula(
    "θ_W if δ ≥ 2 · θ_W, τ_y · (1 + sqrt(δ / (18 · θ_W)) + δ / (18 · θ_W)) - δ otherwise", "daly06", "higher order, of the complete model"
)
def daly_seconds(young_seconds: float, save_seconds: float, mtbf_seconds: float) -> float:
    """Optimal training time between two checkpoints, without the time to write one; seconds.

    Daly: sqrt(2 d M) (1 + (d / 2M)^(1/2) / 3 + (d / 2M) / 9) - d; sqrt(x) / 3 is written sqrt(x / 9).
    """
    if save_seconds >= 2.0 * mtbf_seconds:
        return mtbf_seconds
    share = save_seconds / (2.0 * mtbf_seconds)
    return young_seconds * (1.0 + math.sqrt(share) / 3.0 + share / 9.0) - save_seconds


@formula("min(max((τ_g if given, τ_d otherwise), t_step), T_n)", "tmplan", "checkpoints lie between steps, one at the end")
def interval_seconds(daly_seconds: float, step_seconds: float, train_seconds: float, checkpoint_s: float | None) -> float:
    """Training between two checkpoints; seconds."""
    given = term("interval_given", checkpoint_s is not None)
    return min(max(checkpoint_s if given and checkpoint_s is not None else daly_seconds, step_seconds), train_seconds)


@formula(
    "τ_c / (θ_W · exp(t_re / θ_W) · (exp((τ_c + δ) / θ_W) - 1))", "daly06", "complete model: failures are a Poisson process, at any time"
)
def goodput(interval_seconds: float, save_seconds: float, restart_s: float, mtbf_seconds: float) -> float:
    """Share of the elapsed time whose training work is not lost; ratio."""
    between = (interval_seconds + save_seconds) / mtbf_seconds
    restart = restart_s / mtbf_seconds
    if between + restart > 500:
        return 0.0
    return interval_seconds / mtbf_seconds / (math.exp(restart) * math.expm1(between))


@formula("γ · δ / τ_c", "daly06", "complete model")
def saving_share(goodput: float, save_seconds: float, interval_seconds: float) -> float:
    """Share of the elapsed time spent on checkpoints that are completed; ratio."""
    return goodput * save_seconds / interval_seconds


@formula("1 - exp(-t_re / θ_W)", "daly06", "complete model")
def restart_share(restart_s: float, mtbf_seconds: float) -> float:
    """Share of the elapsed time spent on restarts; ratio."""
    return -math.expm1(-restart_s / mtbf_seconds)


@formula("1 - γ - γ_s - γ_r", "daly06", "complete model: the rest")
def redone_share(goodput: float, saving_share: float, restart_share: float) -> float:
    """Share of the elapsed time whose work is lost in failures; ratio."""
    return max(0.0, 1.0 - goodput - saving_share - restart_share)


@formula("T_n / (γ · θ_W)", "llama3", "Section 3.3.4")
def failures(train_seconds: float, goodput: float, mtbf_seconds: float) -> float:
    """Expected number of failures during the training; count."""
    return train_seconds / (goodput * mtbf_seconds)


@dataclass(frozen=True)
class Goodput:
    """Checkpoints, failures and the shares of the elapsed time, in base units; the four shares sum to 1."""

    saved_bytes: float
    save_seconds: float
    mtbf_seconds: float
    young_seconds: float
    daly_seconds: float
    interval_seconds: float
    goodput: float
    saving: float
    restarting: float
    redone: float
    failures: float


def goodput_of(job: Job, run: Run, step_seconds: float, train_seconds: float) -> Goodput:
    """The goodput of a job with the given step and training times. Raises FieldError if it is below MIN_PROGRESS."""
    size = saved_bytes(job, (saved_adapters if job.frozen else saved_parameters)(job))
    save, mtbf = save_seconds(size, run.storage_bytes_s), mtbf_seconds(run.gpu_mtbf_s, float(job.cluster.gpus))
    young = young_seconds(save, mtbf)
    daly = daly_seconds(young, save, mtbf)
    interval = interval_seconds(daly, step_seconds, scalar(train_seconds), run.checkpoint_s)
    share = goodput(interval, save, run.restart_s, mtbf)
    if share * (interval + save) < MIN_PROGRESS * interval:
        raise FieldError(
            "gpu_mtbf_hours",
            f"training would make no progress: a failure every {mtbf:,.3g} s, a checkpoint of {save:,.3g} s every {interval:,.3g} s and "
            f"{run.restart_s:,.3g} s to restart; set gpu_mtbf_hours, storage_gb_s, checkpoint_minutes or restart_minutes",
        )
    saving, restarting = saving_share(share, save, interval), restart_share(run.restart_s, mtbf)
    redone = redone_share(share, saving, restarting)
    return Goodput(size, save, mtbf, young, daly, interval, share, saving, restarting, redone, failures(train_seconds, share, mtbf))
