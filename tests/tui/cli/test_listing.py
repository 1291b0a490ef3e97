"""Plans are written block by block: the text is that of them all at once, and no more than a block is ever held."""

from __future__ import annotations

import json
from unittest.mock import patch

import numpy as np
import pytest

from planner.report.columns import records
from planner.search.search import Result, search
from tests.planner.jobs import small
from tui.cli import listing
from tui.cli.listing import Listing
from tui.cli.output import as_json_of_many

RESULT = search(small(headroom=70))
ROWS = np.concatenate([RESULT.order[:30], RESULT.rejected_order[:20]])


@pytest.mark.parametrize("format", ["csv", "table", "markdown"])
@pytest.mark.parametrize("rows", [0, 1, 50])
@pytest.mark.parametrize("every", [False, True])
def test_text_written_in_blocks_is_the_text_of_all(format: str, rows: int, every: bool) -> None:
    """Whatever a block holds, CSV, table and Markdown are the same to the letter, headings once, columns as wide as the widest of all."""
    whole = "".join(getattr(Listing(RESULT, ROWS[:rows], every), format)())
    assert whole.count("\n") == rows + (2 if format == "markdown" else 1)
    for block in (1, 7, 49):
        with patch.object(listing, "BLOCK", block):
            assert "".join(getattr(Listing(RESULT, ROWS[:rows], every), format)()) == whole


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_json_written_in_blocks_is_that_of_the_whole_object(rows: int) -> None:
    """A list written while it is computed reads back as the list, after schema and version, identical to json.dumps."""
    expected = records(RESULT.estimate(ROWS[:rows]))
    with patch.object(listing, "BLOCK", 7):
        text = "".join(as_json_of_many({"advice": ["a"]}, "plans", Listing(RESULT, ROWS[:rows], False).records()).more)
    actual = json.loads(text)
    assert actual["plans"] == expected and actual["advice"] == ["a"] and actual["schema"] == 1
    assert text == json.dumps(actual, indent=2) + "\n"


def test_no_more_than_a_block_is_worked_out_at_once() -> None:
    """Of many rows requested, at most a block is evaluated at once."""
    requested: list[int] = []
    real = Result.estimate

    def watched(result: Result, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> object:
        requested.append(len(rows))
        return real(result, rows)

    with patch.object(listing, "BLOCK", 8), patch.object(Result, "estimate", watched):
        list(Listing(RESULT, ROWS, False).table())
    assert sum(requested) == 2 * len(ROWS) and max(requested) == 8
