"""Where no plan is found: JSON is the command's usual object with nothing in it of a plan, and says why."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tui.cli import main

SMALL = ("--model", "llama-3.1-8b", "--gpus", "8", "--global-batch", "64")
INVALID = ("--pin", "tp=3")
UNFIT = ("--memory-gib", "8")  # no plan has room for even a shard of the model
PLANNING = {  # command -> what else it takes, and what of its object is there without a plan
    ("plan",): ("job", "space", "counts"),
    ("explain",): ("job",),
    ("budget",): ("job", "run"),
    ("budget", "--explain"): ("job", "run"),
    ("timeline",): (),
    ("ranks",): (),
    ("pareto",): ("job", "evaluated"),
    ("sensitivity", "--by", "2"): ("job",),
    ("sensitivity", "--by", "2", "--explain", "nic"): ("input", "factor"),
    ("scale", "--sizes", "8"): ("job", "space", "scaling", "sizes", "verdict"),
    ("scale", "--sizes", "8", "--explain", "8"): ("job", "gpus", "global_batch", "why"),
    ("versus", "--against", "a100-80gb-sxm,memory_gib=8"): ("clusters", "verdict"),
}
ON_STDOUT = ("scale", "versus")  # whose tables say why, and stderr nothing
Capture = pytest.CaptureFixture[str]


def reported(capsys: Capture, code: int, *argv: str) -> tuple[dict[str, Any], str]:
    """The JSON of a command that ends with this code, and its stderr."""
    assert main.run([*argv, "--format", "json"]) == code
    output_of = capsys.readouterr()
    result: dict[str, Any] = json.loads(output_of.out)
    assert (result["schema"], isinstance(result["version"], str)) == (1, True)
    return result, output_of.err


def reasoned(advice: Any) -> None:
    """The reason is a list of sentences, each on one line."""
    assert isinstance(advice, list) and advice
    assert all(isinstance(sentence, str) and len(sentence.split()) > 3 and "\n" not in sentence for sentence in advice)


@pytest.mark.parametrize("command", PLANNING, ids=" ".join)
def test_where_no_plan_is_valid_json_has_the_usual_keys_and_why(command: tuple[str, ...], capsys: Capture) -> None:
    """Exit code 1, every key that the object has with a plan, null or empty if it depends on one, and the reason under `advice`."""
    usual = tuple(argument.replace(",memory_gib=8", "") for argument in command)
    full, _ = reported(capsys, 0, *usual, *SMALL)
    none, output_of = reported(capsys, 1, *command, *SMALL, *INVALID)
    assert full["advice"] == [] and full.keys() == none.keys()
    reasoned(none["advice"])
    assert "tp" in none["advice"][0] and (command[0] in ON_STDOUT or all(sentence in output_of for sentence in none["advice"]))
    stored = {"schema", "version", "advice", *PLANNING[command]}
    assert {key: value for key, value in none.items() if key not in stored and value not in (None, [], {}, "")} == {}


@pytest.mark.parametrize("command", PLANNING, ids=" ".join)
def test_where_no_plan_fits_json_states_so_too(command: tuple[str, ...], capsys: Capture) -> None:
    """Exit code 1 of a job too large for its GPUs has its reason in JSON, with and without the nearest plan."""
    none, _ = reported(capsys, 1, *command, *SMALL, *UNFIT)
    reasoned(none["advice"])
    assert "fit" in none["advice"][0]


def test_compare_keeps_what_it_matched_before_the_plan_there_is_none_of(capsys: Capture) -> None:
    """If one of several plans is not valid, JSON has those before it and names the missing one; if plans do not fit, it states this."""
    plans = ("--plan", "tp=8", "--plan", "tp=3")
    both, _ = reported(capsys, 0, "compare", "--plan", "tp=8", "--plan", "tp=4", *SMALL)
    none, output_of = reported(capsys, 1, "compare", *plans, *SMALL)
    assert both["advice"] == [] and both.keys() == none.keys()
    assert ([plan["name"] for plan in none["plans"]], none["differences"]) == (["tp=8"], [])
    assert none["advice"][-1] == "nothing to compare: there is no plan tp=3" and none["advice"][-1] in output_of
    unfit, _ = reported(capsys, 1, "compare", "--plan", "tp=8", "--plan", "tp=4", *SMALL, *UNFIT)
    assert len(unfit["plans"]) == 2 and unfit["advice"] == [f"{name}, which does not fit" for name in ("A is tp=8", "B is tp=4")]


def test_the_other_commands_say_why_under_the_same_key(capsys: Capture, tmp_path: Path) -> None:
    """why-not, import and fit, which answer without a plan, have their reason under `advice` too, and nothing where they end with 0."""
    script = tmp_path / "run.sh"
    sizes = "--num-layers 8 --hidden-size 1024 --num-attention-heads 16 --seq-length 1024 --max-position-embeddings 1024"
    script.write_text(f"torchrun --nproc-per-node 8 pretrain_gpt.py {sizes} --micro-batch-size 1 --global-batch-size 64 --bf16\n")
    cases = (
        (("why-not", "tp=8", *SMALL), ("why-not", "tp=3", *SMALL)),
        (("fit", "--model", "llama-3.1-8b"), ("fit", "--model", "llama-3.1-405b", "--tp", "1")),
        (("fit", "--largest"), ("fit", "--largest", "--memory-gib", "0.25")),
        (("import", str(script)), ("import", str(script), "--memory-gib", "1")),
    )
    for well, ill in cases:
        full, none = reported(capsys, 0, *well)[0], reported(capsys, 1, *ill)[0]
        assert full["advice"] == [] and full.keys() == none.keys()
        reasoned(none["advice"])


def test_csv_without_a_plan_has_its_heads(capsys: Capture) -> None:
    """CSV keeps its first line where no plan is found, and of `budget` the fields of the job, its other numbers left empty."""
    for command in (("sensitivity", "--by", "2"), ("plan",), ("scale", "--sizes", "8"), ("budget",)):
        lines = []
        for code, more in ((0, ()), (1, INVALID)):
            assert main.run([*command, *SMALL, *more, "--format", "csv"]) == code
            lines.append(list(csv.reader(io.StringIO(capsys.readouterr().out))))
        full, none = lines
        assert full[0] == none[0] and (len(none) < len(full) or command[0] == "scale")
    assert ["job.gpus", "8"] in none and ["budget", ""] in none


@pytest.mark.parametrize("command", ["explain", "budget", "timeline", "ranks", "sensitivity"])
def test_text_without_a_plan_is_empty(command: str, capsys: Capture) -> None:
    """Text formats print nothing where there is no plan: the reason on stderr is all there is to read."""
    assert main.run([command, *SMALL, *INVALID]) == 1
    output_of = capsys.readouterr()
    assert (output_of.out, "no plan is valid" in output_of.err) == ("", True)
