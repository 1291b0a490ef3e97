"""`tmplan budget` and its two pages: the same lines, readable at every width; refusals in one sentence; plan files store the inputs."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.document import planfile
from planner.document.fields import FIELDS
from planner.document.inputs import EXAMPLE, Inputs, resolve, run_of
from planner.document.planfile import Document
from planner.document.space import Space, parse_bounds
from planner.economics import affordable
from planner.economics.budget import budget
from planner.economics.scaling_laws import LAWS
from planner.search.search import Cancelled, search
from planner.whatif.deadline import smallest_cluster
from tui.cli.main import run
from tui.pages import budget as page
from tui.pages import goodput
from tui.pages.subject import Subject
from tui.settings.themes import ROLES

ROOT = Path(__file__).parents[3]
SMALL = ["--model", "llama-3.1-8b", "--gpus", "64", "--global-batch", "256", "--sequence", "4096"]
INPUTS = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 64, "global_batch": 256, "sequence": 4096})
SPECIFIED = INPUTS.with_all({"price_gpu_hour": 2.5, "co2_g_kwh": 300.0, "deadline_days": 2.0, "served_tokens": 10**13})
MOE = SPECIFIED.with_all({"model": "qwen3-30b-a3b", "gpu": "h800-sxm"})


def output_of(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(["budget", *words])
    out, err = capsys.readouterr()
    return code, out, err


def subject(inputs: Inputs) -> Subject:
    job = resolve(inputs)
    result = search(job)
    return Subject(Document(inputs), job, result.plan(int(result.order[0])), result)


def test_the_table_states_what_training_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers with their units, unknown values, twice the GPUs, failures; nothing on stderr."""
    code, out, err = output_of(capsys, *SMALL, "--price-gpu-hour", "2.5")
    assert code == 0 and err == ""
    for words in ("6 P D", "FLOP", "TFLOP/s", "days", "GPU-hours", "GWh|MWh", r"\$[\d,]+\.\d\d\b", "twice the GPUs: 128", "TiB|GiB"):
        assert re.search(words, out), words
    assert "set co2_g_kwh" in out and "where" not in out and max(map(len, out.splitlines())) <= 100


def test_json_and_csv_hold_the_numbers_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Cost is GPU-hours times price; CSV has every number of the JSON by its path; the trees are included on request."""
    words = [*SMALL, "--price-gpu-hour", "2.5", "--deadline-days", "2", "--served-tokens", "10t", "--flops", "1e22"]
    data = json.loads(output_of(capsys, *words, "--format", "json", "--explain")[1])
    known = data["budget"]
    assert known["cost"] == pytest.approx(known["gpu_hours"] * 2.5) and known["co2_tonnes"] is None
    assert data["run"]["price_gpu_hour"] == 2.5 and "price_gpu_hour" not in data["job"]
    assert data["deadline"]["budget"]["elapsed_seconds"] <= 2 * 86400 and len(data["serving"]) == 2
    assert data["steps"]["cost"]["value"] == known["cost"]
    lines = dict(list(csv.reader(io.StringIO(output_of(capsys, *words, "--format", "csv")[1])))[1:])
    assert float(lines["budget.cost"]) == known["cost"] and lines["budget.co2_tonnes"] == ""
    assert float(lines["goodput.goodput"]) == data["goodput"]["goodput"] and lines["sanity.wrong"] == "false"


def test_every_key_of_the_json_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/json.md names the keys of the object and of what is in it."""
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "json.md").read_text()))
    words = [*SMALL, "--deadline-days", "2", "--served-tokens", "10t", "--flops", "1e22", "--format", "json"]
    data = json.loads(output_of(capsys, *words)[1])
    inner = [data["budget"], data["goodput"], data["sanity"], data["doubled"], data["deadline"], data["serving"][0]]
    inner += [data["serving"][0]["best"], data["buys"][0], data["buys"][0]["models"][0]]
    for keys in (data, *inner):
        assert set(keys) <= documented, set(keys) - documented


