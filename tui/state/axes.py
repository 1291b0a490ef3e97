"""Labels and help texts of the axes of the search. This module does not import numpy: `tmplan --help` reads it."""

from __future__ import annotations

from collections.abc import Mapping

from planner.degrees import DEGREES
from planner.document.space import NAMES
from planner.specs.job import Stack

AXIS_HELP: Mapping[str, tuple[str, str]] = {  # axis -> label, description
    **{degree.key: (degree.label, degree.name) for degree in DEGREES},
    "schedule": ("Schedule", "pipeline schedule; 1f1b includes interleaved"),
    "dp_replicate": ("HSDP copies", "replicas between which nothing is sharded (HSDP)"),
    "zero": ("ZeRO", "sharding: 0 none, 1 optimizer, 2 gradients, 3 parameters (FSDP)"),
    "sequence_parallel": ("Seq. parallel", "sequence parallelism"),
    "micro_batch": ("Micro-batch", "sequences in a micro-batch"),
    "recompute": ("Recompute", "activation recompute"),
    "recompute_layers": ("First N layers", "layers recomputed in each virtual stage if recompute is first"),
}


def label(axis: str) -> str:
    """The label of an axis in forms."""
    words = AXIS_HELP[axis][0]
    return f"{words} {axis}" if len(axis) < 4 else words


def about(axis: str) -> str:
    """The description of an axis, and the syntax of its bounds."""
    written = ", ".join(NAMES[axis]) if axis in NAMES else "8, 1,2,4, <=16, >=2, 2..8"
    return f"{AXIS_HELP[axis][1]}: *, {written}"


def metavar(axis: str) -> str:
    """The metavar of an axis's option."""
    return "|".join(NAMES[axis]) if axis in NAMES else "8|1,2,4|<=16|2..8"


def idle(experts: bool, stack: Stack) -> frozenset[str]:
    """Axes that do not apply to a job: expert parallelism without experts, the schedule if the stack has only one."""
    tensor = ("etp",) if stack.expert_tensor == "never" else ()
    return frozenset((*(tensor if experts else ("ep", "etp")), *(("schedule",) if len(stack.schedules) == 1 else ())))
