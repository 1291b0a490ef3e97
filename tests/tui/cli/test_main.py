"""The command line: data on stdout, narration on stderr, one sentence and exit code 2 for what is refused, never a traceback."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner.document.fields import FIELDS, JOB_GROUPS
from planner.document.inputs import resolve
from planner.document.planfile import read
from planner.search import search as searching
from tui.cli import main
from tui.cli.answer import Answer

ROOT = Path(__file__).parents[3]
SMALL = ("--model", "llama-3.1-8b", "--gpus", "8", "--global-batch", "64")
CALL = [sys.executable, "-c", "from tui.cli.main import main; main()"]


def shell(*argv: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """`tmplan` in a separate process."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **more.pop("env", {})}
    return subprocess.run([*CALL, *argv], capture_output=True, text=True, timeout=60, env=env, **more)


def planned(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    """The JSON of `tmplan plan`."""
    assert main.run(["plan", *SMALL, "--format", "json", *argv]) == code
    return json.loads(capsys.readouterr().out)


def test_plan_prints_the_ranking_fastest_first(capsys: pytest.CaptureFixture[str]) -> None:
    result = planned(capsys, "--top", "50")
    times = [plan["step_seconds"] for plan in result["plans"]]
    assert len(times) == 50 and times == sorted(times)
    assert all(plan["fits"] and plan["tp"] * plan["pp"] * plan["cp"] * plan["dp"] == 8 for plan in result["plans"])


def test_allowed_and_refused_are_all_that_was_seen(capsys: pytest.CaptureFixture[str]) -> None:
    counts = planned(capsys)["counts"]
    assert counts["evaluated"] + sum(counts["refused"].values()) == counts["seen"]
    assert 0 < counts["fit"] <= counts["evaluated"] and counts["seconds"] > 0


def test_every_key_of_the_json_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/json.md names each key, but for those of the columns, which docs/columns.md has."""
    documented = set(re.findall(r"`(\w+)`", "".join((ROOT / "docs" / page).read_text() for page in ("json.md", "columns.md"))))
    result = planned(capsys)
    assert result["schema"] == 1
    assert set(result) | set(result["counts"]) | set(result["plans"][0]) <= documented
    assert set(result["job"]) == {f.key for f in FIELDS if f.group in JOB_GROUPS}


def test_table_json_and_csv_hold_the_same_plans(capsys: pytest.CaptureFixture[str]) -> None:
    plans = planned(capsys, "--top", "5")["plans"]
    assert main.run(["plan", *SMALL, "--top", "5", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [float(row["step_seconds"]) for row in rows] == [plan["step_seconds"] for plan in plans]
    assert [float(row["memory_optimizer_gib"]) for row in rows] == [plan["memory_parts_gib"]["optimizer"] for plan in plans]
    assert main.run(["plan", *SMALL, "--top", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["TP", "PP", "VPP"] and len(lines) == 6
    assert [line.split()[0] for line in lines[1:]] == [str(plan["tp"]) for plan in plans]


def test_pins_and_bounds_hold_for_every_plan(capsys: pytest.CaptureFixture[str]) -> None:
    result = planned(capsys, "--pin", "tp=2,cp=1", "--max", "pp=2", "--min", "dp=2", "--pin", "recompute=full")
    assert result["space"] == {"tp": "2", "pp": "<=2", "cp": "1", "dp": ">=2", "recompute": "full"}
    assert all((p["tp"], p["cp"], p["recompute"]) == (2, 1, "full") and p["pp"] <= 2 <= p["dp"] for p in result["plans"])


def test_sort_orders_by_a_column_best_first(capsys: pytest.CaptureFixture[str]) -> None:
    memory = [plan["memory_gib"] for plan in planned(capsys, "--sort", "memory_gib")["plans"]]
    assert memory == sorted(memory)
    mfu = [plan["mfu"] for plan in planned(capsys, "--sort", "mfu")["plans"]]
    assert mfu == sorted(mfu, reverse=True)


def test_all_prints_what_does_not_fit_behind_what_does_and_by_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    plans = planned(capsys, "--all", "--pin", "tp=1,pp=1,cp=1", "--top", "1000")["plans"]
    fits = [plan["fits"] for plan in plans]
    assert fits == sorted(fits, reverse=True) and not all(fits)
    assert all((plan["over_gib"] > 0) != plan["fits"] for plan in plans)


def test_a_saved_plan_opens_as_the_same_job_with_the_same_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "plan.toml")
    first = planned(capsys, "--nic-gbit-s", "200", "--save", path)["plans"][0]
    document = read(path)
    assert document.plan is not None and document.predictions is not None
    assert document.plan.named().items() <= first.items()
    assert {**document.plan.named(), **document.predictions} == first
    assert resolve(document.inputs).cluster.nic_bytes_s == 25e9
    assert main.run(["plan", path, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["plans"][0] == first


def test_options_stand_on_top_of_the_plan_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "plan.toml")
    planned(capsys, "--pin", "tp=2", "--save", path)
    assert main.run(["plan", path, "--sequence", "4k", "--pin", "tp=4", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["job"]["sequence"], result["job"]["model"], result["space"]) == (4096, "llama-3.1-8b", {"tp": "4"})


def test_when_nothing_fits_the_exit_code_is_1_and_stderr_states_what_is_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", "--gpus", "8", "--format", "json"]) == 1
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["plans"] == [] and result["counts"]["fit"] == 0 and result["advice"]
    assert all(sentence in err for sentence in result["advice"])


def test_when_nothing_is_valid_the_rules_that_refused_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    result = planned(capsys, "--pin", "tp=3", code=1)
    assert result["counts"]["evaluated"] == 0
    assert any("must divide the GPUs" in sentence for sentence in result["advice"])


def test_explain_prints_the_tree_of_the_best_plan_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", *SMALL]) == 0
    out = capsys.readouterr().out
    assert "t_step = " in out and "└─ " in out and "[" in out


def test_explain_explains_the_plan_that_is_pinned_with_the_numbers_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(capsys, "--pin", "tp=4", "--top", "1")["plans"][0]
    axes = ",".join(f"{axis}={plan[axis]}" for axis in ("tp", "pp", "cp", "dp", "micro_batch", "recompute"))
    assert main.run(["explain", *SMALL, "--plan", axes, "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["plan"] == plan
    assert result["steps"]["step"]["value"] == pytest.approx(plan["step_seconds"], rel=1e-12)
    assert result["steps"]["memory"]["value"] == pytest.approx(plan["memory_gib"] * 2**30, rel=1e-12)


def test_explain_takes_the_plan_of_a_plan_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "plan.toml")
    plan = planned(capsys, "--sort", "memory_gib", "--save", path)["plans"][0]
    assert main.run(["explain", path, "--format", "json", "--depth", "1", "--of", "mfu"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["plan"] == plan and list(result["steps"]) == ["mfu"] and result["steps"]["mfu"]["children"] == []


def test_explain_explains_a_plan_that_does_not_fit_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", "--gpus", "8", "--of", "memory", "--depth", "1"]) == 1
    out, err = capsys.readouterr()
    assert "M_d = " in out and "does not fit" in err


def test_explain_exits_with_1_when_the_plan_is_not_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", *SMALL, "--plan", "tp=3"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "must divide the GPUs" in err


@pytest.mark.parametrize(
    ("kind", "known"), [("models", "llama-3.1-405b"), ("gpus", "h100-sxm"), ("clusters", "dgx-h100"), ("stacks", "megatron-core")]
)
def test_presets_are_listed_as_a_table_and_as_json(kind: str, known: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([kind]) == 0
    table = capsys.readouterr().out.splitlines()
    assert main.run([kind, "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["schema"] == 1 and known in [row["name"] for row in result[kind]]
    assert [line.split()[0] for line in table[1:]] == [row["name"] for row in result[kind]]


def test_the_releases_of_a_stack_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """With a name, `stacks` prints what came when, what held before and the source; one without dated facts says so."""
    assert main.run(["stacks", "megatron-core"]) == 0
    text = capsys.readouterr().out
    assert "2025-05  DeepEP" in text and "source: Megatron-Core 0.12.0" in text and "known from 2023-06 on" in text
    assert main.run(["stacks", "megatron-core", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["known_since"], listed["releases"][0]["before"]) == ("2023-06", {"attention": "flash-1"})
    assert main.run(["stacks", "internevo"]) == 0
    assert "no dated facts" in capsys.readouterr().out


def test_a_release_changes_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Before Megatron-Core overlapped gradients the same plan takes longer, and `explain` has the month of the stack."""
    seconds, plan = [], ["--plan", "tp=1,pp=1,cp=1,micro_batch=1"]
    for release in ("2023-09", ""):
        assert main.run(["explain", *SMALL, *plan, "--stack-release", release, "--format", "json"]) in (0, 1)
        seconds.append(json.loads(capsys.readouterr().out)["plan"]["step_seconds"])
    assert seconds[0] > 1.02 * seconds[1]
    main.run(["explain", *SMALL, "--stack-release", "2023-09", "--depth", "1"])
    assert "the stack is Megatron-Core of 2023-09" in capsys.readouterr().out


def test_a_broken_preset_of_the_user_is_reported_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "presets" / "gpus").mkdir(parents=True)
    (tmp_path / "presets" / "gpus" / "mine.toml").write_text("vendor = ")
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path))
    assert main.run(["gpus"]) == 0
    out, err = capsys.readouterr()
    assert "h100-sxm" in out and "mine.toml" in err and "line 1" in err


