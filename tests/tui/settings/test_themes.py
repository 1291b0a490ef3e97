"""Themes: each shipped one works, is legible and has distinguishable colours; a wrong one is one sentence, and stops nothing."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem

from planner.errors import FileError, UnknownName
from tests.tui.colours import EYES, contrast, difference
from tests.tui.driving import Driver, drive
from tui.settings import config, theme_files, theme_table, themes

GOOD = "\n".join(["[colours]", *(f'{name} = "#123456"' for name in themes.COLOURS)])
SHIPPED = theme_files.shipped()
CUSTOM_COLOURS = [name for name in SHIPPED if not themes.load(name).theme.ansi]
DRAWN = {role for role in themes.ROLES if role != "rule"}  # a rule has no text


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's themes."""
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path))
    (tmp_path / "themes").mkdir()
    return tmp_path / "themes"


def colours(name: str, role: str) -> tuple[str, str]:
    """Colour of a role, and that behind it."""
    style = themes.load(name).roles[role]
    assert style.color and style.bgcolor
    return style.color.name, style.bgcolor.name


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_theme_draws_every_role(name: str) -> None:
    """Every role has a style with an explicit background."""
    look = themes.load(name)
    assert set(look.roles) == set(themes.ROLES)
    assert all(style.bgcolor for style in look.roles.values())
    assert look.title


def test_there_is_a_theme_for_everybody() -> None:
    """Six at least; light ones, one with the terminal's colours, one for colour-blind eyes, one of high contrast."""
    assert len(SHIPPED) >= 6
    assert {"light", "ansi", "colour-blind", "contrast"} <= set(SHIPPED)
    assert sum(not themes.load(name).theme.dark for name in SHIPPED) >= 2


@pytest.mark.parametrize("name", CUSTOM_COLOURS)
def test_every_text_can_be_read(name: str) -> None:
    """Text stands out from what is behind it by 4.5 to 1 in every role, by 7 to 1 where high contrast is promised (WCAG 2.1)."""
    least = 7.0 if name == "contrast" else 4.5
    assert {role: round(contrast(*colours(name, role)), 2) for role in DRAWN if contrast(*colours(name, role)) < least} == {}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_cursor_shows_without_colour(name: str) -> None:
    """The line under the cursor looks other than the lines around it, and where colours are the terminal's it is reversed."""
    look = themes.load(name)
    assert look.roles["cursor"] != look.roles["text"]
    if look.theme.ansi:
        assert look.roles["cursor"].reverse


@pytest.mark.parametrize("depth", [ColorSystem.EIGHT_BIT, ColorSystem.STANDARD])
@pytest.mark.parametrize("name", CUSTOM_COLOURS)
def test_the_cursor_shows_with_256_or_16_colours(name: str, depth: ColorSystem) -> None:
    """Where the terminal has few colours, what lies behind the cursor's line is still not what lies behind the others."""
    behind = {role: themes.load(name).roles[role].bgcolor for role in ("text", "cursor", "cursor-bad")}
    seen = {role: colour.downgrade(depth).number for role, colour in behind.items() if colour}
    assert seen["text"] not in (seen["cursor"], seen["cursor-bad"])


@pytest.mark.parametrize("eyes", EYES)
def test_colour_blind_eyes_show_the_colours_of_their_theme_apart(eyes: str) -> None:
    """Good, bad, memory and time differ plainly for eyes without red or green cones too; the usual theme would not do."""
    roles = ("good", "bad", "memory", "figure")
    apart = {(a, b): difference(colours("colour-blind", a)[0], colours("colour-blind", b)[0], eyes) for a, b in combinations(roles, 2)}
    assert min(apart.values()) > 25, apart


def test_the_simulation_of_colour_blind_eyes_confuses_red_and_green() -> None:
    """A red and a green that differ by 100 to the usual eye come within a quarter of that without green cones: the test can fail."""
    assert difference("#d04040", "#708020", "usual") > 3 * difference("#d04040", "#708020", "deuteranopia")


