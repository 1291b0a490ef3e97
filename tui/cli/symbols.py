"""`tmplan symbols`: the meaning of every symbol of explanations, and the works that formulas cite."""

from __future__ import annotations

from planner.specs.validate import choice
from tui.cli.answer import Answer
from tui.cli.output import as_json, printed
from tui.pages.nomenclature import draw, symbols


def listed(text: str, *, format: str, width: int) -> Answer:
    """The symbols that match a word, or all, as text of `width` cells or as JSON."""
    choice("format", format, ("text", "json"))
    matching = symbols(text)
    if format == "text":
        return Answer(printed(draw(matching, width)))
    data = {
        "symbols": [
            {"name": name, "symbol": q.symbol, "unit": q.unit, "meaning": q.meaning}
            | {key: getattr(matching.formulas[name], key) if name in matching.formulas else None for key in ("notation", "source")}
            for name, q in matching.quantities.items()
        ],
        "sources": [{"key": key} | source._asdict() for key, source in matching.sources.items()],
    }
    return as_json(data)
