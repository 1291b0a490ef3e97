"""Mutants of collectives and of the communication of each parallel dimension."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

COLLECTIVES = "planner/cost/collectives.py"
COMMUNICATION = "planner/cost/communication.py"
OVERLAP = "planner/cost/overlap.py"
UNITS = "planner/cost/sharded_units.py"
OF_UNITS = ("tests/planner/cost/test_overlap.py",)
TENSOR = "planner/cost/tensor_parallel.py"
OFFLOAD = "planner/cost/offload.py"

MUTANTS = (
    Mutant(COLLECTIVES, "cluster.link_domain // stride", "cluster.gpus_per_node * stride", "division"),
    Mutant(
        COLLECTIVES,
        "if passes == 2 else cluster.measured_gather_bytes_s",
        "if passes == 1 else cluster.measured_gather_bytes_s",
        "condition",
    ),
    Mutant(COLLECTIVES, "k.measured_message * ranks / cluster.gpus", "k.measured_message * ranks", "division"),
    Mutant(COLLECTIVES, "(1 / measured - 1 / line)", "(1 / measured + 1 / line)", "sign"),
    Mutant(COLLECTIVES, "k.nic_fraction * cluster.nic_bytes_s * ranks", "k.nic_fraction * cluster.nic_bytes_s", "term"),
    Mutant(COLLECTIVES, "job.constants.link_fraction) * (1 - 0.5 / near)", "job.constants.link_fraction) * (1 - 1.0 / near)", "constant"),
    Mutant(COLLECTIVES, "carried = message * (members - 1) / members", "carried = message", "term"),
    Mutant(COLLECTIVES, "-(-members // near))", "(members // near))", "rounding"),
    Mutant(COLLECTIVES, "cluster.nic_bytes_s * near)", "cluster.nic_bytes_s)", "term"),
    Mutant(COLLECTIVES, "around = passes * hop_seconds(job, passes) * nodes", "around = passes * hop_seconds(job, passes)", "term"),
    Mutant(COLLECTIVES, "around = minimum(around", "around = maximum(around", "bound"),
    Mutant(COLLECTIVES, "if passes == 2 and not cluster.measured_reduce_bytes_s", "if not cluster.measured_reduce_bytes_s", "condition"),
    Mutant(COLLECTIVES, "passes * maximum(within, across)", "passes * (within + across)", "bound"),
    Mutant(COLLECTIVES, 'term("pieces", pieces) * term(', "term(", "term"),
    Mutant(COLLECTIVES, "message, pieces, 2)", "message, pieces, 1)", "constant"),
    Mutant(
        COLLECTIVES,
        "where(near > 1, within / link_rate(job, near, k.exchange_fraction), 0.0)",
        "within / link_rate(job, near)",
        "condition",
    ),
    Mutant(COLLECTIVES, "maximum(near_seconds, far_seconds)", "minimum(near_seconds, far_seconds)", "bound"),
    Mutant(COLLECTIVES, "k.node_latency + k.node_doubling * log2", "k.node_doubling * log2", "term"),
    Mutant(COLLECTIVES, "near = stride < cluster.link_domain", "near = stride <= cluster.link_domain", "index"),
    Mutant(COLLECTIVES, "message / rate + k.send_latency", "message / rate", "term"),
    Mutant(COLLECTIVES, "where(near, k.link_fraction * cluster.link_bytes_s", "where(near, cluster.link_bytes_s", "term"),
    Mutant(TENSOR, "Bytes(weight_width(job) * tokens * job.model.hidden)", "Bytes(tokens * job.model.hidden)", "constant"),
    Mutant(
        TENSOR,
        "all_reduce_seconds(unchecked(job), plan.tp, stride, tp_message)",
        "all_reduce_seconds(unchecked(job), plan.cp, stride, tp_message)",
        "degree",
    ),
    Mutant(TENSOR, "1.0 if job.model.parallel_block or not job.model.ffn else 2.0", "2.0", "condition"),
    Mutant(TENSOR, "(stage == 0) * 0.5 + is_head", "(stage == 0) * 1.0 + is_head", "constant"),
    Mutant(TENSOR, "maximum(sent - hiding", "minimum(sent - hiding", "bound"),
    Mutant(COMMUNICATION, "(plan.vpp > 1) & job.stack.overlaps_sends", "job.stack.overlaps_sends", "condition"),
    Mutant(TENSOR, "tp_share * tp_forward if again", "tp_forward if again", "constant"),
    Mutant(COMMUNICATION, "-(-job.model.kv_heads // plan.tp)", "(job.model.kv_heads // plan.tp)", "rounding"),
    Mutant(COMMUNICATION, "widths * tokens * plan.cp", "widths * tokens", "degree"),
    Mutant(
        COMMUNICATION, "gather_seconds(job, plan.cp, plan.tp, cp_message", "gather_seconds(job, plan.cp, Count(1), cp_message", "degree"
    ),
    Mutant(COMMUNICATION, "forward + maximum(2 * cp_forward", "forward + maximum(cp_forward", "constant"),
    Mutant(
        COMMUNICATION,
        "forward = maximum(cp_forward - attention_forward, share",
        "forward = minimum(cp_forward - attention_forward, share",
        "bound",
    ),
    Mutant(COMMUNICATION, "repeat_host + tp_visible + cp_repeat", "repeat_host + cp_repeat", "term"),
    Mutant(
        COMMUNICATION, "send_seconds(job, degrees.stage_ranks(plan), message)", "send_seconds(job, plan.tp * plan.dp, message)", "degree"
    ),
    Mutant(COMMUNICATION, "plan.vpp) + plan.pp - 1", "plan.vpp) + plan.pp", "index"),
    Mutant(COMMUNICATION, "where(plan.pp > 1, 2.0 * hop * count", "where(plan.pp > 1, hop * count", "constant"),
    Mutant(COMMUNICATION, "ceil(Number(heaviest_weights", "(Number(heaviest_weights", "rounding"),
    Mutant(COMMUNICATION, "job.stack.sharded_parameters or whole, whole)", "whole, whole)", "symbol"),
    Mutant(COMMUNICATION, "Group(plan.dp * plan.cp, plan.dp_shard * plan.cp", "Group(plan.dp * plan.cp, plan.dp_shard", "degree"),
    Mutant(
        COMMUNICATION,
        "degrees.stage_ranks(plan) // degrees.expert_ranks(plan)",
        "plan.cp * plan.dp // degrees.expert_ranks(plan)",
        "degree",
    ),
    Mutant(COMMUNICATION, "weights / group.shard)", "weights)", "division"),
    Mutant(COMMUNICATION, "group.stride * group.shard, message", "group.stride, message", "degree"),
    Mutant(COMMUNICATION, "(plan.zero == 1) | ((plan.zero >= 2)", "((plan.zero >= 2)", "condition"),
    Mutant(COMMUNICATION, "sent)) + _replicas(job, group, weights)", "sent))", "term"),
    Mutant(COMMUNICATION, "Seconds(0.0) if job.stack.master_is_parameter else total", "total", "condition"),
    Mutant(COMMUNICATION, "not job.model.tied or job.frozen", "not job.model.tied", "condition"),
    Mutant(COMMUNICATION, "maximum(plan.pp - 1, 1)", "plan.pp", "index"),
    Mutant(COMMUNICATION, "(plan.pp > 1) & ~in_v(plan)", "(plan.pp > 1)", "condition"),
    Mutant(COMMUNICATION, "units = job.model.layers / plan.pp", "units = job.model.layers / plan.tp", "degree"),
    Mutant(UNITS, "where(plan.zero >= 3, 2.0 + again", "where(plan.zero >= 3, 1.0 + again", "constant", OF_UNITS),
    Mutant(UNITS, "1.0 - 0.5 * term", "1.0 - term", "constant", OF_UNITS),
    Mutant(OVERLAP, "REDUCED = 0.5", "REDUCED = 1.0", "constant"),
    Mutant(OVERLAP, "maximum(every - left, 0.0) + ", "", "term"),
    Mutant(OVERLAP, "micro_batches * (ends_each + copies_each)", "micro_batches * ends_each", "term"),
    Mutant(OVERLAP, "before * reduced_parameters", "after * reduced_parameters", "term"),
    Mutant(COMMUNICATION, "minimum(plan.pp, micro_batches)", "plan.pp", "bound"),
    Mutant(COMMUNICATION, "room * (2 / 3)", "room * (1 / 3)", "constant"),
    Mutant(COMMUNICATION, "gather_once, room / 3", "gather_once, room", "division"),
    Mutant(
        OVERLAP, "left = maximum(steady_seconds - hidden_once, 0.0)\n    return every", "left = steady_seconds\n    return every", "term"
    ),
    Mutant(OVERLAP, "minimum(job.stack.dp_overlap * every, left)", "minimum(every, left)", "term"),
    Mutant(COMMUNICATION, "weights / where(plan.zero >= 1, group.shard, 1)", "weights / where(plan.zero >= 2, group.shard, 1)", "bound"),
    Mutant(COMMUNICATION, "(gradient + weight_width(job)) * updated) / Bytes", "gradient * updated) / Bytes", "term"),
    Mutant(COMMUNICATION, "2.0 * optimizer_width(job) + weight_width(job)", "optimizer_width(job) + weight_width(job)", "constant"),
    Mutant(COMMUNICATION, "HOST_ADAM_PARAMETERS_S = 4e9", "HOST_ADAM_PARAMETERS_S = 8e9", "constant"),
    Mutant(OFFLOAD, "float(min(job.cluster.gpus_per_node, job.cluster.gpus)) * (host", "(host", "term"),
    Mutant(OFFLOAD, "SWAP_BUFFERS = 4.0", "SWAP_BUFFERS = 1.0", "constant"),
    Mutant(OFFLOAD, "where(plan.zero >= 3, fully, below)", "where(plan.zero >= 2, fully, below)", "bound"),
    Mutant(OFFLOAD, "frozen / where(plan.zero >= 3", "frozen / where(plan.zero >= 2", "bound"),
)
