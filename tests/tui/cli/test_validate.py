"""`tmplan validate`: the score of two files as tables or JSON, and one sentence for what cannot be scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.errors import FieldError, FileError
from planner.runs.score import COLUMNS
from tui.cli.validate import shipped_headline, validate

RUNS = """\
id,group,note,sweep,step_s,peak_mem_gib,mem_kind,mem_rank,oom,quality_speed
a,g,"one, two",s,1.0,20,allocated,first,0,A
b,g,,s,2.0,,,,,A
c,g,,s,3.0,,,,,A
d,g,,s,4.0,,,,,A
e,g,,s,5.0,,,,,A
f,g,,s,,,,,1,
"""
PREDICTIONS = [
    {"id": "a", "step_seconds": 1.5, "step_low": 1.2, "step_high": 1.8, "fits": True, "stage_allocated_gib": [30, 10]},
    {"id": "b", "step_seconds": 2.0, "step_low": 1.8, "step_high": 2.2, "fits": False},
    {"id": "c", "step_seconds": 3.0},
    {"id": "d", "step_seconds": 4},
    {"id": "e", "step_seconds": 5.0, "fits": None},
    {"id": "f", "fits": False},
]


class Files:
    """The two files, and a call of `validate` on them."""

    def __init__(self, folder: Path) -> None:
        self.runs, self.predictions = str(folder / "runs.csv"), str(folder / "p.jsonl")
        Path(self.runs).write_text(RUNS)
        self.predict(*PREDICTIONS)

    def predict(self, *predictions: Any) -> None:
        """Write predictions, or lines as they are."""
        lines = [p if isinstance(p, str) else json.dumps(p) for p in predictions]
        Path(self.predictions).write_text("\n".join(lines) + "\n")

    def text(self, worst: int = 0) -> str:
        """The tables."""
        return validate(self.runs, self.predictions, worst=worst, format="table").text

    def json(self, worst: int = 0) -> Any:
        """The JSON."""
        answer = validate(self.runs, self.predictions, worst=worst, format="json")
        assert answer.code == 0
        return json.loads(answer.text)

    def refusal(self) -> str:
        """The sentence of the refusal."""
        with pytest.raises(FileError) as refused:
            self.json()
        assert "\n" not in str(refused.value)
        return str(refused.value)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Six runs and their predictions."""
    return Files(tmp_path)


def test_the_json_holds_the_headline_the_groups_and_the_worst(files: Files) -> None:
    """Every figure of six runs, as computed by hand."""
    result = files.json(worst=1)
    row = {"n": 5, "mape": 10, "median": 0, "p90": 50, "bias": 10, "within_10": 80}
    assert result == {
        "schema": 1, "coverage": 1, "time_mape": 10, "within_10_percent": 80, "within_band_percent": 50, "sweeps": 1, "rho": 1,
        "regret_top1": 0, "regret_top3": 0, "memory_mape": 50, "oom_recall": 100, "false_oom": 50,
        "groups": {
            "time": {"small": row}, "memory": {"small": row | {"n": 1, "mape": 50, "median": 50, "bias": 50, "within_10": 0}},
            "ranking": {"g": {"sweeps": 1, "rho": 1, "top1": 0, "top3": 0}},
            "oom": {"small": {"oom": 1, "caught": 1, "ran": 2, "false": 1}}, "band": {"small": {"n": 2, "within": 50}},
        },
        "worst": [{"error_percent": 50, "id": "a", "measured_seconds": 1, "predicted_seconds": 1.5}],
    }  # fmt: skip


def test_the_table_states_what_the_json_states(files: Files) -> None:
    """The tables show the same figures, rounded, a line a group, and the worst runs last."""
    published = "".join(f"{line}\n" for line in shipped_headline())
    assert published.startswith("published runs ") and published.count("\n") == 3
    assert files.text(worst=2) == published + "\n" + (
        "coverage          100.0 % of runs answered\n"
        "step time         10.00 % mean error\n"
        "                  80.00 % within 10 %\n"
        "                  50.00 % inside the 80 % band\n"
        "ranking            1.00 rho over 1 sweep\n"
        "                   0.00 % regret of the pick\n"
        "                   0.00 % regret of the best of three\n"
        "memory            50.00 % mean error\n"
        "out of memory    100.00 % caught\n"
        "                  50.00 % false alarms\n"
        "\n"
        "step time, %          n      MAPE    median       p90      bias     <=10%\n"
        "small                 5      10.0       0.0      50.0     +10.0      80.0\n"
        "\n"
        "memory, %             n      MAPE    median       p90      bias     <=10%\n"
        "small                 1      50.0      50.0      50.0     +50.0       0.0\n"
        "\n"
        "ranking          sweeps       rho  top 1, %  top 3, %\n"
        "g                     1      1.00       0.0       0.0\n"
        "\n"
        "out of memory       oom    caught       ran     false\n"
        "small                 1         1         2         1\n"
        "\n"
        "80 % band             n inside, %\n"
        "small                 2      50.0\n"
        "\n"
        "    error    measured s   predicted s  run\n"
        "    50.0%         1.000         1.500  a\n"
        "     0.0%         2.000         2.000  b\n"
    )


