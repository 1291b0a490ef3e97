"""`tmplan budget`: what training comes to in FLOP, time, energy and money; the smallest cluster in time; what a budget buys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from planner.document.inputs import BY_KEY, shown
from planner.document.planfile import Document
from planner.document.training_run import DAY
from planner.economics import affordable as reverse
from planner.economics.affordable import Spent
from planner.economics.budget import explain as budget_trees
from planner.economics.lifetime_cost import Serving
from planner.errors import FieldError
from planner.formula.trace import Step
from planner.report.explain import headlines
from planner.specs.validate import choice, real
from planner.whatif.deadline import Best, Doubled
from tui.cli.answer import NO_PLAN, Answer
from tui.cli.chosen_plan import Lacking, choose, code, misfit, tell_misfit
from tui.cli.output import as_csv, as_json, as_steps, printed
from tui.cli.plan import job_values, reporting
from tui.draw.step_tree import printed_trees
from tui.pages import budget as page
from tui.pages import spending


def budget(document: Document, *, pinned: bool, flops: float | None, money: float | None, explain: bool, format: str, width: int) -> Answer:
    """The budget of one plan: the best within the pins, else the plan file's own, else the best of the job.

    flops, money: what there is to spend, for the model and tokens that it buys.
    """
    choice("format", format, ("table", "json", "csv"))
    if flops is not None:
        real("flops", flops, 1.0, 1e40)
    if money is not None:
        real("money", money, 1e-6, 1e18)
    chosen = choose(document, pinned=pinned)
    if isinstance(chosen, Lacking):
        return lacking(document, chosen, explain, format)
    tell_misfit(chosen)
    if money is not None and chosen.job.frozen:
        raise FieldError("money", "money is told of training all weights, which is what scaling laws speak of; set tuning to full")
    searching = reporting("GPUs reached, in search of the smallest cluster,")
    found = page.budget_report(document.inputs, document.space, chosen.job, chosen.plan, progress=searching)
    spent = [reverse.by_flops(flops, found.run)] if flops is not None else []
    spent += [reverse.by_money(money, found.run, found.here.budget)] if money is not None else []
    if format == "table":
        lines = list(page.summary(found, width))
        for one in spent:
            lines += [[], *spending.bought(one, width)]
        return Answer(printed(lines) + (f"\n{printed_trees(trees(found, spent))}" if explain else ""), code(chosen))
    told = contract(document, found, spent) | {"advice": misfit(chosen)}
    if format == "csv":
        return Answer(as_csv(("key", "value"), flat(told)), code(chosen))
    return as_json(told | ({"steps": as_steps(trees(found, spent))} if explain else {}), code(chosen))


def lacking(document: Document, none: Lacking, explain: bool, format: str) -> Answer:
    """The budget of no plan: what was asked, and why there is nothing to be told of it."""
    told = given(document) | dict.fromkeys(("plan", "budget", "goodput", "sanity", "doubled", "deadline")) | {"serving": [], "buys": []}
    if format == "csv":
        return Answer(as_csv(("key", "value"), flat(told)), NO_PLAN)
    return none.answer(format, told | ({"steps": {}} if explain else {}))


def given(document: Document) -> dict[str, Any]:
    """The job, and what the fields of the training stand at."""
    own = {key: value for key, (value, _) in shown(document.inputs).items() if BY_KEY[key].group == "run"}
    return {"job": job_values(document.inputs), "run": own}


def trees(found: page.BudgetReport, spent: Sequence[Spent]) -> dict[str, Step]:
    """The trees of the page, with that of the step in them, and those of what budgets buy."""
    bought = {f"{one.given}: {name}": step for one in spent for name, step in one.steps.items()}
    return found.steps | bought | budget_trees(found.job, found.run, headlines(found.job, found.here.plan)["step"])


def contract(document: Document, found: page.BudgetReport, spent: Sequence[Spent]) -> dict[str, Any]:
    """The budget as one object; docs/json.md says what each key means."""
    known, judged = found.here.budget, found.sanity
    return given(document) | {
        "plan": found.here.plan.named(),
        "budget": numbers(found.here),
        "goodput": asdict(known.goodput),
        "sanity": {"achieved_flops": judged.achieved, "peak_flops": judged.peak, "floor_flops": judged.floor, "wrong": judged.wrong,
                   "term": judged.term, "term_seconds": judged.term_seconds},
        "doubled": twice(found.doubled),
        "deadline": in_time(found),
        "serving": [served(one) for one in found.serving],
        "buys": [buys(one) for one in spent],
    }  # fmt: skip


def numbers(best: Best) -> dict[str, Any]:
    """What a plan's training comes to, as plain values; null where something was not told."""
    return {key: value for key, value in asdict(best.budget).items() if key != "goodput"} | {
        "gpus": best.gpus, "fits": best.found.fits, "at_risk": best.found.at_risk,
    }  # fmt: skip


def twice(found: Doubled) -> dict[str, Any]:
    """What twice the GPUs do."""
    best = found.best
    told = {"plan": best.plan.named(), "budget": numbers(best), "speedup": found.speedup} if best else {"plan": None, "budget": None}
    return {"gpus": found.gpus, **told, "stopped": found.stopped or None}


def in_time(found: page.BudgetReport) -> dict[str, Any] | None:
    """The deadline's answer; null where there is no deadline."""
    answer = found.deadline
    if answer is None:
        return None
    best = answer.best
    return {
        "days": answer.deadline_s / DAY, "gpus": best.gpus if best else None, "plan": best.plan.named() if best else None,
        "budget": numbers(best) if best else None, "searched": answer.searched, "ruled_out": answer.ruled_out,
    }  # fmt: skip


def buys(spent: Spent) -> dict[str, Any]:
    """What one budget trains."""
    models = [asdict(model) | {"tokens_per_parameter": model.tokens / model.parameters} for model in spent.models]
    return {"given": spent.given, "amount": spent.amount, "flops": spent.flops, "models": models}


def served(found: Serving) -> dict[str, Any]:
    """What one law says of serving."""
    return {
        "law": found.law.source, "loss": found.loss, "planned": asdict(found.planned), "best": asdict(found.best),
        "saved": found.saved, "sizes": [asdict(size) for size in found.sizes],
    }  # fmt: skip


def flat(data: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every number of nested objects, by the path to it, parts joined by dots; lists and trees are left to JSON."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{key}.")
        elif not isinstance(value, list):
            yield f"{before}{key}", value
