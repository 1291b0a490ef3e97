"""The axes of the search as forms and options name them. Nothing here needs numpy: `tmplan --help` reads it."""

from __future__ import annotations

from collections.abc import Mapping

from planner.document.space import NAMES
from planner.specs.job import Stack

AXIS_HELP: Mapping[str, tuple[str, str]] = {  # axis -> its label, and what it is
    "tp": ("Tensor", "tensor-parallel degree"),
    "pp": ("Pipeline", "pipeline stages"),
    "vpp": ("Virtual", "virtual stages a GPU: interleaved pipeline"),
    "schedule": ("Schedule", "pipeline schedule; 1f1b is interleaved too"),
    "cp": ("Context", "context-parallel degree: the sequence is split"),
    "dp": ("Data", "data-parallel replicas"),
    "ep": ("Expert", "expert-parallel degree: the experts are split"),
    "etp": ("Exp. tensor", "ranks that one expert is divided over"),
    "dp_replicate": ("HSDP copies", "replicas between which nothing is sharded (HSDP)"),
    "zero": ("ZeRO", "sharding: 0 none, 1 optimizer, 2 gradients, 3 parameters (FSDP)"),
    "sequence_parallel": ("Seq. parallel", "sequence parallelism"),
    "micro_batch": ("Micro-batch", "sequences in a micro-batch"),
    "recompute": ("Recompute", "activation recompute"),
    "recompute_layers": ("First N layers", "layers recomputed in each virtual stage, where recompute is first"),
}


def label(axis: str) -> str:
    """What a form calls an axis."""
    words = AXIS_HELP[axis][0]
    return f"{words} {axis}" if len(axis) < 4 else words


def about(axis: str) -> str:
    """What an axis is, and how its bounds are written."""
    written = ", ".join(NAMES[axis]) if axis in NAMES else "8, 1,2,4, <=16, >=2, 2..8"
    return f"{AXIS_HELP[axis][1]}: *, {written}"


def metavar(axis: str) -> str:
    """What the help of its option says that an axis takes."""
    return "|".join(NAMES[axis]) if axis in NAMES else "8|1,2,4|<=16|2..8"


def idle(experts: bool, stack: Stack) -> frozenset[str]:
    """Axes that say nothing of a job: expert parallelism without experts, the schedule where the stack has one."""
    tensor = ("etp",) if stack.expert_tensor == "never" else ()
    return frozenset((*(tensor if experts else ("ep", "etp")), *(("schedule",) if len(stack.schedules) == 1 else ())))
