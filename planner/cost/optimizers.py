"""Bytes of optimizer states per parameter: of a layer, of the embedding and of the head.

Read in the optimizers' code: PyTorch's torch/optim (adamw.py, _muon.py, sgd.py), transformers' optimization.py (Adafactor) and trainer.py,
bitsandbytes' optim/optimizer.py, DeepSpeed's runtime/zero/muon/muon_optimizer.py, Megatron-Core's optimizer/muon.py.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.formula.trace import term
from planner.specs.job import Job

# bitsandbytes: a state of 8 bits has an fp32 maximum for each block of 256 values. transformers' trainer.py (create_optimizer) leaves the
# states of embeddings in fp32; weights of less than 4,096 values, vectors alone, have fp32 states too and are not counted apart.
BLOCK_BYTES = 4 / 256
FULL_STATE = 4.0
EIGHT_BITS = ("adamw-8bit", "adamw-8bit-paged")
# Moments of equal width that each parameter has. Muon's momentum is of matrices; embedding, head and vectors are updated with AdamW.
MOMENTS = {"adamw": 2, "adamw-8bit": 2, "adamw-8bit-paged": 2, "lion": 1, "sgd": 1, "sgd-plain": 0, "muon": 1, "muon-sharded": 1}


class States(NamedTuple):
    """Bytes of optimizer states per parameter of a layer, of the embedding, and of the head, wherever they live."""

    layer: float
    embedding: float
    head: float


def states(job: Job) -> States:
    """Bytes of optimizer states per parameter, without the master copy."""
    width, model = float(job.state_bytes), job.model
    if job.optimizer == "adafactor":  # the second moment as a row and a column per matrix, no first moment: transformers' default
        rows, table = 2 / model.hidden, 1 / model.hidden + 1 / model.vocab
        return States(rows * width, table * width, table * width)
    moments = MOMENTS[job.optimizer] * width
    if job.optimizer in EIGHT_BITS and width == 1:
        blocks, whole = 2 * (1 + BLOCK_BYTES), 2 * FULL_STATE
        if flattened(job):
            return States(blocks, blocks, blocks)
        return States(blocks, whole, whole if model.tied else blocks)
    if job.optimizer in ("muon", "muon-sharded"):
        return States(moments, 2 * moments, 2 * moments)
    return States(moments, moments, moments)


def flattened(job: Job) -> bool:
    """Whether the optimizer sees flat buffers in place of weights, as under DeepSpeed, so that no weight is an exception."""
    return job.stack.flat_states


def layer_states(job: Job) -> float:
    """Bytes of optimizer states per parameter of a layer."""
    return term("layer_states", states(job).layer)


def optimizer_width(job: Job) -> float:
    """Bytes per parameter of a layer of the master copy and the optimizer states: AdamW 4+4+4, 8-bit AdamW 4+1+1 and its maxima."""
    return job.master_bytes + layer_states(job)


def moves_states(job: Job) -> bool:
    """Whether optimizer states are on the host: offloaded, or with fp32 parameters that are, which are the master copies (FSDP)."""
    with_parameters = job.offload_parameters and job.stack.master_is_parameter and job.master_bytes > 0
    return job.offload_optimizer or with_parameters


def resident_share(job: Job) -> float:
    """Share of the optimizer's bytes on the device: none offloaded; of paged states the maxima and the master copy.

    Paged states live in unified memory and are on the device while they are touched, a weight at a time (bitsandbytes, get_paged).
    """
    if moves_states(job):
        return term("resident_share", 0.0)
    if job.optimizer != "adamw-8bit-paged":
        return term("resident_share", 1.0)
    return term("resident_share", (job.master_bytes + 2 * BLOCK_BYTES) / (job.master_bytes + states(job).layer))
