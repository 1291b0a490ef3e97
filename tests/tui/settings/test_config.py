"""The config file: read, written, and never in the way of starting."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tui.cli.main import run
from tui.settings import config, theme_files, themes
from tui.settings.bindings import BINDINGS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config folder, empty; no environment variable sets a theme."""
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("TMPLAN_THEME", raising=False)
    return tmp_path


def write(folder: Path, text: str) -> config.Config:
    """What is set by a file of this text."""
    (folder / "config.toml").write_text(text)
    return config.load({})


def test_without_a_file_all_is_default(folder: Path) -> None:
    """No file, no folder: the defaults, and nothing to say."""
    assert config.load({}) == config.Config() == config.Config("dark", BINDINGS, ())


def test_theme_and_keys_are_read(folder: Path) -> None:
    """A theme, shipped or the user's, and keys."""
    (folder / "themes").mkdir()
    (folder / "themes" / "mine.toml").write_text(theme_files.read("paper")[0])
    result = write(folder, 'theme = "mine"\n[keys]\nfilter = "ctrl+f"\n')
    assert (result.theme, result.faults) == ("mine", ())
    assert next(binding.keys for binding in result.keys if binding.id == "filter") == ("ctrl+f",)


def test_the_environment_comes_before_the_file(folder: Path) -> None:
    """NO_COLOR, then TMPLAN_THEME, then the file; an unknown TMPLAN_THEME is a sentence that names it."""
    write(folder, 'theme = "paper"')
    assert config.load({}).theme == "paper"
    assert config.load({"TMPLAN_THEME": "light"}).theme == "light"
    assert config.load({"TMPLAN_THEME": "light", "NO_COLOR": "1"}).theme == "ansi"
    wrong = config.load({"TMPLAN_THEME": "lite"})
    assert wrong.theme == theme_files.DEFAULT
    assert wrong.faults[0].startswith("TMPLAN_THEME: no theme is called 'lite'; did you mean light")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("theme = ", "line 1 is not valid TOML"),
        ("a = " + "[" * 5000, "is not valid TOML"),
        ("theme = 3", "theme must be the name of a theme in quotes, not 3"),
        ('theme = "papr"', "no theme is called 'papr'; did you mean paper"),
        ('themes = "paper"', "unknown key 'themes'; known: theme, keys"),
        ('keys = "f"', "keys must be a table"),
        ('[keys]\nfilter = "ctrl+s"', "keys.filter: 'ctrl+s' cannot be used: terminals use it for flow control"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_stands_at_its_default(text: str, message: str, folder: Path) -> None:
    """The sentence names the file and the setting; the settings are the defaults, and nothing is raised."""
    result = write(folder, text)
    assert len(result.faults) == 1
    assert result.faults[0].startswith(f"{folder / 'config.toml'}: ") and message in result.faults[0]
    assert (result.theme, result.keys) == (theme_files.DEFAULT, BINDINGS)


@pytest.mark.parametrize("name", ["mine", "dark"])
def test_a_theme_that_cannot_be_drawn_is_not_chosen(name: str, folder: Path) -> None:
    """A faulty user theme is reported, and the theme used instead can be drawn, even if the faulty one has the default's name."""
    (folder / "themes").mkdir()
    (folder / "themes" / f"{name}.toml").write_text(theme_files.read("paper")[0] + '\n[roles]\ncursor = "foreground on"')
    result = write(folder, f'theme = "{name}"')
    assert f"{name}.toml: roles.cursor: 'foreground on' is not a style" in result.faults[0]
    assert result.faults[0].endswith(f"the theme is '{result.theme}'")
    assert themes.load(result.theme).title


def test_a_folder_in_place_of_the_file_is_a_sentence(folder: Path) -> None:
    """A file that cannot be read is reported, and the program starts."""
    (folder / "config.toml").mkdir()
    assert "config.toml: cannot be read" in config.load({}).faults[0]


@pytest.mark.parametrize("named", ["/dev/null", "x" * 5000])
def test_a_config_folder_that_cannot_be_is_no_folder(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If TMPLAN_CONFIG names something that is not a folder, or not a valid name, the settings are the defaults."""
    monkeypatch.setenv("TMPLAN_CONFIG", named)
    result = config.load({})
    assert (result.theme, result.keys) == ("dark", BINDINGS)
    assert "no theme is called 'night'" in config.load({"TMPLAN_THEME": "night"}).faults[-1]


def test_what_is_reported_holds_no_control_characters(folder: Path) -> None:
    """Whatever stands in the file, a sentence about it is one printable line of bounded length."""
    result = write(
        folder, '"a\\u001b[2J" = 1\ntheme = "\\u001b]0;x"\n[keys]\n"\\u001b" = "x"\nfilter = "\\u0007"\nsort = [' + "9, " * 500 + "]"
    )
    assert len(result.faults) == 5
    assert all(fault.isprintable() and len(fault) < len(str(folder)) + 200 for fault in result.faults)


def test_reading_it_loads_no_screen(folder: Path) -> None:
    """Neither Textual, Rich, Typer nor numpy is imported, even to check a user's theme: the program reads settings before it draws."""
    (folder / "themes").mkdir()
    (folder / "themes" / "mine.toml").write_text("dark = 3")
    write(folder, 'theme = "mine"')
    heavy = "[m for m in ('textual', 'rich', 'typer', 'numpy') if m in sys.modules]"
    code = f"import sys; from tui.settings.config import load; load(); print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_config_init_writes_the_defaults_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file written names every binding, sets nothing, and is not written over."""
    where = folder / "config.toml"
    assert run(["config", "--init"]) == 0
    text = where.read_text()
    assert tomllib.loads(text) == {"keys": {}}
    assert all(f"\n# {binding.id} = " in text for binding in BINDINGS)
    where.write_text("theme = 'light'")
    assert run(["config", "--init"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert where.read_text() == "theme = 'light'"


def test_every_line_of_the_template_is_a_setting(folder: Path) -> None:
    """Uncommented whole, the template is a config file that says what holds without it."""
    run(["config", "--init"])
    lines = (folder / "config.toml").read_text().splitlines()
    free = "\n".join(line.removeprefix("# ") if " = " in line or line == "[keys]" else "" for line in lines)
    assert set(tomllib.loads(free)["keys"]) == {binding.id for binding in BINDINGS}
    assert write(folder, free) == config.Config()


def test_config_prints_what_is_set_and_what_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is a config file with the settings in use; stderr says what is wrong, and the exit code that something is."""
    write(folder, 'theme = "paper"\n[keys]\nfilter = "ctrl+f"\nsort = "ctrl+z"\n')
    assert run(["config"]) == 2
    output_of = capsys.readouterr()
    assert tomllib.loads(output_of.out) == {"theme": "paper", "keys": {"filter": "ctrl+f"}}
    assert "keys.sort: 'ctrl+z' cannot be used" in output_of.err
    (folder / "config.toml").write_text(output_of.out)
    assert run(["config"]) == 0
    assert capsys.readouterr() == (output_of.out, "")


def test_themes_lists_every_theme(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shipped and user themes, with the one in use; one that cannot be read is reported on stderr and does not hide others."""
    (folder / "themes").mkdir()
    (folder / "themes" / "broken.toml").write_text("[colours")
    (folder / "themes" / "mine.toml").write_text(theme_files.read("paper")[0].replace("Paper", "My own"))
    write(folder, 'theme = "mine"')
    assert run(["themes", "--format", "json"]) == 0
    output_of = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(output_of.out)["themes"]}
    assert set(rows) == {*theme_files.shipped(), "mine"}
    assert rows["mine"] == {"name": "mine", "title": "My own", "ground": "light", "own": True, "chosen": True}
    assert "left out broken" in output_of.err
    assert run(["themes"]) == 0
    assert "colour-blind  Colour-blind safe" in capsys.readouterr().out
