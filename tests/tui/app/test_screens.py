"""Golden screens: the text and colours at the sizes that matter, with made-up numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planner.document.inputs import EXAMPLE
from planner.document.planfile import Document
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.terminal.layout import FORMS, LEAST_HEIGHT, LEAST_WIDTH, PANES, Wish, places

__all__ = ["made_up"]
Golden = Callable[[str, str], None]
pytestmark = pytest.mark.usefixtures("made_up")
KEYS = {
    "plans": (), "batch": ("3", "j", "j", "j", "enter", "1", "x", "enter"), "sort": ("s",), "help": ("question_mark",),
    "detail": ("5", "pagedown"),
    "unfit": ("exclamation_mark",),
}  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", KEYS)
def test_the_screen_reads_as_its_golden_text(golden: Golden, name: str, size: tuple[int, int]) -> None:
    """Each state of the program shows the text of its golden file, which was reviewed."""

    async def play(it: Driver) -> None:
        await it.press(*KEYS[name])
        golden(f"screen-{name}-{size[0]}x{size[1]}.txt", it.text())

    drive(play, size=size, search=fake_search)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("theme", ["dark", "light", "ansi"])
def test_the_screen_looks_as_its_golden_picture(golden: Golden, theme: str, size: tuple[int, int]) -> None:
    """Colours and weights of each theme are those of the reviewed picture."""

    async def play(it: Driver) -> None:
        await it.press("down", "down")
        golden(f"screen-{theme}-{size[0]}x{size[1]}.svg", it.svg())

    drive(play, size=size, search=fake_search, theme=theme)


PICTURES = {"readme": (), "readme-whatif": ("minus",), "readme-timeline": ("j", "t")}  # keys; what if the network were half as fast


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_in_the_readme_are_the_program(golden: Golden, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The README shows the embedded example as the program draws it today, the real planner behind it."""
    monkeypatch.undo()  # no made-up numbers here

    async def play(it: Driver) -> None:
        if name.endswith("whatif"):
            await it.press("1")
            it.active_form.go("nic_gbit_s")
        await it.press(*PICTURES[name])
        golden(f"{name}.svg", it.svg())

    drive(play, Document(EXAMPLE), size=(120, 40))


def test_a_terminal_too_small_gets_one_sentence() -> None:
    """Below 60x16 the screen says so and what to do, keys that would act unseen do nothing, and it recovers when the terminal grows."""

    async def play(it: Driver) -> None:
        await it.pilot.resize_terminal(LEAST_WIDTH - 1, LEAST_HEIGHT)
        await it.pilot.pause()
        assert " ".join(it.text().split()) == "tmplan needs 60 columns and 16 rows; enlarge the terminal, or run: tmplan plan"
        before = it.document
        await it.press("3", "asterisk", "a", "u", "z", "question_mark")
        assert it.document == before and it.pane == "plans"
        await it.pilot.resize_terminal(120, 40)
        await it.pilot.pause()
        assert "4 plans" in it.text()

    drive(play, size=(80, 24), search=fake_search)


def test_panes_neither_overlap_nor_leave_the_screen() -> None:
    """At every size the panes tile: none reaches beyond the terminal, none covers another."""
    needs = {"cluster": 15, "model": 11, "batch": 20, "run": 13, "options": 20}
    for width in range(LEAST_WIDTH, 240, 7):
        for height in range(LEAST_HEIGHT, 90, 3):
            for pane in PANES:
                form = pane if pane in FORMS else "batch"
                zoomed, tall = width % 2 == 0, height % 2 == 0
                regions = list(places(width, height, Wish(pane, form, needs, zoomed, tall)).values())
                assert all(r.x >= 0 and r.y >= 0 and r.right <= width and r.bottom <= height and r.area for r in regions)
                assert not any(a.overlaps(b) for i, a in enumerate(regions) for b in regions[:i])


def test_a_resize_keeps_the_state() -> None:
    """The plan under the cursor and the pane survive a change of layout."""

    async def play(it: Driver) -> None:
        await it.press("down", "down", "down")
        plan = it.table.plan
        for size in ((80, 24), (200, 60), (60, 16), (120, 40)):
            await it.pilot.resize_terminal(*size)
            await it.pilot.pause()
            assert it.table.plan == plan
            assert it.pane == "plans"
            assert "▸" in it.text()

    drive(play, Document(SMALL.inputs), search=fake_search)