REFUSED = [
    (["nonsense"], "no command or file is called 'nonsense'"),
    (["modls"], "did you mean models"),
    (["plan", "--bogus"], "--bogus"),
    (["plan", "--top", "x"], "--top"),
    (["plan", "--stack-release", "2025"], "stack_release must be a year and month such as 2025-05, not '2025'"),
    (["plan", "--stack-release", "2020-01"], "megatron-core is known from 2023-06 on, 2020-01 is earlier"),
    (["plan", "--top", "-1"], "--top"),
    (["plan", "--format", "yaml"], "table, json, csv"),
    (["plan", "--sort", "speed"], "no column is called 'speed'"),
    (["plan", "--gpus", "0"], "from 1 to 10,000,000"),
    (["plan", "--gpus", "-8"], "from 1 to 10,000,000"),
    (["plan", "--gpus", "1e9"], "1,000,000,000"),
    (["plan", "--gpus", "nan"], "whole number"),
    (["plan", "--gpus", "eight"], "not 'eight'"),
    (["plan", "--gpus", ""], "gpus is empty"),
    (["plan", "--gpus", "20"], "use 16 or 24"),
    (["plan", "--model", "lama-3.1-8b"], "did you mean llama"),
    (["plan", "--model", "/nowhere/config.json"], "/nowhere/config.json"),
    (["plan", "--gpu", "h10"], "did you mean"),
    (["plan", "--precision", "fp8", "--gpu", "a100-80gb-sxm"], "no fp8 units"),
    (["plan", "--pin", "tp"], "--pin and --plan take AXIS=VALUES"),
    (["plan", "--pin", "tp="], "--pin and --plan take AXIS=VALUES"),
    (["explain", "--plan", "tp"], "--pin and --plan take AXIS=VALUES"),
    (["plan", "--save", ""], "--save takes the name of a plan file"),
    (["sensitivity", "--explain", "speed"], "no input is called 'speed'"),
    (["budget", "--price-gpu-hour", "0", "--money", "1000"], "price of 0"),
    (["budget", "--tuning", "lora", "--price-gpu-hour", "2", "--money", "1000"], "set tuning to full"),
    (["plan", "--pin", "px=3"], "no axis is called 'px'"),
    (["plan", "--pin", "tp=0"], "between 1 and"),
    (["plan", "--pin", "tp=8", "--max", "tp=4"], "no tp is both 8 and <=4"),
    (["plan", "--max", "recompute=full"], "no order"),
    (["plan", "missing.toml"], "missing.toml: cannot be read"),
    (["explain", "--of", "speed"], "no number is called 'speed'"),
    (["explain", "--depth", "0"], "--depth"),
    (["models", "--format", "csv"], "table, json"),
    (["missing.toml"], "missing.toml: cannot be read"),
    ([], "needs a terminal"),
]


