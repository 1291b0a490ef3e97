"""Budget of a training run: FLOP, rate, time, GPU-hours, energy, cost, CO2; twice the GPUs; a deadline; serving; derivation trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.document.inputs import Inputs, run_of
from planner.document.space import Space
from planner.document.training_run import DAY, Run
from planner.economics import lifetime_cost
from planner.economics.budget import budget, explain
from planner.economics.lifetime_cost import LifetimeOptimum, serving_flops
from planner.economics.sanity import Sanity, sanity
from planner.economics.scaling_laws import LAWS
from planner.formula.trace import Step
from planner.formula.units import write, write_amount
from planner.report.best import EvaluatedPlan
from planner.report.number_text import write_size, write_tokens
from planner.report.wording import in_words, some_gpus
from planner.specs.job import Job
from planner.whatif.deadline import LARGEST, PRIMES, BudgetedPlan, DoubledCluster, SmallestCluster, doubled_cluster, smallest_cluster
from tui.draw.step_tree import trees
from tui.draw.writing import Row, counted, heading, rows, sentence
from tui.pages import goodput, spending

if TYPE_CHECKING:
    from planner.specs.plan import Plan
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

_cache: list[tuple[tuple[Inputs, Job, Space], SmallestCluster]] = []


@dataclass(frozen=True)
class BudgetReport:
    """Contents of the page: budget and rate of the plan, twice the GPUs, the deadline, serving by each law, and the trees."""

    job: Job
    run: Run
    here: BudgetedPlan
    sanity: Sanity
    doubled: DoubledCluster
    deadline: SmallestCluster | None
    serving: tuple[LifetimeOptimum, ...]
    times: goodput.GoodputReport
    steps: dict[str, Step]


def budget_report(
    inputs: Inputs,
    space: Space,
    job: Job,
    plan: Plan,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> BudgetReport:
    """The complete budget of one plan; Cancelled as by search, FieldError if failures leave no time to train.

    progress is called with the number of GPUs of each cluster that the search for the deadline has covered.
    """
    from planner.cost.evaluate import evaluate

    run, estimate = run_of(inputs, job), evaluate(job, plan)
    known = budget(job, run, float(estimate.step[0]))
    here = BudgetedPlan(EvaluatedPlan(job, plan, estimate), known)
    answer = answered(inputs, job, space, run.deadline_s, progress, cancelled) if run.deadline_s is not None else None
    laws = LAWS if run.served_tokens and not job.model.experts and not job.frozen else ()
    served = tuple(lifetime_cost.lifetime_optimum(law, known.parameters, known.tokens, run.served_tokens) for law in laws)
    steps = explain(job, run, known.step_seconds)
    if run.served_tokens:
        steps["serving"] = lifetime_cost.explain_serving(known.parameters, run.served_tokens)
    steps |= {f"lifetime, {one.law.name}": lifetime_cost.explain(one, run.served_tokens) for one in served}
    twice = doubled_cluster(inputs, space, here, cancelled)
    times = goodput.goodput_report(job, run, known)
    return BudgetReport(job, run, here, sanity(here.evaluated, known.achieved_flops), twice, answer, served, times, steps)


def answered(
    inputs: Inputs,
    job: Job,
    space: Space,
    deadline_s: float,
    progress: Callable[[int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> SmallestCluster:
    """The smallest cluster that meets the deadline; cached, since it does not depend on the plan under the cursor."""
    for question, answer in _cache:
        if question == (inputs, job, space):
            return answer
    answer = smallest_cluster(inputs, space, deadline_s, progress=progress, cancelled=cancelled)
    _cache[:] = [((inputs, job, space), answer)]
    return answer


def work(subject: Subject) -> BudgetReport:
    """The budget of the plan under the cursor."""
    document = subject.document

    return budget_report(document.inputs, document.space, subject.job, subject.plan, cancelled=subject.cancelled)


def draw(report: BudgetReport, width: int) -> list[Line]:
    """All lines: the summary, the chart of checkpoint intervals, and the derivation trees."""
    lines: list[Line] = [*summary(report, width), [], *goodput.by_interval(report.times, width)]
    return [*lines, [], heading("derivation of the numbers"), *trees(report.steps.values(), width)]


def summary(report: BudgetReport, width: int) -> Iterator[Line]:
    """The page without its chart and trees."""
    job, known = report.job, report.here.budget
    ratio = f"{known.tokens / known.parameters:,.4g} per {'active ' if job.model.experts else ''}parameter"
    yield from sentence(
        f"{job.model.name} ({write_size(job.model)}), {write_tokens(known.tokens)} tokens, {ratio}, on {job.cluster.gpus:,} "
        f"{job.cluster.gpu.name}: {_plan(report.here)}", width, "strong",
    )  # fmt: skip
    for part in (compute, money, more, in_time, served, failures):
        lines = list(part(report, width))
        if lines:
            yield []
            yield from lines


def _plan(best: BudgetedPlan) -> str:
    """The description of a plan, with a note if it does not fit or is at risk."""
    return in_words(best.plan) + ("" if best.evaluated.fit == "fits" else f" ({best.evaluated.fit})")


def compute(report: BudgetReport, width: int) -> Iterator[Line]:
    """FLOP of the training, and the rate achieved."""
    known, judged, job = report.here.budget, report.sanity, report.job
    of_experts = ", active experts only" if job.model.experts else ""
    back = 2 if job.frozen else 4  # frozen weights have no gradients
    yield heading("compute")
    yield from rows(
        (
            Row(f"{2 + back} P D", f"{known.flops:.3e} FLOP",
                f"forward 2 P D {known.forward_flops:.3e}, backward {back} P D {known.backward_flops:.3e}"),
            Row("exactly", f"{known.exact_flops:.3e} FLOP", f"with attention, without embedding lookups{of_experts}"),
            Row("rate", f"{judged.achieved / 1e12:,.1f} TFLOP/s", f"per GPU, {100 * judged.achieved / judged.peak:.1f} % of its peak "
                f"of {judged.peak / 1e12:,.0f}"),
        ),
        width,
    )  # fmt: skip
    yield from sentence(f"{'! ' if judged.wrong else ''}{judged.sentence}", width, "bad" if judged.wrong else "good", 2)


def money(report: BudgetReport, width: int) -> Iterator[Line]:
    """Time, GPU-hours, energy, cost and CO2."""
    known, run, job, band = report.here.budget, report.run, report.job, report.here.evaluated.estimate.step_band
    low, high = (write(known.elapsed_seconds * edge, "s") for edge in (band.low, band.high))
    yield heading("time and money")
    given = [
        Row("training", write(known.train_seconds, "s"), f"{counted(known.steps, 'step')} of {known.step_seconds:.4g} s"),
        Row("goodput", f"{100 * known.goodput.goodput:.1f} %", f"{counted(known.goodput.failures, 'failure')}, checkpoints, restarts"),
        Row("elapsed", write(known.elapsed_seconds, "s"), f"80 % band {low} to {high}"),
        Row(
            "GPU-hours",
            write_amount(known.gpu_hours),
            f"{counted(job.cluster.gpus, 'GPU')}, reserved throughout",
        ),
    ]
    if known.energy_wh is None:
        given.append(Row("energy", "unknown", "set board_w: the preset does not give the GPU's power", "dim"))
    else:
        given.append(Row("energy", write(known.energy_wh, "Wh"), f"{run.power_w:,.6g} W per board, PUE {run.pue:g}"))
    if known.cost is not None and run.price_gpu_hour is not None:
        cents = run.price_gpu_hour == round(run.price_gpu_hour, 2)
        given.append(Row("cost", write(known.cost, "$"), f"${run.price_gpu_hour:,.{2 if cents else 6}f} per GPU-hour"))
    else:
        given.append(Row("cost", "unknown", "set price_gpu_hour", "dim"))
    if known.co2_tonnes is not None:
        given.append(Row("CO2", f"{known.co2_tonnes:,.5g} t", f"{run.co2_g_kwh:,.6g} g per kWh"))
    elif known.energy_wh is not None:
        given.append(Row("CO2", "unknown", "set co2_g_kwh, the carbon intensity of the grid", "dim"))
    yield from rows(given, width)


def more(report: BudgetReport, width: int) -> Iterator[Line]:
    """Training on twice the GPUs."""
    twice = report.doubled
    yield heading(f"twice the GPUs: {twice.gpus:,}")
    if twice.best is None:
        yield from sentence(f"none: {twice.stopped}", width, "dim", 2)
        return
    known = twice.best.budget
    price = f", {write(known.cost, '$')}" if known.cost is not None else ""
    text = f"{write(known.elapsed_seconds, 's')}, {twice.speedup:.2f} times as fast{price}: {_plan(twice.best)}"
    yield from sentence(text, width, "text", 2)
    if twice.stopped:
        yield from sentence(f"! no faster: {twice.stopped}", width, "bad", 2)


def failures(report: BudgetReport, width: int) -> Iterator[Line]:
    """Failures and checkpoints, and the goodput, on this cluster and on clusters of other sizes."""
    yield from goodput.summary(report.times, width)
    yield []
    yield from goodput.by_size(report.times, width)


def in_time(report: BudgetReport, width: int) -> Iterator[Line]:
    """The smallest cluster that meets the deadline."""
    answer = report.deadline
    if answer is None:
        return
    yield heading(f"in {answer.deadline_s / DAY:,.6g} days")
    if answer.best is not None:
        known = answer.best.budget
        price = f", {write(known.cost, '$')}" if known.cost is not None else ""
        text = f"{some_gpus(answer.best.gpus)}: {write(known.elapsed_seconds, 's')}{price}: {_plan(answer.best)}"
        yield from sentence(text, width, "good", 2)
    else:
        near = answer.nearest
        text = f"; the fastest of them, {some_gpus(near.gpus)}, takes {write(near.budget.elapsed_seconds, 's')}" if near else ""
        yield from sentence(f"! no cluster tried meets the deadline{text}", width, "bad", 2)
    yield from sentence(
        f"tried: complete nodes, counts without a prime factor above {PRIMES[-1]}, up to {LARGEST:,} GPUs; {answer.searched:,} "
        f"searched, {answer.ruled_out:,} too small for any plan", width, "dim", 2,
    )  # fmt: skip


def served(report: BudgetReport, width: int) -> Iterator[Line]:
    """Training and serving together, and models of the same estimated loss, if tokens are to be served."""
    if report.run.served_tokens:
        tokens, known = float(report.run.served_tokens), report.here.budget
        yield from spending.served(known, tokens, serving_flops(known.parameters, tokens), report.serving, width)
