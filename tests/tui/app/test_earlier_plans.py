"""EarlierPlans: which earlier edit the table is compared with."""

from __future__ import annotations

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_the_message_names_the_edit_after_the_plans_compared_with() -> None:
    """One edit back it names the last edit, two back the one before; further back there is none."""

    async def play(it: Driver) -> None:
        await it.edit("sequence", "8192")
        await it.edit("global_batch", "128")
        earlier = it.program.earlier
        assert earlier.back == 1 and it.table.before is not None
        await it.press("left_square_bracket")
        assert earlier.back == 2 and it.foot.message.startswith("compared with before: Sequence")
        await it.press("left_square_bracket")
        assert earlier.back == 2 and it.foot.message == "there is no edit before that"
        await it.press("right_square_bracket")
        assert earlier.back == 1 and it.foot.message.startswith("compared with before: Global batch")

    drive(play, search=fake_search)


def test_after_the_latest_edit_the_table_is_compared_with_nothing() -> None:
    """However often the key is pressed, one press of the other compares with the edit before again."""

    async def play(it: Driver) -> None:
        await it.press("left_square_bracket")
        assert it.foot.message == "nothing was edited yet; compare after an edit"
        await it.edit("sequence", "8192")
        await it.press(*["right_square_bracket"] * 3)
        assert it.program.earlier.back == 0 and it.table.before is None
        await it.press("left_square_bracket")
        assert it.program.earlier.back == 1 and it.table.before is not None

    drive(play, search=fake_search)


def test_plans_of_another_edit_that_arrive_late_are_only_remembered() -> None:
    """They do not take the place of the message, nor of the plans compared with."""

    async def play(it: Driver) -> None:
        await it.edit("sequence", "8192")
        await it.edit("global_batch", "128")
        earlier, moments = it.program.earlier, it.program.history.moments
        before = it.table.before
        assert before is not None
        it.program.dialogs.say("")
        earlier._planned(moments[0], before)
        assert it.foot.message == "" and earlier.plans[moments[0].stored] is before
        earlier._planned(moments[1], before)
        assert it.foot.message.startswith("compared with before: Global batch")

    drive(play, search=fake_search)
