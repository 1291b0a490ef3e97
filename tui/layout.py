"""Where everything on the screen lies, at any size: plain arithmetic, one region a pane."""

from __future__ import annotations

from collections.abc import Mapping

from textual.geometry import Region

FORMS = ("cluster", "model", "batch")
PANES = (*FORMS, "plans", "detail")  # in the order of their digits, 1 to 5
TITLES = {"cluster": "cluster", "model": "model", "batch": "parallelism and batch", "plans": "plans", "detail": "detail"}
LEAST_WIDTH, LEAST_HEIGHT = 60, 16
NORMAL, WIDE = 100, 160  # columns from which two, and three, columns of panes stand side by side
FOOT = 2  # message line and hints line


def shape(width: int, height: int) -> str:
    """Which layout a terminal of this size gets: small, narrow, normal or wide."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return "small"
    return "narrow" if width < NORMAL else "normal" if width < WIDE else "wide"


def places(width: int, height: int, pane: str, form: str, needs: Mapping[str, int]) -> dict[str, Region]:
    """The region of everything shown, by name. `pane` has the keyboard, `form` had it last among the forms.

    `needs` are the rows a form would like, its title among them. What is not named is not shown.
    """
    kind = shape(width, height)
    if kind == "small":
        return {"small": Region(0, 0, width, height)}
    found = {"status": Region(0, 0, width, 1), "foot": Region(0, height - FOOT, width, FOOT)}
    if kind == "narrow":
        return found | {"tabs": Region(0, 1, width, 1), pane: Region(0, 2, width, height - FOOT - 2)}
    rows = height - FOOT - 1
    left = 34 if kind == "normal" else 38
    y = 1
    for name, tall in heights(rows, form, needs).items():
        found[name] = Region(0, y, left, tall)
        y += tall
    x = left + 1
    if kind == "wide":
        detail = max(62, (width - x) * 2 // 5)
        found["plans"] = Region(x, 1, width - x - detail - 1, rows)
        found["detail"] = Region(width - detail, 1, detail, rows)
    else:
        low = max(9, rows * 3 // 8)
        found["plans"] = Region(x, 1, width - x, rows - low)
        found["detail"] = Region(x, 1 + rows - low, width - x, low)
    return found


def heights(rows: int, form: str, needs: Mapping[str, int]) -> dict[str, int]:
    """Rows of each form: all they need if there is room, else the one in use first and the others share the rest."""
    if sum(needs[name] for name in FORMS) <= rows:
        spare = rows - sum(needs[name] for name in FORMS)
        return {name: needs[name] + (spare if name == FORMS[-1] else 0) for name in FORMS}
    others = [name for name in FORMS if name != form]
    least = 2 if rows < 24 else 4
    mine = max(least, min(needs[form], rows - least * len(others)))
    rest = rows - mine
    first = round(rest * needs[others[0]] / (needs[others[0]] + needs[others[1]]))
    first = min(max(first, least), rest - least)
    return {name: {form: mine, others[0]: first, others[1]: rest - first}[name] for name in FORMS}
