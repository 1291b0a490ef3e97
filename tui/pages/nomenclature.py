"""The symbol page: each symbol with its unit, meaning and formula, and the works that formulas cite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.formula.bibliography import SOURCES, Source
from planner.formula.citations import works_cited
from planner.formula.quantities import QUANTITIES, Quantity
from planner.formula.trace import Declared, every_formula
from tui.draw.writing import heading, sentence

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject


@dataclass(frozen=True)
class Symbols:
    """The matching quantities by name, their formulas if they have one, and the works by key."""

    query: str
    quantities: dict[str, Quantity]
    formulas: dict[str, Declared]
    sources: dict[str, Source]


def work(subject: Subject) -> Symbols:
    """The symbols that match `subject.argument`; all symbols if it is empty."""
    return symbols(subject.argument)


def symbols(text: str = "") -> Symbols:
    """The quantities whose symbol is the text, or whose name, meaning or source contains it; and the works that contain it or are cited
    by those quantities. An empty text matches everything."""
    known = every_formula()
    query = text.strip()
    word = query.lower()

    def matches(name: str, quantity: Quantity) -> bool:
        source = known[name].source.lower() if name in known else ""
        return not word or query == quantity.symbol or any(word in where for where in (name, quantity.meaning.lower(), source))

    quantities = {name: quantity for name, quantity in QUANTITIES.items() if matches(name, quantity)}
    formulas = {name: known[name] for name in quantities if name in known}
    cited = {work for declared in formulas.values() for work in works_cited(declared.source)}
    works = {key: source for key, source in SOURCES.items() if source in cited or word in f"{source.short} {source.title}".lower()}
    return Symbols(query, quantities, formulas, works)


def draw(contents: Symbols, width: int) -> list[Line]:
    """A line for each symbol with its formula below it; then the bibliography."""
    title = f"symbols with '{contents.query}'" if contents.query else "symbols"
    lines = sentence(f"{title}: unit and meaning, formula and source", width, "title")
    if not contents.quantities:
        lines += sentence("No match; search for another word, or for the symbol itself.", width)
    for name, quantity in contents.quantities.items():
        lines += entry(quantity, contents.formulas.get(name), width)
    works = [[], heading("works"), *bibliography(list(contents.sources.values()), width)] if contents.sources else []
    return [*lines, *works]


def entry(quantity: Quantity, declared: Declared | None, width: int) -> list[Line]:
    """A symbol with its unit, meaning and formula."""
    first, *further = sentence(f"{quantity.unit:<7} {quantity.meaning}", width - 16)
    lines: list[Line] = [[(f" {quantity.symbol:<8}", "figure"), (first[0][0][1:], "text")]]
    lines += [[(" " * 17 + text.strip(), role) for text, role in line] for line in further]
    return lines + (sentence(f"= {declared.notation}  [{declared.source}]", width, "dim", 17) if declared else [])


def bibliography(sources: Sequence[Source], width: int) -> Iterator[Line]:
    """The works, one sentence each."""
    for source in sources:
        yield from sentence(f"{source.short}: {source.title}. {source.where}", width)
