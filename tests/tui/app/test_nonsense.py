"""Whatever is typed, into any field, the filter or a question: it is taken, or refused in one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.document import planfile
from planner.document.inputs import resolve
from planner.document.planfile import Document
from planner.errors import TmplanError
from tests.tui.driving import SMALL
from tui.pages.whynot import parse_axes
from tui.state import edits
from tui.state.edits import BY_KEY
from tui.state.filter import parse_filter

EXPERTS = Document(SMALL.inputs.with_("model", "deepseek-v2-lite-16b"))
PIECES = st.sampled_from(
    ["8", "-1", "0", "1e400", "1e-400", "nan", "inf", "2..8", "<=", ">=4", ",", "*", "k", "t", "%", " ", "/", "\x00", "é", "𝟚", "²", "1_0",
     "yes", "none", "bf16", "=", "tp", "mem<", "!", "fits", "0x10", "9" * 40, "."],
)  # fmt: skip
TYPED = st.lists(PIECES, max_size=5).map("".join) | st.text(max_size=12)


def sentence(error: TmplanError) -> None:
    """A refusal is one line of words."""
    assert str(error).strip() and "\n" not in str(error)


@given(st.sampled_from(sorted(BY_KEY)), TYPED, st.sampled_from([SMALL, EXPERTS]))
@settings(max_examples=600, deadline=None)
def test_whatever_is_typed_into_a_field_is_taken_or_refused(key: str, typed: str, document: Document) -> None:
    """A field takes a text or refuses it in a sentence; the job then is one or is refused in a sentence; what was taken can be shown,
    written and read."""
    try:
        changed = edits.set_text(document, key, typed)
    except TmplanError as error:
        sentence(error)
        return
    assert key in edits.texts(changed)
    edits.listed(changed, edits.texts(changed))
    edits.size(changed)
    try:
        resolve(changed.inputs)
        again = planfile.loads(planfile.dumps(changed))
    except TmplanError as error:
        sentence(error)
        return
    assert (again.inputs.values, again.space) == (changed.inputs.values, changed.space)


@pytest.mark.parametrize("read", [parse_filter, parse_axes], ids=["filter", "why not"])
@given(typed=TYPED)
@settings(max_examples=300, deadline=None)
def test_whatever_is_typed_into_a_prompt_is_taken_or_refused(read: object, typed: str) -> None:
    """A filter, or the plan of why-not, is read or refused in a sentence."""
    try:
        read(typed)  # type: ignore[operator]
    except TmplanError as error:
        sentence(error)
