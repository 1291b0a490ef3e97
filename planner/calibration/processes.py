"""Step times of measured runs predicted by several processes, one per core."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.calibration.measured_runs import Runs, Values, predicted

Progress = Callable[[int, int], None]  # evaluations done, and in all
Request = tuple[Values, Any]  # constants, and the indices of the batches to predict
CHUNK = 64  # batches of a task: some tenths of a second
FEW = 400  # batches below which processes do not pay
_data: list[Runs] = []  # of a worker


@dataclass(frozen=True)
class Evaluator:
    """Predicts batches of runs, in this process if `pool` is None."""

    data: Runs
    pool: ProcessPoolExecutor | None = None

    def seconds(self, requests: Sequence[Request], progress: Progress | None = None) -> list[Any]:
        """For each request the predicted seconds of the runs of its batches, in their order."""
        tasks = [(i, values, part) for i, (values, batches) in enumerate(requests) for part in _parts(batches)]
        answers = _serial(self.data, tasks, progress) if self.pool is None else _parallel(self.pool, tasks, progress)
        pieces: list[list[Any]] = [[] for _ in requests]
        for (i, _, _), answer in zip(tasks, answers, strict=True):
            pieces[i].append(answer)
        return [np.concatenate(piece) if piece else np.empty(0) for piece in pieces]

    def every(self, values: Values) -> Any:
        """The predicted seconds of every run."""
        return self.seconds([(values, np.arange(len(self.data.batches)))])[0]


Task = tuple[int, Values, Any]


def _parts(batches: Any) -> list[Any]:
    return [batches[i : i + CHUNK] for i in range(0, len(batches), CHUNK)]


def chosen(data: Runs, values: Values, batches: Any) -> Any:
    """The predicted seconds of the runs of some batches; `batches`: their indices in ascending order."""
    only = np.zeros(len(data.batches), bool)
    only[batches] = True
    seconds = predicted(data, values, only, np.zeros(len(data.measured)))
    return seconds[np.repeat(only, np.diff(data.ends))]


def _serial(data: Runs, tasks: Sequence[Task], progress: Progress | None) -> list[Any]:
    answers = []
    for done, (_, values, batches) in enumerate(tasks):
        answers.append(chosen(data, values, batches))
        if progress:
            progress(done + 1, len(tasks))
    return answers


def _parallel(pool: ProcessPoolExecutor, tasks: Sequence[Task], progress: Progress | None) -> list[Any]:
    futures: list[Future[Any]] = [pool.submit(_work, values, batches) for _, values, batches in tasks]
    for done, _ in enumerate(as_completed(futures)):
        if progress:
            progress(done + 1, len(tasks))
    return [future.result() for future in futures]


def _start(data: Runs) -> None:
    """Prepare a worker: an interrupt is for the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _data[:] = [data]


def _work(values: Values, batches: Any) -> Any:
    return chosen(_data[0], values, batches)


@contextmanager
def evaluator(data: Runs, processes: int = 0) -> Iterator[Evaluator]:
    """An evaluator on this many processes (0: as many as there are cores); on an exception unfinished predictions are dropped."""
    count = processes or os.cpu_count() or 1
    if count == 1 or len(data.batches) < FEW:
        yield Evaluator(data)
        return
    pool = ProcessPoolExecutor(count, initializer=_start, initargs=(data,))
    try:
        yield Evaluator(data, pool)
    finally:
        pool.shutdown(cancel_futures=True)
