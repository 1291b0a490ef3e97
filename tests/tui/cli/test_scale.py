"""`tmplan scale`: table, chart, CSV and JSON have the same numbers; invalid requests are refused in one sentence."""

from __future__ import annotations

import csv
import io
import json

import pytest

from planner.document.inputs import EXAMPLE
from planner.document.planfile import Document
from planner.document.space import Space
from planner.whatif.scaling import scaling_curve
from tests.tui.printing import output_of
from tui.cli.main import run
from tui.cli.output import printed
from tui.pages.scale import draw

COMMAND = ["scale", "--model", "llama-3.1-8b", "--gpus", "64", "--global-batch", "64", "--sequence", "4096"]
INPUTS = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 64, "global_batch": 64, "sequence": 4096})


def test_all_formats_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Step, tokens per second, GPU-hours and cost of each size are equal in table, CSV and JSON."""
    more = ("--to", "256", "--train-tokens", "300B", "--price-gpu-hour", "2")
    data = json.loads(output_of(capsys, *COMMAND, *more, "--format", "json")[1])
    rows = list(csv.DictReader(io.StringIO(output_of(capsys, *COMMAND, *more, "--format", "csv")[1])))
    code, table, _ = output_of(capsys, *COMMAND, *more)
    assert code == 0 and data["scaling"] == "strong" and data["tokens"] == 3e11
    assert [size["gpus"] for size in data["sizes"]] == [int(row["gpus"]) for row in rows] == [8, 16, 32, 64, 128, 256]
    for size, row in zip(data["sizes"], rows, strict=True):
        assert float(row["step_seconds"]) == size["plan"]["step_seconds"] and float(row["cost"]) == size["cost"]
        hours = size["elapsed_seconds"] * size["gpus"] / 3600
        assert size["cost"] == pytest.approx(2 * size["gpu_hours"]) and size["gpu_hours"] == pytest.approx(hours)
        line = next(line for line in table.splitlines() if line.split()[:1] == [str(size["gpus"])])
        assert line.split()[1] == f"{size['plan']['step_seconds']:.3f}" and line.split()[2] == f"{size['tokens_per_second']:,.0f}"
    assert data["verdict"] in " ".join(table.split())


@pytest.mark.parametrize("width", [56, 80, 190])
@pytest.mark.parametrize("weak", [False, True])
def test_the_page_is_readable_at_any_width(width: int, weak: bool) -> None:
    """No line is cut, few runs a line, and the ideal differs from what is reached by its mark."""
    lines = draw(scaling_curve(INPUTS.with_("price_gpu_hour", 2.5), Space(), [1, 8, 12, 64, 512, 4096], weak=weak), width)
    text = printed(lines)
    assert max(map(len, text.splitlines())) <= width
    assert max(len(line) for line in lines) <= 7
    assert "●" in text and "·" in text and "do not fill nodes of 8" in " ".join(text.split())


def test_a_ladder_nothing_of_which_fits_states_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and why at each size."""
    code, table, _ = output_of(capsys, *COMMAND, "--model", "llama-3.1-405b", "--sizes", "8,16")
    assert code == 1 and table.count("Nothing fits") == 3 and "No plan fits and trains at any of these sizes" in table


def test_where_a_number_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    """--explain prints the trees of one size, in the ladder or not; of one at which nothing fits, why."""
    code, text, _ = output_of(capsys, *COMMAND, "--sizes", "8", "--explain", "16", "--depth", "2")
    assert code == 0 and "[Transformer Math 101" in text and "tok_0 = " in text
    data = json.loads(output_of(capsys, *COMMAND, "--sizes", "8", "--explain", "16", "--depth", "1", "--format", "json")[1])
    assert data["gpus"] == 16 and data["steps"]["gpu_hours"]["value"] == pytest.approx(data["gpu_hours"])
    code, text, error = output_of(capsys, *COMMAND, "--sizes", "8", "--explain", "12")
    assert (code, text) == (1, "") and "do not fill nodes of 8" in error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--train-tokens", "many"], "train_tokens must be a whole number"), (["--price-gpu-hour", "-1"], "price_gpu_hour must be a number"),
     (["--sizes", "8,x"], "sizes takes numbers of GPUs"),
     (["--from", "64", "--to", "8"], "from must be no more than to"), (["--to", "0"], "to must lie between 1 and 10,000,000 GPUs"),
     (["--format", "svg"], "format must be one of table, csv, json"), (["--sizes", ""], "sizes takes numbers of GPUs")],
)  # fmt: skip
def test_what_cannot_be_requested_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    """Exit code 2, one sentence on stderr, nothing on stdout."""
    code, text, error = output_of(capsys, *COMMAND, *arguments)
    assert (code, text) == (2, "") and sentence in error and error.count("\n") == 1


def test_the_document_is_left_as_it_was() -> None:
    """A ladder changes nothing of what it was given."""
    document = Document(INPUTS)
    scaling_curve(document.inputs, document.space, [8])
    assert document == Document(INPUTS)


def test_the_csv_has_the_same_columns_where_nothing_fits(capsys: pytest.CaptureFixture[str]) -> None:
    """A script finds every key on the first line whatever was found."""
    heads = []
    for sizes, code in (("32", 0), ("8", 1)):
        assert run(["scale", "--model", "llama-3.1-70b", "--global-batch", "16", "--sizes", sizes, "--format", "csv"]) == code
        heads.append(capsys.readouterr().out.splitlines()[0])
    assert heads[0] == heads[1] and "step_seconds" in heads[0]
