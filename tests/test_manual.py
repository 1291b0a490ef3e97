"""The manual: the pages made from the registries are those in docs/, and what they say of commands, files and environment is so."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from planner.report.columns import COLUMNS
from tui.cli.introspect import commands
from tui.cli.main import COMMANDS, run
from tui.manual.__main__ import PAGES, main
from tui.manual.commands import ENVIRONMENT, plans
from tui.settings import theme_files
from tui.settings.bindings import BINDINGS
from tui.settings.keymap import keymap
from tui.state.filter import column_of

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_program_has_it_today(name: str) -> None:
    """The file in docs/ is what its registry gives."""
    same = (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()
    assert same, f"docs/{name} is behind the program; `python -m tui.manual` regenerates it, and git shows what changed"


def test_pages_are_written_whole(tmp_path: Path) -> None:
    """`python -m tui.manual FOLDER` writes each page there."""
    main(tmp_path)
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {name: made() for name, made in PAGES.items()}


def test_every_command_and_option_is_in_the_manual() -> None:
    """Each command has its part, with each option in its synopsis or among those of the job."""
    parts = dict(zip(COMMANDS, [""] * len(COMMANDS), strict=True)) | {
        part.partition("\n")[0]: part for part in (DOCS / "commands.md").read_text().split("\n## ")
    }
    job = parts["Options of the job"]
    for command in commands():
        part = parts[command.name] + (job if plans(command) else "")
        assert all(name in part for parameter in command.parameters for name in parameter.names), command.name


def test_every_variable_that_is_read_is_in_the_manual() -> None:
    """Each environment variable of tmplan in the source is documented, and each documented one is in the source."""
    sources = "".join(
        path.read_text() for folder in ("planner", "tui") for path in (ROOT / folder).rglob("*.py") if "manual" not in path.parts
    )
    reported = {name for name, _ in ENVIRONMENT if name.startswith("TMPLAN")}
    assert set(re.findall(r"\bTMPLAN_[A-Z]+\b", sources)) == reported


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    titles = [line.lstrip("# ").lower() for line in page.read_text().splitlines() if line.startswith("#")]
    return {re.sub(r"[^a-z0-9 -]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each link or picture of the README, the manual and the guide has its target, a heading of a page too."""
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not link.startswith("http"):
            path, _, heading = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not heading or heading in headings(target), link


@pytest.mark.parametrize("name", PAGES)
def test_tables_are_whole(name: str) -> None:
    """Each row of a table has as many cells as its head."""
    width = 0
    for line in (DOCS / name).read_text().splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not cells or not width or cells == width, line
        width = cells


def test_names_of_the_manual_are_those_the_program_takes() -> None:
    """Names of keys.md may stand in a config file, and keys of columns.md in a filter."""
    keys = (DOCS / "keys.md").read_text()
    assert all(f"| `{binding.id}` |" in keys for binding in BINDINGS)
    example = tomllib.loads(keys.split("```toml")[1].split("```")[0])
    assert keymap(example["keys"]).faults == ()
    named = re.findall(r"^\| `([a-z_0-9/]+)` \|", (DOCS / "columns.md").read_text(), re.MULTILINE)
    assert [column_of(key).key for key in named] == [column.key for column in COLUMNS]


def test_the_readme_links_to_the_manual() -> None:
    """Each page of the manual is linked from the README."""
    linked = re.findall(r"\(docs/([a-z]+\.md)\)", (ROOT / "README.md").read_text())
    assert set(PAGES) <= set(linked)


@pytest.mark.parametrize("page", ["docs/guide/screen.md", "CHANGELOG.md"])
def test_themes_are_counted(page: str) -> None:
    """The number of themes in the guide and the changelog is that of the themes shipped."""
    count = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")[len(theme_files.shipped())]
    assert f"{count.capitalize()} themes" in (ROOT / page).read_text()


def test_the_example_of_the_library_plans_what_the_command_plans(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/api.md's example prints ten lines, and the numbers of each are those of `tmplan plan`."""
    example = (DOCS / "api.md").read_text().split("```python\n")[1].partition("```")[0]
    assert len(example.splitlines()) <= 10
    exec(example, {})
    printed = capsys.readouterr().out.splitlines()
    options = ("--model", "llama-3.1-70b", "--cluster", "dgx-h100", "--gpus", "64", "--global-batch", "512")
    assert run(["plan", *options, "--top", "10", "--format", "json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert len(printed) == len(plans) == 10
    for line, plan in zip(printed, plans, strict=True):
        degrees = [plan[axis] for axis in ("tp", "pp", "cp", "dp")]
        figures = [f"{plan['memory_gib']:.1f}", f"{plan['step_seconds']:.3f}", f"{plan['mfu']:.1%}"]
        assert re.findall(r"[0-9.]+%?", line) == [*map(str, degrees), *figures]
