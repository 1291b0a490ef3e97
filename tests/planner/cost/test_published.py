"""Published layouts and the speed they reached against ours. The test report prints the table; `--update-golden` rewrites the guide's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from planner.document.space import Space
from planner.search.search import search
from planner.specs.job import RECOMPUTES
from tests.planner.cost.published import HEADING, Layout, executed_flops, layouts, summary, table
from tests.planner.jobs import example

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "published.md"
LAYOUTS = layouts()
RUNS = {row.run: row for row in LAYOUTS}


@pytest.mark.parametrize("row", LAYOUTS, ids=RUNS)
def test_a_published_layout_is_listed_fits_and_is_as_fast(row: Layout, published: Callable[[str], None]) -> None:
    """The search lists the layout on the stack that ran it, it fits, and its step is within the bound of the published one."""
    assert len(row.listed.order), f"{len(row.listed)} plans are listed, none fits; refused: {row.listed.counts.refused}"
    published(row.line)
    assert row.measured > 0 or not row.within
    if row.measured:
        assert abs(row.difference) <= row.within


@pytest.mark.parametrize("run", [run for run in RUNS if run.startswith("Llama 3.1 405B")])
def test_metas_layouts_recompute_no_layer(run: str) -> None:
    """The layouts of Table 4 of the Llama 3 report fit without recomputation, and within a tenth of its utilization, 128K an eighth."""
    row = RUNS[run]
    assert RECOMPUTES[int(row.fastest.recompute)] == "none"
    within = 12 if "128K" in run else 10
    assert (row.within, row.fitted) == (within, False)
    assert row.ours == pytest.approx(row.mfu, rel=within / 100)


def test_metas_degrees_are_among_the_plans_of_the_example() -> None:
    """TP 8, CP 1, PP 16, DP 128 of Llama 3 405B on 16,384 H100 fit in the embedded example too, whose stack is Megatron-Core."""
    result = search(example(), Space().with_("tp", "8").with_("cp", "1").with_("pp", "16").with_("dp", "128"))
    assert result.counts.fit > 0
    best = result.plan(int(result.order[0]))
    assert [int(degree) for degree in (best.tp, best.cp, best.pp, best.dp)] == [8, 1, 16, 128]


def test_kimi_k2s_weights_and_gradients_take_what_its_report_states() -> None:
    """With optimizer states on the host, weights and fp32 gradients on the fullest of 256 GPUs are within a tenth of 30 GB."""
    parts = RUNS["Kimi K2"].estimate.memory_parts
    assert parts.experts is not None
    assert float((parts.parameters + parts.gradients + parts.experts)[0]) == pytest.approx(30e9, rel=0.10)


def test_published_speeds_become_seconds_per_step() -> None:
    """By hand: GPT 1008B executes 96 · 3072 · 2048 · 128 · 25600² · 1.0146 FLOP, in 96.5 s at 163 TFLOP/s on 3,072 GPUs; DeepSeek-V3's
    180 K GPU-hours per trillion tokens are 19.9 s per step; a run whose source states no speed has none.
    """
    gpt = RUNS["GPT 1008B"]
    assert executed_flops(gpt.resolved) == pytest.approx(96 * 3072 * 2048 * 128 * 25600**2 * 1.0143, rel=1e-3)
    assert gpt.measured == pytest.approx(executed_flops(gpt.resolved) / (3072 * 163e12))
    assert RUNS["DeepSeek-V3"].measured == pytest.approx(180e3 * 3600 * 15360 * 4096 / (1e12 * 2048))
    assert RUNS["DeepSeek-V3"].measured == pytest.approx(19.9, rel=0.01)
    assert RUNS["Falcon 180B"].measured == 0


def test_the_table_in_the_guide_is_ours(request: pytest.FixtureRequest) -> None:
    """The guide's table of published layouts has every run of the file, with today's numbers, and the mean below it (--update-golden
    rewrites both).
    """
    page = PAGE.read_text(encoding="utf-8")
    before, heading, rest = page.partition(HEADING)
    assert heading
    real = "\n\n".join([before + table(), summary(), rest.split("\n\n", 2)[2]])
    if request.config.getoption("--update-golden"):
        PAGE.write_text(real, encoding="utf-8")
    else:
        assert page == real
