"""Every quantity: its symbol in notations, its unit, its meaning. The manual and the explanations are printed from here."""

from __future__ import annotations

from typing import NamedTuple


class Quantity(NamedTuple):
    """What a symbol stands for."""

    symbol: str
    unit: str  # B, s, FLOP, FLOP/s, B/s, W, Wh, g, t (tonnes), $ (money), or empty for counts and ratios
    meaning: str


def _table(text: str) -> dict[str, Quantity]:
    rows = (tuple(cell.strip() for cell in line.split("|")) for line in text.strip().splitlines())
    return {name: Quantity(symbol, unit, meaning) for name, symbol, unit, meaning in rows}


QUANTITIES = _table("""
layers               | L   |        | transformer layers
hidden               | h   |        | hidden width
heads                | a   |        | attention heads
kv_heads             | k   |        | key-value heads
head_dim             | e   |        | width of one head
ffn                  | f   |        | width of the MLP
vocab                | V   |        | vocabulary entries
padded_vocab         | V_p |        | vocabulary entries, padded for the tensor-parallel ranks
experts              | E   |        | routed experts of a sparse layer
experts_per_token    | k_e |        | routed experts a token visits
expert_ffn           | f_e |        | middle width of a routed expert
shared_ffn           | f_s |        | middle width of the shared experts
mtp_layers           | L_m |        | layers of multi-token prediction
dense_layers         | L_d |        | first layers, with a dense MLP
moe_every            | L_e |        | behind them, one layer in so many is sparse
key_dim              | e_k |        | width of a head of queries and keys
value_dim            | e_v |        | width of a head of values
sequence             | s   |        | tokens in a sequence
global_batch         | B   |        | sequences a step
tp                   | t   |        | tensor parallel degree
pp                   | p   |        | pipeline parallel degree
vpp                  | v   |        | virtual pipeline stages a rank
cp                   | c   |        | context parallel degree
dp                   | D   |        | data parallel degree
ep                   | EP  |        | expert parallel degree
etp                  | ETP |        | expert tensor parallel degree
dp_shard             | D_s |        | ranks a replica group shards over
dp_replicate         | D_r |        | replicas of the sharded groups
micro_batch          | b   |        | sequences in a micro-batch
recompute_layers     | N   |        | layers recomputed in each virtual stage
zero                 | ZeRO |        | ZeRO stage
sequence_parallel    | SP  |        | 1 with sequence parallelism, else 0
recompute            | recompute |        | recomputation: 0 none, 1 selective, 2 full, 3 the first layers of each virtual stage
schedule             | schedule |        | pipeline schedule: 0 1F1B, 1 ZB-H1, 2 ZB-H2, 3 ZB-V, 4 DualPipeV
holds_head           | head |        | 1 on the pipeline rank that holds the head, else 0
kept_whole           | whole |     | 1 where gathered weights and gradients stay whole between micro-batches (FSDP2 in a pipeline)
synced_once          | once |        | 1 where sharded gradients and weights are communicated once per step, else 0
master_is_parameter  | fp32 |        | 1 where a sharded fp32 parameter is its own master copy (FSDP2), else 0
offload_optimizer    | offload |        | 1 with optimizer states on the host, else 0
frozen               | frozen |        | 1 where adapters are trained on frozen weights, else 0
gated                | gated |        | 1 with a gated MLP (three matrices), else 0 (two)
bias                 | bias |        | 1 with biases on every linear layer, else 0
tied                 | tied |        | 1 where the head shares the weights of the embedding, else 0
dropped_out          | dropout |        | 1 with dropout, else 0
flash_attention      | flash |        | 1 with a FlashAttention kernel, else 0
gpus                 | W   |        | GPUs in all
gpus_per_node        | W_n |        | GPUs per node
link_domain          | W_d |        | GPUs in a scale-up domain
stride               | Δ_r |        | distance between neighbouring ranks of a group
stage                | i   |        | pipeline rank
m_rows               | x   |        | rows of a matrix product
n_columns            | y   |        | columns of a matrix product
k_inner              | z   |        | inner width of a matrix product
pad_m                | x_0 |        | padding of the rows of a matrix product
pad_n                | y_0 |        | padding of its columns
pad_k                | z_0 |        | padding of its inner width
gradient_bytes       | g   |        | bytes a gradient is kept in
gradient_reduce_bytes | g_r |       | bytes a gradient is sent in
state_bytes          | u   |        | bytes an optimizer state is kept in
optimizer_states     | n_u |        | states per parameter of the optimizer
logits_bytes         | λ   |        | bytes a token and vocabulary entry at the loss
logits_whole         | gathered |        | 1 where logits are gathered over tensor-parallel ranks, else 0
activation_overhead  | κ   |        | live activations over theory
allocator_slack      | σ_a |        | reserved over allocated, less 1
context_bytes        | X   | B      | CUDA context and library buffers
workspace_bytes      | X_w | B      | workspaces of libraries, in the allocator
bucket_gradient_bytes | g_b |       | bytes of a 16-bit gradient kept in buckets beside the fp32 one
master_bytes         | g_m |        | bytes of the optimizer's own copy of a weight
norm_kept            | κ_n | B      | bytes a hidden unit that each norm keeps beyond a fused one
gate_kept            | κ_g |        | copies of the MLP's middle an unfused SwiGLU keeps
gathered_kept        | κ_t |        | copies of a layer's input that stay gathered
gathered_in_pipeline | warm_up |        | 1 where they stay gathered in the warm-up of a pipeline, 0 where only without a pipeline
flops_bf16           | R   | FLOP/s | peak rate of the GPU
flops_fp8            | R_8 | FLOP/s | peak rate of its fp8 units
flops_fp4            | R_4 | FLOP/s | peak rate of its fp4 units
precision_flops      | R_p | FLOP/s | peak rate of the GPU's fastest units that the precision uses
unit_flops           | R_u | FLOP/s | peak rate of the units that multiply numbers of the precision
flops_s              | R_g | FLOP/s | rate that large matrix products near
product_rate         | R_x | FLOP/s | rate that a matrix product nears in training
training             | ρ   |        | share of that rate that training runs reach
bytes_s              | B_g | B/s    | rate that memory-bound matrix products near
overhead_s           | t_0 | s      | launch and ramp of a matrix product
hbm_bytes_s          | B_h | B/s    | memory bandwidth
link_bytes_s         | B_l | B/s    | scale-up link, one way
nic_bytes_s          | B_n | B/s    | network, one way, a GPU
pcie_bytes_s         | B_p | B/s    | link to the host, one way
link_fraction        | η_l |        | share of the link's rate that long messages reach
nic_fraction         | η_n |        | share of the network's rate that long messages reach
send_latency         | t_ls | s      | latency of a send between stages
ring_latency         | t_la | s      | latency of a message in a collective
flash_fraction       | φ   |        | flash attention's rate over the matrix-product rate
flash_slower         | ξ   |        | time of this FlashAttention kernel over that of FlashAttention-2
flash_backward       | ξ_b |        | FLOPs of FlashAttention's backward pass over its forward pass
attended_keys        | s_a |        | keys that a query attends to, on average
score_bytes          | b_a | B      | memory traffic per attention score of kernels that are not fused
elementwise          | ε   |        | element-wise traffic over the fused ideal, norms apart
norm_traffic         | ε_n |        | traffic of a norm over that of a fused one
norm_bytes           | b_n | B      | memory traffic of a layer's norms per token, fused
other_bytes          | b_e | B      | memory traffic of a layer's other element-wise work per token, fused
pace                 | κ_c |        | time of the device's work on this cluster over the GPU's constants
host_pace            | κ_h |        | time of the host's work on this cluster over the stack's constants
far_hops             | η_f |        | hops over the network a layer waits for, a tensor-parallel rank, in a pipeline across nodes
host_power           | η_p |        | power in which host and device time add
host_backward        | η_b |        | host time of a backward pass over that of a forward pass
hbm_fraction         | η_h |        | memory bandwidth that element-wise kernels reach
grouped_slower       | ζ   |        | products of experts in one grouped kernel over the same alone
expert_load          | ψ   |        | tokens of the busiest experts over the mean
capacity             | C_x |        | capacity of an expert over its mean share of the tokens, 0 without
experts_per_rank     | E_r |        | routed experts on a rank
expert_traffic       | b_x | B      | memory traffic of dispatch, sorting by expert and the experts' activation
repeated_experts     | s_re |       | share of the experts' products that selective recomputation repeats
repeated_activation  | s_ra |       | share of the experts' activation that selective recomputation repeats
experts_overlapped   | overlap |    | 1 where compute of another micro-batch hides the all-to-all, else 0
host_experts_s       | H_x | s      | host time that routing and experts add to a layer's forward pass
host_counts_s        | H_c | s      | host time to wait for the counts of dropless routing, a layer's forward pass
host_layer_s         | H_l | s      | host time to launch a layer's forward pass
host_tp_s            | H_t | s      | host time that tensor parallelism adds to a layer's forward pass
host_micro_batch_s   | H_b | s      | host time a micro-batch beside its layers
step_fixed_s         | H_s | s      | host time once a step
tp_exposed           | x_t |        | share of tensor-parallel traffic nothing hides
cp_exposed           | x_c |        | share of context-parallel traffic nothing hides
pp_exposed           | x_p |        | share of pipeline sends nothing hides
dp_overlap           | ω   |        | share of gradient traffic, and of FSDP's gathers, that may hide
ep_overlap_cost      | ω_s |        | share of a layer's time lost to processors that exchange tokens meanwhile
ep_overlap           | ω_x |        | share of the experts' all-to-all that may hide behind another micro-batch
gather_overlap       | ω_g |        | share of ZeRO-1's gathering of weights that may hide
straggler            | ς   |        | slowest over mean, a doubling of the nodes
micro_batches        | m   |        | micro-batches a step on each data-parallel rank
tokens               | T   |        | tokens of a micro-batch on a rank
stage_layers         | ℓ_i |        | layers on a pipeline rank
embedding_slots      | e_s |        | layer slots that the embedding takes
head_slots           | o_s |        | layer slots that the head takes
extra_layers         | x_s |        | slots of a pipeline rank beyond an even share
split_by_flops       | even |        | 1 where stages are split by FLOPs, else 0
flops_layers         | ℓ_f |        | layers on a pipeline rank, split by FLOPs
recomputed_layers    | r_i |        | of these, wholly recomputed
sparse_stage_layers  | ℓ_x |        | layers with routed experts on a pipeline rank
dense_stage_layers   | ℓ_d |        | layers with a dense MLP on a pipeline rank
first_dense          | ℓ_0 |        | of the first dense layers, those on a pipeline rank
sparse_share         | s_x |        | share of the later layers that have routed experts
recomputed_sparse    | r_x |        | of the recomputed layers, those with routed experts
recomputed_dense     | r_d |        | of the recomputed layers, those with a dense MLP
routed_copies        | K_s |        | copies of its tokens that a rank sends to experts
expert_copies        | K_x |        | copies of tokens that a rank's experts work on
in_flight            | n_i |        | micro-batches in flight
chunks_ahead         | n_a |        | chunks held beyond those of 1F1B to overlap two micro-batches
layer_weights        | P_l |        | parameters of a layer on a rank
attention_weights    | P_at |        | parameters of a layer's attention matrices on a rank
layer_biases         | P_bi|        | biases of a layer that tensor parallelism divides, on a rank
whole_vectors        | P_n |        | norms and biases of a layer that every rank holds
router_weights       | P_ro |        | parameters of a router
prediction_weights   | P_mp |        | projection and norms of one layer of multi-token prediction
around_weights       | P_a |        | parameters of a sparse layer on a rank without its routed experts
expert_weights       | P_x |        | parameters of a sparse layer's routed experts on a rank
largest_layer        | P_g |        | parameters of the largest layer on a rank
mixed_weights        | P_in |        | parameters of a stage on a rank without its routed experts
stage_experts        | P_ix |       | parameters of a stage's routed experts on a rank
heaviest_experts     | P_mx |       | parameters of the routed experts on a rank of the heaviest stage
expert_shard_size    | Z_x |        | ranks that share sharded states of the same routed experts
embedding_weights    | P_e |        | parameters of the embedding on a rank
position_weights     | P_0 |        | learned positions and the norm behind the embedding
head_weights         | P_h |        | parameters of the head on a rank
stage_weights        | P_i |        | parameters of a stage on a rank
heaviest_weights     | P_m |        | parameters on a rank of the heaviest stage
owned_weights        | P_u |        | parameters that a rank updates
shard_size           | Z   |        | ranks that share sharded states
parameter_bytes      | W_p | B      | weights
gradient_memory      | G_p | B      | gradients
optimizer_bytes      | O_s | B      | master weights and optimizer states
resident_optimizer   | O_p | B      | optimizer states on the device
gathered_bytes       | F_p | B      | gathered layers of ZeRO-3
expert_states        | O_x | B      | weights, gradients and optimizer states of routed experts
expert_optimizer     | O_y | B      | master weights and optimizer states of routed experts
layer_activations    | A   | B      | a layer's activations, nothing recomputed
activation_term      | a_k | B      | one kind of activation of a layer, per token
kept_share           | s_k |        | share of it kept under selective recomputation
selective_activations | A_s | B     | a layer's activations under selective recompute
kept_activations     | A_k | B      | a layer's activations as kept
sparse_activations   | A_x | B      | a sparse layer's activations, nothing recomputed
sparse_selective     | A_y | B      | a sparse layer's activations under selective recompute
around_activations   | A_f | B      | a sparse layer's activations without its routed experts
around_selective     | A_fs | B     | those under selective recomputation
expert_term          | a_x | B      | one kind of activation of a sparse layer's router and experts
kept_input           | b_k | B      | width in which inputs of matrix products are kept
held_bytes           | A_h | B      | activations that layers of one kind keep of a micro-batch
held_by_both         | A_hb | B      | activations that all layers keep of a micro-batch
dense_held           | A_hd | B     | activations that dense layers keep of a micro-batch
sparse_held          | A_hx | B     | activations that sparse layers keep of a micro-batch
checkpoint_bytes     | A_c | B      | input of a recomputed layer
gathered_inputs      | A_g | B      | gathered inputs of a layer that wait for the communication stream
embedding_masks      | A_m | B      | dropout masks of the embedding
activation_bytes     | A_p | B      | activations in flight
layer_working        | W_l | B      | working set of the layer at hand
dense_working        | W_ld | B     | working set of a dense layer
sparse_working       | W_lx | B     | working set of a sparse layer
layer_gradients      | W_g | B      | gradients of the layer at hand
sparse_gradients     | W_gx | B     | gradients and buffers of the sparse layer at hand
around_gradients     | W_gf | B     | gradients of the sparse layer at hand without its experts
mixed_working        | W_lm | B      | working set of the layer that needs most
logits_memory        | G   | B      | logits and loss
working_bytes        | W_w | B      | working set beyond the logits
buffer_bytes         | U   | B      | communication buffers
static_bytes         | M_s | B      | model states
rest_bytes           | M_r | B      | working set, logits and buffers
live_bytes           | M_a | B      | activations and what goes with them
allocated_bytes      | M   | B      | live tensors at the peak
device_bytes         | M_d | B      | memory as the device shows it
gemm_seconds         | t_g | s      | one matrix product
linear_forward       | t_m | s      | a layer's matrix products, forward
linear_backward      | t_n | s      | a layer's matrix products, backward
weight_seconds       | t_dw | s     | a layer's gradients of weights
grouped_seconds      | t_gg | s     | products of several experts in one kernel
experts_linear       | t_gx | s     | the experts' matrix products, forward
sparse_forward       | t_xf | s     | a sparse layer's forward pass on the device
sparse_backward      | t_xb | s     | a sparse layer's backward pass on the device
sparse_weight_seconds | t_dwx | s    | a sparse layer's gradients of weights
around_weight_seconds | t_dwf | s   | gradients of weights around the experts
around_forward       | t_ff | s     | forward pass of a sparse layer without its experts
around_backward      | t_bbf | s    | backward pass of a sparse layer without its experts
around_repeat        | t_rf | s     | what selective recompute repeats around the experts
around_tp            | t_tf | s     | tensor-parallel traffic of a sparse layer, forward
sparse_repeat        | t_rx | s      | what selective recompute repeats in a sparse layer
sparse_repeated      | q_lx | s      | what a recomputed sparse layer repeats
mtp_seconds          | t_mtp | s    | projections of multi-token prediction
attention_flops      | F_a | FLOP   | attention, forward
attention_forward    | t_a | s      | a layer's attention, forward
attention_backward   | t_d | s      | a layer's attention, backward
elementwise_forward  | t_e | s      | a layer's element-wise work, forward
elementwise_backward | t_h | s      | a layer's element-wise work, backward
layer_forward        | t_f | s      | a layer's forward pass on the device
layer_backward       | t_b | s      | a layer's backward pass on the device
selective_repeat     | t_r | s      | what selective recompute repeats in a layer
repeated_share       | s_r |        | share of a part of the forward pass that selective recomputation repeats
part_seconds         | t_pf | s      | a part of a layer's forward pass
selective_seconds    | t_q | s      | repeated in a layer not wholly recomputed
repeat_host          | h_r | s      | host time a repeated layer's forward waits for
host_layer           | h_f | s      | host time to launch a layer's forward pass, its collectives with it
host_sparse          | h_x | s      | host time to launch a sparse layer's forward pass, its collectives with it
busy_forward         | t_bf | s     | a layer's forward pass on the device with its exposed traffic
busy_backward        | t_bb | s     | a layer's backward pass on the device with its exposed traffic
busy_layer           | t_l | s      | both together
layer_host           | h_l | s      | host time a layer waits for
sparse_host          | h_lx | s     | host time a sparse layer waits for
weight_share         | w   |        | gradients of weights over a layer's time
forward_share        | w_f |        | a layer's forward pass over its time
working_share        | w_q |        | of a micro-batch on a stage, what is not recomputation
bubble_left          | β   |        | of the bubble of 1F1B, what the schedule leaves
head_seconds         | t_o | s      | head and loss, forward and backward
embedding_seconds    | t_i | s      | embedding, forward and backward
stage_compute        | C_i | s      | compute of a micro-batch on a stage
stage_work           | E_i | s      | a micro-batch on a stage, nothing repeated
mixed_compute        | C_ix | s      | compute of a micro-batch on a stage
mixed_host           | H_ix | s      | host time a stage waits for, a micro-batch
mixed_tp             | T_ix | s      | exposed tensor-parallel traffic of a micro-batch on a stage
mixed_cp             | K_ix | s      | exposed context-parallel traffic of a micro-batch on a stage
mixed_work           | E_ix | s      | a micro-batch on a stage, nothing repeated
repeated_by_both     | Q_ix | s      | recomputation of a micro-batch on a stage
dense_repeat         | Q_d | s      | recomputation of dense layers of a micro-batch on a stage
sparse_repeat_seconds | Q_x | s     | recomputation of sparse layers of a micro-batch on a stage
repeat_layer         | q_l | s      | what a recomputed layer repeats
stage_repeat         | Q_i | s      | recomputation of a micro-batch on a stage
stage_host           | H_i | s      | host time a stage waits for, a micro-batch
across_nodes         | far |        | 1 where layers of a pipeline across nodes wait for hops over the network, else 0
ring_hop             | t_hop | s     | what each node adds to the latency of an all-reduce
members              | n   |        | ranks in a group
message              | S   | B      | message of a collective
pieces               | n_p |        | messages that it is split into
near_members         | n_d |        | ranks of a group in one scale-up domain
group_nodes          | n_n |        | scale-up domains that a group spans
all_reduce_seconds   | t_ar | s     | all-reduce
gather_seconds       | t_ag | s     | all-gather or reduce-scatter
send_seconds         | t_s | s      | one send between stages
all_to_all_seconds   | t_aa | s     | all-to-all
exchange_seconds     | t_xx | s     | one exchange of tokens with experts
within               | S_w | B      | bytes of an all-to-all inside the domain
across               | S_o | B      | bytes of an all-to-all out of it
ep_forward           | t_xe | s     | a sparse layer's all-to-all, forward
ep_backward          | t_xg | s     | a sparse layer's all-to-all, backward
ep_layer             | x_x | s      | exposed all-to-all of a sparse layer
stage_ep             | X_i | s      | exposed all-to-all of a micro-batch on a stage
tp_message           | S_t | B      | what a tensor-parallel collective carries
reduced_halves       | n_h |        | sums over tensor-parallel ranks in a layer's forward pass
tp_forward           | t_t | s      | a layer's tensor-parallel traffic, forward
stage_tp             | T_i | s      | exposed tensor-parallel traffic of a micro-batch on a stage
cp_forward           | t_c | s      | a layer's context-parallel traffic, forward
cp_message           | S_k | B      | keys and values of all context-parallel ranks
cp_layer             | x_l | s      | exposed context-parallel traffic of a layer
cp_repeat            | x_r | s      | exposed context-parallel traffic of a repeated forward pass
stage_cp             | K_i | s      | exposed context-parallel traffic of a micro-batch on a stage
stage_seconds        | τ_i | s      | one micro-batch on a stage, forward and backward
first_stage_seconds  | τ_1 | s      | one micro-batch on the first pipeline rank
middle_stage_seconds | τ_m | s      | one micro-batch on a pipeline rank between
last_stage_seconds   | τ_p | s      | one micro-batch on the last pipeline rank
first_stage_layers   | ℓ_1 |        | layers on the first pipeline rank
middle_stage_layers  | ℓ_m |        | layers on a pipeline rank between
last_stage_layers    | ℓ_p |        | layers on the last pipeline rank
slowest_stage        | τ   | s      | the slowest stage
all_stages           | τ_s | s      | one micro-batch through all stages
steady_seconds       | t_y | s      | micro-batches of the slowest stage, back to back
bubble_seconds       | t_u | s      | pipeline bubble
pp_seconds           | t_p | s      | exposed pipeline sends
last_round           | n_r |        | micro-batches that hide what is sent once a step
reduce_once          | t_1 | s      | gradient traffic once a step
tied_sum             | t_et | s      | gradients of a tied embedding summed between the first and the last stage
whole_reduce         | t_rw | s      | all-reduce of gradients over all replicas
reduce_scatter       | t_rs | s      | reduce-scatter of gradients in a sharded group
replica_reduce       | t_rr | s      | all-reduce of sharded gradients between replicas
weight_gather        | t_gw | s      | all-gather of weights in a sharded group
gather_once          | t_3 | s      | weights gathered once a step
hidden_once          | t_h1 | s     | of the traffic once a step, what hides
reduce_each          | t_2 | s      | gradient and weight traffic a micro-batch
dp_seconds           | t_v | s      | exposed data-parallel traffic
optimizer_seconds    | t_z | s      | optimizer step
fixed_seconds        | t_x | s      | host time once a step and a micro-batch
even_seconds         | t_k | s      | one optimizer step of even ranks
straggler_seconds    | t_w | s      | waiting for the slowest rank
step_seconds         | t_step | s   | one optimizer step
model_flops          | F   | FLOP   | model FLOPs a step
matrix_weights       | P_mm |       | weights of matrix products that a token meets
layer_adapters       | P_al |       | parameters of a layer's adapters
mfu                  | MFU |        | model FLOPs utilisation
tokens_per_second_per_gpu | tok |   | tokens a second and GPU
compute_part         | t_yc | s     | compute of a step
recompute_part       | t_yq | s     | recomputation of a step
host_part            | t_yh | s     | the host's share of a step
tp_part              | t_yt | s     | exposed tensor-parallel traffic of a step
cp_part              | t_yk | s     | exposed context-parallel traffic of a step
ep_part              | t_yx | s     | exposed all-to-all of a step
hidden_tp            | t_ht | s     | tensor-parallel traffic of a step that compute hides
hidden_cp            | t_hc | s     | context-parallel traffic of a step that compute hides
hidden_dp            | t_hd | s     | data-parallel traffic of a step that compute hides
hidden_ep            | t_hx | s     | all-to-all of a step that compute hides
slack_bytes          | M_σ | B      | what the allocator holds beyond live tensors
context_memory       | M_x | B      | context and communicators
workspace_memory     | M_w | B      | workspaces of libraries
memory_bytes         | M_g | B      | memory that the driver offers
usable_memory        | η_u |        | share of it that fragments leave
headroom             | η_m |        | share of that kept free
memory_fill          | M_f |        | device memory over its limit
over_bytes           | M_v | B      | device memory beyond the limit
memory_low           | M_0 | B      | device memory that at most 10 of 100 measured runs like it stay below
memory_high          | M_1 | B      | device memory that at most 10 of 100 measured runs like it go beyond
step_low             | t_s0 | s     | a step that at most 10 of 100 measured runs like it stay below
step_high            | t_s1 | s     | a step that at most 10 of 100 measured runs like it go beyond
memory_band_low      | b_0 |        | measured over estimated memory that at most 10 of 100 runs stay below
memory_band_high     | b_1 |        | measured over estimated memory that at most 10 of 100 runs go beyond
step_band_low        | q_0 |        | measured over estimated step that at most 10 of 100 runs stay below
step_band_high       | q_1 |        | measured over estimated step that at most 10 of 100 runs go beyond
host_bytes           | M_h | B      | host memory a node
lora_rank            | r   |        | inner width of an adapter
adapted_inputs       | x_a |        | inputs of a matrix with an adapter, on a rank
adapted_outputs      | y_a |        | outputs of a matrix with an adapter, on a rank
adapted_width        | w_a |        | inputs and outputs of a matrix with an adapter, on a rank
linear_matrix        | P_lm |       | weights of one of a layer's matrices, on a rank
quantized_width      | b_4 | B      | a weight in 4 bits with its constants
dequantized          | W_dq | B     | the largest matrix that is kept in 4 bits, in 16 bits
adapter_weights      | P_ad |       | parameters of a layer's adapters on a rank
stage_adapters       | P_ai |       | parameters of adapters of a stage on a rank
frozen_weights       | P_f |        | parameters that are frozen, on a rank
quantized_weights    | P_q |        | of a layer's weights on a rank, those kept in 4 bits
layer_frozen         | W_fl | B     | frozen weights of the largest layer on a rank
frozen_bytes         | W_fr | B     | frozen weights of a stage on a rank, before sharding
heaviest_frozen      | W_fm | B     | frozen weights on a rank of the heaviest stage
frozen_experts       | W_fx | B     | frozen weights of routed experts on a rank of the heaviest stage
frozen_parameters    | W_fp | B     | frozen weights and adapters
frozen_gathered      | F_fp | B     | gathered frozen layers of ZeRO-3, and the matrix at work
adapter_forward      | t_ma | s     | a layer's adapters, forward
adapter_backward     | t_na | s     | a layer's adapters, backward
adapted_forward      | t_mb | s     | a layer's matrix products and adapters, forward
adapted_backward     | t_nb | s     | a layer's matrix products and adapters, backward
frozen_each          | t_fe | s     | frozen weights gathered, a micro-batch
adapted_each         | t_2a | s     | traffic of adapters and frozen weights, a micro-batch
adapter_flops        | F_ad | FLOP  | FLOPs that adapters need a step
kv_rank              | d_c |        | width of the latents of keys and values
rope_dim             | d_r |        | of a key, the part that carries positions
sliding_window       | n_w |        | tokens that a local layer looks back
global_layers        | L_g |        | layers that look back to the start
weight_width         | w_b | B      | a weight as served
cache_width          | c_b | B      | a number in the cache
overhead_share       | σ_o |        | memory of a forward pass over the weights
context              | n_c |        | tokens of each sequence served
batch                | b_s |        | sequences served at once
limit_bytes          | M_o | B      | memory of a GPU that may be used
serving_weights      | P_t |        | parameters on a rank that serves
inference_weights    | W_i | B      | weights as served
cached_width         | w_c |        | numbers cached for a token in a layer
cached_tokens        | n_k |        | tokens cached for a sequence, over all layers
cache_bytes          | K_c | B      | cache of keys and values
inference_overhead   | W_o | B      | working memory of a forward pass
inference_bytes      | M_i | B      | memory of a GPU that serves
cache_room           | K_r | B      | memory left to the cache
longest_context      | n_l |        | most tokens in each sequence that fit
largest_batch        | b_l |        | most sequences at once that fit
tokens_per_second    | tok_W |      | tokens a second on all GPUs
smallest_rate        | tok_0 |      | tokens a second and GPU at the smallest size that fits
scaling_efficiency   | η_W |        | tokens a second and GPU over those of the smallest size
other_seconds        | t_other | s  | one optimizer step on the other cluster
speed_up             | S_up |       | how many times as fast the other cluster trains
changed_rate         | tok_c |      | tokens a second and GPU with one input changed
rate_gain            | Δ_tok |      | what a change brings in tokens a second
visited_parameters   | P   |        | parameters that a token visits
saved_parameters     | P_c |        | parameters in a checkpoint
saved_adapters       | P_ca |       | parameters in a checkpoint of adapters
train_tokens         | D_t |        | tokens to train on
tokens_per_parameter | r_t |        | tokens a parameter
forward_flops        | C_f | FLOP   | forward passes of the whole training
backward_flops       | C_b | FLOP   | backward passes of the whole training
frozen_backward      | C_bf | FLOP  | backward passes of the whole training, weights frozen
train_flops          | C   | FLOP   | training by the rule of six
exact_flops          | C_e | FLOP   | training with attention, without embeddings
train_steps          | n_s |        | steps to train
train_seconds        | T_n | s      | time to train without a failure
elapsed_seconds      | T_e | s      | time to train, failures and checkpoints with it
gpu_hours            | H   |        | GPU-hours
price_gpu_hour       | p_h | $      | price of a GPU-hour
cost                 | K   | $      | cost of the GPU-hours
power_w              | W_b | W      | power of a GPU's board
pue                  | PUE |        | energy of the building over that of the boards
energy_wh            | Q   | Wh     | energy of the boards and the building around them
co2_g_kwh            | I_c | g      | CO2 a kWh
co2_tonnes           | G_c | t      | CO2 of that energy
achieved_flops       | R_a | FLOP/s | model FLOPs a second on each GPU
flops_floor          | R_f | FLOP/s | rate below which something is wrong
gpu_mtbf_s           | θ   | s      | time between two failures of one GPU
mtbf_seconds         | θ_W | s      | time between two failures of the cluster
restart_s            | t_re | s     | time from a failure to training again
storage_bytes_s      | B_s | B/s    | rate at which the job writes a checkpoint
saved_bytes          | S_c | B      | size of a checkpoint
save_seconds         | δ   | s      | time to write a checkpoint
young_seconds        | τ_y | s      | time between checkpoints, to first order
daly_seconds         | τ_d | s      | time between checkpoints that loses least
interval_seconds     | τ_c | s      | training between two checkpoints
goodput              | γ   |        | share of the time that trains
saving_share         | γ_s |        | share of the time that writes checkpoints
restart_share        | γ_r |        | share of the time that restarts
redone_share         | γ_l |        | share of the time that repeats what a failure lost
failures             | n_f |        | failures to expect while training
law_floor            | L_0 |        | loss that no model goes below
law_a                | A_L |        | weight of the model's size in the loss
law_alpha            | α   |        | power of the model's size
law_b                | B_L |        | weight of the tokens in the loss
law_beta             | β_L |        | power of the tokens
estimated_loss       | L_x |        | loss that the law expects
other_parameters     | P_o |        | parameters of another model
same_loss_tokens     | D_o |        | tokens with which another model comes to the same loss
served_tokens        | D_v |        | tokens served over the model's life
lifetime_flops       | C_l | FLOP   | training and serving together
serving_flops        | C_v | FLOP   | serving
money                | K_b | $      | money to spend
spent_flops          | C_a | FLOP   | FLOP to spend
optimal_parameters   | P_b |        | parameters of the least loss for the FLOP
ratio_parameters     | P_r |        | parameters at so many tokens a parameter
bought_tokens        | D_b |        | tokens for the FLOP
""")
