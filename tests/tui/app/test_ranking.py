"""Ranking: the newest question alone is answered."""

from __future__ import annotations

import pytest

from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.state.planner_thread import Answer, Question
from tui.state.view import View

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_an_answer_to_an_older_question_is_dropped() -> None:
    """Neither the newest answer nor the plans change; an answer to the newest question is taken."""

    async def play(it: Driver) -> None:
        ranking = it.program.ranking
        newest, question = ranking.newest, Question(SMALL.inputs, SMALL.space)
        for generation in (ranking.generation - 1, ranking.generation + 1):
            ranking._receive(Answer(generation, question))
            assert ranking.newest is newest
        ranking._receive(Answer(ranking.generation, question))
        assert ranking.newest is not newest

    drive(play, search=fake_search)


def test_there_is_no_present_plan_while_the_answer_is_of_another_question() -> None:
    """Between a question and its answer nothing is exported or locked, and a message says so."""

    async def play(it: Driver) -> None:
        ranking = it.program.ranking
        assert ranking.current() is not None
        ranking.question = Question(SMALL.inputs.with_("sequence", 8192), SMALL.space)
        assert ranking.current() is None and ranking.current_to("export") is None
        assert it.foot.message.startswith("there is no plan here to export")

    drive(play, search=fake_search)


def test_the_same_view_asks_for_nothing() -> None:
    """Only another view is a question."""

    async def play(it: Driver) -> None:
        ranking = it.program.ranking
        generation = ranking.generation
        ranking.look_at(View())
        assert ranking.generation == generation
        ranking.look_at(View(reverse=True))
        assert ranking.generation == generation + 1

    drive(play, search=fake_search)
