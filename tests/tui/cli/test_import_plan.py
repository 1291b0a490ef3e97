"""`tmplan import`: the current configuration next to tmplan's choice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.document import planfile
from tests.planner.importers.test_formats import DEEPSPEED, MEGATRON
from tui.cli.answer import NO_PLAN, REFUSED
from tui.cli.main import run


def script(folder: Path, text: str = MEGATRON) -> str:
    """A script on disk."""
    path = folder / "pretrain.sh"
    path.write_text(text)
    return str(path)


def test_today_and_the_best_are_printed_one_below_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", script(tmp_path)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[1].startswith("the file's plan")
    assert lines[2].startswith("tmplan's choice")
    assert lines[3].startswith("step time of the best: -")
    assert "not understood: --frobnicate 3" in err
    assert "not in the file, assumed: --gpu h100-sxm" in err


def test_the_json_has_both_plans_and_the_axes_given_bound_the_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", script(tmp_path), "--format", "json", "--tp", "2"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["framework"], data["plans"]["today"]["tp"], data["plans"]["best"]["tp"]) == ("Megatron-LM", 4, 2)
    assert data["not_understood"] == ["--frobnicate 3"]


def test_what_was_read_is_saved_pinned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "today.toml"
    assert run(["import", script(tmp_path), "--save", str(saved)]) == 0
    document = planfile.read(saved)
    assert document.plan is not None
    assert document.space.text("tp") == str(document.plan.tp)
    capsys.readouterr()
    assert run(["plan", str(saved), "--format", "json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [plan["vpp"] for plan in plans] == [4]


def test_a_plan_that_breaks_a_rule_is_named_and_the_best_is_still_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = MEGATRON.replace("--global-batch-size 128", "--global-batch-size 126")
    assert run(["import", script(tmp_path, text)]) == NO_PLAN
    out, err = capsys.readouterr()
    assert "no plan is valid: dp x micro-batch must divide the global batch" in err
    assert "tmplan's choice" in out


def test_bad_files_and_options_are_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ds.json").write_text(json.dumps(DEEPSPEED))
    read = ["import", script(tmp_path)]
    for argv in (
        ["import"],
        ["import", str(tmp_path)],
        ["import", str(tmp_path / "ds.json")],
        [*read, "--gpu", "x"],
        [*read, "--format", "xml"],
    ):
        assert run(argv) == REFUSED
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()[-1:]) == 1
        assert "Traceback" not in err


def test_what_such_a_file_cannot_hold_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With tensor parallelism a DeepSpeed file does not specify sequence parallelism: the stack's value is used and reported."""
    path = tmp_path / "ds.json"
    for tp, output_of in ((2, True), (1, False)):
        path.write_text(json.dumps(DEEPSPEED | {"tensor_parallel": {"autotp_size": tp}, "zero_optimization": {"stage": 1}}))
        run(["import", str(path), "--model", "llama-3.1-8b"])
        assert ("--sequence-parallel no" in capsys.readouterr().err) == output_of


def test_options_without_end_are_counted_not_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a thousand options that nobody knows stderr names twenty; the JSON has them all."""
    path = script(tmp_path, MEGATRON + " ".join(f"--x{number} {'y' * 150}" for number in range(1000)))
    run(["import", path, "--format", "json"])
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("not understood: ")]
    assert len(lines) == 21 and lines[-1] == "not understood: 981 more" and max(map(len, lines)) < 200
    assert len(json.loads(out)["not_understood"]) == 1001


def test_sizes_that_differ_from_the_model_named_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --model each size of the file that the model has otherwise is a note on stderr and in the JSON, but one set by hand."""
    path = script(tmp_path, MEGATRON.replace("--num-layers 32", "--num-layers 12"))
    run(["import", path, "--model", "llama-3.1-8b", "--format", "json"])
    out, err = capsys.readouterr()
    sentence = "the file has layers 12, the planned model llama-3.1-8b has 32"
    assert sentence in json.loads(out)["differs"] and f"note: {sentence}" in err
    run(["import", path, "--model", "llama-3.1-8b", "--layers", "32"])
    assert "says layers" not in capsys.readouterr().err