@pytest.mark.parametrize(("argv", "message"), REFUSED, ids=[" ".join(argv) or "nothing" for argv, _ in REFUSED])
def test_a_refusal_is_one_sentence_on_stderr_and_exit_code_2(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err
    lines = [line for line in err.splitlines() if line.startswith("tmplan: ")]
    assert len(lines) == 1 and err.endswith(lines[0] + "\n") and "Traceback" not in err


def test_bounds_that_no_candidate_meets_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """If no rule has refused a plan, because there was none to refuse, the bound that excludes all plans is reported."""
    assert main.run(["plan", *SMALL, "--tp", ">=999"]) == 1
    assert "tp cannot be >=999" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (["--pin", "tp=8,dp=3"], "tp x dp must divide the 16 GPUs (tp 8, dp 3; it is 24)"),
        (["--pin", "tp=4,pp=2,cp=1,dp=4"], "tp x cp x dp x pp must be the 16 GPUs (tp 4, cp 1, dp 4, pp 2; it is 32)"),
    ],
)
def test_pins_that_do_not_come_to_the_gpus_are_named_with_their_product(
    bounds: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not that a degree lies outside the bounds."""
    assert main.run(["plan", "--model", "llama-3.1-8b", "--gpus", "16", *bounds]) == 1
    assert message in capsys.readouterr().err


def test_bounds_read_as_the_filter_writes_them() -> None:
    """tp<=8 is tp=<=8, whatever the case of the axes and however many stand in a list."""
    from planner.document.axis_pairs import pairs

    assert pairs("--pin", "tp<=8,PP>=2, cp=1,2") == [("tp", "<=8"), ("pp", ">=2"), ("cp", "1,2")]


def test_most_and_least_may_say_so_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """--max tp<=2 is --max tp=2."""
    assert main.run(["plan", *SMALL, "--max", "tp<=2", "--min", "pp>=2", "--top", "3", "--format", "json"]) == 0
    assert all(p["tp"] <= 2 <= p["pp"] for p in json.loads(capsys.readouterr().out)["plans"])


def test_a_folder_with_a_config_is_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model as Hugging Face has it is a folder: its config.json is read, and it is named after the folder."""
    sizes = {"num_hidden_layers": 8, "hidden_size": 1024, "num_attention_heads": 8, "intermediate_size": 2048, "vocab_size": 32000,
             "max_position_embeddings": 8192}  # fmt: skip
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text(json.dumps({"model_type": "llama", **sizes}))
    assert main.run(["plan", "--model", str(tmp_path / "tiny"), "--gpus", "8", "--top", "1"]) == 0
    assert capsys.readouterr().err.startswith("tiny (")


def test_a_plan_file_given_as_a_model_is_reported_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not that a key of it is unknown."""
    saved = str(tmp_path / "plan.toml")
    assert main.run(["plan", *SMALL, "--save", saved]) == 0
    assert main.run(["plan", "--model", saved]) == 2
    assert "is a plan file, not a model" in capsys.readouterr().err


def test_the_most_headroom_that_a_field_takes_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """95 % is within 0 to 95 %, although 95 hundredths are slightly above 0.95 in floating point."""
    assert main.run(["plan", *SMALL, "--headroom", "95"]) in (0, 1)
    assert "must lie" not in capsys.readouterr().err


def test_a_plan_that_cannot_be_saved_is_refused_before_anything_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", *SMALL, "--save", str(tmp_path / "no" / "plan.toml")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "cannot be written: there is no folder" in err
    assert main.run(["plan", "--gpus", "8", "--save", str(tmp_path / "plan.toml")]) == 2
    assert "there is no plan to save" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_fault_of_tmplan_itself_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(argv: list[str]) -> Answer:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(main, "dispatch", broken)
    assert main.run(["plan"]) == 2
    assert "fault of tmplan" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_states_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    importlib.import_module("tui.cli.plan")  # which imports the search, before it is replaced: the imports outlast this test
    monkeypatch.setattr(searching, "search", interrupted)
    assert main.run(["plan", *SMALL]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_has_had_enough_ends_it_quietly() -> None:
    command = f"{' '.join([sys.executable, '-c', repr(CALL[2])])} plan {' '.join(SMALL)} --top 5000 --format json | head -1"
    ended = subprocess.run(["bash", "-c", command + "; exit ${PIPESTATUS[0]}"], capture_output=True, text=True, timeout=60,
                           env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert ended.stdout == "{\n" and ended.returncode == 0
    assert "Traceback" not in ended.stderr and "BrokenPipe" not in ended.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*CALL, "gpus"], stdout=full, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert ended.returncode == 2 and ended.stderr == "tmplan: stdout cannot be written: no space left on device\n"


def test_a_closed_stdout_is_one_sentence() -> None:
    ended = subprocess.run(["bash", "-c", f"{sys.executable} -c {CALL[2]!r} gpus >&-"], stderr=subprocess.PIPE, text=True,
                           env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert ended.returncode == 2 and "Traceback" not in ended.stderr and ended.stderr.count("\n") == 1


def test_a_terminal_that_knows_only_ascii_gets_no_traceback() -> None:
    ended = shell("explain", *SMALL, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert ended.returncode == 0 and "t_step" in ended.stdout


@pytest.mark.parametrize("argv", [["--help"], ["plan", "--help"], ["models"], ["gpus"], ["clusters"], ["stacks"]])
def test_help_and_lists_load_neither_numpy_nor_textual_nor_rich(argv: list[str]) -> None:
    loaded = "set(sys.modules) & {'numpy', 'textual', 'rich'}"
    code = f"import sys; from tui.cli.main import run; run({argv!r}); print(*({loaded}), file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert ended.stdout and ended.stderr.strip() == ""


def test_planning_does_not_load_textual() -> None:
    code = f"import sys; from tui.cli.main import run; run(['plan', *{SMALL!r}]); print({{'textual'}} & set(sys.modules), file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert ended.stderr.endswith("set()\n")


def test_every_field_and_every_exit_code_is_in_the_help() -> None:
    output_of = shell("plan", "--help").stdout
    for f in FIELDS:
        assert (f"--{f.key.replace('_', '-')}" in output_of) == (f.group in JOB_GROUPS), f.key
    assert "Exit codes: 0 done" in output_of


def test_the_version_is_one_line() -> None:
    ended = shell("--version")
    assert ended.returncode == 0 and re.fullmatch(r"tmplan \S.*\n", ended.stdout)


def test_a_first_argument_that_is_no_command_opens_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[Any] = []

    def open_program(document: Any, path: Path | None = None, *, fresh: bool = False) -> Answer:
        opened.append((document, path))
        return Answer()

    monkeypatch.setattr(main, "open_program", open_program)
    path = str(tmp_path / "plan.toml")
    assert main.run(["plan", *SMALL, "--save", path]) == 0
    assert main.run([]) == main.run([path]) == main.run([*SMALL, "--pin", "tp=8"]) == main.run(["open", path, "--gpus", "16"]) == 0
    (nothing, _), (file, at), (given, _), (both, _) = opened
    assert nothing is None and at == Path(path) and file.plan is not None
    assert given.inputs.values["gpus"] == 8 and given.space.text("tp") == "8" and both.inputs.values["gpus"] == 16
