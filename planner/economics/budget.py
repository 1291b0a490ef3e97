"""Training budget of one plan: FLOP, time, GPU-hours, energy, cost and CO2; and the FLOP that an amount of money buys."""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner.cost.schedule import needed_flops
from planner.document.training_run import Run
from planner.economics.goodput import Goodput, goodput_of
from planner.economics.sanity import flops_floor
from planner.formula.trace import Step, formula, scalar, tracing
from planner.specs.job import Job
from planner.specs.parameters import active_parameters


@formula("≈ all parameters, of routed experts those visited", "hoffmann22", "P counts the embeddings too")
def visited_parameters(job: Job) -> float:
    """Parameters active per token; count."""
    return float(active_parameters(job.model))


@formula("2 · P · D_t", "math101", "Compute Requirements")
def forward_flops(visited_parameters: float, train_tokens: float) -> float:
    """All forward passes of the training; FLOP."""
    return 2.0 * visited_parameters * train_tokens


@formula("4 · P · D_t", "math101", "Compute Requirements")
def backward_flops(visited_parameters: float, train_tokens: float) -> float:
    """All backward passes of the training; FLOP."""
    return 4.0 * visited_parameters * train_tokens


@formula("2 · P · D_t", "lora21", "Section 4.2: frozen weights have no gradients")
def frozen_backward(visited_parameters: float, train_tokens: float) -> float:
    """All backward passes of the training with frozen weights, the products of the adapters neglected; FLOP."""
    return 2.0 * visited_parameters * train_tokens


@formula("C_f + C_b", "math101", "Compute Requirements: C = 6 P D")
def train_flops(forward_flops: float, backward_flops: float) -> float:
    """Training FLOP by the approximation C = 6 P D."""
    return forward_flops + backward_flops


@formula("F_n / (B · s) · D_t", "palm22", "Appendix B: attention counted, lookups not, of experts those a token visits")
def exact_flops(needed_flops: float, global_batch: float, sequence: float, train_tokens: float) -> float:
    """Training FLOP counted from the model's matrix products."""
    return needed_flops / (global_batch * sequence) * train_tokens


@formula("⌈D_t / (B · s)⌉", "tmplan", "every step takes the whole batch")
def train_steps(train_tokens: float, global_batch: float, sequence: float) -> float:
    """Optimizer steps to train on the tokens of the run; count."""
    return float(math.ceil(train_tokens / (global_batch * sequence)))


@formula("n_s · t_step", "tmplan", "steps back to back; tmplan explain has the tree of one")
def train_seconds(train_steps: float, step_seconds: float) -> float:
    """Training time without failures and checkpoints; seconds."""
    return train_steps * step_seconds


@formula("T_n / γ", "llama3", "Section 3.3.4: effective training time over elapsed time")
def elapsed_seconds(train_seconds: float, goodput: float) -> float:
    """Elapsed training time, including checkpoints, restarts and repeated work; seconds."""
    return train_seconds / goodput


@formula("W · T_e / 3600", "tmplan", "every GPU is held all the time")
def gpu_hours(gpus: float, elapsed_seconds: float) -> float:
    """GPU-hours for which the cluster is occupied."""
    return gpus * elapsed_seconds / 3600.0


@formula("H · W_b · PUE", "patterson21", "Section 2.5, the board at its full power")
def energy_wh(gpu_hours: float, power_w: float, pue: float) -> float:
    """Energy of the boards and, by the PUE, of the data center; Wh."""
    return gpu_hours * power_w * pue


@formula("H · p_h", "tmplan", "GPU-hours at their price")
def cost(gpu_hours: float, price_gpu_hour: float) -> float:
    """Cost of the GPU-hours, in the currency of their price."""
    return gpu_hours * price_gpu_hour


@formula("Q · I_c / 10^9", "patterson21", "Section 2.5: energy times the intensity of the grid")
def co2_tonnes(energy_wh: float, co2_g_kwh: float) -> float:
    """CO2 emissions of the energy; tonnes."""
    return energy_wh * co2_g_kwh / 1e9


@formula("F_n / (t_step · W)", "palm22", "Appendix B")
def achieved_flops(needed_flops: float, step_seconds: float, gpus: float) -> float:
    """Model FLOPs per second per GPU; FLOP/s."""
    return needed_flops / (step_seconds * gpus)


@dataclass(frozen=True)
class Budget:
    """Training budget of one plan, in base units; None for numbers whose inputs (power, price, CO2 intensity) are not given."""

    parameters: float
    tokens: float
    forward_flops: float
    backward_flops: float
    flops: float
    exact_flops: float
    steps: float
    step_seconds: float
    train_seconds: float
    goodput: Goodput
    elapsed_seconds: float
    gpu_hours: float
    achieved_flops: float
    energy_wh: float | None
    cost: float | None
    co2_tonnes: float | None


def budget(job: Job, run: Run, step_seconds: float) -> Budget:
    """The budget of training this job with the given step time. Raises FieldError if failures leave no time to train."""
    tokens, batch, sequence = float(run.train_tokens), float(job.global_batch), float(job.sequence)
    parameters = visited_parameters(job)
    forward, backward = forward_flops(parameters, tokens), (frozen_backward if job.frozen else backward_flops)(parameters, tokens)
    step_flops = needed_flops(job)
    steps = train_steps(tokens, batch, sequence)
    net = train_seconds(steps, step_seconds)
    good = goodput_of(job, run, scalar(step_seconds), net)
    elapsed = elapsed_seconds(net, good.goodput)
    hours = gpu_hours(float(job.cluster.gpus), elapsed)
    energy = energy_wh(hours, run.power_w, run.pue) if run.power_w is not None else None
    return Budget(
        parameters, tokens, forward, backward, train_flops(forward, backward), exact_flops(step_flops, batch, sequence, tokens), steps,
        step_seconds, net, good, elapsed, hours, achieved_flops(step_flops, step_seconds, float(job.cluster.gpus)), energy,
        cost(hours, run.price_gpu_hour) if run.price_gpu_hour is not None else None,
        co2_tonnes(energy, run.co2_g_kwh) if energy is not None and run.co2_g_kwh is not None else None,
    )  # fmt: skip


NUMBERS = {  # name of a derivation -> attribute of Budget
    "flops": "flops", "exact_flops": "exact_flops", "gpu_hours": "gpu_hours", "energy": "energy_wh", "cost": "cost", "co2": "co2_tonnes",
    "achieved_flops": "achieved_flops",
}  # fmt: skip
LOSSES = {"saving": "saving", "restarting": "restarting", "redone": "redone", "failures": "failures"}  # -> attribute of Goodput


def explain(job: Job, run: Run, step: float | Step) -> dict[str, Step]:
    """The derivation of every number of a budget; those of time, goodput and checkpoints are subtrees of that of the GPU-hours.

    step: step time in seconds, or its derivation, which then is a subtree too.
    """
    with tracing() as trace:
        whole = budget(job, run, trace.held(step) if isinstance(step, Step) else step)
        numbers = {name: getattr(whole, attribute) for name, attribute in NUMBERS.items()}
        numbers["flops_floor"] = flops_floor(job.cluster.gpu.flops_bf16)
        numbers |= {name: getattr(whole.goodput, attribute) for name, attribute in LOSSES.items()}
        return {name: trace.of(value) for name, value in numbers.items() if value is not None}


@formula("K_b / K · C", "tmplan", "at the cost per FLOP of this plan's training, failures and checkpoints included")
def spent_flops(money: float, cost: float, train_flops: float) -> float:
    """Training FLOP that an amount of money buys, in the approximation C = 6 P D; FLOP."""
    return money / cost * train_flops
