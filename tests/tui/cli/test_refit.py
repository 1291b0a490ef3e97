"""`tmplan refit`: constants, what they are worth, and kernel tables, on small made files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from planner.calibration import write_back
from planner.calibration.fitted_parameters import PARAMETERS
from tests.planner.calibration.test_fit import FIXED, with_times
from tui.cli import main


@pytest.fixture
def runs(tmp_path: Path) -> str:
    """Twelve runs with the times that one changed constant gives."""
    path = tmp_path / "runs.csv"
    rows = with_times({FIXED: 3.3})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def test_refit_prints_every_constant_that_the_runs_know_of(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each constant the runs depend on: start, value, the runs it rests on, the error with it and at its start."""
    assert main.run(["refit", runs, "--rounds", "3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("all runs")
    lines = [line for line in out.splitlines() if line.startswith(("stack", "gpu", "constant "))]
    assert 2 < len(lines) <= len(PARAMETERS)
    assert any("hopper" in line and "gemm.training" in line and " 12 " in line for line in lines)
    assert not any("megatron-deepspeed" in line for line in lines)


def test_shipped_constants_and_an_ablation_are_printed_without_a_fit(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--shipped --ablate scores the constants as they are, and once without each term."""
    assert main.run(["refit", runs, "--shipped", "--ablate"]) == 0
    out = capsys.readouterr().out
    assert "every term" in out and "without attention" in out and "without stragglers" in out


def test_kernel_tables_of_a_folder_are_fitted_too(runs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without tables gives the headings alone; a broken one is refused in a sentence."""
    folder = tmp_path / "tables"
    folder.mkdir()
    assert main.run(["refit", runs, "--shipped", "--kernels", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "matrix products" in out
    assert "heads of 128" in out
    (folder / "gemm_narrow_x.csv").write_text("gemm_dtype,m,n,k,latency\n", encoding="utf-8")
    assert main.run(["refit", runs, "--shipped", "--kernels", str(folder)]) == 0
    assert "gemm_narrow_x                  no GPU of this name" in capsys.readouterr().out
    (folder / "gemm_x.csv").write_text("m,n,k\n1,2,3\n", encoding="utf-8")
    assert main.run(["refit", runs, "--shipped", "--kernels", str(folder)]) == 2
    assert "latency" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "words"), [("id\na\n", "group"), ("", "empty")])
def test_a_file_that_is_no_runs_file_is_refused_in_a_sentence(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without the columns, or without anything, is refused by name."""
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    assert main.run(["refit", str(path)]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1


def test_writing_touches_the_installations_files_only_when_requested(runs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --write nothing is written."""

    def never(*_: object) -> int:
        raise AssertionError("written")

    monkeypatch.setattr(write_back, "write", never)
    monkeypatch.setattr(write_back, "write_bands", never)
    assert main.run(["refit", runs, "--shipped"]) == 0


@pytest.mark.parametrize(("seconds", "words"), [("abc", "must be a number"), ("0", "at least 1e-06"), ("nan", "at least 1e-06")])
def test_a_step_that_is_no_time_is_refused_by_its_run(seconds: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A step_s that a fit cannot use is reported with the id of its run and a valid example, neither used nor dropped."""
    path = tmp_path / "runs.csv"
    row = f"one,a,m,32,4096,32,4096,h100-sxm,8,64,{seconds}"
    path.write_text(f"id,group,model,layers,hidden,heads,seq,gpu,gpus,global_batch,step_s\n{row}\n", encoding="utf-8")
    assert main.run(["refit", str(path), "--shipped"]) == 2
    reported = capsys.readouterr().err
    assert "run 'one'" in reported and words in reported


@pytest.mark.parametrize("by", ["sources", "models", "stacks"])
def test_runs_are_predicted_without_their_source(by: str, runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The score of runs left out comes first, then that of all runs, and a line per source with both."""
    assert main.run(["refit", runs, "--shipped", "--leave-out", by]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{by} left out") and lines[1].startswith("all runs")
    assert any(line.startswith("small") or line.startswith("made") for line in lines)


def test_an_unknown_fold_is_refused_in_a_sentence(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The valid ones are listed."""
    assert main.run(["refit", runs, "--leave-out", "rows"]) == 2
    assert "sources, models, stacks" in capsys.readouterr().err


def test_what_a_constant_is_worth_is_printed(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--ablate has a line per constant, those that do not pay, and other settings of the fit."""
    assert main.run(["refit", runs, "--shipped", "--ablate"]) == 0
    out = capsys.readouterr().out
    assert "do not pay" in out and "a constant at its start adds" in out and "softness" in out