def test_runs_in_json_lines_score_as_those_in_csv(files: Files) -> None:
    """Runs written as JSON lines, absent keys left out, have the same score."""
    expected = files.json(worst=9)
    rows = [
        dict(zip(RUNS.split("\n")[0].split(","), line.split(","), strict=True)) for line in RUNS.replace("one, two", "").split("\n")[1:-1]
    ]
    Path(files.runs).write_text("\n".join(json.dumps({key: value for key, value in row.items() if value}) for row in rows))
    assert files.json(worst=9) == expected


def test_what_cannot_be_judged_is_a_dash_and_has_no_table(files: Files) -> None:
    """Predictions that answer nothing leave dashes in the headline, nulls in the JSON, and no table."""
    files.predict({"id": "a", "error": "a mixture of experts"})
    assert files.text(worst=3).split("\n")[4:7] == [
        "coverage            0.0 % of runs answered", "step time             - % mean error", "                      - % within 10 %"
    ]  # fmt: skip
    assert len(files.text(worst=3).splitlines()) == 14
    assert files.json()["time_mape"] is None and files.json()["within_band_percent"] is None


def test_predictions_of_no_run_are_reported(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """Predictions whose id no run has are counted on stderr and change nothing."""
    expected = files.json()
    files.predict(*PREDICTIONS, {"id": "z", "step_seconds": 9.0})
    assert files.json() == expected
    assert capsys.readouterr().err == f"1 of 7 predictions match no run in {files.runs}\n"


@pytest.mark.parametrize("column", COLUMNS)
def test_runs_without_a_column_are_refused(files: Files, column: str) -> None:
    """A runs file that lacks a column a score reads is refused with its name."""
    Path(files.runs).write_text(RUNS.replace(column, f"{column}_", 1))
    assert files.refusal() == f"{files.runs}: line 1 lacks '{column}'; required: {', '.join(COLUMNS)}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("f,g", "a,g", "line 7 has the same id 'a' as line 2; keep one"),
        ("f,g", ",g", "line 7 has no id"),
        ("2.0", "2,0", "line 3 has 11 fields, its header 10"),
        ("2.0", "fast", "run 'b': step_s must be a number from 1e-9 to 1e+15, or blank, not 'fast'"),
        ("2.0", "0", "run 'b': step_s must be"),
        ("2.0", "nan", "run 'b': step_s must be"),
        (",20,", ",inf,", "run 'a': peak_mem_gib must be"),
        (",0,A", ",no,A", "run 'a': oom must be 1, 0 or blank, not 'no'"),
    ],
)
def test_damaged_runs_are_refused(files: Files, old: str, new: str, message: str) -> None:
    """A run that no figure can be made of is refused with the file and the line or the run."""
    Path(files.runs).write_text(RUNS.replace(old, new, 1))
    assert files.refusal().startswith(f"{files.runs}: {message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id" "a"}', "line 2, column 7 is not valid JSON"),
        ('"a"', "line 2 is not a JSON object"),
        ({"step_seconds": 1}, "line 2 has no id"),
        ({"id": "z"}, "line 2 has the same id 'z' as line 1; keep one"),
        ({"id": "a", "step_seconds": "1.5"}, "prediction 'a': step_seconds must be a number from 0 to 1e+15, not '1.5'"),
        ({"id": "a", "step_seconds": -1}, "prediction 'a': step_seconds must be"),
        ({"id": "a", "step_seconds": float("nan")}, "prediction 'a': step_seconds must be"),
        ({"id": "a", "step_low": True}, "prediction 'a': step_low must be"),
        ({"id": "a", "step_high": 10**400}, "prediction 'a': step_high must be"),
        ({"id": "a", "stage_device_gib": []}, "prediction 'a': stage_device_gib must be a number from 0 to 1e+15, or a list of them"),
        ({"id": "a", "stage_reserved_gib": [1, None]}, "prediction 'a': stage_reserved_gib must be"),
        ({"id": "a", "fits": "yes"}, "prediction 'a': fits must be true or false, not 'yes'"),
    ],
)
def test_damaged_predictions_are_refused(files: Files, line: Any, message: str) -> None:
    """A prediction that cannot be read or scored is refused with the file and the line or the id."""
    files.predict({"id": "z"}, line)
    assert files.refusal().startswith(f"{files.predictions}: {message}")


@pytest.mark.parametrize("which", ["runs", "predictions"])
def test_a_missing_file_is_refused(files: Files, which: str) -> None:
    """If either file is missing, its path is reported."""
    setattr(files, which, missing := f"{files.runs}.none")
    assert files.refusal() == f"{missing}: cannot be read: no such file or directory"


def test_a_format_nobody_knows_is_refused_before_a_file_is_read() -> None:
    """The format is one of table and json."""
    with pytest.raises(FieldError, match="format must be one of table, json, not 'csv'"):
        validate("none.csv", "none.jsonl", worst=0, format="csv")
