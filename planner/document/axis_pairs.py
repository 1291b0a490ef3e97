"""Axes with bounds as command-line options take them: `tp=8,pp<=4`."""

from __future__ import annotations

import re

from planner.errors import FieldError
from planner.plaintext import quoted

PAIRS = re.compile(r",(?=\s*[A-Za-z_]+\s*[<>]?=)")  # the comma before the next axis, not one between values


def pairs(option: str, text: str) -> list[tuple[str, str]]:
    """Axis and bounds of each pair in the text of an option, `tp<=8` as `("tp", "<=8")`; FieldError for a part that is not a pair."""
    parsed = []
    for part in PAIRS.split(text):
        axis, equals, values = part.partition("=")
        if not equals or not values.strip():
            taken = "--pin and --plan take" if option == "--pin" else f"{option} takes"
            raise FieldError(option, f"{taken} AXIS=VALUES such as tp=8, not {quoted(part.strip())}")
        if axis.endswith(("<", ">")):
            axis, values = axis[:-1], f"{axis[-1]}={values.strip()}"
        parsed.append((axis.strip().lower(), values.strip()))
    return parsed
