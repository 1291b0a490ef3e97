"""What the tests of pages look at: a plan of a small job, and lines as text that must fit their width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import pytest

from planner.document.inputs import EXAMPLE, Inputs, resolve
from planner.document.planfile import Document
from planner.search.search import Result, search
from planner.specs.plan import Plan
from tui.cli.output import printed
from tui.draw.lines import Line, fit
from tui.pages.subject import Subject
from tui.settings.themes import ROLES

WIDTHS = (56, 80, 190)
PIPED = Plan(tp=2, pp=4, dp=2, dp_shard=2, zero=1, sequence_parallel=1)  # of the small job
SMALL: dict[str, object] = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "sequence": 4096}


@cache
def searched(inputs: Inputs) -> Result:
    return search(resolve(inputs))


def subject(
    plan: Plan | None = None, changes: Mapping[str, object] | None = None, *, argument: str = "", pins: Sequence[Plan] = ()
) -> Subject:
    """A subject of Llama 3.1 8B on 16 H100, with changes; with the best plan by default."""
    inputs = EXAMPLE.with_all(SMALL | dict(changes or {}))  # type: ignore[arg-type]
    result = searched(inputs)
    rows = result.order if len(result.order) else result.rejected_order
    chosen = plan if plan is not None else result.plan(int(rows[0]))
    return Subject(Document(inputs), result.job, chosen, result, tuple(pins), argument)


def text(lines: Sequence[Line], width: int) -> str:
    """The lines as they are printed; each must keep to its width and off the edge of its pane, in runs of roles that there are."""
    for line in lines:
        reported = "".join(part for part, _ in line)
        assert {role for _, role in line} <= set(ROLES)
        if len(reported) > width:
            pytest.fail(f"a line of {len(reported)} cells in a width of {width}: {reported}")
        assert fit(line, width) and (not reported or reported[0] == " ")
    return printed(lines)
