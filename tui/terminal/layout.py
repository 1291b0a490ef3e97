"""The position of every pane for any size of the screen, by plain arithmetic: one region per pane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.geometry import Region

FORMS = ("cluster", "model", "batch", "run", "options")
PANES = ("cluster", "model", "batch", "plans", "detail", "run", "options")  # in the order of their number keys
FOLDED = ("options", "run")  # forms reduced to their titles, in this order, while another is in use and the room does not suffice
TITLES = {"cluster": "cluster", "model": "model", "batch": "parallelism and batch", "plans": "plans", "detail": "detail",
          "run": "training run", "options": "memory options"}  # fmt: skip
LEAST_WIDTH, LEAST_HEIGHT = 60, 16
NORMAL, WIDE = 100, 160  # least terminal columns for two, and for three, columns of panes
FOOT = 2  # message line and hints line


def shape(width: int, height: int) -> str:
    """The kind of layout for a terminal of this size: small, narrow, normal or wide."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return "small"
    return "narrow" if width < NORMAL else "normal" if width < WIDE else "wide"


@dataclass(frozen=True)
class Wish:
    """The layout requested. `pane` has the keyboard, `form` had it last among the forms; `needs` are the preferred rows of each form,
    title included. `zoomed`: show the pane alone. `tall`: the detail replaces the plans. `aside`: show the comparison of plans too.
    """

    pane: str
    form: str
    needs: Mapping[str, int]
    zoomed: bool = False
    tall: bool = False
    aside: bool = True


def places(width: int, height: int, wish: Wish) -> dict[str, Region]:
    """The region of every pane shown, by name. A pane without an entry is hidden."""
    kind = shape(width, height)
    if kind == "small":
        return {"small": Region(0, 0, width, height)}
    regions = {"status": Region(0, 0, width, 1), "foot": Region(0, height - FOOT, width, FOOT)}
    if kind == "narrow":
        return regions | {"tabs": Region(0, 1, width, 1), wish.pane: Region(0, 2, width, height - FOOT - 2)}
    rows = height - FOOT - 1
    if wish.zoomed:
        return regions | {wish.pane: Region(0, 1, width, rows)}
    left = 34 if kind == "normal" else 38
    y = 1
    for name, tall in heights(rows, wish.form, wish.needs).items():
        regions[name] = Region(0, y, left, tall)
        y += tall
    return regions | (_right if kind == "normal" else _columns)(Region(left + 1, 1, width - left - 1, rows), wish)


def _right(room: Region, wish: Wish) -> dict[str, Region]:
    """Plans above the detail, or the detail alone."""
    if wish.tall:
        return {"detail": room}
    low = max(9, room.height * 3 // 8)
    plans, detail = room.split_horizontal(room.height - low)
    return {"plans": plans, "detail": detail}


def _columns(room: Region, wish: Wish) -> dict[str, Region]:
    """Plans on the left; the detail above the comparison on the right."""
    plans, right = room.split_vertical(room.width - max(62, room.width * 2 // 5) - 1)
    right = Region(right.x + 1, right.y, right.width - 1, right.height)
    if wish.tall or not wish.aside or room.height < 40:
        return {"plans": plans, "detail": right}
    detail, aside = right.split_horizontal(room.height * 3 // 5)
    return {"plans": plans, "detail": detail, "compare": aside}


def heights(rows: int, form: str, needs: Mapping[str, int]) -> dict[str, int]:
    """Rows of each form: all they need if there is room, else the form in use first while the others share the rest."""
    if sum(needs.values()) <= rows:
        spare = rows - sum(needs.values())
        return {name: need + (spare if name == list(needs)[-1] else 0) for name, need in needs.items()}
    if folded := next((name for name in FOLDED if name != form and name in needs), ""):
        unfolded = heights(rows - 1, form, {name: need for name, need in needs.items() if name != folded})
        return {name: unfolded.get(name, 1) for name in needs}
    others = [name for name in needs if name != form]
    least = 2 if rows < 24 else 4
    mine = max(least, min(needs[form], rows - least * len(others)))
    left, needed = rows - mine, sum(needs[name] for name in others)
    regions = {form: mine}
    for i, name in enumerate(others, 1):
        share = left if i == len(others) else round(left * needs[name] / needed)
        regions[name] = min(max(share, least), left - least * (len(others) - i))
        left, needed = left - regions[name], needed - needs[name]
    return {name: regions[name] for name in needs}
