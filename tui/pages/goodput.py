"""What failures and checkpoints leave of the time: the checkpoint, its best interval, the share that trains, and larger clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner.document.inputs import run_of
from planner.document.training_run import Run
from planner.economics.budget import Budget, budget, explain
from planner.economics.goodput import Goodput, goodput, goodput_of
from planner.errors import FieldError
from planner.formula.trace import Step
from planner.formula.units import write
from planner.specs.job import Job
from tui.draw.chart import Axis, Series, plot
from tui.draw.step_tree import trees
from tui.draw.writing import Row, counted, heading, one, rows, sentence, set_in, table

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

TIMES = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)  # as many GPUs as there are, for the table by size
CHART = 10  # lines of the chart
SHOWN = ("saving", "restarting", "redone", "failures")


@dataclass(frozen=True)
class Found:
    """What is drawn: the plan's budget, and what is left of the time on clusters of other sizes; None where nothing is."""

    job: Job
    run: Run
    budget: Budget
    sizes: tuple[tuple[int, Goodput | None], ...]
    steps: dict[str, Step]


def found(job: Job, run: Run, known: Budget) -> Found:
    """The goodput of a plan's training."""
    steps = {name: step for name, step in explain(job, run, known.step_seconds).items() if name in SHOWN}
    return Found(job, run, known, tuple(sizes(job, run, known)), steps)


def sizes(job: Job, run: Run, known: Budget) -> Iterator[tuple[int, Goodput | None]]:
    """What is left on other numbers of GPUs, all else alike: storage grows with them where nobody told it."""
    for times in TIMES:
        gpus = job.cluster.gpus * times
        if gpus >= 1 and gpus == int(gpus):
            there = replace(job, cluster=replace(job.cluster, gpus=int(gpus)))
            try:
                yield int(gpus), goodput_of(there, replace(run, storage_bytes_s=run.storage_bytes_s * (times if run.shared else 1)),
                                            known.step_seconds / times, known.train_seconds / times)  # fmt: skip
            except FieldError:
                yield int(gpus), None


def work(subject: Subject) -> Found:
    """The goodput of the plan under the cursor; FieldError where failures leave next to no time to train."""
    from planner.cost.evaluate import evaluate

    step = one(evaluate(subject.job, subject.plan).step)
    run = run_of(subject.document.inputs, subject.job)
    return found(subject.job, run, budget(subject.job, run, step))


def draw(found: Found, width: int) -> list[Line]:
    """All lines: what fails, what is saved, what is left, other sizes of the cluster, and the trees of the numbers."""
    lines = [*told(found, width), [], *by_interval(found, width), [], *by_size(found, width)]
    return [*lines, [], heading("where the numbers come from"), *trees(found.steps.values(), width)]


def told(found: Found, width: int) -> Iterator[Line]:
    """Failures, checkpoints, and what they leave of the time."""
    good, run, known = found.budget.goodput, found.run, found.budget
    each = f"one GPU's {run.gpu_mtbf_s / 3600:,.6g} h over {found.job.cluster.gpus:,}"
    expected = f"{good.failures:,.1f}" if good.failures >= 1 else f"{good.failures:.2g}"
    yield heading("failures and checkpoints")
    steps = max(1, round(good.interval_seconds / known.step_seconds))
    best = "the best (Daly)" if run.checkpoint_s is None else f"the best (Daly): {write(good.daly_seconds, 's')}"
    if run.checkpoint_s is None and good.interval_seconds != good.daly_seconds:
        which = "one step" if good.interval_seconds > good.daly_seconds else "once, at the end"
        best = f"{which}; the best (Daly) would be {write(good.daly_seconds, 's')}"
    yield from rows(
        (
            Row("failures", expected, f"one every {write(good.mtbf_seconds, 's')}: {each}"),
            Row("checkpoint", write(good.saved_bytes, "B"), "weights, master weights, optimizer states"),
            Row("writing it", write(good.save_seconds, "s"), f"at {write(run.storage_bytes_s, 'B/s')}, training waits"),
            Row("interval", write(good.interval_seconds, "s"), f"{counted(steps, 'step')}; {best}; first order (Young): "
                f"{write(good.young_seconds, 's')}"),
            Row("restart", write(run.restart_s, "s"), "from a failure to training again"),
        ),
        width,
    )  # fmt: skip
    yield []
    yield heading("what is left of the time")
    yield from rows(
        (
            Row("training", f"{100 * good.goodput:.2f} %", "goodput, the effective training time"),
            Row("checkpoints", f"{100 * good.saving:.2f} %"),
            Row("restarts", f"{100 * good.restarting:.2f} %"),
            Row("done again", f"{100 * good.redone:.2f} %", "lost between the last checkpoint and a failure"),
        ),
        width,
    )


def by_interval(found: Found, width: int) -> Iterator[Line]:
    """The share that trains over the time between checkpoints, with the one taken and the best marked."""
    good, restart = found.budget.goodput, found.run.restart_s
    middle = good.daly_seconds
    at = [middle * 10 ** (i / 20) for i in range(-30, 31)]
    line = [(seconds / 60, 100 * goodput(seconds, good.save_seconds, restart, good.mtbf_seconds)) for seconds in at]
    series = [Series(line, "·", "dim", "·"), Series([(middle / 60, max(share for _, share in line))], "b", "good")]
    series.append(Series([(good.interval_seconds / 60, 100 * good.goodput)], "●"))
    yield from sentence("share that trains, %, by interval (b: best, ●: taken)", width, "title")
    write_minutes = Axis("minutes between checkpoints", lambda minutes: f"{minutes:.2g}" if minutes < 100 else f"{minutes:,.0f}", 10)
    yield from set_in(plot(series, width - 2, CHART, x=write_minutes, y=Axis("", lambda share: f"{share:.3g}")))


def by_size(found: Found, width: int) -> Iterator[Line]:
    """A line for each size of the cluster: time between failures, best interval, share that trains."""
    yield heading("by size of the cluster")
    lines = [("GPUs", "a failure every", "interval", "training")]
    for gpus, good in found.sizes:
        mark = "*" if gpus == found.job.cluster.gpus else ""
        cells = ("-", "-", "none") if good is None else (
            write(good.mtbf_seconds, "s"), write(good.interval_seconds, "s"), f"{100 * good.goodput:.1f} %"
        )  # fmt: skip
        lines.append((f"{mark}{gpus:,}", *cells))
    yield from table(lines)
    storage = "storage grows with the GPUs, " if found.run.shared else ""
    yield from sentence(f"* this cluster; {storage}steps are taken to shorten as GPUs are added", width, "dim", 2)
