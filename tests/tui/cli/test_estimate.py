"""`tmplan estimate`: a line for every row, and one sentence for what cannot be predicted or read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from planner import presets
from planner.errors import UnknownName
from planner.runs import predict as predicting
from planner.runs.columns import NEEDED
from planner.runs.predict import predict
from planner.runs.row_file import numbered_rows
from tests.planner.calibration.step_files import ROW, rows, write
from tui.cli import estimate as cli_estimate
from tui.cli import main
from tui.cli import plan as cli_plan

ROOT = Path(__file__).parents[3]
WRONG = {"experts": "8", "ep": "3"}
REFUSED = "ep 3 does not divide the 8 experts"


class Desk:
    """Calls of the command, and what they say."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.out = self.err = ""

    def file(self, result: Sequence[Mapping[str, str]], name: str = "runs.csv") -> str:
        """A file of rows."""
        return write(self.folder / name, result)

    def run(self, *argv: str) -> int:
        """The exit code of `tmplan estimate`; what it wrote stands in out and err."""
        code = main.run(["estimate", *argv])
        self.out, self.err = self._capsys.readouterr()
        return code

    def output_of(self) -> str:
        """What was written to stderr since."""
        return self._capsys.readouterr().err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The predictions on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A temporary folder."""
    return Desk(tmp_path, capsys)


def test_every_row_gets_a_line_in_order(desk: Desk) -> None:
    """The lines are those of planner.runs.predict, in the order of the rows, and stderr closes with how many there are."""
    path = desk.file(rows({}, {"tp": "4"}, {"gpus": "16"}))
    assert desk.run(path) == 0
    assert desk.lines == json.loads(json.dumps(predict([row for _, row in numbered_rows(path)])))
    assert [line["id"] for line in desk.lines] == ["run-0", "run-1", "run-2"]
    assert desk.err == "3 of 3 rows predicted\n"


def test_every_key_of_a_line_is_documented(desk: Desk) -> None:
    """docs/json.md names each key of a prediction, refused ones among them."""
    assert desk.run(desk.file(rows({"recompute": ""}, WRONG))) == 0
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "json.md").read_text().split("## estimate")[1]))
    assert set(desk.lines[0]) | set(desk.lines[1]) <= documented
    assert set(desk.lines[1]) == {"id", "error"}


def test_a_row_refused_stops_no_other(desk: Desk) -> None:
    """A refused row holds its sentence, the rest are predicted, and stderr counts each sentence."""
    assert desk.run(desk.file(rows({}, WRONG, {"gpu": "h1000"}, WRONG | {"seq": "4096"}, {"tp": "-1"}))) == 0
    assert ["error" in line for line in desk.lines] == [False, True, True, True, True]
    assert desk.lines[1]["error"] == REFUSED
    with pytest.raises(UnknownName, match=r"^no gpu is called 'h1000'; did you mean h100-sxm or ") as unknown:
        presets.gpu("h1000")
    output_of = desk.err.splitlines()
    assert output_of[:2] == ["1 of 5 rows predicted", f"2 refused: {REFUSED}"]
    assert sorted(output_of[2:]) == [
        "1 refused: column 'tp' must be at least 1 and below 1e15, not -1",
        f"1 refused: {unknown.value}",
    ]


def test_where_no_row_can_be_predicted_the_code_is_one(desk: Desk) -> None:
    """The lines are written all the same."""
    assert desk.run(desk.file(rows(WRONG))) == 1
    assert desk.lines == [{"id": "run-0", "error": REFUSED}]
    assert desk.err == f"0 of 1 row predicted\n1 refused: {REFUSED}\n"


def test_many_sentences_are_summed_up(desk: Desk) -> None:
    """Beyond eight, sentences that refused are counted together."""
    assert desk.run(desk.file(rows(*({"tp": f"0.{i}"} for i in range(1, 12))))) == 1
    assert len(desk.err.splitlines()) == 10 and desk.err.endswith("3 refused by 3 other messages\n")


def test_a_row_without_an_id_is_called_by_its_line(desk: Desk) -> None:
    """A file without ids, and a row with a blank one, get line numbers."""
    assert desk.run(desk.file([ROW, ROW])) == 0
    assert [line["id"] for line in desk.lines] == ["2", "3"]
    assert desk.run(desk.file([ROW | {"id": "a"}, ROW | {"id": " "}])) == 0
    assert [line["id"] for line in desk.lines] == ["a", "3"]


def test_json_lines_say_what_csv_states(desk: Desk) -> None:
    """The same rows as JSON lines, numbers as numbers, have the same predictions."""
    result = rows({}, {"tp": "4"})
    assert desk.run(desk.file(result)) == 0
    expected = desk.lines
    path = desk.folder / "runs.jsonl"
    path.write_text("\n".join(json.dumps({key: int(v) if v.isdigit() else v for key, v in row.items()}) for row in result))
    assert desk.run(str(path)) == 0
    assert desk.lines == expected


def test_a_file_gets_what_stdout_would(desk: Desk) -> None:
    """With --out the lines stand in the file and stdout is empty."""
    path = desk.file(rows({}, WRONG))
    assert desk.run(path) == 0
    expected, out = desk.out, str(desk.folder / "p.jsonl")
    assert desk.run(path, "--out", out) == 0
    assert desk.out == "" and Path(out).read_text() == expected
    assert desk.err.startswith(f"1 of 2 rows predicted, written to {out}\n")


@pytest.mark.parametrize("out", ["runs.csv", ".", "none/p.jsonl"])
def test_a_file_that_cannot_be_written_is_refused(desk: Desk, out: str) -> None:
    """The file of the runs itself, a folder, a missing folder: one sentence, exit code 2, and the runs are as they were."""
    path = desk.file(rows({}))
    before = Path(path).read_text()
    assert desk.run(path, "--out", str(desk.folder / out)) == 2
    assert desk.out == "" and desk.err.startswith("tmplan: ") and desk.err.count("\n") == 1
    assert Path(path).read_text() == before and len(list(desk.folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: no such file or directory"), (b"", "is empty"), (b"\xff\xfe", "is not UTF-8 text (byte 0)"),
        (b"layers,hidden\n", "line 1 lacks 'heads' and 'seq' and 'gpu' and 'gpus' and 'global_batch'"),
        (",".join(NEEDED).encode(), "has a header but no rows"), (b'{"layers": 1\n', "line 1, column"),
        (b'"a\n', "line 1 is not valid CSV"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_runs_is_refused(desk: Desk, content: bytes | None, message: str) -> None:
    """A missing, empty, damaged or foreign file is refused whole, in a sentence."""
    path = desk.folder / "runs.csv"
    if content is not None:
        path.write_bytes(content)
    assert desk.run(str(path)) == 2
    assert desk.out == "" and desk.err.startswith(f"tmplan: {path}: {message}") and desk.err.count("\n") == 1


def test_a_folder_is_refused(desk: Desk) -> None:
    """A folder is not a runs file."""
    assert desk.run(str(desk.folder)) == 2
    assert desk.err == f"tmplan: {desk.folder}: cannot be read: it is a folder, not a file\n"


def test_a_misspelt_column_is_reported(desk: Desk) -> None:
    """A column similar to a missing one is reported before the predictions."""
    result = [{("microbatch" if key == "micro_batch" else key): value for key, value in ROW.items()}]
    assert desk.run(desk.file(result)) == 0
    assert desk.err.startswith("column 'microbatch' is not read; did you mean 'micro_batch'?\n")
    assert "micro_batch" in desk.lines[0]["assumed"]


def test_how_far_it_is_is_reported_once_it_takes_long(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is on stderr when there is no patience left, and never otherwise."""
    path = desk.file(rows({}, WRONG, {"seq": "4096"}))
    assert desk.run(path) == 0
    assert "done so far" not in desk.err
    monkeypatch.setattr(cli_plan, "PATIENCE", 0.0)
    assert desk.run(path) == 0
    assert "3 of 3 rows done so far\n" in desk.err


