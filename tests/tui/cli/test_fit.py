"""`tmplan fit` and its page: the same lines, readable at every width; refusals in a sentence; no screen is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from planner.document.inputs import EXAMPLE
from planner.document.planfile import Document
from planner.document.space import Space
from planner.economics.serving import Serving
from planner.search.search import search
from planner.specs.plan import Plan
from tests.planner.jobs import example, small
from tui.cli.main import run
from tui.pages import fit as page
from tui.pages.subject import Subject
from tui.settings.themes import ROLES


def output_of(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(["fit", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_table_states_what_fits_and_marks_what_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    """405B on 8 H100: int4 and int8 fit, bf16 and fp32 are marked, and take 16 and 32 GPUs."""
    code, out, _ = output_of(capsys, "--tp", "8")
    rows = {line.split()[0]: line for line in out.splitlines()[2:7]}
    assert code == 0
    assert "!" not in rows["int8"] and rows["int8"].endswith(" 8")
    assert rows["bf16"].count("!") == 4 and rows["bf16"].endswith("-  16")
    assert rows["fp32"].endswith("-  32")


def test_the_fewest_gpus_are_taken_where_none_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """405B in bf16 fits on 16 GPUs; if no degree that the heads allow suffices, this is reported, and the exit code is 1."""
    _, out, err = output_of(capsys)
    assert "on 16 h100-sxm, TP 16" in out and "TP 16, the fewest" in err
    code, out, err = output_of(capsys, "--model", "llama-3.1-405b", "--memory-gib", "1", "--dtype", "bf16")
    assert code == 1 and "not enough" in err and "bf16" in out


def test_json_has_the_numbers_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Parts sum to the memory; the trees are included; contexts are those requested."""
    words = ["--model", "llama-3.1-8b", "--dtype", "fp8", "--context", "32k", "--context", "4096", "--format", "json", "--batch", "4"]
    code, out, _ = output_of(capsys, *words)
    data = json.loads(out)
    (row,) = data["weights"]
    assert code == 0 and [c["context"] for c in row["contexts"]] == [32_768, 4096] and row["asked"] == row["contexts"][0]
    for one in row["contexts"]:
        parts = one["weights_gib"] + one["overhead_gib"] + one["cache_gib"] + one["context_gib"]
        assert parts == pytest.approx(one["memory_gib"])
    assert data["steps"]["memory"]["value"] == pytest.approx(row["asked"]["memory_gib"] * 2**30)


def test_largest_lists_the_presets_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """On a GPU of 24 GB in 4 bits 32B fits and 70B does not; what fits in no dtype is not listed; as JSON null where it does not fit."""
    code, out, _ = output_of(capsys, "--largest", "--gpu", "rtx-4090")
    assert code == 0 and "qwen2.5-32b" in out and "llama-3.1-70b" not in out
    _, out, _ = output_of(capsys, "--largest", "--gpu", "rtx-4090", "--format", "json")
    result = {record["name"]: record for record in json.loads(out)["models"]}
    assert result["qwen2.5-32b"]["bf16"] is None and result["llama-3.1-8b"]["int4"] == 131_072
    assert output_of(capsys, "--largest", "--memory-gib", "0.25")[:2] == (1, "")


@pytest.mark.parametrize(
    ("words", "reported"),
    [(["--tp", "7"], "tp must divide the 128 heads"), (["--dtype", "int3"], "dtype must be one of"),
     (["--context", "lots"], "context must be"), (["--context", "0"], "context must be"),
     (["--model", "gpt5"], "no model is called"), (["--cache-dtype", "x"], "cache_dtype must be"),
     (["--format", "csv"], "format must be one of"), (["--headroom", "99"], "headroom must be")],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_sentence(words: list[str], reported: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr, nothing on stdout, exit code 2."""
    code, out, err = output_of(capsys, *words)
    assert code == 2 and not out and reported in err and err.count("\n") == 1


def test_a_context_beyond_what_a_model_was_trained_for_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """GPT-3's 2,048 positions are the only column by default; a longer context is computed on request, with a warning."""
    _, out, _ = output_of(capsys, "--model", "gpt3-175b")
    assert out.splitlines()[2].split() == ["weights", "GiB", "2k", "longest", "TP"] and "not trained" not in out
    _, out, _ = output_of(capsys, "--model", "gpt3-175b", "--context", "4k")
    assert "! gpt3-175b was not trained for more than 2,048 tokens." in out


def test_explain_prints_the_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its source; without the option the tree is not printed."""
    _, out, _ = output_of(capsys, "--model", "llama-3.1-8b", "--explain")
    assert "W_i + K_c + W_o + X" in out and "Transformer Math 101" in out
    assert "derivation of the numbers" not in output_of(capsys, "--model", "llama-3.1-8b")[1]


@pytest.mark.parametrize("width", [56, 80, 118, 190])
@pytest.mark.parametrize("tp", [1, 3])
def test_the_page_is_readable_at_every_width(width: int, tp: int) -> None:
    """No line is wider than the page, every role is known, and each dtype has its line; a plan's TP the heads do not allow counts as 1."""
    job = small()
    result = page.work(Subject(Document(EXAMPLE), job, Plan(tp=tp), search(job, Space().with_("tp", "1"))))
    lines = page.draw(result, width)
    assert result.serving.tp == 1
    assert all(sum(len(text) for text, _ in line) <= width for line in lines)
    assert {role for line in lines for _, role in line} <= set(ROLES)
    text = ["".join(text for text, _ in line) for line in lines]
    assert all(any(line.startswith(f" {dtype}") for line in text) for dtype in page.DTYPES)


def test_the_page_draws_mixtures_with_latents_and_windows() -> None:
    """The widest numbers keep to the narrowest page."""
    for name, tp in (("deepseek-v3-671b", 128), ("llama-4-maverick-17b-128e", 8), ("gemma-3-27b", 16)):
        job = example(model=name)
        lines = page.draw(page.serving_table(job, replace(Serving(context=4096, batch=64), tp=tp)), 56)
        assert all(sum(len(text) for text, _ in line) <= 56 for line in lines)


def test_the_command_loads_no_screen() -> None:
    """`tmplan fit` answers without Textual."""
    code = "import sys; from tui.cli.main import run; run(['fit', '--explain']); sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
