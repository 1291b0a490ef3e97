"""`tmplan budget`: what training comes to in FLOP, time, energy and money; the smallest cluster in time; what a budget buys."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from planner import evaluate
from planner.budget import affordable_flops
from planner.budget import explain as budget_trees
from planner.checks import choice, real
from planner.columns import write_parameters
from planner.deadline import Best, Doubled
from planner.errors import FieldError
from planner.formula import Step
from planner.inputs import BY_KEY, shown
from planner.lifetime import Serving, Size
from planner.planfile import Document
from planner.scalinglaws import LAWS, Law, by_ratio, estimated_loss, optimum
from planner.training import CHINCHILLA
from tui.aligned import aligned
from tui.choosing import choose, tell_misfit
from tui.cli import NO_PLAN, Answer
from tui.cli_plan import job_values, reporting
from tui.pages import budget as page
from tui.pages import goodput as time_page

SCHEMA = 1  # of the JSON; docs/json.md


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
    if chosen is None:
        return Answer(code=NO_PLAN)
    tell_misfit(chosen)
    searching = reporting("GPUs reached, in search of the smallest cluster,")
    found = page.found(document.inputs, document.space, chosen.job, chosen.plan, progress=searching)
    bought = list(reverse(found, flops, money))
    if format == "table":
        lines = list(page.told(found, width))
        times = time_page.found(found.job, found.run, found.here.budget.step_seconds)
        lines += [[], *time_page.told(times, width), [], *time_page.by_size(times, width)]
        text = "".join(f"{''.join(part for part, _ in line).removeprefix(' ').rstrip()}\n" for line in lines)
        text += "".join(f"\n{line}\n" if i == 0 else f"{line}\n" for i, line in enumerate(buys(bought)))
        if explain:
            text += "\n" + "".join(f"{line.rstrip()}\n" for line in explained(found))
        return Answer(text, chosen.code)
    data = as_json(document, found, bought)
    if format == "csv":
        return Answer(as_csv(data), chosen.code)
    if explain:
        data["steps"] = {name: step.as_dict() for name, step in trees(found).items()}
    return Answer(json.dumps(data, indent=2, allow_nan=False) + "\n", chosen.code)


def explained(found: page.Found) -> Iterator[str]:
    """The trees of the numbers, as `tmplan explain` prints them."""
    from tui.cli_explain import drawn

    seen: set[int] = set()
    for i, step in enumerate(trees(found).values()):
        if i:
            yield ""
        yield from drawn(step, None, seen=seen)


def trees(found: page.Found) -> dict[str, Step]:
    """The trees of the page, with that of the step in them."""
    return found.steps | budget_trees(found.job, found.run, evaluate.explain(found.job, found.here.plan)["step"])


def reverse(found: page.Found, flops: float | None, money: float | None) -> Iterator[dict[str, Any]]:
    """What so many FLOP, or so much money, train: parameters and tokens by the rule and by each law, with the loss each law expects."""
    known, run = found.here.budget, found.run
    budgets = []
    if flops is not None:
        budgets.append(("flops", flops, flops))
    if money is not None:
        if not run.price_gpu_hour:
            raise FieldError("money", "money needs the price of a GPU-hour; set --price-gpu-hour, such as 2.5")
        budgets.append(("money", money, affordable_flops(known, found.job, run.price_gpu_hour, money)))
    for kind, given, spent in budgets:
        yield {"given": kind, "amount": given, "flops": spent, "models": [*models(spent, run.tokens_per_parameter)]}


def models(flops: float, ratio: float) -> Iterator[dict[str, Any]]:
    """Parameters and tokens of so many FLOP: at tokens a parameter, and at the least loss by each law."""
    ratios = (CHINCHILLA,) if math.isclose(ratio, CHINCHILLA, rel_tol=1e-9) else (ratio, CHINCHILLA)
    for one in ratios:
        yield model(f"{one:,.4g} tokens a parameter", *by_ratio(flops, one))
    for law in LAWS:
        yield model(f"least loss, {law.name}", *optimum(law, flops))


def model(by: str, parameters: float, tokens: float) -> dict[str, Any]:
    """One model and its tokens, with the loss that each law expects."""
    losses = {law.source: loss(law, parameters, tokens) for law in LAWS}
    return {"by": by, "parameters": parameters, "tokens": tokens, "tokens_per_parameter": tokens / parameters, "losses": losses}


def loss(law: Law, parameters: float, tokens: float) -> float:
    """The loss a law expects; nats a token."""
    return float(estimated_loss(law, parameters, tokens))


def buys(bought: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of what a budget buys."""
    for one in bought:
        paid = f"${one['amount']:,.2f}, at this plan's rate " if one["given"] == "money" else ""
        yield f"what {paid}{one['flops']:.3e} FLOP train, 6 P D"
        lines = [("", "P", "tokens", "a parameter", *(f"loss, {law.name.split()[0]}" for law in LAWS))]
        for m in one["models"]:
            losses = (f"{value:.4f}" for value in m["losses"].values())
            numbers = write_parameters(m["parameters"]), page.write_tokens(m["tokens"]), f"{m['tokens_per_parameter']:,.4g}"
            lines.append((m["by"], *numbers, *losses))
        yield from (f"  {line}" for line in aligned(lines, left=(0,)))