def test_a_budget_of_flop_or_money_gives_a_model_and_its_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    """Chinchilla's 5.88e23 FLOP buy 70B and 1.4T; money needs a price, and buys at what the plan costs."""
    _, out, _ = output_of(capsys, *SMALL, "--flops", "5.88e23")
    assert re.search(r"20 per parameter +70\.0B +1\.4T", out)
    code, _, err = output_of(capsys, *SMALL, "--money", "1e6")
    assert code == 2 and "--price-gpu-hour" in err
    _, out, _ = output_of(capsys, *SMALL, "--money", "1e6", "--price-gpu-hour", "2")
    assert "$1,000,000.00" in out and "at this plan's cost" in out
    _, out, _ = output_of(capsys, *SMALL, "--money", "1e6", "--price-gpu-hour", "2", "--width", "56", "--explain")
    assert max(map(len, out.partition("\nC =")[0].splitlines())) <= 56
    assert "K_b / K · C" in out and "t_step" in out and "linear" not in out.partition("\nC =")[0]


@given(st.floats(1e18, 1e27), st.floats(0.01, 1e4), st.integers(10**6, 10**15))
def test_every_model_that_a_budget_trains_takes_the_flop(flops: float, price: float, tokens: int) -> None:
    """6 P D of each model equals the budget; money is FLOP at a rate; the model of a law has the least loss by that law for the budget."""
    job = resolve(INPUTS)
    reported = run_of(INPUTS.with_all({"price_gpu_hour": price, "train_tokens": tokens}), job)
    known = budget(job, reported, 6.0)
    for spent in (affordable.by_flops(flops, reported), affordable.by_money(flops / 1e16, reported, known)):
        for model in spent.models:
            assert 6 * model.parameters * model.tokens == pytest.approx(spent.flops)
            assert spent.steps[model.by].value == model.tokens
        for law in LAWS:
            custom = next(model for model in spent.models if model.by == law.name)
            assert custom.losses[law.source] <= min(model.losses[law.source] for model in spent.models) + 1e-9


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--flops", "-1"], "flops must lie between"), (["--flops", "nan"], "flops must be a finite"), (["--money", "0"], "money must lie"),
     (["--pue", "0.5"], "pue must be a number from 1 to 10"), (["--train-tokens", "many"], "train_tokens must be a whole number"),
     (["--gpu-mtbf-hours", "0.01"], "no progress"), (["--format", "xml"], "format must be one of"),
     (["--deadline-days", "0"], "deadline_days"),
     (["--flops", "x"], "'--flops'")],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line on stderr, nothing on stdout."""
    code, out, err = output_of(capsys, *SMALL, *words)
    assert code == 2 and out == "" and sentence in err and len(err.splitlines()) == 1


def test_a_job_that_fits_nowhere_has_no_budget(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the reason on stderr; the budget of a plan named by the user is printed nevertheless."""
    code, out, err = output_of(capsys, "--model", "llama-3.1-405b", "--gpus", "8")
    assert code == 1 and out == "" and "Nothing fits" in err
    code, out, err = output_of(capsys, "--model", "llama-3.1-405b", "--gpus", "8", "--tp", "8")
    assert code == 1 and "GPU-hours" in out and "does not fit" in err


def test_a_plan_file_keeps_what_was_reported_and_old_ones_still_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fields of the run are written and read back unchanged; an older file without them has today's defaults."""
    path = tmp_path / "told.toml"
    planfile.write(path, Document(SPECIFIED))
    assert planfile.read(path).inputs.values == SPECIFIED.values
    code, out, _ = output_of(capsys, str(path))
    assert code == 0 and "$2.50 per GPU-hour" in out and "in 2 days" in out
    ours = {f.key for f in FIELDS if f.group == "run"}
    stored = [line for line in path.read_text().splitlines() if line.split(" = ")[0] not in {*ours, "board_w"}]
    path.write_text("\n".join(stored))
    assert planfile.read(path).inputs.values == INPUTS.values
    assert output_of(capsys, str(path))[0] == 0


def test_other_commands_take_no_option_that_does_nothing_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    """A price is refused by `tmplan plan`."""
    assert run(["plan", *SMALL, "--price-gpu-hour", "2"]) == 2
    assert "price" in capsys.readouterr().err


