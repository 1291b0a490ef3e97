"""Words of sentences: the parts of a step and of memory, a plan, one of its choices, and the difference between two plans."""

from __future__ import annotations

from collections.abc import Mapping

from planner import degrees
from planner.cost import parts
from planner.cost.error_band import Band
from planner.cost.phases import PHASES
from planner.cost.records import Estimate
from planner.document.space import AXES
from planner.report.choice_text import recompute_code, schedule_code, sharding_code, write_recompute, write_schedule, write_sharding
from planner.specs.plan import NAMED, Plan

STEP: Mapping[str, str] = {name: part.words for name, part in parts.STEP.items()}
TRAFFIC = parts.COMMUNICATION
EXPOSED: Mapping[str, str] = {  # the same in sentences that mention hidden communication too
    name: words.replace("experts'", "experts' exposed") if name == "ep" else f"exposed {words}" if name in TRAFFIC else words
    for name, words in STEP.items()
}
MEMORY: Mapping[str, str] = {name: part.words for name, part in parts.MEMORY.items()}
CHOICES: Mapping[str, tuple[str, ...]] = {  # fields of a plan that only make sense together
    "tp": ("tp",), "pipeline": ("pp", "vpp", "schedule"), "cp": ("cp",), "dp": ("dp",), "ep": ("ep",), "etp": ("etp",),
    "sharding": ("zero", "dp_replicate"), "sequence_parallel": ("sequence_parallel",), "micro_batch": ("micro_batch",),
    "recompute": ("recompute", "recompute_layers"),
}  # fmt: skip
COUNTS = [choice for choice, names in CHOICES.items() if names == (choice,) and choice != "sequence_parallel"]  # a name and a number
FOLLOWS = ("dp", "dp_replicate", "recompute_layers")  # axes that follow from the number of GPUs, or from recompute


def band_in_words(band: Band) -> str:
    """On which measured runs the band of a step rests, and by how much two plans must differ to count as different; without a full stop."""
    return (
        f"of {band.runs:,} measured runs like these ({band.like}) 80 % took {100 * (band.low - 1):+.0f} to "
        f"{100 * (band.high - 1):+.0f} % of the estimate; two plans within {100 * (band.apart - 1):.1f} % are a tie"
    )


def some_gpus(count: int) -> str:
    """'1 GPU', '8 GPUs'."""
    return f"{count:,} GPU{'s' * (count != 1)}"


def schedule(plan: Plan) -> str:
    """The pipeline schedule: 1F1B, interleaved, ZB-H1 ..."""
    return write_schedule(schedule_code(plan))


def sharding(plan: Plan) -> str:
    """The sharding: none, ZeRO-1, FSDP, HSDP x8 ..."""
    return write_sharding(sharding_code(plan))


def recompute(plan: Plan) -> str:
    """The recompute: none, sel, full, first 3."""
    return write_recompute(recompute_code(plan))


def in_words(plan: Plan) -> str:
    """A plan in short: its degrees above one, schedule, sharding, sequence parallelism, micro-batch, recompute."""
    terms = [f"{axis} {getattr(plan, axis)}" for axis in degrees.KEYS if getattr(plan, axis) > 1]
    terms = terms or ["one GPU"]
    if plan.schedule:
        terms.append(schedule(plan))
    if plan.zero:
        terms.append(sharding(plan))
    if plan.sequence_parallel:
        terms.append("sp")
    terms.append(f"micro-batch {plan.micro_batch}")
    if plan.recompute:
        terms.append(f"recompute {recompute(plan)}")
    return ", ".join(terms)


def chosen(plan: Plan, choice: str) -> str:
    """One of the CHOICES of a plan as text."""
    if choice == "pipeline":
        return f"pp {plan.pp}{f' x vpp {plan.vpp}' if plan.vpp > 1 else ''}{f' {schedule(plan)}' if plan.schedule else ''}"
    if choice == "sharding":
        return sharding(plan) if plan.zero else "no sharding"
    if choice == "sequence_parallel":
        return "sequence parallelism" if plan.sequence_parallel else "no sequence parallelism"
    if choice == "recompute":
        return f"recompute {recompute(plan)}"
    return f"{choice.replace('_', '-')} {getattr(plan, choice)}"


def instead(before: Plan, after: Plan, choice: str) -> str:
    """The choice of one plan against that of another: `tp 8 instead of 4`."""
    was = chosen(before, choice)
    return f"{chosen(after, choice)} instead of {was.partition(' ')[2] if choice in (*COUNTS, 'recompute') else was}"


def changed(before: Plan, after: Plan) -> list[str]:
    """What differs between two plans, axis by axis: `tp 4 -> 8`. Axes that follow from the number of GPUs are left out."""
    changes = []
    for axis in AXES:
        old, new = int(getattr(before, axis)), int(getattr(after, axis))
        if old != new and axis not in FOLLOWS:
            changes.append(f"{axis.replace('_', '-')} {_value(axis, old)} -> {_value(axis, new)}")
    return changes


def _value(axis: str, value: int) -> str:
    """One value of an axis as text, as options take it."""
    if axis == "sequence_parallel":
        return "yes" if value else "no"
    return NAMED[axis][value] if axis in NAMED else str(value)


def peak_in_words(estimate: Estimate) -> str:
    """When and where memory is largest: "at the loss", with the stage of a pipeline; of the first row."""
    phase, stages = list(PHASES.values())[int(estimate.phase[0])], int(estimate.plan.one(0).pp)
    return f"at {phase}" + (f", on stage {int(estimate.stage[0])} of 0 to {stages - 1}" if stages > 1 else "")
