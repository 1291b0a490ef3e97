"""Live tensors of a rank in each phase of a step, and their maximum; bytes.

A step's memory has its maximum at the loss, at the start of the backward pass (all activations, and what one layer needs), at its end
(all gradients, and the first layer or the embedding), or in the optimizer's step.
"""

from __future__ import annotations

from planner.dimensions import Bytes, Flag, Number, Stage, maximum, minimum
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan

# The phases in the order of a step. Of phases that need as much, the first counts.
PHASES = {
    "loss": "the loss",
    "backward": "the start of the backward pass",
    "end": "the end of the backward pass",
    "embedding": "the gradient of the embedding",
    "step": "the optimizer's step",
}


@formula(
    "1 if stay, 1 if m > n_i, 1 if i > 0 and m > 1, 0 otherwise",
    "tmplan",
    "torch 2.13.0, Optimizer.zero_grad(set_to_none=True): freed after a step",
)
def gradients_live(job: Job, stage: Stage, micro_batches: Number, in_flight: Number) -> Flag:
    """Whether gradients of earlier micro-batches are live while activations have their maximum: 1 or 0.

    Behind the first stage of a pipeline they are taken as live from two micro-batches on, as they are where a pipeline is full.
    """
    later = (micro_batches > in_flight) | ((stage > 0) & (micro_batches > 1))
    return Flag(term("gradients_stay", job.stack.gradients_stay) | later)


@formula("A_p + G + U", "tmplan", "sum of the parts")
def loss_live(activation_bytes: Bytes, logits_memory: Bytes, buffer_bytes: Bytes) -> Bytes:
    """Activations, logits and buffers of one rank while the loss is computed; bytes."""
    return activation_bytes + logits_memory + buffer_bytes


@formula("A_p + W_l + U", "tmplan", "sum of the parts")
def backward_live(activation_bytes: Bytes, layer_working: Bytes, buffer_bytes: Bytes) -> Bytes:
    """Activations, working set and buffers of one rank at the start of a backward pass; bytes."""
    return activation_bytes + layer_working + buffer_bytes


@formula("A_p / (n_i · max(ℓ_i, v))", "tmplan", "all but the first layer of the last micro-batch are freed, a virtual stage at most")
def last_activations(plan: Plan, activation_bytes: Bytes, in_flight: Number, stage_layers: Number) -> Bytes:
    """Activations of one layer and one micro-batch, the last in a backward pass, of one rank of a stage; bytes.

    Where virtual stages hold the embedding or the head alone, there are fewer layers than virtual stages.
    """
    return activation_bytes / (in_flight * maximum(stage_layers, plan.vpp))


@formula("A_p · (1 - 1 / (v · n_i))", "korthikanti22", "Section 4.2.3: one is freed at the end of its backward pass")
def others_live(plan: Plan, activation_bytes: Bytes, in_flight: Number) -> Bytes:
    """Activations of the other micro-batches in flight at the end of the backward pass of one, on one rank of a stage; bytes."""
    return activation_bytes * (1.0 - 1.0 / (plan.vpp * in_flight))


@formula("A_u + G_ee", "tmplan", "sum of the parts")
def embedding_live(others_live: Bytes, embedding_gradient: Bytes) -> Bytes:
    """Activations of other micro-batches and the embedding's gradient in 16 bits, at the end of a backward pass; bytes."""
    return others_live + embedding_gradient


@formula("A_u + A_e", "tmplan", "sum of the parts")
def late_activations(others_live: Bytes, last_activations: Bytes) -> Bytes:
    """Activations of other micro-batches and of one layer, of one rank at the end of a backward pass; bytes."""
    return others_live + last_activations


@formula("A_u + A_e + W_l + U", "tmplan", "sum of the parts")
def end_live(others_live: Bytes, last_activations: Bytes, layer_working: Bytes, buffer_bytes: Bytes) -> Bytes:
    """Activations of other micro-batches and of one layer, its working set and buffers of one rank at the end of a backward pass; bytes."""
    return others_live + last_activations + layer_working + buffer_bytes


@formula("max(γ_g · G_a, G_s)", "tmplan", "those of earlier micro-batches, or those that live all the time")
def early_gradients(gradients_live: Flag, all_gradients: Bytes, lasting_gradients: Bytes) -> Bytes:
    """Gradients of one rank while the loss is computed; bytes."""
    return maximum(gradients_live * all_gradients, lasting_gradients)


