"""What training comes to: FLOP, its rate, time, GPU-hours, energy, cost and CO2; twice the GPUs; a deadline; serving; and the trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.document.inputs import Inputs, run_of
from planner.document.space import Space
from planner.document.training_run import DAY, Run
from planner.economics import lifetime_cost as lifetime
from planner.economics.budget import budget, explain
from planner.economics.lifetime_cost import Serving, serving_flops
from planner.economics.sanity import Sanity, sanity
from planner.economics.scaling_laws import LAWS
from planner.formula.trace import Step
from planner.formula.units import write, write_amount
from planner.report.best import EvaluatedPlan
from planner.report.number_text import write_size, write_tokens
from planner.report.wording import in_words, some_gpus
from planner.specs.job import Job
from planner.whatif.deadline import LARGEST, PRIMES, Answer, Best, Doubled, doubled, smallest
from tui.draw.step_tree import trees
from tui.draw.writing import Row, counted, heading, rows, sentence
from tui.pages import goodput, spending

if TYPE_CHECKING:
    from planner.specs.plan import Plan
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

_kept: list[tuple[tuple[Inputs, Job, Space], Answer]] = []


@dataclass(frozen=True)
class Found:
    """What is drawn: the plan's budget and rate, twice the GPUs, the deadline's answer, serving by each law, and the trees."""

    job: Job
    run: Run
    here: Best
    sanity: Sanity
    doubled: Doubled
    deadline: Answer | None
    serving: tuple[Serving, ...]
    times: goodput.Found
    steps: dict[str, Step]


def found(
    inputs: Inputs,
    space: Space,
    job: Job,
    plan: Plan,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Found:
    """All there is to say of one plan's training; Cancelled as search, FieldError where failures leave no time to train.

    progress is called with the GPUs of each cluster that the deadline has searched.
    """
    from planner.cost.evaluate import evaluate

    run, estimate = run_of(inputs, job), evaluate(job, plan)
    known = budget(job, run, float(estimate.step[0]))
    here = Best(EvaluatedPlan(job, plan, estimate), known)
    answer = answered(inputs, job, space, run.deadline_s, progress, cancelled) if run.deadline_s is not None else None
    laws = LAWS if run.served_tokens and not job.model.experts and not job.frozen else ()
    served = tuple(lifetime.serving(law, known.parameters, known.tokens, run.served_tokens) for law in laws)
    steps = explain(job, run, known.step_seconds)
    if run.served_tokens:
        steps["serving"] = lifetime.explain_serving(known.parameters, run.served_tokens)
    steps |= {f"lifetime, {one.law.name}": lifetime.explain(one, run.served_tokens) for one in served}
    twice = doubled(inputs, space, here, cancelled)
    times = goodput.found(job, run, known)
    return Found(job, run, here, sanity(here.found, known.achieved_flops), twice, answer, served, times, steps)


def answered(
    inputs: Inputs,
    job: Job,
    space: Space,
    deadline_s: float,
    progress: Callable[[int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Answer:
    """The smallest cluster in time; the last answer is kept, for no other plan under the cursor changes it."""
    for asked, answer in _kept:
        if asked == (inputs, job, space):
            return answer
    answer = smallest(inputs, space, deadline_s, progress=progress, cancelled=cancelled)
    _kept[:] = [((inputs, job, space), answer)]
    return answer


def work(subject: Subject) -> Found:
    """The budget of the plan under the cursor."""
    document = subject.document
    return found(document.inputs, document.space, subject.job, subject.plan, cancelled=subject.cancelled)


def draw(found: Found, width: int) -> list[Line]:
    """All lines: the head, the parts that apply, and the trees of the numbers."""
    lines: list[Line] = [*told(found, width), [], *goodput.by_interval(found.times, width)]
    return [*lines, [], heading("where the numbers come from"), *trees(found.steps.values(), width)]


def told(found: Found, width: int) -> Iterator[Line]:
    """What the page says, without its chart and the trees."""
    job, known = found.job, found.here.budget
    ratio = f"{known.tokens / known.parameters:,.4g} a parameter{' that a token visits' if job.model.experts else ''}"
    yield from sentence(
        f"{job.model.name} ({write_size(job.model)}), {write_tokens(known.tokens)} tokens, {ratio}, on {job.cluster.gpus:,} "
        f"{job.cluster.gpu.name}: {_plan(found.here)}", width, "strong",
    )  # fmt: skip
    for part in (compute, money, more, in_time, served, failures):
        lines = list(part(found, width))
        if lines:
            yield []
            yield from lines


def _plan(best: Best) -> str:
    """A plan in words, and that it does not fit or is at risk."""
    return in_words(best.plan) + ("" if best.found.fit == "fits" else f" ({best.found.fit})")


def compute(found: Found, width: int) -> Iterator[Line]:
    """FLOP of the training, and the rate they are done at."""
    known, judged, job = found.here.budget, found.sanity, found.job
    of_experts = ", of experts those visited" if job.model.experts else ""
    back = 2 if job.frozen else 4  # frozen weights have no gradients
    yield heading("compute")
    yield from rows(
        (
            Row(f"{2 + back} P D", f"{known.flops:.3e} FLOP",
                f"forward 2 P D {known.forward_flops:.3e}, backward {back} P D {known.backward_flops:.3e}"),
            Row("exactly", f"{known.exact_flops:.3e} FLOP", f"with attention, without lookups{of_experts}"),
            Row("rate", f"{judged.achieved / 1e12:,.1f} TFLOP/s", f"a GPU, {100 * judged.achieved / judged.peak:.1f} % of its "
                f"{judged.peak / 1e12:,.0f}"),
        ),
        width,
    )  # fmt: skip
    yield from sentence(f"{'! ' if judged.wrong else ''}{judged.sentence}", width, "bad" if judged.wrong else "good", 2)


def money(found: Found, width: int) -> Iterator[Line]:
    """Time, GPU-hours, energy, cost and CO2."""
    known, run, job, band = found.here.budget, found.run, found.job, found.here.found.estimate.step_band
    low, high = (write(known.elapsed_seconds * edge, "s") for edge in (band.low, band.high))
    yield heading("time and money")
    given = [
        Row("training", write(known.train_seconds, "s"), f"{counted(known.steps, 'step')} of {known.step_seconds:.4g} s"),
        Row("goodput", f"{100 * known.goodput.goodput:.1f} %", f"{counted(known.goodput.failures, 'failure')}, checkpoints, restarts"),
        Row("elapsed", write(known.elapsed_seconds, "s"), f"80 % of runs like it {low} to {high}"),
        Row(
            "GPU-hours",
            write_amount(known.gpu_hours),
            f"{counted(job.cluster.gpus, 'GPU')} held all the time",
        ),
    ]
    if known.energy_wh is None:
        given.append(Row("energy", "not told", "set board_w: the preset does not tell the GPU's power", "dim"))
    else:
        given.append(Row("energy", write(known.energy_wh, "Wh"), f"{run.power_w:,.6g} W a board, PUE {run.pue:g}"))
    if known.cost is not None and run.price_gpu_hour is not None:
        cents = run.price_gpu_hour == round(run.price_gpu_hour, 2)
        given.append(Row("cost", write(known.cost, "$"), f"${run.price_gpu_hour:,.{2 if cents else 6}f} a GPU-hour"))
    else:
        given.append(Row("cost", "not told", "set price_gpu_hour", "dim"))
    if known.co2_tonnes is not None:
        given.append(Row("CO2", f"{known.co2_tonnes:,.5g} t", f"{run.co2_g_kwh:,.6g} g a kWh"))
    elif known.energy_wh is not None:
        given.append(Row("CO2", "not told", "set co2_g_kwh, the intensity of the grid", "dim"))
    yield from rows(given, width)


def more(found: Found, width: int) -> Iterator[Line]:
    """What twice the GPUs do."""
    twice = found.doubled
    yield heading(f"twice the GPUs: {twice.gpus:,}")
    if twice.best is None:
        yield from sentence(f"none: {twice.stopped}", width, "dim", 2)
        return
    known = twice.best.budget
    price = f", {write(known.cost, '$')}" if known.cost is not None else ""
    said = f"{write(known.elapsed_seconds, 's')}, {twice.speedup:.2f} times as fast{price}: {_plan(twice.best)}"
    yield from sentence(said, width, "text", 2)
    if twice.stopped:
        yield from sentence(f"! no faster: {twice.stopped}", width, "bad", 2)


def failures(found: Found, width: int) -> Iterator[Line]:
    """Failures and checkpoints, what they leave of the time, here and on clusters of other sizes."""
    yield from goodput.told(found.times, width)
    yield []
    yield from goodput.by_size(found.times, width)


def in_time(found: Found, width: int) -> Iterator[Line]:
    """The smallest cluster that trains by the deadline."""
    answer = found.deadline
    if answer is None:
        return
    yield heading(f"in {answer.deadline_s / DAY:,.6g} days")
    if answer.best is not None:
        known = answer.best.budget
        price = f", {write(known.cost, '$')}" if known.cost is not None else ""
        said = f"{some_gpus(answer.best.gpus)}: {write(known.elapsed_seconds, 's')}{price}: {_plan(answer.best)}"
        yield from sentence(said, width, "good", 2)
    else:
        near = answer.nearest
        said = f"; the fastest of them, {some_gpus(near.gpus)}, takes {write(near.budget.elapsed_seconds, 's')}" if near else ""
        yield from sentence(f"! no cluster tried trains in time{said}", width, "bad", 2)
    yield from sentence(
        f"tried: whole nodes, their number without a prime factor beyond {PRIMES[-1]}, up to {LARGEST:,} GPUs; {answer.searched:,} "
        f"searched, {answer.ruled_out:,} too small for any plan", width, "dim", 2,
    )  # fmt: skip


def served(found: Found, width: int) -> Iterator[Line]:
    """Training and serving together, and models of the same estimated loss, where there is anything to serve."""
    if found.run.served_tokens:
        tokens, known = float(found.run.served_tokens), found.here.budget
        yield from spending.served(known, tokens, serving_flops(known.parameters, tokens), found.serving, width)
