"""Lines of models beside the planned one: of the same loss with serving counted, and those that a budget of FLOP or money trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from planner.economics.scaling_laws import LAWS
from planner.report.number_text import write_parameters, write_tokens
from tui.draw.aligned import aligned
from tui.draw.writing import Row, heading, rows, sentence, table

if TYPE_CHECKING:
    from planner.economics.affordable import Spent
    from planner.economics.budget import Budget
    from planner.economics.lifetime_cost import Serving
    from tui.draw.lines import Line

LOSSES = 90  # cells from which the losses that laws expect have columns
LONGEST = 22  # letters of the rule or law by which a model is bought


def served(known: Budget, tokens: float, serving: float, by: tuple[Serving, ...], width: int) -> Iterator[Line]:
    """Training and serving so many tokens together, and models of the same estimated loss by each law, if any."""
    total = known.flops + serving
    yield heading(f"serving {write_tokens(tokens)} tokens")
    yield from rows(
        (
            Row("2 P a token", f"{serving:.3e} FLOP", f"{100 * serving / total:.1f} % of the model's life"),
            Row("with training", f"{total:.3e} FLOP"),
        ),
        width,
    )
    for law in by:
        yield []
        yield from by_law(law, width)
    said = (
        "laws differ: both rest on models of at most 16B parameters, and promise too much of very many tokens a parameter (Sardana 2023)"
        if by
        else "published laws are of dense models trained from the start: no smaller model of the same loss is told"
    )
    yield from sentence(said, width, "dim", 2)


def by_law(found: Serving, width: int) -> Iterator[Line]:
    """What one law says: models of the same loss, by size, and the cheapest."""
    best = found.best
    yield [(f"  {found.law.name}: estimated loss {found.loss:.4f}", "title")]
    sizes = sorted({*found.sizes, best}, key=lambda size: -size.parameters)
    lines = [("P", "tokens", "training", "with serving", "")]
    for size in sizes:
        mark = "cheapest" if size is best else "as planned" if size.parameters == found.planned.parameters else ""
        figures = f"{size.train_flops:.3e}", f"{size.lifetime_flops:.3e}"
        lines.append((write_parameters(size.parameters), write_tokens(size.tokens), *figures, mark))
    first, *rest = aligned(lines, left=(4,))
    yield [(f"  {first}", "dim")]
    yield from ([(f"  {line}", "good" if "cheapest" in line else "text")] for line in rest)
    kind = "smaller" if best.parameters < found.planned.parameters else "larger"
    said = f"a {kind} model of {write_parameters(best.parameters)} on {write_tokens(best.tokens)} tokens saves {100 * found.saved:.1f} %"
    yield from sentence(said, width, "text", 2)


def bought(spent: Spent, width: int) -> Iterator[Line]:
    """What a budget trains: a line for each rule and law."""
    paid = f"${spent.amount:,.2f}, at this plan's cost " if spent.given == "money" else ""
    yield from sentence(f"what {paid}{spent.flops:.3e} FLOP train, 6 P D", width, "title")
    broad = width >= LOSSES
    losses = [f"loss, {law.name.split()[0]}" for law in LAWS] if broad else []
    lines = [["", "P", "tokens", "a parameter", *losses]]
    for model in spent.models:
        figures = write_parameters(model.parameters), write_tokens(model.tokens), f"{model.tokens / model.parameters:,.4g}"
        by = model.by if len(model.by) <= LONGEST else model.by.replace(" tokens a", " a")
        lines.append([by, *figures, *(f"{loss:.4f}" for loss in model.losses.values() if broad)])
    yield from table(lines, (0,))
    yield from sentence("those of a law have the least loss that it expects for so many FLOP; laws are of dense models", width, "dim", 2)
