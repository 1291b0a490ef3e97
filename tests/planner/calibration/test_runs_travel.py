"""The published runs that the shipped constants rest on, in tests/data/runs."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path

import pytest

from planner.calibration import fit as fitting
from planner.calibration.fitted_parameters import PARAMETERS
from planner.calibration.linearised import box, linear, loss, weights
from planner.calibration.processes import evaluator
from planner.errors import TmplanError
from planner.runs.configure import Row, configured
from planner.runs.row_file import by_id, numbered_rows
from tui.cli import main
from tui.cli.refit import ROWS

FILE = Path(__file__).parents[2] / "data" / "runs" / "runs.csv.gz"


@lru_cache(maxsize=1)
def rows() -> list[Row]:
    """Every row."""
    return list(by_id(numbered_rows(str(FILE), ("source", "group")), str(FILE)).values())


def modelled(row: Row) -> bool:
    """Whether the job of a row can be planned."""
    try:
        configured(row)
    except TmplanError:
        return False
    return True


def test_every_run_has_its_source_and_a_measurement() -> None:
    """A row cites a repository, a paper or a page, and has a step time, a peak of memory, or an out-of-memory record."""
    assert len(rows()) > 5000
    for row in rows():
        assert len(row["source"]) > 8, row["id"]
        assert row["step_s"] or row["peak_mem_gib"] or row["oom"] or row["static_mem_gib"], row["id"]


def test_notes_have_no_prose() -> None:
    """Notes are phrases that predictions depend on: most rows have none."""
    notes = [row["note"] for row in rows()]
    assert sum(map(bool, notes)) < len(notes) / 3
    assert len(set(notes)) < 150


def test_nearly_every_run_is_modelled() -> None:
    """Of every 25th row at most one in fifty is refused."""
    part = rows()[::25]
    assert sum(map(modelled, part)) >= 0.98 * len(part)


def test_constants_are_refitted_to_a_part_of_the_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file packed with gzip is fitted: the runs of two sources, and each predicted with constants fitted to the other."""
    header, *lines = gzip.decompress(FILE.read_bytes()).decode().splitlines()
    few = [line for line in lines if ",atorch," in line or ",torchao," in line]
    part = tmp_path / "part.csv.gz"
    part.write_bytes(gzip.compress("\n".join([header, *few]).encode()))
    assert main.run(["refit", str(part), "--rounds", "1", "--leave-out", "sources"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("sources left out") and "\natorch " in out and "\ntorchao " in out


@pytest.mark.slow
def test_the_shipped_constants_are_those_that_a_refit_gives() -> None:
    """From the shipped constants one more round of the fit lowers its loss by less than a hundredth."""
    data = fitting.runs(rows(), ROWS)
    weight, values = weights(data.group), fitting.shipped(data, PARAMETERS)
    with evaluator(data) as at:
        problem = linear(at, PARAMETERS, values)
        _, after = fitting.descended(at, problem)
    before = loss(problem.errors, weight, problem.x, box(problem.parameters).start)
    assert before < 1.01 * after