def test_progress_is_reported_while_rows_are_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With zero patience, rows read and rows checked are reported on stderr; `validate` reports its progress too."""
    monkeypatch.setattr(cli_plan, "PATIENCE", 0.0)
    path, out = desk.file(rows({}, {"seq": "4096"})), str(desk.folder / "p.jsonl")
    assert desk.run(path, "--out", out) == 0
    assert "2 rows read so far\n" in desk.err and "rows checked so far\n" in desk.err
    blank = dict.fromkeys(("group", "sweep", "peak_mem_gib", "mem_kind", "mem_rank", "oom", "quality_speed"), "")
    main.run(["validate", desk.file([{**row, **blank} for row in rows({}, {"seq": "4096"})]), out])
    output_of = desk.output_of()
    assert "2 rows read so far\n" in output_of and "2 predictions read so far\n" in output_of


def test_stages_of_all_rows_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows with more pipeline stages in all than are listed are refused with the line; those refused for their stages count for none."""
    monkeypatch.setattr(cli_estimate, "MOST_STAGES", 10)
    deep = {"gpus": "8", "pp": "4"}
    assert desk.run(desk.file(rows(deep, deep, {"pp": "1000"}, {"pp": "-1"}, {}))) == 0
    path = desk.file(rows(deep, deep, deep))
    assert desk.run(path) == 2
    assert desk.out == "" and desk.err == f"tmplan: {path}: the rows up to line 4 exceed 10 pipeline stages in total; split the file\n"


