"""Themes: each shipped one works, a wrong one is a sentence."""

from __future__ import annotations

import pytest

from planner.errors import FileError
from tui import themes

GOOD = "\n".join(["[colours]", *(f'{name} = "#123456"' for name in themes.COLOURS)])


@pytest.mark.parametrize("name", themes.shipped())
def test_a_shipped_theme_draws_every_role(name: str) -> None:
    """Every role has a style, with a background of its own so that nothing shows through."""
    look = themes.load(name)
    assert set(look.roles) == set(themes.ROLES)
    assert all(style.bgcolor for style in look.roles.values())
    assert look.title


@pytest.mark.parametrize("name", themes.shipped())
def test_the_cursor_shows_without_colour(name: str) -> None:
    """The line under the cursor looks other than the lines around it, and where colours are the terminal's it is reversed."""
    look = themes.load(name)
    assert look.roles["cursor"] != look.roles["text"]
    if look.theme.ansi:
        assert look.roles["cursor"].reverse


def test_no_color_gets_the_theme_without_colours_of_its_own() -> None:
    """NO_COLOR, whatever its value, chooses the terminal's own colours; TMPLAN_THEME chooses otherwise."""
    assert themes.preferred({"NO_COLOR": ""}) == "ansi"
    assert themes.preferred({"TMPLAN_THEME": "light"}) == "light"
    assert themes.preferred({}) == themes.DEFAULT


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[colours", "not valid TOML"),
        ("colors = 1", "unknown key 'colors'"),
        ("[colours]\n", "lacks"),
        (GOOD + '\nextra = "#000000"', "unknown 'extra'"),
        (GOOD.replace("#123456", "reddish", 1), "is no colour"),
        (GOOD + '\n[roles]\ncurser = "foreground"', "unknown role 'curser'"),
        (GOOD + '\n[roles]\ncursor = "foreground on blau"', "'blau' is neither"),
        (GOOD + "\n[roles]\ncursor = 3", "must be a table of texts"),
        ("colours = 3", "must be a table of texts"),
    ],
)
def test_a_wrong_theme_is_refused(text: str, says: str) -> None:
    """The sentence names the file and what is wrong in it."""
    with pytest.raises(FileError, match=says) as refusal:
        themes.parse("mine", text, "mine.toml")
    assert str(refusal.value).startswith("mine.toml")


def test_an_unknown_theme_is_refused() -> None:
    """The sentence names those there are."""
    with pytest.raises(FileError, match="no theme is called 'noir'; known: ansi, dark, light"):
        themes.load("noir")
