"""Planning off the keyboard's thread: one question at a time, the newest; an answer to an older one never lands.

Nothing here needs Textual, so that the first search can start before Textual is imported. A thread cannot be killed: the
search asks `cancelled()` and gives up when a newer question has come. Threads are daemons, so quitting never waits for one.
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
from tui.state.threads import begin, said
from tui.state.view import View, ranked

if TYPE_CHECKING:
    from planner.report.best import EvaluatedPlan
    from planner.search.search import Result
    from planner.specs.job import Job
    from planner.specs.plan import Plan

Search = Callable[..., Any]
BURST = 0.12  # seconds: a question that follows another within this waits as long, so that a held key asks once


@dataclass(frozen=True)
class Question:
    """What is to be planned, and how the plans are to be shown."""

    inputs: Inputs
    space: Space
    view: View = field(default_factory=View)


@dataclass(frozen=True)
class Answer:
    """What a question came to: rows of a result, or the refusal of the job or the view.

    Advice may follow in a second answer; the best plan of a large search comes in one of its own, before the others are ranked.
    """

    generation: int
    question: Question
    job: Job | None = None
    result: Result | None = None
    rows: Any = ()
    error: TmplanError | None = None
    advice: tuple[tuple[str, str], ...] = ()  # sentences and their roles; where there are no rows
    nearest: Plan | None = None  # the plan the advice is about
    thinking: bool = False  # advice is still being worked out
    ahead: EvaluatedPlan | None = None  # the best plan alone, of a large search that goes on


class Planner:
    """Answers the newest question. `attach` says where answers go; one that came before is kept until then."""

    def __init__(self, search: Search | None = None, burst: float = BURST) -> None:
        self._search = search
        self._burst = burst
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._sink: Callable[[Answer], None] | None = None
        self._parked: list[Answer] = []
        self._last: tuple[Job, Space, Any] | None = None  # a change of view, or of what a run costs, needs no new search
        self._asked = 0.0
        self.generation = 0

    def ask(self, question: Question) -> int:
        """Plan this instead of whatever was asked before; the generation its answers will carry."""
        now = time.monotonic()
        with self._lock:
            self.generation += 1
            generation = self.generation
            soon = now - self._asked < self._burst
            self._asked = now
            self._wake.set()  # whoever waits out a burst looks up, and finds that it is outdated
            self._wake = threading.Event()
            wake = self._wake
        begin(lambda: self._answered(generation, question, wake if soon else None))
        return generation

    def attach(self, sink: Callable[[Answer], None]) -> None:
        """Send answers here from now on, the newest that already came first. The sink is called in planning threads."""
        with self._lock:
            self._sink = sink
            parked, self._parked = self._parked, []
        for answer in parked:
            self._send(answer)

    def stop(self) -> None:
        """Give up whatever is being planned, and answer nothing more."""
        with self._lock:
            self.generation += 1
            self._sink = None

    def _answered(self, generation: int, question: Question, wait: threading.Event | None) -> None:
        """One question, in a thread of its own; then what the search took and needs no more goes back to the system."""
        self._answer(generation, question, wait)
        give_back()

    def _answer(self, generation: int, question: Question, wait: threading.Event | None) -> None:
        """One question."""

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
                self._send(Answer(generation, question, job, error=TmplanError(f"planning failed: {said(error)}{way}")))

    def _known(self, job: Job, question: Question) -> Any:
        """The result of the same search, where it was the last; else None."""
        last = self._last
        return last[2] if last is not None and last[:2] == (job, question.space) else None

    def _ahead(self, job: Job, question: Question, cancelled: Callable[[], bool]) -> EvaluatedPlan | None:
        """The best plan, where ranking the others takes long."""
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
        with contextlib.suppress(RuntimeError):  # the program's loop has closed
            sink(answer)


def give_back() -> None:
    """Return free memory to the system, where the C library does so when asked (glibc): a search takes many times what its result keeps."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def advice(result: Result, cancelled: Callable[[], bool]) -> tuple[tuple[tuple[str, str], ...], Plan | None]:
    """What to say where nothing fits, and the plan it is about: what is nearest and what would help, or the rules that refused."""
    from planner.report.advice import nearest
    from planner.search.search import why_refused

    found = nearest(result, cancelled=cancelled)
    if found is None:
        head = ("No plan is valid; these rules refused them all, each the plans that came as far as it:", "bad")
        return (head, ("", "text"), *((f"{count:>13,}  {sentence}", "text") for sentence, count in why_refused(result.counts))), None
    told = tuple((f"• {change.sentence}", "text") for change in found.advice)
    help = ("What would make a plan fit, the fastest first:", "title") if told else ("Nothing tried alone makes a plan fit.", "title")
    way = (f"{key_of('misfits')} shows the plans that do not fit.", "dim")
    return ((found.sentence, "bad"), ("", "text"), help, *told, ("", "text"), way), found.plan
