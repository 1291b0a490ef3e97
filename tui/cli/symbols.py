"""`tmplan symbols`: what every symbol of an explanation stands for, and the works that formulas come from."""

from __future__ import annotations

from planner.specs.validate import choice
from tui.cli.answer import Answer
from tui.cli.output import as_json, printed
from tui.pages.nomenclature import draw, symbols


def listed(text: str, *, format: str, width: int) -> Answer:
    """The symbols that match a word, or all, in so many cells or as JSON."""
    choice("format", format, ("text", "json"))
    found = symbols(text)
    if format == "text":
        return Answer(printed(draw(found, width)))
    data = {
        "symbols": [
            {"name": name, "symbol": q.symbol, "unit": q.unit, "meaning": q.meaning}
            | {key: getattr(found.formulas[name], key) if name in found.formulas else None for key in ("notation", "source")}
            for name, q in found.quantities.items()
        ],
        "sources": [{"key": key} | source._asdict() for key, source in found.sources.items()],
    }
    return as_json(data)
