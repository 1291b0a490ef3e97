"""`tmplan budget`: FLOP, time, energy and cost of training; the smallest cluster for a deadline; the models a budget can train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from planner.document.inputs import BY_KEY, shown
from planner.document.planfile import Document
from planner.document.training_run import DAY
from planner.economics import affordable
from planner.economics.affordable import AffordableTraining
from planner.economics.budget import explain as budget_trees
from planner.economics.lifetime_cost import LifetimeOptimum
from planner.errors import FieldError
from planner.formula.trace import Step
from planner.report.explain import headlines
from planner.specs.validate import choice, real
from planner.whatif.deadline import BudgetedPlan, DoubledCluster
from tui.cli.answer import NO_PLAN, Answer
from tui.cli.chosen_plan import Lacking, choose, code, misfit, report_misfit
from tui.cli.output import as_csv, as_json, as_steps, printed
from tui.cli.plan import job_values, reporting
from tui.draw.step_tree import printed_trees
from tui.pages import budget as page
from tui.pages import spending


def budget(document: Document, *, pinned: bool, flops: float | None, money: float | None, explain: bool, format: str, width: int) -> Answer:
    """The budget of one plan: the best within the pins, else that of the plan file, else the best of the job.

    flops, money: amounts to spend, for the models and tokens they can train.
    """
    choice("format", format, ("table", "json", "csv"))
    if flops is not None:
        real("flops", flops, 1.0, 1e40)
    if money is not None:
        real("money", money, 1e-6, 1e18)
    chosen = choose(document, pinned=pinned)
    if isinstance(chosen, Lacking):
        return lacking(document, chosen, explain, format)
    report_misfit(chosen)
    if money is not None and chosen.job.frozen:
        raise FieldError("money", "money applies to training all weights, the case that scaling laws describe; set tuning to full")
    searching = reporting("GPUs reached in the search for the smallest cluster,")
    report = page.budget_report(document.inputs, document.space, chosen.job, chosen.plan, progress=searching)
    spent = [affordable.by_flops(flops, report.run)] if flops is not None else []
    spent += [affordable.by_money(money, report.run, report.here.budget)] if money is not None else []
    if format == "table":
        lines = list(page.summary(report, width))
        for one in spent:
            lines += [[], *spending.bought(one, width)]
        return Answer(printed(lines) + (f"\n{printed_trees(trees(report, spent))}" if explain else ""), code(chosen))
    data = contract(document, report, spent) | {"advice": misfit(chosen)}
    if format == "csv":
        return Answer(as_csv(("key", "value"), flat(data)), code(chosen))
    return as_json(data | ({"steps": as_steps(trees(report, spent))} if explain else {}), code(chosen))


def lacking(document: Document, none: Lacking, explain: bool, format: str) -> Answer:
    """The answer if there is no plan: the inputs, and the reason."""
    data = given(document) | dict.fromkeys(("plan", "budget", "goodput", "sanity", "doubled", "deadline")) | {"serving": [], "buys": []}
    if format == "csv":
        return Answer(as_csv(("key", "value"), flat(data)), NO_PLAN)
    return none.answer(format, data | ({"steps": {}} if explain else {}))


def given(document: Document) -> dict[str, Any]:
    """The job, and the values of the fields of the training run."""
    training = {key: value for key, (value, _) in shown(document.inputs).items() if BY_KEY[key].group == "run"}
    return {"job": job_values(document.inputs), "run": training}


def trees(report: page.BudgetReport, spent: Sequence[AffordableTraining]) -> dict[str, Step]:
    """The trees of the page, including that of the step, and those of the models that budgets can train."""
    bought = {f"{one.given}: {name}": step for one in spent for name, step in one.steps.items()}
    return report.steps | bought | budget_trees(report.job, report.run, headlines(report.job, report.here.plan)["step"])


def contract(document: Document, report: page.BudgetReport, spent: Sequence[AffordableTraining]) -> dict[str, Any]:
    """The budget as one object; docs/json.md documents the keys."""
    known, judged = report.here.budget, report.sanity
    return given(document) | {
        "plan": report.here.plan.named(),
        "budget": numbers(report.here),
        "goodput": asdict(known.goodput),
        "sanity": {"achieved_flops": judged.achieved, "peak_flops": judged.peak, "floor_flops": judged.floor, "wrong": judged.wrong,
                   "term": judged.term, "term_seconds": judged.term_seconds},
        "doubled": twice(report.doubled),
        "deadline": in_time(report),
        "serving": [served(one) for one in report.serving],
        "buys": [buys(one) for one in spent],
    }  # fmt: skip


def numbers(best: BudgetedPlan) -> dict[str, Any]:
    """The budget of a plan as plain values; null where an input is missing."""
    return {key: value for key, value in asdict(best.budget).items() if key != "goodput"} | {
        "gpus": best.gpus, "fits": best.evaluated.fits, "at_risk": best.evaluated.at_risk, "fit": best.evaluated.fit,
    }  # fmt: skip


def twice(doubled: DoubledCluster) -> dict[str, Any]:
    """Training on twice the GPUs."""
    best = doubled.best
    plan = {"plan": best.plan.named(), "budget": numbers(best), "speedup": doubled.speedup} if best else {"plan": None, "budget": None}
    return {"gpus": doubled.gpus, **plan, "stopped": doubled.stopped or None}


def in_time(report: page.BudgetReport) -> dict[str, Any] | None:
    """The smallest cluster for the deadline; null without a deadline."""
    answer = report.deadline
    if answer is None:
        return None
    best = answer.best
    return {
        "days": answer.deadline_s / DAY, "gpus": best.gpus if best else None, "plan": best.plan.named() if best else None,
        "budget": numbers(best) if best else None, "searched": answer.searched, "ruled_out": answer.ruled_out,
    }  # fmt: skip


def buys(spent: AffordableTraining) -> dict[str, Any]:
    """The models that one budget can train."""
    models = [asdict(model) | {"tokens_per_parameter": model.tokens / model.parameters} for model in spent.models]
    return {"given": spent.given, "amount": spent.amount, "flops": spent.flops, "models": models}


def served(serving: LifetimeOptimum) -> dict[str, Any]:
    """Serving by one law."""
    return {
        "law": serving.law.source, "loss": serving.loss, "planned": asdict(serving.planned), "best": asdict(serving.best),
        "saved": serving.saved, "sizes": [asdict(size) for size in serving.sizes],
    }  # fmt: skip


def flat(data: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested objects, by its path joined with dots; lists and trees are only in the JSON."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{key}.")
        elif not isinstance(value, list):
            yield f"{before}{key}", value
