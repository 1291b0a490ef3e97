"""Mutants of the schedule and the step, the parts of a step, the records and the error band."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

SCHEDULE = "planner/cost/schedule.py"
BREAKDOWN = "planner/cost/breakdown.py"
RECORDS = "planner/cost/records.py"
BANDS = "planner/calibration/bands.py"
ERROR_BAND = "planner/cost/error_band.py"

MUTANTS = (
    Mutant(
        SCHEDULE,
        "return stage_layers * (layer_forward + layer_backward) + edges",
        "return stage_layers * layer_forward + layer_backward + edges",
        "term",
    ),
    Mutant(SCHEDULE, "(stage == 0) * embedding_seconds + is_head", "(stage == 1) * embedding_seconds + is_head", "stage"),
    Mutant(SCHEDULE, "is_head(plan, stage) * head_seconds", "(stage == 0) * head_seconds", "stage"),
    Mutant(SCHEDULE, "job.cluster.host_pace * job.stack.host_micro_batch_s", "job.stack.host_micro_batch_s", "term"),
    Mutant(SCHEDULE, "return stage_compute + stage_host + stage_tp + stage_cp", "return stage_compute + stage_host + stage_tp", "term"),
    Mutant(
        SCHEDULE,
        "recomputed_layers * repeat_layer + stage_layers * selective_seconds",
        "recomputed_layers * repeat_layer + recomputed_layers * selective_seconds",
        "symbol",
    ),
    Mutant(SCHEDULE, ' - term("last_stage_layers", stage_layers[-1])', "", "term"),
    Mutant(SCHEDULE, "stage_seconds[before]", "stage_seconds[-1]", "stage"),
    Mutant(SCHEDULE, "plan.pp > 2, middle", "plan.pp > 1, middle", "index"),
    Mutant(SCHEDULE, "AUTOMATIC = 0.5", "AUTOMATIC = 0.25", "constant"),
    Mutant(SCHEDULE, "weight_seconds / (busy_layer + layer_host)", "weight_seconds / busy_layer", "term"),
    Mutant(SCHEDULE, "return busy_forward / busy_layer", "return busy_layer / busy_forward", "division"),
    Mutant(SCHEDULE, "1.0 - largest(stage_repeat / stage_seconds)", "1.0 - largest(stage_repeat) / largest(stage_seconds)", "bound"),
    Mutant(SCHEDULE, "weights, forward = weight_share * working_share", "weights, forward = weight_share", "term"),
    Mutant(SCHEDULE, "maximum(1.0 - 3.0 * weights, 0.0)", "maximum(1.0 - 2.0 * weights, 0.0)", "constant"),
    Mutant(SCHEDULE, "1.0 / plan.vpp", "1.0 / plan.pp", "degree"),
    Mutant(SCHEDULE, "(2.0 - forward - 3.0 * weights) / 2.0", "(2.0 - forward - 3.0 * weights)", "division"),
    Mutant(SCHEDULE, "[1.0 - 2.0 * weights, AUTOMATIC", "[1.0 - weights, AUTOMATIC", "constant"),
    Mutant(SCHEDULE, "all_stages - slowest_stage", "all_stages", "term"),
    Mutant(SCHEDULE, "job.cluster.host_pace * job.stack.step_fixed_s", "job.stack.step_fixed_s", "term"),
    Mutant(SCHEDULE, "job.cluster.gpus / job.cluster.gpus_per_node", "job.cluster.gpus", "division"),
    Mutant(SCHEDULE, "+ optimizer_seconds + fixed_seconds", "+ fixed_seconds", "term"),
    Mutant(SCHEDULE, "attention = 6.0 * layers", "attention = 3.0 * layers", "constant"),
    Mutant(SCHEDULE, "model.key_dim + model.value_dim) * 2 * keys", "model.key_dim + model.value_dim) * keys", "constant"),
    Mutant(SCHEDULE, "6.0 * matrices(model) + attention", "4.0 * matrices(model) + attention", "constant"),
    Mutant(SCHEDULE, "2 * ahead * model.hidden**2", "ahead * model.hidden**2", "constant"),
    Mutant(SCHEDULE, "model.vocab * model.hidden * (1 + ahead)", "model.vocab * model.hidden", "term"),
    Mutant(SCHEDULE, "6.0 * adapters - 2.0 * matrices", "6.0 * adapters - 4.0 * matrices", "constant"),
    Mutant(SCHEDULE, "step_seconds * job.cluster.gpus * precision_flops(job)", "step_seconds * precision_flops(job)", "division"),
    Mutant(SCHEDULE, "step_seconds * job.cluster.gpus)", "step_seconds)", "division"),
    Mutant(BREAKDOWN, "micro_batches * stage_host + fixed_seconds", "micro_batches * (stage_host + fixed_seconds)", "term"),
    Mutant(BREAKDOWN, "maximum(0.0, 2 * tp_forward + tp_again", "maximum(0.0, tp_forward + tp_again", "constant"),
    Mutant(BREAKDOWN, "maximum(0.0, 2 * tp_forward + tp_again - tp_layer)", "(2 * tp_forward + tp_again - tp_layer)", "bound"),
    Mutant(BREAKDOWN, "3 * cp_forward - cp_layer) + sparse", "2 * cp_forward - cp_layer) + sparse", "constant"),
    Mutant(BREAKDOWN, "micro_batches * reduce_each - dp_seconds", "reduce_each - dp_seconds", "term"),
    Mutant(BREAKDOWN, "ep_forward + ep_backward) - ep_part", "ep_forward) - ep_part", "term"),
    Mutant(
        BREAKDOWN, "around = sparse * maximum(0.0, 2 * of_sparse.tp_forward", "around = sparse * maximum(0.0, 2 * c.tp_forward", "symbol"
    ),
    Mutant(RECORDS, "column[np.array([at])]", "column[np.array([0])]", "index"),
    Mutant(RECORDS, "len(column) > 1", "len(column) > 3", "index"),
    Mutant(ERROR_BAND, "min(self.tenth, 1.0)", "self.tenth", "bound"),
    Mutant(ERROR_BAND, "SHARE = 0.8", "SHARE = 0.9", "constant"),
    Mutant(ERROR_BAND, "exp(high + margin)", "exp(high)", "term"),
    Mutant(ERROR_BAND, "(np.cumsum(weights) - weights / 2)", "(np.cumsum(weights) - weights)", "constant"),
    Mutant(BANDS, "* 2**0.5)", "* 2)", "constant"),
    Mutant(ERROR_BAND, "(ends.ninetieth - ends.tenth) / 2", "ends.ninetieth - ends.tenth", "division"),
    Mutant(BANDS, "and side != half", "and side == half", "condition"),
    Mutant(ERROR_BAND, "max(campaigns[cell.family, cell.source], LEAST)", "LEAST", "term"),
    Mutant(ERROR_BAND, "if like.arch != self.arch else", "if like.arch == self.arch else", "condition"),
    Mutant(ERROR_BAND, "OTHERS / weight[~same].sum()", "OTHERS", "division"),
    Mutant(ERROR_BAND, "below + SHARE", "SHARE", "term"),
    Mutant(ERROR_BAND, "shortest / FAR", "shortest * FAR", "division"),
)
