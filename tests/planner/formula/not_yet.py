"""Formulas whose notation is not yet written in the grammar: the lists only shrink, and go when they are empty."""

from __future__ import annotations

# the other modules of planner/cost
OF_OTHER_COST = frozenset(
    (
        "adapter_backward",
        "adapter_flops",
        "adapter_forward",
        "adapter_weights",
        "all_stages",
        "bubble_left",
        "ep_forward",
        "ep_layer",
        "exchange_seconds",
        "expert_optimizer",
        "expert_states",
        "experts_linear",
        "fixed_seconds",
        "frozen_bytes",
        "frozen_each",
        "frozen_gathered",
        "frozen_parameters",
        "grouped_seconds",
        "heaviest_frozen",
        "held_by_both",
        "hidden_cp",
        "hidden_tp",
        "host_sparse",
        "layer_frozen",
        "mixed_compute",
        "mixed_tp",
        "mixed_working",
        "model_flops",
        "mtp_seconds",
        "precision_flops",
        "quantized_weights",
        "repeated_by_both",
        "slowest_stage",
        "sparse_activations",
        "sparse_backward",
        "sparse_forward",
        "sparse_gradients",
        "sparse_repeat",
        "sparse_selective",
        "sparse_weight_seconds",
        "stage_compute",
        "stage_host",
        "straggler_seconds",
        "working_share",
        "workspace_memory",
    )
)
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
