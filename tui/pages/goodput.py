"""The goodput page: failures, the checkpoint and its best interval, the effective training time, and other cluster sizes."""

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

TIMES = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)  # multiples of the cluster's GPUs, for the table by size
CHART = 10  # lines of the chart
SHOWN = ("saving", "restarting", "redone", "failures")


@dataclass(frozen=True)
class GoodputReport:
    """Contents of the page: the plan's budget, and the goodput on clusters of other sizes (None if no time is left to train)."""

    job: Job
    run: Run
    budget: Budget
    sizes: tuple[tuple[int, Goodput | None], ...]
    steps: dict[str, Step]


def goodput_report(job: Job, run: Run, known: Budget) -> GoodputReport:
    """The goodput of a plan's training."""
    steps = {name: step for name, step in explain(job, run, known.step_seconds).items() if name in SHOWN}
    return GoodputReport(job, run, known, tuple(sizes(job, run, known)), steps)


def sizes(job: Job, run: Run, known: Budget) -> Iterator[tuple[int, Goodput | None]]:
    """Goodput on other numbers of GPUs, all else equal; storage bandwidth scales with them unless the user set it."""
    for times in TIMES:
        gpus = job.cluster.gpus * times
        if gpus >= 1 and gpus == int(gpus):
            there = replace(job, cluster=replace(job.cluster, gpus=int(gpus)))
            try:
                yield int(gpus), goodput_of(there, replace(run, storage_bytes_s=run.storage_bytes_s * (times if run.shared else 1)),
                                            known.step_seconds / times, known.train_seconds / times)  # fmt: skip
            except FieldError:
                yield int(gpus), None


def work(subject: Subject) -> GoodputReport:
    """The goodput of the plan under the cursor; FieldError if failures leave next to no time to train."""
    from planner.cost.evaluate import evaluate

    step = one(evaluate(subject.job, subject.plan).step)
    run = run_of(subject.document.inputs, subject.job)
    return goodput_report(subject.job, run, budget(subject.job, run, step))


def draw(report: GoodputReport, width: int) -> list[Line]:
    """All lines: failures, checkpoints, goodput, other cluster sizes, and the derivation trees."""
    lines = [*summary(report, width), [], *by_interval(report, width), [], *by_size(report, width)]
    return [*lines, [], heading("derivation of the numbers"), *trees(report.steps.values(), width)]


def summary(report: GoodputReport, width: int) -> Iterator[Line]:
    """Failures, checkpoints, and the goodput."""
    good, run, known = report.budget.goodput, report.run, report.budget
    each = f"GPU MTBF {run.gpu_mtbf_s / 3600:,.6g} h over {report.job.cluster.gpus:,}"
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
            Row("write time", write(good.save_seconds, "s"), f"at {write(run.storage_bytes_s, 'B/s')}, training paused"),
            Row("interval", write(good.interval_seconds, "s"), f"{counted(steps, 'step')}; {best}; first order (Young): "
                f"{write(good.young_seconds, 's')}"),
            Row("restart", write(run.restart_s, "s"), "from a failure until training resumes"),
        ),
        width,
    )  # fmt: skip
    yield []
    yield heading("use of the time")
    yield from rows(
        (
            Row("training", f"{100 * good.goodput:.2f} %", "goodput, the effective training time"),
            Row("checkpoints", f"{100 * good.saving:.2f} %"),
            Row("restarts", f"{100 * good.restarting:.2f} %"),
            Row("repeated", f"{100 * good.redone:.2f} %", "work lost between the last checkpoint and a failure"),
        ),
        width,
    )


def by_interval(report: GoodputReport, width: int) -> Iterator[Line]:
    """Goodput over the checkpoint interval; the chosen and the best interval are marked."""
    good, restart = report.budget.goodput, report.run.restart_s
    middle = good.daly_seconds
    at = [middle * 10 ** (i / 20) for i in range(-30, 31)]
    line = [(seconds / 60, 100 * goodput(seconds, good.save_seconds, restart, good.mtbf_seconds)) for seconds in at]
    series = [Series(line, "·", "dim", "·"), Series([(middle / 60, max(share for _, share in line))], "b", "good")]
    series.append(Series([(good.interval_seconds / 60, 100 * good.goodput)], "●"))
    yield from sentence("goodput, %, by checkpoint interval (b: best, ●: chosen)", width, "title")
    write_minutes = Axis("minutes between checkpoints", lambda minutes: f"{minutes:.2g}" if minutes < 100 else f"{minutes:,.0f}", 10)
    yield from set_in(plot(series, width - 2, CHART, x=write_minutes, y=Axis("", lambda share: f"{share:.3g}")))


def by_size(report: GoodputReport, width: int) -> Iterator[Line]:
    """A line for each cluster size: time between failures, best interval, goodput."""
    yield heading("by cluster size")
    lines = [("GPUs", "MTBF", "interval", "goodput")]
    for gpus, good in report.sizes:
        mark = "*" if gpus == report.job.cluster.gpus else ""
        cells = ("-", "-", "none") if good is None else (
            write(good.mtbf_seconds, "s"), write(good.interval_seconds, "s"), f"{100 * good.goodput:.1f} %"
        )  # fmt: skip
        lines.append((f"{mark}{gpus:,}", *cells))
    yield from table(lines)
    storage = "storage scales with the GPUs, " if report.run.shared else ""
    yield from sentence(f"* this cluster; {storage}step time assumed inversely proportional to GPUs", width, "dim", 2)
