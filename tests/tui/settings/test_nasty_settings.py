"""Settings, arguments and cells with any value in any place: accepted, or refused in one readable sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import themes
from planner.calibration import kernel_tables
from planner.document.axis_pairs import pairs
from planner.document.fields import BY_KEY, parse
from planner.document.inputs import EXAMPLE
from planner.document.other_cluster import against
from planner.document.space import AXES, parse_bounds
from planner.errors import TmplanError
from planner.runs import row_file
from planner.runs.columns import NEEDED, misspelt
from planner.runs.predict import predict
from tests.nasty import HOSTILE, NASTY, changed, readable
from tests.planner.runs.test_configure import SMALL
from tests.tui.printing import output_of
from tui.pages.whynot import parse_axes
from tui.settings import config, theme_table
from tui.state.filter import parse_filter

THEME = tomllib.loads((Path(themes.__file__).parent / "dark.toml").read_text(encoding="utf-8"))
SETTINGS = {"theme": "paper", "keys": {"filter": "ctrl+f", "help": ["f2", "?"], "leave": "Q"}}
TEXTS = (
    "9" * 5000, "a" * 5000, "," * 5000, HOSTILE, HOSTILE * 500, "=" + "9" * 5000, "tp=" + "9" * 5000, "x=" + "b" * 5000, "<=" + "9" * 500,
    "\ud800", "8..", "gpus<" + "9" * 5000, "sharding=" + "z" * 5000, "sharding<" + "z" * 5000, "0x" + "f" * 5000, "e5" * 3000,
    "1e" + "9" * 3000, " " * 5000, "\n" * 50,
)  # fmt: skip
CELLS = (
    *TEXTS, "0", "-1", "1e308", "nan", "x", "800 Gb/s per GPU", "9" * 400 + " x " + "9" * 400 + " Gb", "1x " * 1300, "FSDP=0 shard group 0",
    "num-distributed-optimizer-instances=0", "--pipeline-model-parallel-layout=" + "(|||)*9999" * 300,
    "--moe-layer-freq=" + "[0]*9999" * 300,
)  # fmt: skip
COLUMNS = (*SMALL, "note", "interconnect", "schedule", "finetune", "capacity", "nccl_all_reduce_gb_s", "\x1b]0;x")
READERS: dict[str, Callable[[str], Any]] = {
    "filter": parse_filter,
    "why not": parse_axes,
    "pairs": partial(pairs, "--pin"),
    "against": partial(against, EXAMPLE),
    **{key: partial(parse, key) for key in BY_KEY},
    **{f"bounds of {axis}": partial(parse_bounds, axis) for axis in AXES},
}
ARGUMENTS = [
    ["models", "--format", "a" * 5000], ["plan", "--format", HOSTILE * 500], ["a" * 5000], [HOSTILE * 300 + ".toml"],
    ["plan", "--" + "b" * 5000], ["plan", "--" + HOSTILE], ["plan", "--gpus", "9" * 5000], ["plan", "--tp", "9" * 5000],
    ["plan", "--sort", "c" * 5000], ["plan", "--model", "d" * 5000], ["scale", "--from", "9" * 5000], ["scale", "--from", "x" * 5000],
    ["export", "--to", HOSTILE * 300], ["plan", "--max", "tp=" + "9" * 5000], ["plan", "--top", "x" * 5000], ["import", "e" * 5000],
    ["estimate", HOSTILE * 100], ["config", "--" + HOSTILE * 100], ["completion", "f" * 5000], ["models", "--format"],
    ["versus", "--against", "g" * 5000], ["validate", "h" * 5000, "i" * 5000], ["plan", "j" * 5000 + ".toml"],
    ["calibrate", "k" * 5000, "--name", "l" * 5000],
    ["export", "--model", "llama-3.1-8b", "--gpus", "8", "--global-batch", "8", "--to", "megatron-lm", "--out", "m" * 5000],
]  # fmt: skip


def refused_readably(read: Callable[[], Any]) -> None:
    """Nothing but a readable refusal, in which no value is so long that the sentence had to be cut."""
    try:
        read()
    except TmplanError as error:
        assert readable(str(error)) and " … " not in str(error), str(error)


@pytest.mark.parametrize("new", NASTY, ids=range(len(NASTY)))
def test_any_value_in_any_place_of_the_settings(new: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place of config.toml has each nasty value once: a wrong setting has its default, with a message."""
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    for reported in changed(SETTINGS, new):
        monkeypatch.setattr(config, "read_toml", lambda _, reported=reported: reported)
        assert all(map(readable, config.load({}).faults))


@pytest.mark.parametrize("new", NASTY, ids=range(len(NASTY)))
def test_any_value_in_any_place_of_a_theme(new: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place of a theme holds each nasty value once; a title is of a length that a list can show."""
    for reported in changed(THEME, new):
        monkeypatch.setattr(theme_table, "decode", SimpleNamespace(toml=lambda *_, reported=reported: reported))
        refused_readably(lambda: named(theme_table.read("mine", "", "mine.toml")))


def named(theme: theme_table.ThemeSpec) -> None:
    """A theme's title can be shown."""
    assert not theme.title or readable(theme.title, 100)


@pytest.mark.parametrize("reader", READERS)
def test_whatever_is_written_is_taken_or_refused_readably(reader: str) -> None:
    """Texts of thousands of characters, digits or signs, and those with control characters, in any field, bound, filter and pair."""
    for text in TEXTS:
        refused_readably(partial(READERS[reader], text))


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_a_refusal_on_the_command_line_is_readable(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever refuses an argument, Typer itself included: lines on stderr, clean and of a readable length, and code 2."""
    code, out, err = output_of(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.endswith("\n") and all(map(readable, err.removesuffix("\n").split("\n"))), err


@pytest.mark.parametrize("column", COLUMNS)
def test_any_text_in_any_cell_of_a_run(column: str) -> None:
    """Each column of a row holds each nasty text once; an answer or a refusal comes of it."""
    answers = predict([SMALL | {column: cell} for cell in CELLS])
    assert all(readable(answer["error"]) for answer in answers if "error" in answer)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_any_text_in_any_place_of_a_table(text: str, tmp_path: Path) -> None:
    """Files of runs, matrix products and messages with an odd text as a column's name or in a cell are read or refused."""
    path = tmp_path / "x.csv"
    for good in ("m,n,k,latency\n256,256,256,0.1", "op_name,num_gpus,message_size,latency\nall_reduce,8,4096,0.1", "id,layers\na,2"):
        for number in range(2 * (good.count(",") // 2) + 2):
            cells = good.replace("\n", ",\n,").split(",")
            cells[min(number, len(cells) - 1)] = '"' + text.encode("utf-8", "replace").decode() + '"'
            path.write_text(",".join(cells).replace(",\n,", "\n"), encoding="utf-8")
            for read in (kernel_tables.read_gemm, kernel_tables.read_nccl, needed, reported):
                refused_readably(partial(read, path))


def needed(path: Path) -> None:
    """Rows with every column that a prediction needs."""
    row_file.numbered_rows(str(path), NEEDED)


def reported(path: Path) -> None:
    """Rows by id, and the messages on unused columns."""
    rows = row_file.numbered_rows(str(path))
    assert all(map(readable, misspelt(rows[0][1])))
    row_file.by_id(rows, str(path))
