"""Mutants of the costs of a layer, of a stage and of a step."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LAYER_COST = "planner/cost/layer_cost.py"
STAGE_COST = "planner/cost/stage_cost.py"
STEP_COST = "planner/cost/step_cost.py"

MUTANTS = (
    Mutant(LAYER_COST, "forward + tp_visible + cp_layer / 3", "forward + tp_visible + cp_layer", "division"),
    Mutant(LAYER_COST, "backward + tp_behind + 2 * cp_layer / 3", "backward + tp_behind", "term"),
    Mutant(
        LAYER_COST,
        "busy_layer=busy_forward + busy_backward,\n        cp_repeat",
        "busy_layer=busy_forward + busy_forward,\n        cp_repeat",
        "symbol",
    ),
    Mutant(LAYER_COST, "busy_forward = forward + exposed + ep_forward", "busy_forward = forward + exposed", "term"),
    Mutant(LAYER_COST, "experts.host_sparse(job, plan, c.host_layer)", "c.host_layer", "term"),
    Mutant(LAYER_COST, "c = layer_cost(job.around_experts, plan)", "c = layer_cost(job, plan)", "symbol"),
    Mutant(LAYER_COST, "selective_activations=selective", "selective_activations=activations", "symbol"),
    Mutant(LAYER_COST, '"micro_batch", "sequence_parallel")', '"micro_batch")', "term"),
    Mutant(STAGE_COST, "Count(np.cumsum(layers, axis=0)) - layers", "Count(np.cumsum(layers, axis=0))", "term"),
    Mutant(STAGE_COST, "ahead[-1 if job.layout", "ahead[0 if job.layout", "stage"),
    Mutant(STAGE_COST, "traffic.stage_cp(layers.all, c.cp_layer)", "traffic.stage_cp(layers.all, c.cp_forward)", "symbol"),
    Mutant(STAGE_COST, "c.layer_host, s.layer_host)", "c.layer_host, c.layer_host)", "symbol"),
    Mutant(STAGE_COST, "most = c if s is None else s", "most = c", "symbol"),
    Mutant(STAGE_COST, "plan, stage, count, exchange.ahead(job, plan))", "plan, stage, count)", "term"),
    Mutant(STAGE_COST, "held * 2.0 * t * job.model.hidden / plan.tp", "held * 2.0 * t * job.model.hidden", "division"),
    Mutant(STAGE_COST, 'min(1.0, job.selective.keep.get("norm_in", 1.0))', "1.0", "term"),
    Mutant(STAGE_COST, "least.logits, least.gradients", "least.logits, least.logits", "symbol"),
    Mutant(STAGE_COST, "(plan.vpp - 1) * of_sparse", "plan.vpp * of_sparse", "index"),
    Mutant(STAGE_COST, "ceil(layers - 1e-9)", "np.floor(layers - 1e-9)", "rounding"),
    Mutant(STAGE_COST, "maximum(chunk - 1, 1)", "maximum(chunk, 1)", "index"),
    Mutant(
        STAGE_COST,
        "mixed.held_by_both(dense, of_sparse), c.dense.layers + c.sparse.layers",
        "mixed.held_by_both(dense, of_sparse), c.layers",
        "symbol",
    ),
    Mutant(
        STAGE_COST,
        "schedule.all_stages(job, plan, c.layers, each), slowest",
        "schedule.all_stages(job, plan, c.layers, c.stage_work), slowest",
        "symbol",
    ),
    Mutant(STEP_COST, "mixed.largest_layer(layer, around, each)", "layer", "symbol"),
    Mutant(STEP_COST, "of_experts = experts.expert_optimizer(job, plan, weights.experts, shard.expert_shard_size(plan))", "pass", "term"),
    Mutant(
        STEP_COST,
        "gathered.layers_gathered(job, plan, layer, whole)",
        "gathered.layers_gathered(job, plan, whole, whole)",
        "symbol",
    ),
    Mutant(STEP_COST, "layers.dense + layers.sparse", "layers.all", "symbol"),
    Mutant(
        STEP_COST, "mixed.heaviest_optimizer(held.optimizer, held.expert_optimizer)", "held.optimizer[-1] + held.expert_optimizer", "stage"
    ),
    Mutant(STEP_COST, "Bytes(experts.expert_width(job) * weights.experts)", "Bytes(weights.experts)", "term"),
    Mutant(STEP_COST, "(totals.memory <= job.memory_limit) & ", "", "condition"),
    Mutant(STEP_COST, "totals.host <= job.cluster.host_memory_bytes", "totals.host < 0", "bound"),
    Mutant(STEP_COST, "split.largest(device(job, p, s))", "split.largest(allocated(p, s))", "term"),
)
