"""A section, equation or table that a reader is pointed to was looked up, or is printed as cited from memory."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

import planner
from planner.formula.bibliography import SOURCES
from planner.formula.citations import CHECKED, PLACE, Place, cite, numbered, places, unchecked, works_cited
from planner.formula.declare import every_formula
from planner.search.rules import RULES

PACKAGE = Path(planner.__file__).parent
PRESETS = sorted((PACKAGE / "presets").rglob("*.toml"))
TESTS = [path for path in sorted((PACKAGE.parent / "tests" / "planner").rglob("test_*.py")) if path != Path(__file__)]
MODULES = [*sorted(PACKAGE.rglob("*.py")), *TESTS]
ARXIV = {source.where.removeprefix("arXiv "): key for key, source in SOURCES.items() if source.where.startswith("arXiv")}
SHORT = {source.short: key for key, source in SOURCES.items()}
NAMED = re.compile(
    rf"(?P<short>{'|'.join(map(re.escape, SHORT))})(?:, \d+)?(?:,? \(?arXiv [\d.]+\)?)?, (?P<where>(?:{PLACE.pattern}(?: and |, |; )?)+)"
)


def test_every_formula_is_looked_up_or_printed_as_from_memory() -> None:
    """Of a formula whose source names a section, equation, table, figure, algorithm or appendix, each place is in CHECKED or in
    `from_memory`, and then the source as printed ends with what of it is from memory."""
    formulas = every_formula()
    for name, declared in formulas.items():
        named = numbered(declared.source)
        left = {place.name for place in declared.from_memory}
        assert bool(left) == declared.source.endswith(" from memory)"), name
        assert all(place.kind in declared.source.rsplit("(", 1)[-1].lower() for place in declared.from_memory), name
        assert all(place in left or any(place in CHECKED[key].places for key in _keys(declared.source)) for place in named), name
    assert sum(bool(numbered(declared.source)) for declared in formulas.values()) > 100
    assert any(declared.from_memory for declared in formulas.values())


def _keys(citation: str) -> list[str]:
    """The works of CHECKED that a citation names."""
    return [key for key, source in SOURCES.items() if source in works_cited(citation) and key in CHECKED]


@pytest.mark.parametrize(
    ("key", "where", "printed"),
    [
        ("korthikanti22", "Section 4.2.3 and Equation 5", "Korthikanti et al. 2022, Section 4.2.3 and Equation 5"),
        ("korthikanti22", "Section 99", "Korthikanti et al. 2022, Section 99 (section from memory)"),
        ("korthikanti22", "Sections 98 and 99: x", "Korthikanti et al. 2022, Sections 98 and 99: x (section from memory)"),
        ("korthikanti22", "Section 5, Table 9", "Korthikanti et al. 2022, Section 5, Table 9 (Table 9 from memory)"),
        (
            "zero20",
            "Table 9; fsdp23 Figure 88",
            "Rajbhandari et al. 2020, Table 9; Zhao et al. 2023, Figure 88 (table and figure from memory)",
        ),
        (
            "zero20",
            "Section 7.2; fsdp23 Section 88",
            "Rajbhandari et al. 2020, Section 7.2; Zhao et al. 2023, Section 88 (Section 88 from memory)",
        ),
        ("young74", "first order", "Young 1974, first order"),
        ("young74", "Equation 3", "Young 1974, Equation 3 (equation from memory)"),
        ("tmplan", "", "tmplan"),
    ],
)
def test_what_was_not_looked_up_is_printed_behind_the_citation(key: str, where: str, printed: str) -> None:
    """The kind where none of the places was looked up, the places themselves where some were, nothing where all were."""
    assert cite(key, where) == printed


def test_places_belong_to_the_work_their_part_names() -> None:
    """A part without another key belongs to the work cited first; lists of numbers and appendices are taken apart."""
    cited = places("korthikanti22", "Section 4.2.3; narayanan21 Figure 4; zerobubble23 Sections 2 and 6; Appendix A")
    assert cited == (
        Place("korthikanti22", "Section 4.2.3"),
        Place("narayanan21", "Figure 4"),
        Place("zerobubble23", "Section 2"),
        Place("zerobubble23", "Section 6"),
        Place("korthikanti22", "Appendix A"),
    )
    assert numbered("Sections 4, 4.1 and 5; Figures 3 to 5") == ("Section 4", "Section 4.1", "Section 5", "Figure 3", "Figure 5")
    assert numbered("Equations 2 and 4 of Table 1, Algorithm 2, Appendix B") == (
        "Equation 2",
        "Equation 4",
        "Table 1",
        "Algorithm 2",
        "Appendix B",
    )
    assert unchecked("narayanan21", "Figure 4") == ()


def test_what_was_looked_up_is_in_the_bibliography_with_its_day() -> None:
    """Each entry is a work of the bibliography, read in some text on a day of the calendar, with places as citations write them."""
    for key, read in CHECKED.items():
        assert key in SOURCES and read.text and date.fromisoformat(read.on), key
        assert read.places and all(numbered(place) == (place,) for place in read.places), key
        assert len(set(read.places)) == len(read.places), key


def test_places_in_rules_were_looked_up() -> None:
    """A rule of validity names a section of a paper only where that was looked up, or says that it is from memory."""
    sources = [rule.source for rule in RULES if numbered(rule.source)]
    assert sources
    for source in sources:
        assert _is_held(source, _keys(source)), source


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_places_in_presets_were_looked_up(path: Path) -> None:
    """A line of a preset that names a place of a paper, its own or the one the file cites, names one that was looked up."""
    text = path.read_text(encoding="utf-8")
    whole = [key for number, key in ARXIV.items() if number in text]
    for line in text.splitlines():
        if numbered(line):
            here = [key for number, key in ARXIV.items() if number in line] or [SHORT[short] for short in SHORT if f"{short}, " in line]
            assert _is_held(line, here or whole), line
        assert not re.search(r"\b(sec\.?|section|table|figure) \d", line), f"{line}: places are written Section 1, Table 1"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_places_in_comments_and_tests_were_looked_up(path: Path) -> None:
    """A comment or docstring that names a work of the bibliography with a place in it names one that was looked up."""
    text = re.sub(r"\s*\n\s*(# )?", " ", path.read_text(encoding="utf-8"))
    for match in NAMED.finditer(text):
        assert _is_held(text[match.start() : match.end() + 40], [SHORT[match["short"]]], match["where"]), match.group()


def _is_held(text: str, keys: list[str], where: str | None = None) -> bool:
    """Whether every place in a text is one of these works' that were looked up, or the text says that it is from memory."""
    read = {place for key in keys if key in CHECKED for place in CHECKED[key].places}
    return "from memory" in text or read.issuperset(numbered(text if where is None else where))
