"""The hints line: the most important keys of a pane, as many as fit."""

from __future__ import annotations

from tui.draw.lines import Run
from tui.settings.bindings import active


def hints(context: str, width: int) -> list[Run]:
    """Keys and what they do, by the rank the registry gives them; help and quit always among them."""
    bindings = sorted((b for b in active() if b.hint and b.keys and context in b.contexts), key=lambda b: b.hint)
    texts = [(b.shown.split()[0], b.label) for b in bindings]
    while len(texts) > 2 and sum(len(key) + len(label) + 3 for key, label in texts) > width:
        del texts[-3]
    runs: list[Run] = []
    for key, label in texts:
        runs += [(f" {key}", "key"), (f" {label} ", "dim")]
    return runs
