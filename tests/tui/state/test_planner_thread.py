"""The planner: the newest question is answered, an older one never."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import pytest

from planner.document.inputs import EXAMPLE, Inputs
from planner.document.space import Space
from planner.search import branch_and_bound
from planner.search import search as planner_search
from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search
from tui.state.planner_thread import Answer, Planner, Question
from tui.state.view import View

SMALL = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64})


def question(sequence: int, view: View | None = None) -> Question:
    """A question identified by its sequence length."""
    return Question(SMALL.with_("sequence", sequence), Space(), view or View())


class Receiver:
    """Answers as they come, and a wait for them."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._new = threading.Condition()

    def __call__(self, answer: Answer) -> None:
        with self._new:
            self.answers.append(answer)
            self._new.notify_all()

    def wait(self, count: int) -> list[Answer]:
        """The answers, once there are `count` of them."""
        with self._new:
            assert self._new.wait_for(lambda: len(self.answers) >= count, timeout=10)
        return self.answers


class Gate:
    """A search that waits for a signal and records its questions."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.questions: list[int] = []

    def __call__(self, job: Any, space: Space, cancelled: Any = None, **_: Any) -> Any:
        self.questions.append(job.sequence)
        self.entered.release()
        assert self.open.wait(10)
        return fake_search(job, space)


def test_an_older_answer_never_lands() -> None:
    """A search that ends after a newer question was posed does not answer."""
    gate, received = Gate(), Receiver()
    planner = Planner(gate, burst=0.0)
    planner.attach(received)
    planner.ask(question(1024))
    assert gate.entered.acquire(timeout=10)
    newest = planner.ask(question(2048))
    assert gate.entered.acquire(timeout=10)
    gate.open.set()
    received.wait(1)
    time.sleep(0.05)
    assert [answer.generation for answer in received.answers] == [newest]


def test_an_older_search_learns_that_it_is_cancelled() -> None:
    """The search of an older question sees cancelled() turn true, the newest does not."""
    reported: list[Any] = []
    entered = threading.Semaphore(0)

    def search(job: Any, space: Space, cancelled: Any = None, **_: Any) -> Any:
        reported.append(cancelled)
        entered.release()
        return fake_search(job, space)

    planner = Planner(search, burst=0.0)
    for sequence in (1024, 2048):
        planner.ask(question(sequence))
        assert entered.acquire(timeout=10)
    assert [cancelled() for cancelled in reported] == [True, False]
    planner.stop()
    assert reported[1]()


def test_an_answer_waits_for_whoever_wants_it() -> None:
    """What was planned before the screen stood is delivered when it does, once."""
    received, searched = Receiver(), threading.Event()

    def search(job: Any, space: Space, **_: Any) -> Any:
        searched.set()
        return fake_search(job, space)

    planner = Planner(search)
    planner.ask(question(1024))
    assert searched.wait(10)
    planner.attach(received)
    assert len(received.wait(1)) == 1


def test_a_burst_of_questions_is_searched_once_or_twice() -> None:
    """Questions that follow each other at once do not each start a search."""
    gate, received = Gate(), Receiver()
    gate.open.set()
    planner = Planner(gate, burst=0.2)
    planner.attach(received)
    for sequence in range(1024, 1044):
        planner.ask(question(sequence))
    while not received.answers or received.answers[-1].generation != planner.generation:
        received.wait(len(received.answers) + 1)
    assert len(gate.questions) <= 2
    assert gate.questions[-1] == 1043


def test_another_view_needs_no_other_search() -> None:
    """Sorting and filtering work on the plans already found."""
    gate, received = Gate(), Receiver()
    gate.open.set()
    planner = Planner(gate, burst=0.0)
    planner.attach(received)
    planner.ask(question(1024))
    received.wait(1)
    planner.ask(question(1024, View(reverse=True)))
    first, second = received.wait(2)
    assert len(gate.questions) == 1
    assert second.rows.tolist() == first.rows.tolist()[::-1]


def test_only_the_same_job_and_bounds_reuse_a_search() -> None:
    """The plans within other bounds are searched, and are those of the bounds."""
    gate, received = Gate(), Receiver()
    gate.open.set()
    planner = Planner(gate, burst=0.0)
    planner.attach(received)
    for count, space in enumerate((Space(), Space().with_("tp", "8"), Space()), 1):
        planner.ask(Question(SMALL, space))
        result = received.wait(count)[-1].result
        assert result is not None and result.space == space
    assert len(gate.questions) == 3


def test_an_answer_completed_after_a_newer_question_is_not_sent() -> None:
    """Neither to a receiver nor to be sent once there is one."""
    received, planner = Receiver(), Planner(fake_search)
    planner.generation = 2
    for generation in (1, 2):
        planner._send(Answer(generation, question(1024)))
    planner.attach(received)
    for generation in (1, 2):
        planner._send(Answer(generation, question(1024)))
    assert [answer.generation for answer in received.answers] == [2, 2]


def test_plans_that_do_not_fit_need_no_advice_once_they_are_shown() -> None:
    """Where no plan fits, and those that do not fit are in view, one answer has them."""

    def search(job: Any, space: Space, **_: Any) -> Any:
        result = fake_search(job, space)
        result.order, result.counts = result.order[:0], dataclasses.replace(result.counts, fit=0)
        return result

    received = Receiver()
    planner = Planner(search)
    planner.attach(received)
    planner.ask(question(1024, View(unfit=True)))
    (answer,) = received.wait(1)
    assert len(answer.rows) and not answer.thinking and not answer.advice


@pytest.mark.parametrize("key", ["gpus", "global_batch"])
def test_a_refused_job_is_an_answer(key: str) -> None:
    """Inputs that make no job come back as an error that names the field."""
    received = Receiver()
    planner = Planner(fake_search)
    planner.attach(received)
    planner.ask(Question(Inputs({**SMALL.values, key: 0}), Space()))
    error = received.wait(1)[0].error
    assert error is not None
    assert error.key == key  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), "there is not enough memory; lock or bound an axis"),
        (RecursionError(), "is nested too deeply"),
        (ZeroDivisionError("x"), "this is a fault of tmplan"),
    ],
)
def test_whatever_breaks_a_search_is_an_answer(error: Exception, expected: str) -> None:
    """Out of memory, or with any other error, a search is answered by a message, the program continues, and plans the next question."""
    broken = [error]

    def search(job: Any, space: Space, **_: Any) -> Any:
        if broken:
            raise broken.pop()
        return fake_search(job, space)

    async def play(it: Driver) -> None:
        assert expected in " ".join(it.text().split())
        await it.field("global_batch", "128")
        assert it.answer is not None and it.answer.job is not None and it.answer.job.global_batch == 128

    drive(play, search=search)


def test_a_page_out_of_memory_states_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that there is not enough memory for says that, not that tmplan is at fault."""
    import tui.pages.memory as page

    def broken(subject: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(page, "work", broken)

    async def play(it: Driver) -> None:
        it.program.pages.open("memory")
        await it.ready()
        assert "there is not enough memory" in it.text() and "fault" not in it.text()

    drive(play, search=fake_search)


def test_where_no_thread_can_begin_it_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit while the system cannot start a thread is retained, the reason is shown, and once there are threads it is planned."""

    async def play(it: Driver) -> None:
        def none(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        await it.press("3")
        it.active_form.go("global_batch")
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", none)
            await it.pilot.press("enter", *"128", "enter")
            assert "the system starts no more threads" in it.text()
        assert it.document.inputs.values["global_batch"] == 128
        await it.field("global_batch", "256")
        assert it.answer is not None and it.answer.job is not None and it.answer.job.global_batch == 256

    drive(play, search=fake_search)


def test_keys_work_while_a_search_runs() -> None:
    """The table of the former plans moves, and the program quits at once, while the planner is busy."""
    gate = Gate()
    gate.open.set()

    async def play(it: Driver) -> None:
        gate.open.clear()
        it.program.editing.edit(lambda document: type(document)(document.inputs.with_("sequence", 2048)), "sequence")
        before = it.table.at
        await it.pilot.press("4", "down", "down")
        assert it.table.at == before + 2
        await it.pilot.press("q", "y")  # no session keeps the edit
        await it.pilot.pause()
        assert not it.app.is_running or it.app._exit
        gate.open.set()

    drive(play, search=gate)


def test_of_a_large_search_the_best_plan_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the ranking its first plan, in a separate answer; for another order of the same plans none."""
    monkeypatch.setattr(branch_and_bound, "MANY", 1)
    received = Receiver()
    planner = Planner(burst=0.0)
    planner.attach(received)
    planner.ask(question(4096))
    ahead, whole = received.wait(2)
    assert ahead.ahead is not None and ahead.result is None and whole.result is not None
    assert ahead.ahead.plan == whole.result.plan(int(whole.rows[0]))
    assert ahead.ahead.step == float(whole.result.step_seconds[whole.rows[0]])
    planner.ask(question(4096, View(reverse=True)))
    assert received.wait(3)[2].ahead is None
    monkeypatch.setattr(branch_and_bound, "MANY", 10**9)
    planner.ask(question(2048))
    assert received.wait(4)[3].ahead is None


def test_the_best_plan_is_reported_while_the_others_are_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the message line, with what it was before the edit; once the others are ranked, what the edit came to stands there."""
    gate, real = threading.Event(), planner_search.search
    gate.set()

    def slow(*arguments: Any, **options: Any) -> Any:
        assert gate.wait(10)
        return real(*arguments, **options)

    monkeypatch.setattr(planner_search, "search", slow)
    monkeypatch.setattr(branch_and_bound, "MANY", 1)

    async def play(it: Driver) -> None:
        assert it.foot.message == ""
        gate.clear()
        it.program.editing.edit(lambda document: type(document)(document.inputs.with_("global_batch", 128)), "global_batch")
        for _ in range(1000):
            if it.foot.message:
                break
            await it.pilot.pause(0.01)
        reported = it.foot.message
        assert (
            reported.startswith("Global batch 64 → 128: best ")
            and reported.endswith("; ranking the others …")
            and "micro-batch" in reported
        )
        gate.set()
        await it.ready()
        assert it.foot.message.startswith(reported.split(", ")[0]) and "fit" in it.foot.message

    drive(play)
