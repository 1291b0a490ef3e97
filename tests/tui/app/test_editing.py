"""Editing: every field by keyboard, every change re-plans, nothing typed is lost."""

from __future__ import annotations

import pytest

from planner.document.fields import FIELDS
from planner.document.planfile import Document
from planner.document.space import AXES
from planner.errors import TmplanError
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search
from tui.state.edits import ENTRIES
from tui.terminal.layout import FORMS


def test_a_changed_field_plans_anew() -> None:
    """Another sequence length gives another job, other plans, and marks the document as not written."""

    async def play(it: Driver) -> None:
        before = it.plans
        await it.field("sequence", "2k")
        assert it.document.inputs.values["sequence"] == 2048
        assert it.answer is not None
        assert it.answer.job is not None
        assert it.answer.job.sequence == 2048
        assert it.plans != before
        assert it.program.panes.status.status.changed

    drive(play)


def test_a_pinned_degree_is_respected() -> None:
    """With tp = 2 every plan shown has tp 2, and * frees it again."""

    async def play(it: Driver) -> None:
        everything = len(it.table.rows)
        await it.field("tp", "2")
        assert set(it.table.result.plans(it.table.rows).tp.tolist()) == {2}  # type: ignore[union-attr]
        await it.press("asterisk")
        assert len(it.table.rows) == everything

    drive(play)


def test_a_bounded_degree_is_respected() -> None:
    """pp <= 2 leaves no plan with more stages."""

    async def play(it: Driver) -> None:
        await it.field("pp", "<=2")
        assert it.table.result.plans(it.table.rows).pp.max() <= 2  # type: ignore[union-attr]

    drive(play)


def test_a_wrong_value_marks_its_field_and_stays() -> None:
    """What cannot be read stays in the field with a mark and a sentence, the plans stay, and esc or * give the old value back."""

    async def play(it: Driver) -> None:
        before = it.plans
        await it.field("global_batch", "many")
        assert "✗Global batch     many" in it.text()
        assert "global_batch must be a whole number" in it.text()
        assert it.plans == before
        await it.press("1")
        assert "✗Global batch     many" in it.text()
        await it.press("3", "enter", "escape", "asterisk")
        assert "many" not in it.text()

    drive(play)


def test_a_value_the_job_cannot_take_marks_its_field() -> None:
    """A batch of GPUs that does not fill the nodes is refused by the job: its field is marked, the former plans say they are former."""

    async def play(it: Driver) -> None:
        await it.field("gpus", "17")
        assert "✗GPUs" in it.text()
        assert "do not fill nodes" in it.text()
        assert "plans before the refused change" in it.text()
        await it.field("gpus", "16")
        assert "✗" not in it.text()
        assert "plans before the refused change" not in it.text()

    drive(play)


def test_leaving_a_field_takes_over_what_was_typed() -> None:
    """Tab, arrows and another pane end an edit as enter does: nothing typed is lost."""

    async def play(it: Driver) -> None:
        for key in ("tab", "down", "shift+tab"):
            await it.press("3")
            it.active_form.go("micro_batch")
            await it.press("enter", "2", key)
            assert it.document.space.text("micro_batch") == "2"
            await it.press("3")
            it.active_form.go("micro_batch")
            await it.press("asterisk")
            assert it.document.space.text("micro_batch") == "*"

    drive(play)


@pytest.mark.parametrize(("model", "stack"), [("llama-3.1-8b", "megatron-core"), ("deepseek-v2-lite-16b", "torchtitan")])
@pytest.mark.slow
def test_every_field_is_reached_by_tab(model: str, stack: str) -> None:
    """Tab walks through every field of the panes, past plans and detail and round again: none that says something is missing."""

    async def play(it: Driver) -> None:
        await it.press("1", "g")
        seen = []
        for pane, after in (("cluster", "plans"), ("run", "cluster")):
            while it.pane != after:
                if it.pane in FORMS:
                    seen.append(it.active_form.entry.key)
                await it.pilot.press("tab")
            if pane == "cluster":
                await it.pilot.press("tab", "tab")
                assert it.pane == "run"
        without = ("tuning", "precision", "offload_optimizer")  # every weight is trained, in bf16, and nothing is offloaded
        of_others = {f.key for f in FIELDS if f.depends_on in without}
        every = [entry.key for form in FORMS for entry in ENTRIES[form] if entry.key not in of_others]
        of_experts = {f.key for f in FIELDS if f.depends_on and f.depends_on not in AXES} | {"ep", "etp", "schedule"}
        assert seen == (every if model.startswith("deepseek") else [key for key in every if key not in of_experts])

    drive(play, Document(SMALL.inputs.with_all({"model": model, "stack": stack})))


