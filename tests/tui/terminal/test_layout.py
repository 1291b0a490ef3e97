"""The regions of the panes: every size of the screen is filled, and nothing overlaps."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Region

from tui.terminal.layout import FORMS, LEAST_HEIGHT, LEAST_WIDTH, PANES, Wish, heights, places, shape

NEEDS = {"cluster": 9, "model": 14, "batch": 19, "run": 12, "options": 20}
WISHES = st.builds(
    lambda pane, form, zoomed, tall, aside: Wish(pane, form, NEEDS, zoomed, tall, aside),
    st.sampled_from(PANES), st.sampled_from(FORMS), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("size", "kind"),
    [
        ((59, 40), "small"), ((200, 15), "small"), ((60, 16), "narrow"), ((99, 40), "narrow"),
        ((100, 40), "normal"), ((159, 40), "normal"), ((160, 40), "wide"),
    ],
)  # fmt: skip
def test_the_kind_of_layout_changes_at_its_widths(size: tuple[int, int], kind: str) -> None:
    """Each kind begins at its least width."""
    assert shape(*size) == kind


@given(st.integers(LEAST_WIDTH, 260), st.integers(LEAST_HEIGHT, 90), WISHES)
def test_panes_do_not_overlap_and_stay_on_the_screen(width: int, height: int, wish: Wish) -> None:
    """Whatever is requested, no cell belongs to two panes, and the first and last line are those around the panes."""
    regions = places(width, height, wish)
    whole = Region(0, 0, width, height)
    assert all(whole.contains_region(region) and region.area for region in regions.values())
    assert not any(a.overlaps(b) for a, b in combinations(regions.values(), 2))
    assert regions["status"] == Region(0, 0, width, 1) and regions["foot"] == Region(0, height - 2, width, 2)
    assert wish.pane in regions or wish.tall


@given(st.integers(100, 260), st.integers(LEAST_HEIGHT, 90), WISHES)
def test_forms_and_plans_are_one_column_apart_and_fill_the_rows(width: int, height: int, wish: Wish) -> None:
    """The forms take every row of the left column; one blank column separates them from the panes on the right."""
    regions = places(width, height, wish)
    if wish.zoomed:
        assert regions[wish.pane] == Region(0, 1, width, height - 3)
        return
    forms = [regions[name] for name in FORMS]
    assert sum(form.height for form in forms) == height - 3
    right = [regions[name] for name in ("plans", "detail", "compare") if name in regions]
    assert min(region.x for region in right) == forms[0].right + 1 and max(region.right for region in right) == width


def test_a_tall_detail_takes_the_room_of_the_plans_or_of_the_comparison() -> None:
    """In two columns the detail is in place of the plans, which else have more rows than it; in three in place of the comparison."""
    normal = places(120, 40, Wish("plans", "batch", NEEDS))
    assert normal["plans"].height > normal["detail"].height and normal["plans"].bottom == normal["detail"].y
    assert "plans" not in places(120, 40, Wish("detail", "batch", NEEDS, tall=True))
    wide, tall = (places(200, 60, Wish("detail", "batch", NEEDS, tall=tall)) for tall in (False, True))
    assert set(wide) - set(tall) == {"compare"} and tall["detail"].height == 57
    assert "compare" not in places(200, 60, Wish("plans", "batch", NEEDS, aside=False))


def test_forms_have_the_rows_they_need_and_the_last_the_rest() -> None:
    """With room for all each has what it needs and the last one more."""
    assert heights(80, "model", NEEDS) == NEEDS | {"options": 26}


def test_forms_are_folded_one_after_another_as_the_room_shrinks() -> None:
    """Where the room does not suffice the memory options are reduced to their title, then the training run too, unless in use."""
    assert heights(60, "model", NEEDS) == NEEDS | {"options": 1, "run": 17}
    assert heights(45, "model", NEEDS) == NEEDS | {"options": 1, "run": 1, "batch": 20}
    assert heights(60, "options", NEEDS)["run"] == 1 and heights(60, "options", NEEDS)["options"] == NEEDS["options"]


@given(st.integers(13, 53), st.sampled_from(FORMS))
def test_the_form_in_use_has_its_rows_first(rows: int, form: str) -> None:
    """All rows are used; the form in use has what it needs unless others would have less than their least; the last are titles."""
    tall = heights(rows, form, NEEDS)
    assert sum(tall.values()) == rows and list(tall) == list(NEEDS) and min(tall.values()) >= 1
    assert (tall["options"] == 1) == (form != "options")
    assert tall[form] >= min(NEEDS[form], rows - 1 - 4 * 3)