def test_no_color_gets_the_theme_without_colours_of_its_custom() -> None:
    """NO_COLOR, with any value, selects the terminal's colours; then TMPLAN_THEME applies, then the config file."""
    assert theme_files.preferred({"NO_COLOR": "", "TMPLAN_THEME": "light"}, "paper") == "ansi"
    assert theme_files.preferred({"TMPLAN_THEME": "light"}, "paper") == "light"
    assert theme_files.preferred({}, "paper") == "paper"
    assert theme_files.preferred({}) == theme_files.DEFAULT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[colours", "not valid TOML"),
        ("a = " + "[" * 5000, "not valid TOML"),
        ("colors = 1", "unknown key 'colors'"),
        ("title = 3", "title must be text"),
        ('dark = "yes"', "dark must be true or false, not 'yes'"),
        ("[colours]\n", "lacks"),
        (GOOD + '\nextra = "#000000"', "unknown 'extra'"),
        (GOOD.replace("#123456", "reddish", 1), "is not a colour"),
        (GOOD.replace("#123456", "ansi_mauve", 1), "is not a colour"),
        (GOOD + '\n[roles]\ncurser = "foreground"', "unknown role 'curser'"),
        (GOOD + '\n[roles]\ncursor = "foreground on blau"', "'blau' is neither"),
        (GOOD + '\n[roles]\ncursor = "foreground on"', "'foreground on' is not a style"),
        (GOOD + '\n[roles]\ncursor = "foreground bad"', "'foreground bad' is not a style"),
        (GOOD + '\n[roles]\ncursor = "on good on bad"', "'on good on bad' is not a style"),
        (GOOD + '\n[roles]\ncursor = "on bold good"', "'on bold good' is not a style"),
        (GOOD + "\n[roles]\ncursor = 3", "must be a table of texts"),
        ("colours = 3", "must be a table of texts"),
    ],
)
def test_a_wrong_theme_is_refused_and_the_default_takes_its_place(text: str, message: str, mine: Path) -> None:
    """The message names the file and the error in it; the program continues with the default theme."""
    (mine / "mine.toml").write_text(text)
    with pytest.raises(FileError, match=message) as refusal:
        themes.load("mine")
    assert str(refusal.value).startswith(str(mine / "mine.toml"))
    result = config.load({"TMPLAN_THEME": "mine"})
    assert result.theme == theme_files.DEFAULT
    assert result.faults == (f"TMPLAN_THEME: {refusal.value}; `tmplan themes` lists them, the theme is 'dark'",)


def test_an_custom_theme_is_read_and_counts_before_a_shipped_one(mine: Path) -> None:
    """A theme in the config folder is found by its name, and takes the place of a shipped one."""
    (mine / "night.toml").write_text(GOOD)
    assert themes.load("night").title == "night"
    assert set(theme_files.names()) == {*SHIPPED, "night"}
    (mine / "dark.toml").write_text(f"title = 'My dark'\n{GOOD}")
    assert themes.load("dark").title == "My dark"
    (mine / "dark.toml").write_bytes(b"\xff")
    with pytest.raises(FileError, match="is not UTF-8 text"):
        themes.load("dark")


def test_an_unknown_theme_is_refused() -> None:
    """The sentence names the nearest there is."""
    with pytest.raises(UnknownName, match=r"no theme is called 'lihgt'; did you mean light\?"):
        themes.load("lihgt")


@given(st.lists(st.sampled_from([*theme_table.COLOURS[:3], *theme_table.STYLES, "on", "blau"]), max_size=5).map(" ".join))
def test_whatever_is_read_can_be_drawn(words: str) -> None:
    """A role's words are refused in a sentence, or make a style with a background."""
    text = f'{GOOD}\n[roles]\ncursor = "{words}"'
    try:
        theme_table.read("mine", text, "mine.toml")
    except FileError as refusal:
        assert str(refusal).startswith("mine.toml: roles.cursor: ")
    else:
        assert themes.parse("mine", text, "mine.toml").roles["cursor"].bgcolor


def test_a_theme_is_put_on_while_the_program_runs() -> None:
    """T lists the themes; the one chosen is worn at once, and the message line says what keeps it."""

    async def play(it: Driver) -> None:
        await it.press("T")
        await it.type("ansi")
        assert it.program.theme.look.name == "ansi"
        assert it.app.native_ansi_color
        assert 'theme = "ansi"' in it.text()
        await it.press("T")
        await it.type("light")
        assert not it.app.native_ansi_color

    drive(play)