def test_a_preset_is_selected_by_typing() -> None:
    """Enter on the model opens a list; typing narrows it; enter chooses."""

    async def play(it: Driver) -> None:
        await it.press("2", "g", "enter")
        assert "llama-3.1-405b" in it.text()
        await it.type("3.1-70")
        assert it.document.inputs.values["model"] == "llama-3.1-70b"
        assert it.answer is not None
        assert it.answer.job is not None
        assert it.answer.job.model.name == "llama-3.1-70b"

    drive(play)


def test_a_preset_that_cannot_be_read_is_refused_in_the_list() -> None:
    """A path to no file is refused with a sentence, and the model stays."""

    async def play(it: Driver) -> None:
        await it.press("2", "g", "enter")
        await it.type("/no/such.toml")
        assert it.document.inputs.values["model"] == "llama-3.1-8b"
        assert "✗" in it.text()

    drive(play)


def test_pasted_text_goes_into_the_editor() -> None:
    """Bracketed paste types the text, without its line ends."""
    from textual.events import Paste

    async def play(it: Driver) -> None:
        await it.press("3")
        it.active_form.go("sequence")
        await it.press("enter")
        it.app.post_message(Paste("20\n48"))
        await it.press("enter")
        assert it.document.inputs.values["sequence"] == 2048

    drive(play)


def test_nothing_fits_is_answered_with_what_would() -> None:
    """A model too large for its GPUs: what is nearest, by how much, and changes that would help; the nearest plan in the detail."""

    async def play(it: Driver) -> None:
        await it.field("gpus", "8")
        await it.press("2", "g", "enter")
        await it.type("llama-3.1-70b")
        text = it.text()
        assert "Nothing fits: the nearest plan needs" in text
        assert "Changes that would make a plan fit" in text
        assert "too much" in "".join(it.detail.lines())

    drive(play)


def test_nothing_valid_names_the_rules() -> None:
    """Where every plan is refused the rules are named with their counts."""

    async def play(it: Driver) -> None:
        await it.field("tp", "7")
        assert "No plan is valid" in it.text() and "planning" not in it.text() and "0 fit / 0 plans" in it.text()
        assert any(char.isdigit() for char in "".join(it.plans))

    drive(play)


def test_a_fault_of_the_planner_is_a_sentence() -> None:
    """An exception inside a search reaches the screen as one sentence, not as a traceback."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("made to fail")

    def refused(*_: object, **__: object) -> None:
        raise TmplanError("no plan for you")

    async def fault(it: Driver) -> None:
        assert "planning failed" in it.text()

    async def refusal(it: Driver) -> None:
        assert "no plan for you" in it.text()

    drive(fault, search=broken)
    drive(refusal, search=refused)


def test_an_edit_is_one_moment_compared_with_the_one_before() -> None:
    """A change is added to the history and compared with the plans before it; the present value entered again does not count as an edit."""

    async def play(it: Driver) -> None:
        moments, earlier = it.program.history.moments, it.program.earlier
        it.program.editing.replace(SMALL, "nothing")
        assert len(moments) == 1 and earlier.back == 0
        await it.field("sequence", "2k")
        assert len(it.program.history.moments) == 2 and earlier.back == 1 and it.table.before is not None
        assert it.program.history.now.label == "Sequence 4096 → 2048"
        await it.field("sequence", "2048")
        assert len(it.program.history.moments) == 2

    drive(play, search=fake_search)
