"""Micro-batches, tokens and parameters on one rank of a plan. One plan or columns of plans; stages broadcast in front."""

from __future__ import annotations

from planner.cost.pipeline_split import holds_ahead, in_v, is_head, largest
from planner.dimensions import Count, Number, Parameters, Stage, Tokens, maximum
from planner.formula.trace import formula, term
from planner.specs import parameters
from planner.specs.job import Job
from planner.specs.model import Model
from planner.specs.plan import Plan

SMALL = 256  # plans; below it, evaluating every row is faster than searching for distinct ones


@formula("B / (D · b)", "narayanan21", "Section 3.1")
def micro_batches(job: Job, plan: Plan) -> Number:
    """Micro-batches per step on each data-parallel rank; count."""
    return job.global_batch / (plan.dp * plan.micro_batch)


@formula("b · s / c", "korthikanti22", "Section 4, with context parallelism")
def tokens(job: Job, plan: Plan) -> Tokens:
    """Tokens of one micro-batch on one rank; count."""
    return Tokens(plan.micro_batch * float(job.sequence) / plan.cp)


@formula(
    "P_at + (3 if gated, 2 otherwise) · h · f / t + P_bi + P_n",
    "shoeybi19",
    "Section 3; latent attention: deepseekv2 Section 2.1",
)
def layer_weights(job: Job, plan: Plan) -> Parameters:
    """Parameters of one layer with a dense MLP on one tensor-parallel rank; count."""
    return rank_weights(job.model, plan)


def rank_weights(model: Model, plan: Plan) -> Parameters:
    """Parameters of one layer of a model on one tensor-parallel rank, each part named for the notation; count."""
    attention, mlp, biases, vectors = parameters.layer_parts_per_rank(model, plan.tp)
    return term("attention_weights", attention) + mlp + term("layer_biases", biases) + term("whole_vectors", vectors)


@formula("P_at + (3 if gated, 2 otherwise) · h · f_s / t + P_bi + P_n + P_ro", "gshard20", "Figure 3: only experts are divided over ranks")
def around_weights(job: Job, plan: Plan) -> Parameters:
    """Parameters of one sparse layer on one tensor-parallel rank without its routed experts: attention, shared experts, router; count."""
    return rank_weights(job.around_experts.model, plan) + term("router_weights", parameters.router_parameters(job.model))


@formula(
    "E / EP · ((3 if gated, 2 otherwise) · h · f_e + ((2 if gated, 1 otherwise) · f_e + h if bias)) / ETP",
    "gshard20",
    "Algorithm 2: experts over ranks; Megatron-LM, moe/README.md: expert tensor parallel",
)
def expert_weights(job: Job, plan: Plan) -> Parameters:
    """Parameters of the routed experts of one sparse layer on one rank; count."""
    return Parameters(job.model.experts / plan.ep * parameters.expert_parameters(job.model) / plan.etp)


