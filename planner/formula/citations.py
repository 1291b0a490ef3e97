"""The places in the literature that were looked up; a section, equation or table that was not is printed as cited from memory."""

from __future__ import annotations

import re
from typing import NamedTuple

from planner.formula.bibliography import SOURCES, Source

NUMBERS = r"\d+(?:\.\d+)*"
PLACE = re.compile(rf"\b(?:(Section|Equation|Table|Figure|Algorithm)s? ({NUMBERS}(?:(?:, | and | to ){NUMBERS})*)|(Appendix) ([A-Z])\b)")
KEY = re.compile(rf"\b({'|'.join(SOURCES)}) (?={PLACE.pattern})")


class Place(NamedTuple):
    """A numbered section, equation, table, figure, algorithm or appendix of a work of the bibliography."""

    key: str
    name: str  # "Section 4.2.3"

    @property
    def kind(self) -> str:
        """What is numbered, in lower case: "section"."""
        return self.name.split()[0].lower()

    @property
    def checked(self) -> bool:
        """Whether it was looked up."""
        return self.key in CHECKED and self.name in CHECKED[self.key].places


class LookedUp(NamedTuple):
    """What of one work was read: on which day (the last), in what text, and which of its numbered places."""

    on: str  # year-month-day
    text: str
    places: tuple[str, ...]


def numbered(text: str) -> tuple[str, ...]:
    """The numbered places a text names, in order, each by its full name: "Sections 2 and 6" are "Section 2" and "Section 6"."""
    names: list[str] = []
    for kind, numbers, appendix, letter in PLACE.findall(text):
        names += [f"{kind} {number}" for number in re.findall(NUMBERS, numbers)] or [f"{appendix} {letter}"]
    return tuple(names)


def places(key: str, where: str) -> tuple[Place, ...]:
    """The numbered places of a citation: of the work `key`, and in a part (parts end with a semicolon) that names another key, of that."""
    cited: list[Place] = []
    for part in where.split(";"):
        other = KEY.search(part)
        cited += [Place(other[1] if other else key, name) for name in numbered(part)]
    return tuple(cited)


def unchecked(key: str, where: str) -> tuple[Place, ...]:
    """Of the places of a citation, those that were not looked up."""
    return tuple(place for place in places(key, where) if not place.checked)


def cite(key: str, where: str) -> str:
    """A citation as a reader sees it: the work's short name, where in it, other works by their names, and what of it is from memory."""
    text = f"{SOURCES[key].short}, {where}" if where else SOURCES[key].short
    text = KEY.sub(lambda match: f"{SOURCES[match[1]].short}, ", text)
    left = unchecked(key, where)
    if not left:
        return text
    every = len(left) == len(places(key, where))
    names = dict.fromkeys(place.kind if every else place.name for place in left)
    return f"{text} ({' and '.join(names)} from memory)"


def works_cited(citation: str) -> tuple[Source, ...]:
    """The works that a citation names by their short names."""
    return tuple(work for work in SOURCES.values() if citation == work.short or f"{work.short}, " in citation)


def _read(text: str, where: str, on: str = "2026-11-30") -> LookedUp:
    """An entry of CHECKED, its places written as a citation writes them."""
    return LookedUp(on, text, numbered(where))


CHECKED: dict[str, LookedUp] = {
    "korthikanti22": _read(
        "the paper",
        "Sections 4, 4.2.2, 4.2.3, 4.3 and 5; Equations 2, 4, 5, 6 and 7; Tables 2, 3, 4 and 5; Appendix A",
    ),
    "narayanan21": _read("the paper", "Sections 2.2, 2.2.1, 2.2.2, 3.1 and 3.2; Table 1; Figure 4"),
    "shoeybi19": _read("the paper", "Section 3"),
    "zero20": _read("the paper", "Sections 5, 7.1 and 7.2; Figure 1"),
    "offload21": _read("a translation of the paper", "Section 4"),
    "fsdp23": _read("the paper", "Sections 3, 3.2.1, 3.3 and 3.4.2"),
    "flash23": _read("the paper", "Section 4.1"),
    "ring23": _read("the paper", "Section 3"),
    "palm22": _read(
        "the paper, which says what the appendix holds, and the appendix's formula as others quote it",
        "Section 2; Tables 1 and 3; Appendix B",
        "2026-12-01",
    ),
    "zerobubble23": _read("the paper", "Sections 2, 2.3, 4 and 6; Tables 3 and 4; Figures 2 and 3"),
    "gshard20": _read("the paper", "Sections 2.2, 3.3.3 and 5.2; Algorithm 2; Figure 3", "2026-12-01"),
    "deepseek24": _read(
        "the report",
        "Sections 1, 2.1.2, 2.2, 3, 3.1, 3.2.1, 3.2.2, 3.2.3, 3.3.3, 3.5.1 and 4.2; Table 1",
    ),
    "deepseekv2": _read("the report", "Sections 2.1, 2.1.4 and 3.1.3", "2026-12-01"),
    "insights25": _read("the paper", "Section 2.1.2; Table 1"),
    "llama3": _read("the report", "Sections 1, 3.3.1, 3.3.2, 3.3.4 and 6; Table 4", "2026-12-01"),
    "glm130b22": _read("the paper", "Section 2.3; Table 11", "2026-12-01"),
    "apertus25": _read("notes that quote the table", "Table 1", "2026-12-01"),
    "lora21": _read("the paper", "Sections 4.1 and 4.2; Table 4"),
    "qlora23": _read("the paper, in parts", "Section 3; Equation 5"),
    "hoffmann22": _read("the paper", "Equations 4 and 10; Table 2; Appendix F"),
    "patterson21": _read("the paper", "Section 2.5; Table 4"),
    "thakur05": _read("as others quote it", "Section 5.3"),
}
