"""Schedule, sharding and recompute of a plan: codes for columns of them, and their text.

Nothing here needs numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.specs.job import SCHEDULES

if TYPE_CHECKING:
    from planner.specs.plan import Plan

SHARDING = ("none", "ZeRO-1", "ZeRO-2", "FSDP")  # by ZeRO stage
SHORT_RECOMPUTE = ("none", "sel", "full", "first")
SCHEDULE_NAMES = {"1f1b": "1F1B", "zb-h1": "ZB-H1", "zb-h2": "ZB-H2", "zb-v": "ZB-V", "dualpipev": "DualPipeV"}


FITS = ("fits", "at risk", "does not fit")  # how a plan fits, by its code


def fit_code(fits: Any, at_risk: Any) -> Any:
    """How a plan fits as a code, the best first: an index into FITS."""
    return 2 - 2 * fits + at_risk


def write_fit(code: Any) -> str:
    """How a plan fits, as text: fits; at risk, as the 80 % band of its memory crosses the limit; does not fit."""
    return FITS[int(code)]


def sharding_code(plan: Plan) -> Any:
    """ZeRO stage and replicas as one code, which sorts and compares in a column."""
    return plan.zero + 4 * (plan.dp_replicate - 1)


def write_sharding(code: Any) -> str:
    """none, ZeRO-1, ZeRO-2, FSDP, or for eight replicas of sharded groups HSDP x8 (Z2 x8 with ZeRO-2), to fit the column."""
    zero, replicas = int(code) % 4, int(code) // 4 + 1
    if zero == 0 or replicas == 1:
        return SHARDING[zero]
    return f"HSDP x{replicas}" if zero == 3 else f"Z{zero} x{replicas}"


def recompute_code(plan: Plan) -> Any:
    """The kind of recompute and its layers as one code."""
    return plan.recompute + 4 * plan.recompute_layers


def write_recompute(code: Any) -> str:
    """none, sel, full, or first 3."""
    kind, layers = int(code) % 4, int(code) // 4
    return f"first {layers}" if kind == 3 else SHORT_RECOMPUTE[kind]


def schedule_code(plan: Plan) -> Any:
    """The pipeline schedule, and whether ranks have several virtual stages, as one code."""
    return 2 * plan.schedule + (plan.vpp > 1)


def write_schedule(code: Any) -> str:
    """1F1B, interleaved (1F1B over virtual stages), ZB-H1, ZB-H2, ZB-V or DualPipeV."""
    return "interleaved" if code == 1 else SCHEDULE_NAMES[SCHEDULES[int(code) // 2]]
