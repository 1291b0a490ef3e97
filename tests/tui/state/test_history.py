"""The history of edits: whatever is done and undone, nothing is ever lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from planner.document.inputs import EXAMPLE
from planner.document.planfile import Document
from tui.state.history import LIMIT, History, Moment, StoredDocument

STEPS = st.lists(st.sampled_from(["push", "undo", "redo"]), max_size=80)


def moment(gpus: int) -> Moment:
    """A moment identified by its GPUs."""
    return Moment.of(Document(EXAMPLE.with_("gpus", 8 * gpus)))


@given(STEPS)
def test_no_document_is_ever_lost(steps: list[str]) -> None:
    """After any sequence of edits, undos and redos every document there has ever been is still in the history, and undo reaches it."""
    history = History([moment(1)])
    ever = {history.now.stored}
    for number, step in enumerate(steps, 2):
        length = len(history.moments)
        if step == "push":
            history.push(moment(number))
        elif step == "undo":
            history.undo()
        else:
            history.redo()
        ever.add(history.now.stored)
        assert len(history.moments) >= length
        assert {m.stored for m in history.moments} == ever
    while history.redo():
        pass
    reached = {history.now.stored}
    while history.undo():
        reached.add(history.now.stored)
    assert reached == ever


@given(STEPS)
def test_every_undo_is_one_edit_away(steps: list[str]) -> None:
    """Undo then redo comes back to the very moment, and neighbours in the past differ by one edit or its undoing."""
    history = History([moment(1)])
    neighbours = set()
    for number, step in enumerate(steps, 2):
        before = history.now.stored
        if step == "push":
            history.push(moment(number))
            neighbours |= {(before, history.now.stored), (history.now.stored, before)}
        elif step == "undo" and history.undo():
            history.redo()
            assert history.now.stored is before
            history.undo()
        elif step == "redo" and history.redo():
            history.undo()
            assert history.now.stored is before
            history.redo()
    pairs = zip(history.moments, history.moments[1:], strict=False)
    assert all((a.stored, b.stored) in neighbours for a, b in pairs)


def test_an_edit_after_undos_keeps_what_was_undone() -> None:
    """Two edits undone and another made: undoing that goes back through the way taken to the edits undone."""
    history = History([moment(n) for n in (1, 2, 3)])
    first, second, third = (m.stored for m in history.moments)
    history.undo()
    history.undo()
    history.push(moment(4))
    seen = []
    while history.undo():
        seen.append(history.now.stored)
    assert seen == [first, second, third, second, first]


def test_a_long_history_forgets_its_beginning_only() -> None:
    """Beyond the limit the oldest moments go, and the one at hand stays."""
    history = History([moment(1)])
    for number in range(2, LIMIT + 12):
        history.push(moment(number))
    assert len(history.moments) == LIMIT
    assert history.now.document.inputs.values["gpus"] == 8 * (LIMIT + 11)
    assert history.moments[0].document.inputs.values["gpus"] == 8 * 12


def test_the_moment_some_edits_before_is_counted_from_the_present_one() -> None:
    """None before is the present moment, the first of three is two before it, and there is none further back or ahead."""
    history = History([moment(n) for n in (1, 2, 3)])
    assert [history.before(steps) for steps in (0, 1, 2, 3, -1)] == [*reversed(history.moments), None, None]


def test_only_moments_of_the_same_file_know_what_was_written_to_it(tmp_path: Path) -> None:
    """After a write every moment of the file has its content and digest; those of another file, or of none, have what they had."""
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    history = History([replace(moment(n), path=path) for n, path in ((1, first), (2, second), (3, None), (4, first))])
    written = replace(history.now, saved=history.now.stored, digest="new")
    history.wrote(written)
    assert [m.digest for m in history.moments] == ["new", "", "", "new"]
    assert [m.unsaved for m in history.moments] == [True, True, True, False]


def test_a_file_opened_again_leaves_the_digests_of_earlier_moments(tmp_path: Path) -> None:
    """Opening is an edit: earlier moments of that file compare with its content, and have the digest they were read with."""
    path = tmp_path / "a.toml"
    history = History([replace(moment(1), path=path, digest="old")])
    opened = replace(moment(2), path=path, saved=StoredDocument(moment(1).document), digest="new")
    history.opened(opened)
    assert [m.digest for m in history.moments] == ["old", "new"] and history.at == 1
    assert [m.unsaved for m in history.moments] == [False, True]
