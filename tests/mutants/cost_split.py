"""Mutants of the distribution of layers over pipeline stages."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

SPLIT = "planner/cost/pipeline_split.py"

MUTANTS = (
    Mutant(SPLIT, "embedding = (chunks > 1) * 1", "embedding = (chunks > 1) * 0", "constant"),
    Mutant(SPLIT, "(layers + 2 + ahead) % chunks", "(layers + 1 + ahead) % chunks", "index"),
    Mutant(SPLIT, "both * (ahead == 0)", "both * 1", "condition"),
    Mutant(SPLIT, "(1 + ahead + (ahead > 0))", "1", "term"),
    Mutant(SPLIT, "4.0 * model.heads", "2.0 * model.heads", "constant"),
    Mutant(SPLIT, "(3 if model.gated else 2) * model.ffn", "3 * model.ffn", "constant"),
    Mutant(SPLIT, "minimum(ceil(share * stage - 1e-9)", "minimum(np.floor(share * stage - 1e-9)", "rounding"),
    Mutant(SPLIT, "(model.layers + model.vocab * model.hidden / layer)", "(model.layers)", "term"),
    Mutant(SPLIT, "Count(np.asarray(plan.schedule)) >= V", "Count(np.asarray(plan.schedule)) > V", "bound"),
    Mutant(SPLIT, "last = Count(np.asarray(plan.pp)) - 1", "last = Count(np.asarray(plan.pp))", "stage"),
    Mutant(SPLIT, "where(in_v(plan), 0, last) if", "last if", "stage"),
    Mutant(SPLIT, "-(-(extra - stage) // plan.pp)", "(extra - stage) // plan.pp", "rounding"),
    Mutant(SPLIT, "(2 * plan.pp - 1 - stage < extra)", "(2 * plan.pp - stage < extra)", "index"),
    Mutant(SPLIT, "- embedding * (stage == 0) - head * is_head(plan, stage)", "- head * is_head(plan, stage)", "term"),
    Mutant(SPLIT, "displaced = min(left, int(layers[stage]))", "displaced = left", "bound"),
    Mutant(SPLIT, "stages[[-1, 0]] if in_v(plan)", "stages[[0, -1]] if in_v(plan)", "stage"),
    Mutant(SPLIT, "layers[-1] -= left", "layers[-1] += left", "sign"),
    Mutant(SPLIT, "np.asarray(turn * plan.pp + stage)", "np.asarray(turn + stage)", "stage"),
    Mutant(SPLIT, "minimum(chunk, extra) - embedding * (chunk > 0)", "minimum(chunk, extra)", "term"),
    Mutant(SPLIT, "layers = each + (chunk < extra)", "layers = each", "term"),
    Mutant(
        SPLIT,
        'term("sparse_share", sparse_share(job)) + job.model.mtp_layers',
        'term("sparse_share", sparse_share(job)) - job.model.mtp_layers',
        "sign",
    ),
    Mutant(SPLIT, "max(job.model.layers - job.model.dense_layers, 1)", "job.model.layers", "term"),
    Mutant(SPLIT, "holds_ahead(job, plan, stage) - sparse_stage_layers", "holds_ahead(job, plan, stage) + sparse_stage_layers", "sign"),
    Mutant(SPLIT, "clip(reached - 1, 0, last)", "clip(reached, 0, last)", "index"),
    Mutant(SPLIT, "edges[2:2] = [longest_from(job, plan, reached)]", "pass", "term"),
    Mutant(SPLIT, "(before < first) & (stage < pp)", "(before <= first) & (stage < pp)", "bound"),
    Mutant(SPLIT, "(stage >= start) & (stage < plan.pp)", "(stage > start) & (stage < plan.pp)", "bound"),
    Mutant(SPLIT, "most = maximum(most, row)", "most = minimum(most, row)", "bound"),
    Mutant(SPLIT, "return each + (extra > 0)", "return each", "rounding"),
    Mutant(SPLIT, "full, minimum(plan.vpp * plan.recompute_layers,", "full, minimum(plan.recompute_layers,", "degree"),
    Mutant(SPLIT, "return minimum(plan.vpp * plan.recompute_layers, stage_layers)", "return plan.vpp * plan.recompute_layers", "bound"),
    Mutant(SPLIT, "if job.model.moe_every > 1", "if job.model.moe_every > 2", "condition"),
    Mutant(SPLIT, "dense = minimum(plan.recompute_layers, dense_stage_layers)", "dense = plan.recompute_layers", "bound"),
    Mutant(SPLIT, "micro_batches // maximum(1, micro_batches // pp)", "minimum(micro_batches, pp)", "rounding"),
    Mutant(SPLIT, "minimum(micro_batches, plan.pp - stage + ahead)", "minimum(micro_batches, plan.pp - stage)", "term"),
    Mutant(SPLIT, "2 * (plan.pp - stage - 1)", "2 * (plan.pp - stage)", "index"),
    Mutant(SPLIT, "(plan.vpp - 1) * round_size", "plan.vpp * round_size", "index"),
    Mutant(SPLIT, "chunks) / plan.vpp, plain)", "chunks), plain)", "division"),
    Mutant(SPLIT, "[2 * plan.pp - 1 + 0 * stage", "[2 * plan.pp + 0 * stage", "index"),
    Mutant(SPLIT, "plan.pp + 0.5 + 0 * stage", "plan.pp + 1.0 + 0 * stage", "constant"),
    Mutant(SPLIT, "one_f_one_b, minimum(micro_batches, most))", "one_f_one_b, most)", "bound"),
)