def test_what_is_written_is_never_held_in_full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines come in pieces of a bounded size, on stdout and into a file, and make the text that all of them make."""
    path, out = desk.file(rows(*({"seq": str(1024 * (1 + i % 3))} for i in range(9)))), desk.folder / "p.jsonl"
    assert desk.run(path) == 0
    whole = desk.out
    monkeypatch.setattr(cli_estimate, "PIECE", 1500)
    monkeypatch.setattr(predicting, "DISTINCT", 2)
    assert desk.run(path) == 0 and desk.out == whole
    assert desk.run(path, "--out", str(out)) == 0 and out.read_text() == whole
    lines = [json.loads(line) for line in whole.splitlines()]
    assert max(map(len, cli_estimate.pieces(lines))) < 1500 + max(map(len, whole.splitlines(keepends=True)))


def test_sentences_without_end_are_counted_and_not_held(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit, distinct messages are not counted individually, but every row is counted."""
    monkeypatch.setattr(cli_estimate, "DISTINCT", 9)
    assert desk.run(desk.file(rows(*({"tp": f"0.{i}"} for i in range(1, 12))))) == 1
    assert desk.err.startswith("0 of 11 rows") and desk.err.endswith("3 refused by more than 1 other messages\n")


@pytest.mark.parametrize("name", ["estimate", "validate", "calibrate"])
def test_the_help_has_an_example_and_the_exit_codes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command on runs shows how it is called, and what its exit codes mean."""
    assert main.run([name, "--help"]) == 0
    output_of = " ".join(capsys.readouterr().out.split())
    assert f"Example: tmplan {name} " in output_of and "Exit codes: 0 done, " in output_of


def test_validate_scores_what_estimate_wrote(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """The predictions of a file of runs are scored against it from the command line."""
    blank = dict.fromkeys(("group", "sweep", "peak_mem_gib", "mem_kind", "mem_rank", "oom", "quality_speed"), "")
    path, out = desk.file([{**row, **blank} for row in rows({}, {"tp": "4"})]), str(desk.folder / "p.jsonl")
    assert desk.run(path, "--out", out) == 0
    assert main.run(["validate", path, out, "--worst", "1", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["coverage"] == 1 and len(result["worst"]) == 1
    assert main.run(["validate", path, out, "--worst", "-1"]) == 2
