"""The documents say what the program does."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.document.inputs import EXAMPLE, resolve
from planner.search.search import search
from tests.bench.bench_search import JOBS
from tui.cli.main import run

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "guide"
PAGES = [ROOT / "README.md", *sorted(GUIDE.glob("*.md"))]
ACCURACY = GUIDE / "accuracy.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LONGEST_README = 180  # lines
SLOW = 1_000_000  # evaluated plans of a job that a test does not search again
SESSIONS = [path for path in PAGES if "```console" in path.read_text()]


def replayed(page: str, printed: Callable[[str], str]) -> str:
    """The page with the output of each `$ tmplan` command replaced by what it prints; blocks with a file name are written to that file."""

    def block(match: re.Match[str]) -> str:
        language, name, text = match.groups()
        if name:
            Path(name).write_text(text)
        if language != "console":
            return match[0]
        commands = re.findall(r"^\$ tmplan (.*)$", text, re.MULTILINE)
        turns = [f"$ tmplan {command}\n{printed(command)}".rstrip() for command in commands]
        return "```console\n" + "\n\n".join(turns) + "\n```"

    return BLOCK.sub(block, page)


def table(path: Path, heading: str) -> list[list[str]]:
    """The cells of each row of the table whose first line begins with the heading."""
    lines = path.read_text().partition(heading)[2].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip(" *") for cell in line.strip("|").split(" | ")] for line in lines]


def number(text: str) -> float:
    """1,234.5 as a number."""
    return float(text.replace(",", ""))


@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: path.stem)
def test_sessions_are_real(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """Each command in the README and the guide exits with 0 and prints the text below it exactly (--update-golden rewrites it)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path / "config"))

    def printed(command: str) -> str:
        assert run(shlex.split(command)) == 0, command
        return capsys.readouterr().out

    page = path.read_text()
    real = replayed(page, printed)
    if request.config.getoption("--update-golden"):
        path.write_text(real)
    else:
        assert real == page


def test_commands_print_what_their_session_shows() -> None:
    """`replayed` changes a page exactly where a command prints something else, and leaves other blocks as they are."""
    page = "text\n```console\n$ tmplan a\nold\n\n$ tmplan b c\nsame\n```\n```sh\n$ tmplan d\n```\n"
    printed = {"a": "new\n\n", "b c": "same\n"}
    assert replayed(page, printed.__getitem__) == page.replace("old", "new")


def test_no_session_is_left_untested() -> None:
    """Every block with a `$` prompt is a console block, and the README and seven pages of the guide or more have one."""
    for path in PAGES:
        prompts = [match[1] for match in BLOCK.finditer(path.read_text()) if "\n$ " in f"\n{match[3]}"]
        assert set(prompts) <= {"console"}, path.name
        assert "\n$ " not in BLOCK.sub("", path.read_text()), path.name
    assert ROOT / "README.md" in SESSIONS and len(SESSIONS) >= 8


def test_the_readme_is_short_and_the_guide_is_linked() -> None:
    """The README fits in 180 lines, counts the stacks there are, and links to the guide, whose index links to each of its pages."""
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= LONGEST_README
    assert "(docs/guide/README.md)" in readme
    assert f"{len(list((ROOT / 'planner' / 'presets' / 'stacks').glob('*.toml')))} training stacks" in readme
    index = (GUIDE / "README.md").read_text()
    assert {path.name for path in GUIDE.glob("*.md")} - set(re.findall(r"\]\(([a-z-]+\.md)\)", index)) == {"README.md"}


def test_counts_in_the_tables_of_speed_are_real() -> None:
    """The guide's table has every job of the benchmark, its counts are those of the search, its rates follow from counts and seconds, and
    the README repeats it."""
    rows = {cells[0]: cells[1:] for cells in table(GUIDE / "speed.md", "| job | plans evaluated")}
    assert list(rows) == list(JOBS)
    for title, (evaluated, seconds, rate, fit, uncomputed, refused, _) in rows.items():
        assert rate == f"{number(evaluated) / number(seconds) / 1e6:.1f} million", title
        if number(evaluated) < SLOW:
            counts = search(resolve(EXAMPLE.with_all(JOBS[title]))).counts  # type: ignore[arg-type]
            actual = (counts.evaluated, counts.fit, counts.covered - counts.evaluated, sum(counts.refused.values()))
            assert actual == tuple(map(number, (evaluated, fit, uncomputed, refused))), title
    for title, *cells in table(ROOT / "README.md", "| job | plans evaluated"):
        evaluated, seconds, rate, _, uncomputed, _, alone = rows[title]
        assert cells == [evaluated, seconds, rate, uncomputed, alone]


def test_the_readme_repeats_figures_of_the_guide() -> None:
    """Each figure of the README's table of accuracy is in the guide's page on accuracy."""
    guide = ACCURACY.read_text()
    figures = re.findall(r"[\d.,]*\d", " ".join(" ".join(row[1:]) for row in table(ROOT / "README.md", "| constants fitted to")))
    assert figures
    assert [figure for figure in figures if not re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.]*\d)", guide)] == []


def test_the_architecture_note_names_every_package() -> None:
    """No package of the planner or of the program is missing from the note, and the note stays one screenful."""
    note = (ROOT / "docs" / "architecture.md").read_text()
    packages = {path.parent.name for tree in ("planner", "tui") for path in (ROOT / tree).glob("*/__init__.py")}
    assert len(packages) > 20 and {name for name in packages if f"`{name}`" not in note} == set()
    assert len(note.splitlines()) <= 50


@pytest.mark.parametrize("kind", ["gpus", "clusters", "models", "stacks"])
def test_the_changelog_counts_the_presets_there_are(kind: str) -> None:
    """The numbers of presets in the changelog are those shipped."""
    count = len(list((ROOT / "planner" / "presets" / kind).glob("*.toml")))
    word = "GPUs" if kind == "gpus" else kind
    assert f"{count} {word}" in (ROOT / "CHANGELOG.md").read_text()
