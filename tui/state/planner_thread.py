"""Planning in background threads: only the newest question is answered; an answer to an older one is never delivered.

This module does not import Textual, so that the first search can start before Textual is imported. A thread cannot be killed: the
search polls `cancelled()` and stops when there is a newer question. Threads are daemons, so quitting never waits for one.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planner.document.inputs import Inputs, resolve
from planner.document.space import Space
from planner.errors import TmplanError
from tui.settings.bindings import key_of
from tui.state.threads import begin, error_text
from tui.state.view import View, ranked

if TYPE_CHECKING:
    from planner.report.best import EvaluatedPlan
    from planner.search.search import Result
    from planner.specs.job import Job
    from planner.specs.plan import Plan

Search = Callable[..., Any]
BURST = 0.12  # seconds; a question within this time after another waits as long, so that a repeating key starts one search


@dataclass(frozen=True)
class Question:
    """The inputs and bounds to plan, and the view of the plans."""

    inputs: Inputs
    space: Space
    view: View = field(default_factory=View)


@dataclass(frozen=True)
class Answer:
    """The answer to a question: rows of a result, or the error of the job or the view.

    Advice may follow in a second answer; the best plan of a large search arrives in a separate answer, before the others are ranked.
    """

    generation: int
    question: Question
    job: Job | None = None
    result: Result | None = None
    rows: Any = ()
    error: TmplanError | None = None
    advice: tuple[tuple[str, str], ...] = ()  # sentences and their roles, if there are no rows
    nearest: Plan | None = None  # the plan the advice is about
    thinking: bool = False  # advice is still being computed
    ahead: EvaluatedPlan | None = None  # the best plan alone, while a large search continues


class Planner:
    """Answers the newest question. `attach` sets the receiver of answers; earlier answers are queued until then."""

    def __init__(self, search: Search | None = None, burst: float = BURST) -> None:
        self._search = search
        self._burst = burst
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._sink: Callable[[Answer], None] | None = None
        self._parked: list[Answer] = []
        self._last: tuple[Job, Space, Any] | None = None  # reused if only the view or the costs of a run change
        self._last_question_at = 0.0
        self.generation = 0

    def ask(self, question: Question) -> int:
        """Plan this question instead of earlier ones; returns the generation of its answers."""
        now = time.monotonic()
        with self._lock:
            self.generation += 1
            generation = self.generation
            soon = now - self._last_question_at < self._burst
            self._last_question_at = now
            self._wake.set()  # a thread waiting for a burst to end wakes and finds itself outdated
            self._wake = threading.Event()
            wake = self._wake
        begin(lambda: self._answered(generation, question, wake if soon else None))
        return generation

    def attach(self, sink: Callable[[Answer], None]) -> None:
        """Send answers to `sink`, queued ones first. The sink is called in planning threads."""
        with self._lock:
            self._sink = sink
            parked, self._parked = self._parked, []
        for answer in parked:
            self._send(answer)

    def stop(self) -> None:
        """Stop planning, and send no further answers."""
        with self._lock:
            self.generation += 1
            self._sink = None

    def _answered(self, generation: int, question: Question, wait: threading.Event | None) -> None:
        """Answer one question in its thread, then return unused memory to the system."""
        self._answer(generation, question, wait)
        release_memory()

    def _answer(self, generation: int, question: Question, wait: threading.Event | None) -> None:
        """Answer one question."""

        def cancelled() -> bool:
            return generation != self.generation

        if (wait is not None and wait.wait(self._burst)) or cancelled():
            return
        job = None
        try:
            job = resolve(question.inputs)
            if (ahead := self._ahead(job, question, cancelled)) is not None:
                self._send(Answer(generation, question, job, ahead=ahead))
            result = self._result(job, question, cancelled)
            rows = ranked(result, question.view, cancelled)
            if cancelled():
                return
            none_fits = not result.counts.fit
            advise = none_fits and not len(rows)
            self._send(Answer(generation, question, job, result, rows, thinking=advise))
            if advise:
                sentences, plan = advice(result, cancelled)
                self._send(Answer(generation, question, job, result, rows, advice=sentences, nearest=plan))
        except TmplanError as error:
            if cancelled():
                return
            self._send(Answer(generation, question, job, error=error))
        except Exception as error:
            if not cancelled():
                way = "; lock or bound an axis, or ask for fewer GPUs" if isinstance(error, MemoryError) else ""
                self._send(Answer(generation, question, job, error=TmplanError(f"planning failed: {error_text(error)}{way}")))

    def _known(self, job: Job, question: Question) -> Any:
        """The result of the last search if it was the same, else None."""
        last = self._last
        return last[2] if last is not None and last[:2] == (job, question.space) else None

    def _ahead(self, job: Job, question: Question, cancelled: Callable[[], bool]) -> EvaluatedPlan | None:
        """The best plan, if ranking all plans takes long."""
        if self._search is not None or self._known(job, question) is not None:
            return None
        from planner.search.branch_and_bound import large

        if not large(job, question.space):
            return None
        from planner.report.best import best_fitting

        return best_fitting(job, question.space, cancelled)

    def _result(self, job: Job, question: Question, cancelled: Callable[[], bool]) -> Any:
        known = self._known(job, question)
        if known is not None:
            return known
        search = self._search
        if search is None:
            from planner.search.search import search as real

            search = real
        result = search(job, question.space, cancelled=cancelled)
        if not cancelled():
            self._last = (job, question.space, result)
        return result

    def _send(self, answer: Answer) -> None:
        with self._lock:
            if answer.generation != self.generation:
                return
            if self._sink is None:
                self._parked.append(answer)
                return
            sink = self._sink
        with contextlib.suppress(RuntimeError):  # the program's event loop is closed
            sink(answer)


def release_memory() -> None:
    """Return free memory to the system if the C library supports it (glibc): a search needs much more memory than its result."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def advice(result: Result, cancelled: Callable[[], bool]) -> tuple[tuple[tuple[str, str], ...], Plan | None]:
    """Advice if no plan fits, with its plan: the plan nearest to fitting and changes that would help, or the rules that refused plans."""
    from planner.report.advice import nearest
    from planner.search.search import why_refused

    near = nearest(result, cancelled=cancelled)
    if near is None:
        head = ("No plan is valid; plans refused by each rule, in the order of checking:", "bad")
        return (head, ("", "text"), *((f"{count:>13,}  {sentence}", "text") for sentence, count in why_refused(result.counts))), None
    changes = tuple((f"• {change.sentence}", "text") for change in near.advice)
    heading = "Changes that would make a plan fit, the fastest first:"
    help = (heading if changes else "No single change of those tried makes a plan fit.", "title")
    way = (f"{key_of('misfits')} shows the plans that do not fit.", "dim")
    return ((near.sentence, "bad"), ("", "text"), help, *changes, ("", "text"), way), near.plan
