"""The pages of memory and of time: bars that say by length, letter and sign what the numbers say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planner.cost import parts
from planner.cost.phases import PHASES
from planner.specs.plan import Plan
from tests.tui.pages.subjects import PIPED, WIDTHS, subject, text
from tui.draw.writing import stacked
from tui.pages import memory, step


def test_a_stacked_bar_is_as_long_as_its_parts_and_each_begins_with_its_letter() -> None:
    """Parts of 3, 1 and 4 units take 3, 1 and 4 cells; what rounds to no cell is left out and shifts nothing."""
    assert stacked([("A", 3.0), ("B", 1.0), ("C", 4.0)], 1.0) == "A██BC▓▓▓"
    assert stacked([("A", 3.0), ("B", 0.2), ("C", 3.8)], 1.0) == "A██C▓▓▓"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_memory(width: int, golden: Callable[[str, str], None]) -> None:
    """Each stage is a bar against the limit, the fullest is shown by purpose."""
    golden(f"page-memory-{width}.txt", text(memory.draw(memory.work(subject(PIPED)), width), width))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_the_step(width: int, golden: Callable[[str, str], None]) -> None:
    """The step is a bar, and every part of it stands where it does in the whole."""
    golden(f"page-step-{width}.txt", text(step.draw(step.work(subject(PIPED)), width), width))


def test_too_much_memory_is_reported_by_a_sign_a_word_and_a_bar_beyond_the_stroke() -> None:
    """Stages over the limit have an exclamation mark and a bar that crosses the limit, and a sentence says by how much."""
    result = memory.work(subject(Plan(dp=16, dp_shard=16, zero=1, micro_batch=4)))
    lines = text(memory.draw(result, 80), 80)
    device = result.stages[0].device
    assert device > result.limit
    assert f"GiB, {(device - result.limit) / 2**30:.1f} GiB more than available" in " ".join(lines.split())
    row = next(line for line in lines.splitlines() if "!" in line and "┃" in line)
    assert len(row) > row.index("┃") + 1
    letters = [(name, part.letter) for name, part in parts.MEMORY.items()]
    _, (drawn, _) = memory.bar(0, 0, result.stages[0], letters, result.limit, 40 / device)
    assert len(drawn) == 40 and drawn.index("┃") == round(40 * result.limit / device)


def test_the_phases_of_the_fullest_stage_are_listed_with_the_peak_marked() -> None:
    """Every phase of a step has a line with its live tensors; the largest is the peak, and the parts above are of it."""
    result = memory.work(subject(PIPED))
    fullest = max(result.stages, key=lambda stage: stage.device)
    lines = ["".join(text for text, _ in line) for line in memory.by_phase(result, fullest, 100)]
    assert len(lines) == len(PHASES)
    totals = [float(line.split("GiB")[0].split()[-1]) for line in lines]
    assert [line.endswith("peak") for line in lines] == [total == max(totals) for total in totals]
    drawn = text(memory.draw(result, 100), 100)
    assert f"the fullest, at {PHASES[fullest.phase]}" in drawn


def test_every_part_there_is_has_a_letter_of_its_custom() -> None:
    """No two parts of memory share a letter in its bars, nor two of a step; the bar of a step has every part of one."""
    for table in (parts.MEMORY, parts.STEP):
        assert len({part.letter for part in table.values()}) == len(table)
    assert sorted(step.ORDER) == sorted(parts.STEP)


def test_the_bar_of_the_step_is_as_long_as_the_page_and_the_parts_sum_to_it() -> None:
    """The bar fills the width; the shares of the parts sum to one."""
    lines = text(step.draw(step.work(subject(PIPED)), 80), 80).splitlines()
    bar = next(line for line in lines if line.startswith("C█"))
    assert len(bar) == 77
    rows = [line.split() for line in lines if line[2:12].strip() in step.ORDER and line[0] != " "]
    shares = [float(words[4].rstrip("%")) for words in rows]
    assert sum(shares) == pytest.approx(100, abs=0.5)
