"""Tables of alternative models: of the same loss with serving included, and those that a budget of FLOP or money can train."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from planner.economics.scaling_laws import LAWS
from planner.report.number_text import write_parameters, write_tokens
from tui.draw.aligned import aligned
from tui.draw.writing import Row, heading, rows, sentence, table

if TYPE_CHECKING:
    from planner.economics.affordable import AffordableTraining
    from planner.economics.budget import Budget
    from planner.economics.lifetime_cost import LifetimeOptimum
    from tui.draw.lines import Line

LOSSES = 90  # least width for columns of the losses by law
LONGEST = 22  # characters of a rule's or law's name


def served(known: Budget, tokens: float, serving: float, by: tuple[LifetimeOptimum, ...], width: int) -> Iterator[Line]:
    """FLOP of training and serving `tokens` tokens, and models of the same estimated loss by each law, if any."""
    total = known.flops + serving
    yield heading(f"serving {write_tokens(tokens)} tokens")
    yield from rows(
        (
            Row("2 P per token", f"{serving:.3e} FLOP", f"{100 * serving / total:.1f} % of the model's life"),
            Row("with training", f"{total:.3e} FLOP"),
        ),
        width,
    )
    for law in by:
        yield []
        yield from by_law(law, width)
    text = (
        "laws differ: both are fitted to models up to 16B parameters and too optimistic at very many tokens per parameter (Sardana 2023)"
        if by
        else "published laws are for dense models trained from scratch, so no smaller model of the same loss is estimated"
    )
    yield from sentence(text, width, "dim", 2)


def by_law(serving: LifetimeOptimum, width: int) -> Iterator[Line]:
    """One law: models of the same estimated loss by size, and the cheapest."""
    best = serving.best
    yield [(f"  {serving.law.name}: estimated loss {serving.loss:.4f}", "title")]
    sizes = sorted({*serving.sizes, best}, key=lambda size: -size.parameters)
    lines = [("P", "tokens", "training", "with serving", "")]
    for size in sizes:
        mark = "cheapest" if size is best else "as planned" if size.parameters == serving.planned.parameters else ""
        figures = f"{size.train_flops:.3e}", f"{size.lifetime_flops:.3e}"
        lines.append((write_parameters(size.parameters), write_tokens(size.tokens), *figures, mark))
    first, *rest = aligned(lines, left=(4,))
    yield [(f"  {first}", "dim")]
    yield from ([(f"  {line}", "good" if "cheapest" in line else "text")] for line in rest)
    kind = "smaller" if best.parameters < serving.planned.parameters else "larger"
    text = f"a {kind} model of {write_parameters(best.parameters)} on {write_tokens(best.tokens)} tokens saves {100 * serving.saved:.1f} %"
    yield from sentence(text, width, "text", 2)


def bought(spent: AffordableTraining, width: int) -> Iterator[Line]:
    """The models that a budget can train: a line for each rule and law."""
    paid = f"${spent.amount:,.2f}, at this plan's cost " if spent.given == "money" else ""
    yield from sentence(f"models that {paid}{spent.flops:.3e} FLOP can train, 6 P D", width, "title")
    broad = width >= LOSSES
    losses = [f"loss, {law.name.split()[0]}" for law in LAWS] if broad else []
    lines = [["", "P", "tokens", "per P", *losses]]
    for model in spent.models:
        figures = write_parameters(model.parameters), write_tokens(model.tokens), f"{model.tokens / model.parameters:,.4g}"
        by = model.by if len(model.by) <= LONGEST else model.by.replace(" tokens per", " per")
        lines.append([by, *figures, *(f"{loss:.4f}" for loss in model.losses.values() if broad)])
    yield from table(lines, (0,))
    yield from sentence("a law's model minimises its estimated loss at this number of FLOP; laws are for dense models", width, "dim", 2)
