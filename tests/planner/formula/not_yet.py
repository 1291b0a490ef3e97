"""Formulas whose notation is not yet written in the grammar: the lists only shrink, and go when they are empty."""

from __future__ import annotations

# the other modules of planner/cost
OF_OTHER_COST: frozenset[str] = frozenset()
# the other packages
OF_OTHERS = frozenset(
    (
        "achieved_flops",
        "cached_width",
        "daly_seconds",
        "exact_flops",
        "interval_seconds",
        "largest_batch",
        "longest_context",
        "saved_adapters",
        "saved_bytes",
        "saved_parameters",
        "serving_weights",
        "train_steps",
        "visited_parameters",
    )
)

NOT_YET = OF_OTHER_COST | OF_OTHERS
