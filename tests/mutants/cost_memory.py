"""Mutants of the memory of a plan and of the parameters on a rank."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MEMORY = "planner/cost/memory.py"
SHARD = "planner/cost/shard.py"

MUTANTS = (
    Mutant(MEMORY, "WEIGHT_BYTES = 2.0", "WEIGHT_BYTES = 4.0", "constant"),
    Mutant(MEMORY, '"adamw-8bit": 2', '"adamw-8bit": 1', "constant"),
    Mutant(MEMORY, "job.master_bytes + term(", "term(", "term"),
    Mutant(MEMORY, 'not in ("volta", "ampere")', 'in ("volta", "ampere")', "condition"),
    Mutant(MEMORY, "(plan.pp > 1) & job.stack.pipeline_syncs_once", "(plan.pp > 0) & job.stack.pipeline_syncs_once", "condition"),
    Mutant(MEMORY, "Number(0.0) if job.stack.master_is_parameter else 1.0", "1.0", "term"),
    Mutant(
        MEMORY, "(plan.zero >= 3) & ~stays_gathered(job, plan), sharded", "(plan.zero >= 2) & ~stays_gathered(job, plan), sharded", "bound"
    ),
    Mutant(MEMORY, "job.gradient_bytes / where((plan.zero >= 2)", "job.gradient_bytes / where((plan.zero >= 1)", "bound"),
    Mutant(MEMORY, "bucket_gradient_bytes * (plan.dp > 1)", "bucket_gradient_bytes", "condition"),
    Mutant(
        MEMORY, "stage_weights) / where(plan.zero >= 1, shard_size, 1)", "stage_weights) / where(plan.zero >= 2, shard_size, 1)", "bound"
    ),
    Mutant(MEMORY, "maximum(2 * layer_weights, edge)", "maximum(layer_weights, edge)", "constant"),
    Mutant(MEMORY, "reduce_bytes * maximum(layer", "gradient_bytes * maximum(layer", "symbol"),
    Mutant(MEMORY, "(plan.dp_shard * plan.cp > 1)", "(plan.dp_shard * plan.tp > 1)", "degree"),
    Mutant(MEMORY, "edge = maximum((stage == 0)", "edge = maximum((stage == 1)", "stage"),
    Mutant(MEMORY, "heads = model.heads / plan.tp\n    norms", "heads = model.heads / plan.cp\n    norms", "degree"),
    Mutant(MEMORY, "norms = 1 if model.parallel_block else model", "norms = model", "condition"),
    Mutant(MEMORY, "scores = 4.0 * heads", "scores = 2.0 * heads", "constant"),
    Mutant(MEMORY, "(5.0 if model.dropout", "(4.0 if model.dropout", "constant"),
    Mutant(MEMORY, "(2.0 + job.stack.norm_kept) * norms", "2.0 * norms", "term"),
    Mutant(MEMORY, "width * inputs * model.hidden / region", "width * inputs * model.hidden", "division"),
    Mutant(MEMORY, '"mlp_hidden": 2.0 * (2 if', '"mlp_hidden": 1.0 * (2 if', "constant"),
    Mutant(MEMORY, "(second + (job.stack.gate_kept if model.gated else 0.0))", "second", "term"),
    Mutant(MEMORY, "2.0 * job.lora_rank * len(", "job.lora_rank * len(", "constant"),
    Mutant(MEMORY, "2 * model.q_rank + 2 * model.kv_rank", "model.q_rank + 2 * model.kv_rank", "constant"),
    Mutant(MEMORY, "(2 * model.key_dim + model.head_dim", "(model.key_dim + model.head_dim", "constant"),
    Mutant(MEMORY, "-(-model.kv_heads // plan.tp)", "(model.kv_heads // plan.tp)", "rounding"),
    Mutant(MEMORY, "(heads * model.head_dim + 2 * keys)", "(heads * model.head_dim + keys)", "constant"),
    Mutant(MEMORY, "2.0 * tokens * job.model.hidden / where", "tokens * job.model.hidden / where", "constant"),
    Mutant(MEMORY, "maximum(in_flight - 2.0, 0.0)", "maximum(in_flight - 1.0, 0.0)", "index"),
    Mutant(MEMORY, "(plan.sequence_parallel * (plan.tp > 1))", "(plan.tp > 1)", "condition"),
    Mutant(MEMORY, "(checkpoint_bytes - kept_activations)", "checkpoint_bytes", "term"),
    Mutant(MEMORY, "(stage_layers - recomputed_layers) * gathered_inputs", "stage_layers * gathered_inputs", "term"),
    Mutant(MEMORY, "in_flight * (held_bytes + embedding_masks)", "in_flight * held_bytes + embedding_masks", "term"),
    Mutant(MEMORY, "checkpoint_bytes * 0.5 if", "checkpoint_bytes if", "constant"),
    Mutant(MEMORY, "where(plan.recompute == 1, selective_activations", "where(plan.recompute == 2, selective_activations", "condition"),
    Mutant(MEMORY, "((3 if model.gated else 2) * model.ffn", "(2 * model.ffn", "constant"),
    Mutant(MEMORY, "plan.tp + 2 * model.hidden", "plan.tp + model.hidden", "constant"),
    Mutant(MEMORY, "where(plan.recompute >= 2, layer_activations", "where(plan.recompute >= 3, layer_activations", "bound"),
    Mutant(MEMORY, "layer_activations - selective_activations", "selective_activations", "term"),
    Mutant(MEMORY, "(1 + job.model.mtp_layers) *", "1 *", "term"),
    Mutant(MEMORY, "(1 if job.stack.logits_whole else plan.tp)", "plan.tp", "condition"),
    Mutant(MEMORY, "maximum(layer_working - logits_memory, 0.0)", "layer_working - logits_memory", "bound"),
    Mutant(MEMORY, "4.0 * tokens * job.model.hidden", "2.0 * tokens * job.model.hidden", "constant"),
    Mutant(MEMORY, "static_bytes + live_bytes", "static_bytes", "term"),
    Mutant(MEMORY, "workspace_bytes + expert_states", "workspace_bytes", "term"),
    Mutant(MEMORY, "working_bytes + logits_memory + buffer_bytes", "working_bytes + logits_memory", "term"),
    Mutant(MEMORY, "allocated_bytes + job.stack.context_bytes", "allocated_bytes - job.stack.context_bytes", "sign"),
    Mutant(SHARD, "job.global_batch / (plan.dp * plan.micro_batch)", "job.global_batch / plan.dp", "division"),
    Mutant(SHARD, "float(job.sequence) / plan.cp", "float(job.sequence) / plan.tp", "degree"),
    Mutant(SHARD, 'attention) + mlp + term("layer_biases", biases)', "attention) + mlp", "term"),
    Mutant(SHARD, 'plan) + term("router_weights", parameters.router_parameters(job.model))', "plan)", "term"),
    Mutant(SHARD, "job.model.experts / plan.ep", "job.model.experts / plan.tp", "degree"),
    Mutant(SHARD, "expert_parameters(job.model) / plan.etp", "expert_parameters(job.model)", "division"),
    Mutant(SHARD, "-(-job.model.vocab // multiple)", "(job.model.vocab // multiple)", "rounding"),
    Mutant(SHARD, "job.stack.vocab_multiple * plan.tp", "job.stack.vocab_multiple", "degree"),
    Mutant(SHARD, "/ plan.tp + positions", "/ plan.tp", "term"),
    Mutant(SHARD, "((plan.pp > 1) & ~in_v(plan))", "(plan.pp > 1)", "condition"),
    Mutant(SHARD, "layer_weights + (stage == 0) * embedding_weights", "layer_weights + (stage == 1) * embedding_weights", "stage"),
    Mutant(SHARD, "sparse_stage_layers * around_weights", "dense_stage_layers * around_weights", "symbol"),
    Mutant(SHARD, "(stage > 0) * (job.model.mtp_layers > 0)", "(job.model.mtp_layers > 0)", "stage"),
    Mutant(SHARD, "plan.dp_shard * plan.cp\n", "plan.dp_shard\n", "degree"),
    Mutant(SHARD, "plan.tp * plan.cp * plan.dp_shard", "plan.cp * plan.dp_shard", "degree"),
    Mutant(SHARD, "/ (plan.ep * plan.etp)", "/ plan.ep", "degree"),
)