@pytest.mark.parametrize("width", [56, 80, 100, 190])
@pytest.mark.parametrize("inputs", [INPUTS, SPECIFIED, MOE], ids=["bare", "told", "moe"])
def test_pages_are_readable_at_every_width(width: int, inputs: Inputs) -> None:
    """No line is cut, roles are those of the themes, and what is bad says so in a word or sign."""
    about = subject(inputs)
    for lines in (page.draw(page.work(about), width), goodput.draw(goodput.work(about), width)):
        for line in lines:
            text = "".join(part for part, _ in line)
            assert len(text) <= width, text
            assert all(role in ROLES for _, role in line)
            if any(role == "bad" for _, role in line) and text.strip():
                assert "!" in "".join(part for other in lines for part, role in other if role == "bad")


def test_the_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Line by line, where both are as wide."""
    _, out, _ = output_of(capsys, *SMALL)
    drawn = ["".join(text for text, _ in line).removeprefix(" ").rstrip() for line in page.summary(page.work(subject(INPUTS)), 100)]
    assert out.splitlines()[: len(drawn)] == drawn


def test_a_rate_below_the_floor_is_marked() -> None:
    """A model too small for its GPUs: the page says that something is wrong, and names the largest term."""
    inputs = EXAMPLE.with_all({"model": "gpt2-124m", "gpus": 256, "global_batch": 256, "sequence": 1024})
    text = "\n".join("".join(part for part, _ in line) for line in page.summary(page.work(subject(inputs)), 190))
    assert "! below the 365 TFLOP/s" in text or "! below 365 TFLOP/s" in text
    assert "the largest term beyond the ideal is" in text


def test_the_deadline_is_searched_once_for_all_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another plan under the cursor asks for no new search; another deadline, or other bounds, do."""
    about, searches = subject(SPECIFIED), []

    def counted(*args: object, **kwargs: object) -> object:
        searches.append(args)
        return smallest_cluster(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(page, "smallest_cluster", counted)
    monkeypatch.setattr(page, "_cache", [])
    other = about.result.plan(int(about.result.order[1]))
    for inputs, space, plan in (
        (SPECIFIED, Space(), about.plan), (SPECIFIED, Space(), other), (SPECIFIED.with_("deadline_days", 3.0), Space(), other),
        (SPECIFIED, Space({"tp": parse_bounds("tp", "8")}), other),
    ):  # fmt: skip
        page.budget_report(inputs, space, about.job, plan)
    assert len(searches) == 3


def test_a_page_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search for the smallest cluster looks at `cancelled`."""
    monkeypatch.setattr(page, "_cache", [])
    about = subject(SPECIFIED)
    with pytest.raises(Cancelled):
        page.work(Subject(about.document, about.job, about.plan, about.result, cancelled=lambda: True))


def test_the_budget_loads_no_screen() -> None:
    """`tmplan budget` does not import Textual."""
    code = (
        f"import sys; from tui.cli.main import run; run(['budget', *{SMALL!r}]); print({{'textual'}} & set(sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert ended.stderr.endswith("set()\n")


def test_space_bounds_every_search() -> None:
    """Pins hold for twice the GPUs and for the deadline too."""
    about = subject(SPECIFIED)
    actual = page.budget_report(SPECIFIED, Space({"tp": parse_bounds("tp", "8")}), about.job, about.plan)
    assert actual.deadline is not None and actual.deadline.best is not None and actual.doubled.best is not None
    assert actual.deadline.best.plan.tp == actual.doubled.best.plan.tp == 8


@pytest.mark.parametrize("width", [56, 76, 80, 89, 90, 120])
def test_what_a_budget_buys_is_no_wider_than_requested_for(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Losses have columns where there is room for them."""
    code, out, _ = output_of(capsys, *SMALL, "--flops", "1e25", "--tokens-per-parameter", "123456", "--width", str(width))
    assert code == 0 and max(map(len, out.splitlines())) <= width
    assert ("loss, Hoffmann" in out) == (width >= 90)