def as_json(document: Document, found: page.Found, bought: list[dict[str, Any]]) -> dict[str, Any]:
    """The budget as one object; docs/json.md says what each key means."""
    known, judged = found.here.budget, found.sanity
    own = {key: value for key, (value, _) in shown(document.inputs).items() if BY_KEY[key].group == "run"}
    return {
        "schema": SCHEMA, "version": document.version, "job": job_values(document.inputs), "run": own, "plan": found.here.plan.named(),
        "budget": numbers(found.here),
        "goodput": asdict(known.goodput),
        "sanity": {"achieved_flops": judged.achieved, "peak_flops": judged.peak, "floor_flops": judged.floor, "wrong": judged.wrong,
                   "term": judged.term, "term_seconds": judged.term_seconds},
        "doubled": twice(found.doubled),
        "deadline": in_time(found),
        "serving": [served(one) for one in found.serving],
        "buys": bought,
    }  # fmt: skip


def numbers(best: Best) -> dict[str, Any]:
    """What a plan's training comes to, as plain values; null where something was not told."""
    return {key: value for key, value in asdict(best.budget).items() if key != "goodput"} | {"gpus": best.gpus}


def twice(found: Doubled) -> dict[str, Any]:
    """What twice the GPUs do."""
    best = found.best
    told = {"plan": best.plan.named(), "budget": numbers(best), "speedup": found.speedup} if best else {"plan": None, "budget": None}
    return {"gpus": found.gpus, **told, "stopped": found.stopped or None}


def in_time(found: page.Found) -> dict[str, Any] | None:
    """The deadline's answer; null where there is no deadline."""
    answer = found.deadline
    if answer is None:
        return None
    best = answer.best
    return {
        "days": answer.deadline_s / page.DAY, "gpus": best.gpus if best else None, "plan": best.plan.named() if best else None,
        "budget": numbers(best) if best else None, "searched": answer.searched, "ruled_out": answer.ruled_out,
    }  # fmt: skip


def served(found: Serving) -> dict[str, Any]:
    """What one law says of serving."""

    def plain(size: Size) -> dict[str, float]:
        return asdict(size)

    return {
        "law": found.law.source, "loss": found.loss, "planned": plain(found.planned), "best": plain(found.best),
        "saved": found.saved, "sizes": [plain(size) for size in found.sizes],
    }  # fmt: skip


def as_csv(data: dict[str, Any]) -> str:
    """One line a number: its key, parts joined by dots, and its value; lists and trees are left to JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("key", "value"))
    writer.writerows(flat(data))
    return out.getvalue()


def flat(data: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every number of nested objects, by the path to it."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{key}.")
        elif not isinstance(value, list):
            yield f"{before}{key}", "" if value is None else str(value).lower() if isinstance(value, bool) else value
