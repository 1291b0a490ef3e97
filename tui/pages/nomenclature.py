"""The page of symbols: each with its unit and meaning, the formula it has, and the works that formulas come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.formula.bibliography import SOURCES, Source
from planner.formula.quantities import QUANTITIES, Quantity
from planner.formula.trace import Declared, every_formula
from tui.draw.writing import heading, sentence

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject


@dataclass(frozen=True)
class Found:
    """The quantities by name, their formulas where they have one, the works by key; those that match what was asked for."""

    asked: str
    quantities: dict[str, Quantity]
    formulas: dict[str, Declared]
    sources: dict[str, Source]


def work(subject: Subject) -> Found:
    """The symbols that match `subject.argument`; all of them where it is empty."""
    return symbols(subject.argument)


def symbols(text: str = "") -> Found:
    """The quantities whose symbol is the text, or whose name, meaning or formula's source has it, and the works that have it or that those
    come from; all of both where it is empty."""
    known = every_formula()
    asked = text.strip()
    word = asked.lower()

    def matches(name: str, quantity: Quantity) -> bool:
        source = known[name].source.lower() if name in known else ""
        return not word or asked == quantity.symbol or any(word in where for where in (name, quantity.meaning.lower(), source))

    found = {name: quantity for name, quantity in QUANTITIES.items() if matches(name, quantity)}
    formulas = {name: known[name] for name in found if name in known}
    cited = {declared.source for declared in formulas.values()}
    works = {
        key: source
        for key, source in SOURCES.items()
        if any(told == source.short or told.startswith(f"{source.short}, ") for told in cited)
        or word in f"{source.short} {source.title}".lower()
    }
    return Found(asked, found, formulas, works)


def draw(found: Found, width: int) -> list[Line]:
    """A line for each symbol, its formula under it; then the bibliography."""
    told = f"symbols with '{found.asked}'" if found.asked else "symbols"
    lines = sentence(f"{told}: unit and meaning, formula and source", width, "title")
    if not found.quantities:
        lines += sentence("None has it; look for another word, or for the symbol itself.", width)
    for name, quantity in found.quantities.items():
        lines += entry(quantity, found.formulas.get(name), width)
    works = [[], heading("works"), *bibliography(list(found.sources.values()), width)] if found.sources else []
    return [*lines, *works]


def entry(quantity: Quantity, declared: Declared | None, width: int) -> list[Line]:
    """A symbol with its unit and meaning, and the formula it has."""
    first, *further = sentence(f"{quantity.unit:<7} {quantity.meaning}", width - 16)
    lines: list[Line] = [[(f" {quantity.symbol:<8}", "figure"), (first[0][0][1:], "text")]]
    lines += [[(" " * 17 + text.strip(), role) for text, role in line] for line in further]
    return lines + (sentence(f"= {declared.notation}  [{declared.source}]", width, "dim", 17) if declared else [])


def bibliography(sources: Sequence[Source], width: int) -> Iterator[Line]:
    """The works, a sentence each."""
    for source in sources:
        yield from sentence(f"{source.short}: {source.title}. {source.where}", width)
