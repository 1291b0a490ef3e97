"""What is promised of numbers: those of one plan, as the JSON contract has them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fuzz.campaign import need

ROUNDING = 1e-9  # of a share
SUM = 1e-6  # relative tolerance of a total and the sum of its parts


def numbers(data: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Every number within nested data, and the key it stands under."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from numbers(value, place or key)
    elif isinstance(data, list):
        for value in data:
            yield from numbers(value, place)
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield place, data


def sound(record: Mapping[str, Any]) -> None:
    """One plan's numbers: finite, none below 0, MFU a share, each estimate inside its own band, parts that sum to the whole."""
    for key, value in numbers(record):
        need(math.isfinite(value), f"{key} is not finite", value)
        need(value >= 0, f"{key} is negative", value)
    need(record["step_seconds"] > 0 and record["memory_gib"] > 0, "a step or a memory is 0")
    need(record["mfu"] <= 1 + ROUNDING, "MFU is above 100 %", record["mfu"])
    for what, unit in (("memory", "gib"), ("step", "seconds")):
        low, value, high = (record[key] for key in (f"{what}_low_{unit}", f"{what}_{unit}", f"{what}_high_{unit}"))
        need(low <= value * (1 + ROUNDING) and value <= high * (1 + ROUNDING), f"the {what} lies outside its own band", (low, value, high))
    limit = record["memory_limit_gib"] * (1 + ROUNDING)
    need(not record["fits"] or record["memory_gib"] <= limit, "a plan fits whose memory is over the limit", record["memory_gib"])
    for parts, whole in (("memory_parts_gib", "memory_gib"), ("time_parts_seconds", "step_seconds")):
        total = sum(record[parts].values())
        need(abs(total - record[whole]) <= SUM * record[whole], f"{parts} do not sum to {whole}", (total, record[whole]))
