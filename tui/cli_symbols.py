"""`tmplan symbols`: what every symbol of an explanation stands for, and the works that formulas come from."""

from __future__ import annotations

import json

from planner.checks import choice
from tui.chart import plain
from tui.cli import Answer
from tui.cli_inputs import version
from tui.pages.nomenclature import draw, symbols

SCHEMA = 1  # of the JSON; docs/json.md


def listed(text: str, *, format: str, width: int) -> Answer:
    """The symbols that match a word, or all, in so many cells or as JSON."""
    choice("format", format, ("text", "json"))
    found = symbols(text)
    if format == "text":
        return Answer(plain(draw(found, width)))
    data = {
        "schema": SCHEMA,
        "version": version(),
        "symbols": [
            {"name": name, "symbol": q.symbol, "unit": q.unit, "meaning": q.meaning}
            | {key: getattr(found.formulas[name], key) if name in found.formulas else None for key in ("notation", "source")}
            for name, q in found.quantities.items()
        ],
        "sources": [{"key": key} | source._asdict() for key, source in found.sources.items()],
    }
    return Answer(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