@formula("max(γ_g · G_a, G_s, G_h)", "tmplan", "those of earlier micro-batches, or the head's")
def first_gradients(gradients_live: Flag, all_gradients: Bytes, lasting_gradients: Bytes, head_gradient: Bytes) -> Bytes:
    """Gradients of one rank at the start of a backward pass; bytes."""
    return maximum(maximum(gradients_live * all_gradients, lasting_gradients), head_gradient)


@formula("G_a - (1 - γ_g) · G_l", "tmplan", "those of earlier micro-batches, or all but the first layer's last")
def last_gradients(gradients_live: Flag, all_gradients: Bytes, late_gradients: Bytes) -> Bytes:
    """Gradients of one rank at the end of a backward pass; bytes."""
    return all_gradients - Bytes((1.0 - gradients_live) * late_gradients)


@formula("F_p - min(F_u, A_e)", "tmplan", "the gradient of a layer is reduced when the activations of that layer are freed")
def started_gathered(layers_gathered: Bytes, unreduced_bytes: Bytes, last_activations: Bytes) -> Bytes:
    """What is gathered in the fuller of the first and the second backward pass of a layer; bytes.

    Negative where nothing is gathered and the first pass lacks the gradient that the working set of a layer has.
    """
    return layers_gathered - minimum(unreduced_bytes, last_activations)


@formula("max(F_s, 0)", "tmplan", "no less than nothing")
def backward_gathered(started_gathered: Bytes) -> Bytes:
    """Gathered weights and gradients in their reduce-scatter when the backward pass starts, as a part of memory; bytes."""
    return maximum(started_gathered, 0.0)


@formula("W_l + min(F_s, 0)", "tmplan", "less the gradient of the layer before, which the first layer does not meet")
def backward_working(layer_working: Bytes, started_gathered: Bytes) -> Bytes:
    """Working set of one rank of a stage when the backward pass starts, as a part of memory; bytes."""
    return layer_working + minimum(started_gathered, 0.0)


@formula("0", "tmplan", "does not live in this phase")
def absent_bytes(all_gradients: Bytes) -> Bytes:
    """A part that does not live in a phase; bytes."""
    return 0.0 * all_gradients


@formula(
    "M_s + max(N_f + F_h + max(γ_g · G_a, G_s), N_b + F_s + max(γ_g · G_a, G_s, G_h), N_e + F_l + G_a - (1 - γ_g) · G_l, N_u + F_e + G_a,"
    " T_o + G_a)",
    "tmplan",
    "the fullest phase: loss, start of the backward pass, its end, what follows",
)
def allocated_bytes(
    static_bytes: Bytes, all_gradients: Bytes, lasting_gradients: Bytes, head_gradient: Bytes, gradients_live: Flag, loss_live: Bytes,
    backward_live: Bytes, end_live: Bytes, embedding_live: Bytes, head_gathered: Bytes, started_gathered: Bytes, end_gathered: Bytes,
    embedding_gathered: Bytes, step_temporaries: Bytes, late_gradients: Bytes,
) -> Bytes:  # fmt: skip
    """Live tensors of one rank in its fullest phase; bytes."""
    gradients = all_gradients, lasting_gradients, head_gradient, gradients_live
    first = early_bytes(*gradients, loss_live, backward_live, head_gathered, started_gathered)
    end = end_live + end_gathered - Bytes((1.0 - gradients_live) * late_gradients)
    last = maximum(end, embedding_live + embedding_gathered)
    return static_bytes + maximum(first, maximum(last, step_temporaries) + all_gradients)


def early_bytes(
    all_gradients: Bytes, lasting_gradients: Bytes, head_gradient: Bytes, gradients_live: Flag, loss_live: Bytes, backward_live: Bytes,
    head_gathered: Bytes, started_gathered: Bytes,
) -> Bytes:  # fmt: skip
    """What lives in addition to states in the fuller of the phases with all activations: loss and start of the backward pass; bytes."""
    early = maximum(gradients_live * all_gradients, lasting_gradients)
    return maximum(loss_live + head_gathered + early, backward_live + started_gathered + maximum(early, head_gradient))