def padded_vocab(job: Job, plan: Plan) -> Count:
    """Vocabulary entries over all tensor-parallel ranks, padded as the stack pads (Megatron-LM: to 128 x tp)."""
    multiple = job.stack.vocab_multiple * plan.tp
    return term("padded_vocab", -(-job.model.vocab // multiple) * multiple)


def sparse_weights(job: Job, plan: Plan) -> Parameters:
    """Parameters of one sparse layer on one rank; count."""
    return around_weights(job, plan) + expert_weights(job, plan)


@formula("V_p · h / t + P_0", "shoeybi19", "Section 3")
def embedding_weights(job: Job, plan: Plan) -> Parameters:
    """Parameters of the embedding on one tensor-parallel rank; count."""
    positions = term("position_weights", parameters.position_parameters(job.model))
    return Parameters(padded_vocab(job, plan) * float(job.model.hidden) / plan.tp + positions)


@formula("0 if tied and p = 1, 0 if tied and schedule ≥ 3, V_p · h / t otherwise", "shoeybi19", "Section 3")
def head_weights(job: Job, plan: Plan) -> Parameters:
    """Parameters of the output projection on one rank: untied, or the last stage's copy of a tied embedding; count."""
    untied = Parameters(padded_vocab(job, plan) * float(job.model.hidden) / plan.tp)
    return untied * (((plan.pp > 1) & ~in_v(plan)) if job.model.tied else 1.0)


@formula("ℓ_i · P_l + (P_e if i = 0) + (P_h if head)", "shoeybi19", "Section 3")
def stage_weights(
    plan: Plan, stage: Stage, stage_layers: Number, layer_weights: Parameters, embedding_weights: Parameters, head_weights: Parameters
) -> Parameters:
    """Parameters on one rank of a pipeline stage, before any sharding over data parallelism; count."""
    return stage_layers * layer_weights + (stage == 0) * embedding_weights + is_head(plan, stage) * head_weights


@formula("max((P_e if i = 0), (P_h if head))", "tmplan", "the tables are the largest tensors of a rank that has any")
def largest_tensor(plan: Plan, stage: Stage, embedding_weights: Parameters, head_weights: Parameters) -> Parameters:
    """Parameters of the embedding or the head on a rank, of the larger; count."""
    return maximum((stage == 0) * embedding_weights, is_head(plan, stage) * head_weights)


@formula(
    "ℓ_d · P_l + ℓ_x · P_a + (P_e if i = 0) + (P_h if head)"
    " + (L_m · P_mp + (P_e if i > 0 and L_m > 0) + (P_h if not head and L_m > 0) if mtp)",
    "gshard20",
    "Figure 3; multi-token prediction shares embedding and head, with copies where its rank has none",
)
def mixed_weights(
    job: Job, plan: Plan, stage: Stage, dense_stage_layers: Number, sparse_stage_layers: Number, layer_weights: Parameters,
    around_weights: Parameters, embedding_weights: Parameters, head_weights: Parameters,
) -> Parameters:  # fmt: skip
    """Parameters on one rank of a pipeline stage without its routed experts, before any sharding over data parallelism; count."""
    head = is_head(plan, stage)
    layers = dense_stage_layers * layer_weights + sparse_stage_layers * around_weights
    prediction = term("prediction_weights", parameters.mtp_vectors(job.model))
    copies = (stage > 0) * embedding_weights
    if job.layout is not None:
        copies = Parameters(copies + (1 - head) * head_weights)
    ahead = job.model.mtp_layers * prediction + (job.model.mtp_layers > 0) * copies
    return layers + (stage == 0) * embedding_weights + head * head_weights + holds_ahead(job, plan, stage) * ahead


@formula("ℓ_x · P_x", "gshard20", "Figure 3")
def stage_experts(sparse_stage_layers: Number, expert_weights: Parameters) -> Parameters:
    """Parameters of the routed experts on one rank of a pipeline stage; count."""
    return sparse_stage_layers * expert_weights


@formula("max_i(P_i)", "tmplan", "the heaviest stage decides the traffic")
def heaviest_weights(stage_weights: Parameters) -> Parameters:
    """Parameters on a rank of the heaviest stage; count."""
    return largest(stage_weights)


@formula("D_s · c", "zero20", "Section 5; Megatron-LM and torchtitan shard over data and context parallel ranks")
def shard_size(plan: Plan) -> Count:
    """Ranks over which sharded states are divided; count."""
    return plan.dp_shard * plan.cp


@formula("max_i(P_ix)", "tmplan", "the heaviest stage decides the traffic")
def heaviest_experts(stage_experts: Parameters) -> Parameters:
    """Parameters of the routed experts on a rank of the heaviest stage; count."""
    return largest(stage_experts)


@formula("t · c · D_s / (EP · ETP)", "megatron", "megatron/core/parallel_state.py: expert data parallel groups")
def expert_shard_size(plan: Plan) -> Count:
    """Ranks that hold the same routed experts within a sharded group, over which their states are divided; count."""
    return Count(plan.tp * plan.cp * plan.dp_shard / (plan.ep * plan.etp))
