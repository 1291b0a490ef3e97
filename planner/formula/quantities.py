"""All quantities: symbol in notations, unit, meaning. The nomenclature and the explanations are printed from this table."""

from __future__ import annotations

from typing import NamedTuple

from planner.degrees import DEGREES


class Quantity(NamedTuple):
    """Symbol, unit and meaning of a quantity."""

    symbol: str
    unit: str  # B, s, FLOP, FLOP/s, B/s, W, Wh, g, t (tonnes), $ (money), or empty for counts and ratios
    meaning: str


def _table(text: str) -> dict[str, Quantity]:
    rows = (tuple(cell.strip() for cell in line.split("|")) for line in text.strip().splitlines())
    return {name: Quantity(symbol, unit, meaning) for name, symbol, unit, meaning in rows}


QUANTITIES = {degree.key: Quantity(degree.symbol, "", degree.name) for degree in DEGREES} | _table("""
layers               | L   |        | transformer layers
hidden               | h   |        | hidden width
heads                | a   |        | attention heads
kv_heads             | k   |        | key-value heads
head_dim             | e   |        | width of one head
ffn                  | f   |        | width of the MLP
vocab                | V   |        | vocabulary entries
padded_vocab         | V_p |        | vocabulary entries, padded for the tensor-parallel ranks
experts              | E   |        | routed experts per sparse layer
experts_per_token    | k_e |        | routed experts per token
expert_ffn           | f_e |        | intermediate width of a routed expert
shared_ffn           | f_s |        | intermediate width of the shared experts
mtp_layers           | L_m |        | layers of multi-token prediction
dense_layers         | L_d |        | leading layers with a dense MLP
sparse_layers        | L_s |        | layers with routed experts
moe_every            | L_e |        | interval of sparse layers after the leading dense ones
key_dim              | e_k |        | width of a head of queries and keys
value_dim            | e_v |        | width of a head of values
sequence             | s   |        | tokens in a sequence
global_batch         | B   |        | sequences per step
dp_shard             | D_s |        | ranks of a sharded group
dp_replicate         | D_r |        | replicas of the sharded groups
micro_batch          | b   |        | sequences per micro-batch
recompute_layers     | N   |        | recomputed layers per virtual stage
zero                 | ZeRO |        | ZeRO stage
sequence_parallel    | SP  |        | 1 with sequence parallelism, else 0
recompute            | recompute |        | recomputation: 0 none, 1 selective, 2 full, 3 the first layers of each virtual stage
schedule             | schedule |        | pipeline schedule: 0 1F1B, 1 ZB-H1, 2 ZB-H2, 3 ZB-V, 4 DualPipeV
holds_head           | head |        | 1 on the pipeline rank that holds the head, else 0
holds_ahead          | mtp  |        | 1 on the pipeline rank that holds the layers of multi-token prediction, else 0
computes_loss        | loss |        | 1 on a pipeline rank that computes a loss, else 0
gathered_units       | n_u |        | layers whose weights are gathered at a time
recompute_every      | k_r |        | full recomputation of every k-th layer alone
gathers              | gathers |   | 1 where weights are gathered when they are used, else 0
main_gradients       | main |      | 1 where 16-bit gradients of weights are added to buffers (Megatron), else 0
root_gathered        | root |      | 1 where embedding and head are gathered as one unit for the whole step, else 0
gradients_stay       | stay |      | 1 where buffers of gradients are allocated for good, else 0
adamw                | adamw |  | 1 where the optimizer is AdamW of PyTorch, else 0
foreach              | foreach |   | 1 where the optimizer steps over lists of tensors with temporaries, else 0
stays_gathered       | whole |     | 1 where gathered weights and gradients stay whole between micro-batches (FSDP2 in a pipeline)
synced_once          | once |        | 1 where sharded gradients and weights are communicated once per step, else 0
master_is_parameter  | fp32 |        | 1 where the sharded fp32 parameter is the master copy (FSDP2), else 0
offload_optimizer    | offload |        | 1 with optimizer states on the host, else 0
offload_parameters   | moved |      | 1 with weights in host memory until they are used, else 0
offload_nvme         | nvme |       | 1 with offloaded optimizer states on NVMe, else 0
frozen               | frozen |        | 1 where adapters are trained on frozen weights, else 0
gated                | gated |        | 1 with a gated MLP (three matrices), else 0 (two)
bias                 | bias |        | 1 with biases on every linear layer, else 0
tied                 | tied |        | 1 where the head shares the weights of the embedding, else 0
dropped_out          | dropout |        | 1 with dropout, else 0
flash_attention      | flash |        | 1 with a FlashAttention kernel, else 0
gpus                 | W   |        | GPUs
gpus_per_node        | W_n |        | GPUs per node
link_domain          | W_d |        | GPUs per scale-up domain
stride               | Δ_r |        | distance between consecutive ranks of a group
stage                | i   |        | pipeline rank
m_rows               | x   |        | rows of a matrix product
n_columns            | y   |        | columns of a matrix product
k_inner              | z   |        | inner width of a matrix product
pad_m                | x_0 |        | padding of the rows of a matrix product
pad_n                | y_0 |        | padding of its columns
pad_k                | z_0 |        | padding of its inner width
gradient_bytes       | g   |        | bytes of a stored gradient
reduce_bytes         | g_r |       | bytes of a gradient in communication
state_bytes          | u   |        | bytes of a stored optimizer state
layer_states         | u_l |        | bytes of optimizer states per parameter of a layer
embedding_states     | u_e |        | bytes of optimizer states per entry of the embedding
head_states          | u_h |        | bytes of optimizer states per entry of the head
resident_share       | x_o |        | share of the optimizer's bytes on the device
optimizer_in_backward | at_once |    | 1 where each gradient is applied and freed in the backward pass, else 0
flat_states          | flat |       | 1 where the optimizer sees flat buffers in place of weights (DeepSpeed), else 0
reduce_bucket        | n_b |        | gradients in a buffer that is reduced at once
live_parameters      | n_lv |        | weights that stay gathered under ZeRO-3
sub_group            | n_g |        | weights of a rank that are updated at once under ZeRO-3
largest_tensor       | P_tt |        | parameters of the embedding or the head on a rank
lasting_gradients    | G_s | B      | gradients that live all the time
logits_bytes         | λ   |        | bytes per token and vocabulary entry at the loss
forward_logits_width | λ_f |        | bytes per token and vocabulary entry at the end of a forward pass
autocast             | autocast |   | 1 where matrix products cast their operands to 16 bits, else 0
product_width        | b_p | B      | bytes per weight that takes part in products
residual_width       | b_r | B      | bytes per element of the residual stream
head_norm_width      | κ_o | B      | bytes per token and hidden unit of the inputs of the last norm and of the head
whole_loss           | whole_loss |  | 1 where one kernel has head and loss, else 0
fused_head           | κ_f | B      | bytes per weight of the head that a kernel of head and loss needs
logits_whole         | gathered |        | 1 where logits are gathered over tensor-parallel ranks, else 0
activation_overhead  | κ   |        | measured over theoretical activations
allocator_slack      | σ_a |        | reserved over allocated memory, minus 1
context_bytes        | X   | B      | CUDA context and library buffers
workspace_bytes      | X_w | B      | workspaces of libraries, in the allocator
expert_workspace_bytes | X_wx | B   | workspaces of grouped products
grouped_workspaces   | grouped |    | 1 where grouped products have workspaces, else 0
bucket_gradient_bytes | g_b |       | bytes of the 16-bit gradient stored in buckets next to the fp32 gradient
master_bytes         | g_m |        | bytes of the master copy of a weight
norm_kept            | κ_n | B      | additional bytes per hidden unit stored by an unfused norm
gate_kept            | κ_g |        | additional copies of the MLP intermediate stored by an unfused SwiGLU
router_in_stored       | κ_r | B      | bytes per hidden unit of a copy of the router's input
expert_out_stored      | κ_e |        | 1 where outputs of experts are stored, else 0
gradients_copied     | g_c | B      | width of the fp32 copies of 16-bit gradients made for the optimizer's step
activations_offloaded | ω_h |       | share of the activations in host memory
checkpoints_offloaded | ω_c |       | share of the inputs of recomputed layers in host memory
waiting_copies       | n_q |        | offloaded activations on the device, in micro-batches of all layers of a rank
gathered_kept        | κ_t |        | copies of a layer's input that stay gathered
gathered_in_pipeline | warm_up |        | 1 if inputs stay gathered during pipeline warm-up, 0 if only without a pipeline
flops_bf16           | R   | FLOP/s | peak rate of the GPU
flops_fp8            | R_8 | FLOP/s | peak rate of its fp8 units
flops_fp4            | R_4 | FLOP/s | peak rate of its fp4 units
precision_flops      | R_p | FLOP/s | peak rate of the fastest units used by the precision
unit_flops           | R_u | FLOP/s | peak rate of the units for the precision
flops_s              | R_g | FLOP/s | plateau of large matrix products
product_rate         | R_x | FLOP/s | plateau of matrix products in training
training             | ρ   |        | share of the plateau reached in training
result_bytes         | w_y | B      | bytes of an element of the results of matrix products
operand_bytes        | w_n | B      | bytes of an element of the operands of matrix products
bytes_s              | B_g | B/s    | operand bandwidth of memory-bound matrix products
overhead_s           | t_0 | s      | launch and ramp of a matrix product
hbm_bytes_s          | B_h | B/s    | memory bandwidth
link_bytes_s         | B_l | B/s    | scale-up link, per direction
nic_bytes_s          | B_n | B/s    | network per GPU and direction
rank_check_s         | t_ck | s     | what each rank adds to a collective whose arguments are compared first
pcie_bytes_s         | B_p | B/s    | link to the host, per direction
link_fraction        | η_l |        | share of the link rate that long messages reach
exchange_fraction    | η_x |        | share of the link rate that an all-to-all reaches
nic_fraction         | η_n |        | share of the network rate that long messages reach
send_latency         | t_ls | s      | latency of a send between stages
ring_latency         | t_la | s      | latency of a message in a collective
plateau_flops        | R_fa | FLOP/s | plateau of the FlashAttention kernel on long sequences and wide heads
launch_s             | t_0f | s     | launch and ramp of the FlashAttention kernel
pad_rows             | x_q |        | padding of the query rows of all heads in FlashAttention
pad_keys             | x_k |        | padding of the keys that a query attends to in FlashAttention
pad_width            | x_e |        | padding of the widths of keys and values in FlashAttention
attention_blocks     | n_kb |        | kernels of one attention pass under context parallelism
flash_slower         | ξ   |        | time of this FlashAttention kernel over that of FlashAttention-2
flash_backward       | ξ_b |        | time of FlashAttention's backward pass over its forward pass
attended_keys        | s_a |        | keys that a query attends to, on average
score_bytes          | b_a | B      | memory traffic per attention score of kernels that are not fused
element_bytes        | b_e | B      | memory traffic of a layer's element-wise work per token
act_traffic          | b_ac | B     | memory traffic of the activation per element of the intermediate
pace                 | κ_c |        | device time on this cluster over the time from the GPU's constants
host_pace            | κ_h |        | host time on this cluster over the time from the stack's constants
host_backward        | η_b |        | host time of a backward pass over that of a forward pass
hbm_fraction         | η_h |        | share of the memory bandwidth reached by element-wise kernels
layer_fraction       | η_e |        | share of the memory bandwidth reached by the element-wise kernels of a layer
expert_load          | ψ   |        | tokens of the most loaded experts over the mean
capacity             | C_x |        | capacity of an expert over its mean share of the tokens, 0 without
experts_per_rank     | E_r |        | routed experts on a rank
expert_streams       | q_x |        | streams that single products of experts run on; 0: one grouped kernel
expert_traffic       | b_x | B      | memory traffic of dispatch, sorting by expert and the experts' activation
repeated_experts     | s_re |       | share of the experts' products that selective recomputation repeats
repeated_activation  | s_ra |       | share of the experts' activation that selective recomputation repeats
sent_tokens          | T_s |        | tokens that a rank sends to experts
link_bytes_sent      | S_xw | B     | bytes that a rank sends within its scale-up domain
copy_byte_s          | y_b | s      | time of the sending multiprocessors for a byte within the domain
copy_token_s         | y_t | s      | time of the sending multiprocessors for a token
dispatch_setup       | t_x0 | s     | time to set up an exchange
gathered_tokens      | t_ga | s     | all-gather of the tokens of all ranks
gathers_tokens       | allgather |    | 1 where every rank gathers all tokens, else 0
experts_overlapped   | overlap |    | 1 where compute of another micro-batch hides the all-to-all, else 0
host_experts_s       | H_x | s      | host time of routing and experts in the forward pass of a layer
host_expert          | H_e | s      | host time of one more expert on a rank in the forward pass of a layer
host_counts_s        | H_c | s      | host time to wait for token counts of dropless routing, per forward pass of a layer
launch_seconds       | t_kl | s      | host time of one launch in a forward pass
launches             | n_la |        | kernels and collectives of a layer that the host launches in one pass
launch_backward      | η_k |        | host time of a launch in a backward pass over that in a forward pass
host_micro_batch_s   | H_b | s      | host time per micro-batch outside of layers
step_fixed_s         | H_s | s      | host time per step
link_training        | η_t |        | rate of tensor-parallel collectives in training over that of a benchmark
contention           | η_c |        | time that compute loses while it hides communication, over that of the communication
cp_exposed           | x_c |        | least exposed share of context-parallel communication
dp_overlap           | ω   |        | share of gradient reduction, and of FSDP's all-gathers, that can overlap compute
processors_sent      | ω_s |        | share of the multiprocessors that exchange tokens
gather_overlap       | ω_g |        | share of ZeRO-1's weight all-gather that can overlap compute
straggler            | ς   |        | slowest rank over the mean, per doubling of the nodes
micro_batches        | m   |        | micro-batches per step and data-parallel rank
tokens               | T   |        | tokens of a micro-batch on a rank
stage_layers         | ℓ_i |        | layers on a pipeline rank
embedding_slots      | e_s |        | layer slots that the embedding takes
head_slots           | o_s |        | layer slots that the head takes
extra_layers         | x_s |        | slots of a pipeline rank beyond an even share
split_by_flops       | even |        | 1 where stages are split by FLOPs, else 0
flops_layers         | ℓ_f |        | layers on a pipeline rank, split by FLOPs
laid_out             | laid |        | 1 where a layout places the layers on pipeline ranks, else 0
laid_layers          | ℓ_y |        | layers on a pipeline rank by the layout
recomputed_layers    | r_i |        | fully recomputed layers on a pipeline rank
sparse_stage_layers  | ℓ_x |        | layers with routed experts on a pipeline rank
dense_stage_layers   | ℓ_d |        | layers with a dense MLP on a pipeline rank
first_dense          | ℓ_0 |        | of the first dense layers, those on a pipeline rank
sparse_share         | s_x |        | share of the later layers that have routed experts
recomputed_sparse    | r_x |        | of the recomputed layers, those with routed experts
recomputed_dense     | r_d |        | of the recomputed layers, those with a dense MLP
routed_copies        | K_s |        | token copies that a rank sends to experts
expert_copies        | K_x |        | token copies processed by the experts of a rank
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
position_weights     | P_0 |        | learned positions and the norm after the embedding
final_norm           | P_fn |        | parameters of the norm after the last layer
head_weights         | P_h |        | parameters of the head on a rank
stage_weights        | P_i |        | parameters of a stage on a rank
heaviest_weights     | P_m |        | parameters on a rank of the heaviest stage
owned_share          | P_us |       | parameters that a rank updates, of those held by the same ranks
owned_weights        | P_u |        | parameters that a rank updates
shard_size           | Z   |        | ranks that share sharded states
parameter_bytes      | W_p | B      | weights
gradient_memory      | G_p | B      | gradients
optimizer_bytes      | O_s | B      | master weights and optimizer states
weight_cast          | b_cw | B     | memory traffic per weight of its casts to narrow types in a micro-batch
step_cast            | b_cs | B     | memory traffic per weight of its casts to narrow types once per step
weight_gathered      | b_wg | B      | bytes per weight of an all-gather over data-parallel ranks
narrow_weights       | P_cw |       | parameters on a rank of the heaviest stage, with its routed experts, that are cast to narrow types
update_cast          | b_cu | B     | the same of the weights that a rank updates
cast_width           | b_w | B      | bytes of the casts of a weight to narrow types
cast_bytes           | W_c | B      | casts of weights to narrow types
stored_weights       | W_pc | B     | weights with their casts
resident_optimizer   | O_p | B      | optimizer states on the device
head_gradient        | G_h | B      | gradient of the head
late_gradients       | G_l | B      | gradients not made yet at the end of a backward pass
all_gradients        | G_a | B      | gradients, with those of routed experts
expert_gradients     | G_x | B      | gradients of routed experts
unit_layers          | F_ul | B     | gathered weights of two units, and the head's gradient
unit_unreduced       | F_uu | B     | gradient of a layer in its reduce-scatter, beyond the head's
unit_end             | F_uf | B     | gathered weights at the end of a backward pass, by units
unit_head            | F_uh | B     | gathered weights of the head, and its gradient summed over chunks
unit_embedding       | F_ue | B     | gradient of the embedding before it is reduced
unit_gradient        | G_lu | B     | gradient of a layer
fsdp_units           | units |       | 1 where layers, embedding and head are units of FSDP2, else 0
unit_pools           | Q_u | B      | pools of the streams that gather and reduce units
unit_block           | B_u | B      | largest gradient of a unit before its reduce-scatter
unit_late            | G_ul | B     | gradients not made yet at the end of a backward pass, by units
unit_reduced         | F_ur | B     | gradient of a layer in its reduce-scatter
ahead_weights        | P_o2 |       | parameters of the layer gathered ahead
dense_first          | P_df |       | parameters of the leading dense layers on a rank
other_weights        | P_ot |       | parameters of a rank's layers but one
head_alone           | alone |      | 1 where the head's gradient is reduced in the backward pass, apart from the embedding's
chunked_loss         | chunked |    | 1 where head and loss run over chunks of the tokens, else 0
end_gathered         | F_l | B      | gathered weights at the end of a backward pass
layers_gathered      | F_p | B      | gathered weights of two layers, and the gradient of one
head_gathered        | F_h | B      | gathered weights of the head
frozen_gathered      | F_fp | B     | gathered frozen weights of two layers, gradients of adapters, the dequantized matrix
frozen_embedding     | F_fe | B     | gathered frozen weights of the embedding
unreduced_bytes      | F_u | B      | gradient of a layer before its reduce-scatter
started_gathered     | F_s | B      | what is gathered when the backward pass starts
root_at_loss         | F_rh | B     | gathered weights of the root unit at the loss, and of the last layer
root_at_layer        | F_rp | B     | gathered weights of the root unit and of two layers, gradients of the head and of a layer
root_at_end          | F_re | B     | gradients of the root unit before they are reduced or added
embedding_gathered   | F_e | B      | gathered weights of the embedding, and their gradient
step_temporaries     | T_o | B      | temporaries of the optimizer's step
expert_width         | w_x | B      | a stored weight of a routed expert
expert_states        | O_x | B      | weights and optimizer states of routed experts
expert_optimizer     | O_y | B      | master weights and optimizer states of routed experts
heaviest_optimizer   | O_m | B      | master weights and optimizer states on a rank of the heaviest stage
layer_activations    | A   | B      | activations of a layer without recomputation
activation_term      | a_k | B      | one kind of activation of a layer, per token
kept_share           | s_k |        | share stored under selective recomputation
selective_activations | A_s | B     | a layer's activations under selective recompute
kept_activations     | A_k | B      | stored activations of a layer
sparse_activations   | A_x | B      | activations of a sparse layer without recomputation
sparse_selective     | A_y | B      | a sparse layer's activations under selective recompute
around_activations   | A_f | B      | a sparse layer's activations without its routed experts
around_selective     | A_fs | B     | those under selective recomputation
expert_term          | a_x | B      | one kind of activation of a sparse layer's router and experts
kept_input           | b_k | B      | bytes of a stored input of a matrix product
held_bytes           | A_h | B      | stored activations of a micro-batch in layers of one kind
held_by_both         | A_hb | B      | stored activations of a micro-batch in all layers
dense_held           | A_hd | B     | stored activations of a micro-batch in dense layers
sparse_held          | A_hx | B     | stored activations of a micro-batch in sparse layers
checkpoint_bytes     | A_c | B      | input of a recomputed layer
gathered_inputs      | A_g | B      | gathered inputs of a layer that wait for the communication stream
embedding_masks      | A_m | B      | dropout masks of the embedding
activation_bytes     | A_p | B      | activations in flight
last_gradients       | G_z | B      | gradients at the end of the backward pass
backward_gathered    | F_sg | B     | what is gathered when the backward pass starts, at least 0
backward_working     | W_sw | B     | working set when the backward pass starts
unit_working         | W_uw | B     | working set of a layer, with the gradient of the layer before
unit_selective       | A_us | B     | a layer's activations with every second product saved
saved_outputs        | w_s |        | widths of the products saved
reduced_outputs      | w_r |        | results of reduce-scatters that are saved
unit_gradients       | W_us | B     | needs of a layer's backward pass beyond its activations
first_product        | w_1 |        | width of a layer's first product
unit_expert_gradients | W_ux | B    | needs of a sparse layer's backward pass beyond its activations
unit_logits          | G_us | B     | logits, loss and the head's inputs
chunked_logits       | G_uc | B     | logits and loss of a chunk, and the head's inputs
loss_width           | λ_w |        | bytes per token and vocabulary entry of a rank at the loss
loss_chunks          | n_ch |       | chunks of the tokens at the loss
standing_buffers     | U_s | B      | rotations, and buffers of a pipeline
rotated_width        | e_p |        | width of a head that is rotated
gate_width           | b_g | B      | bytes of an expert's activated gate, where it is stored
layer_working        | W_l | B      | working set of a layer
dense_working        | W_ld | B     | working set of a dense layer
sparse_working       | W_lx | B     | working set of a sparse layer
layer_gradients      | W_g | B      | gradients in the backward pass of a layer
eager_gradients      | W_ge | B     | gradients in the backward pass of a layer of transformers
sparse_gradients     | W_gx | B     | gradients and buffers in the backward pass of a sparse layer
around_gradients     | W_gf | B     | gradients in the backward pass of a sparse layer without its experts
mixed_working        | W_lm | B      | largest working set of a layer
head_inputs          | A_o | B      | input and output of the norm before the head
head_working         | W_h | B      | gradients in the backward pass of the head
tied_gradient        | G_t | B      | gradient of a tied head that waits for that of the embedding
stage_working        | W_w | B      | working set of a backward pass on a stage
logits_memory        | G   | B      | logits and loss
head_live            | G_o | B      | logits and loss, or the head's gradients, with the head's inputs
head_backward        | M_hb | B     | gradients of the logits and of the head's weights
forward_logits       | G_fw | B     | logits and loss at the end of a forward pass under autocast, with the head's inputs
forward_live         | G_fl | B     | what lives in addition to activations before the loss or at it, under autocast
cast_weights         | C_w | B      | casts of a layer's weights to 16 bits under autocast
cast_activations     | A_w | B      | activations of a layer and casts of its weights
buffer_bytes         | U   | B      | communication buffers
static_bytes         | M_s | B      | model states without gradients
gradients_live       | γ_g |        | 1 where gradients of earlier micro-batches live with all activations, else 0
loss_live            | N_f | B      | activations, logits and buffers at the loss
backward_live        | N_b | B      | activations, working set and buffers at the start of the backward pass
last_activations     | A_e | B      | activations of the last layer of a backward pass
others_live          | A_u | B      | activations of other micro-batches at the end of a backward pass
embedding_live       | N_u | B      | activations of other micro-batches and the embedding's 16-bit gradient
embedding_gradient   | G_ee | B     | gradient of the embedding in 16 bits
late_activations     | A_ue | B     | activations at the end of the backward pass
end_live             | N_e | B      | activations, working set and buffers at the end of the backward pass
early_gradients      | G_e | B      | gradients at the loss
first_gradients      | G_f | B      | gradients at the start of the backward pass
absent_bytes         | N_n | B      | a part that does not live in a phase
allocated_bytes      | M   | B      | live tensors at the peak
reserved_bytes       | M_c | B      | memory held by the caching allocator
device_bytes         | M_d | B      | memory in use on the device
rank_weights         | P_ra |        | parameters on a rank, those of routed experts with them
first_weights        | H_fw | B      | segments of the weights' first tensors
stream_pools         | Q_s | B      | memory of the pools of other streams that the peak does not use
step_block           | B_st | B     | largest tensor of the optimizer's step
plain_loss           | plain |      | 1 with the loss as separate operations on whole logits, else 0
moments_bytes        | M_oo | B      | optimizer states without master copies
table_segments       | Q_tb | B     | segments of embedding and head where weights are gathered
edge_slack           | s_e | B      | reserved beyond live tensors where weights are gathered, per parameter of the embedding or head
edge_request         | R_e | B      | largest gradient that a step allocates
largest_request      | R_mx | B      | largest tensor that a step allocates
loss_request         | R_l | B      | largest tensor of the loss
expandable_segments  | expandable |  | 1 with expandable segments, else 0
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
around_repeat        | t_rf | s     | selective recomputation of a sparse layer without its experts
around_tp            | x_tx | s     | exposed tensor-parallel communication of a sparse layer
sparse_repeat        | t_rx | s      | selective recomputation of a sparse layer
sparse_repeated      | q_lx | s      | time of recomputing one sparse layer
mtp_seconds          | t_mtp | s    | projections of multi-token prediction
attention_flops      | F_a | FLOP   | attention, forward
attention_forward    | t_a | s      | a layer's attention, forward
attention_backward   | t_d | s      | a layer's attention, backward
elementwise_forward  | t_e | s      | a layer's element-wise work, forward
elementwise_backward | t_h | s      | a layer's element-wise work, backward
layer_forward        | t_f | s      | a layer's forward pass on the device
layer_backward       | t_b | s      | a layer's backward pass on the device
selective_repeat     | t_r | s      | selective recomputation of a layer
repeated_share       | s_r |        | share of a part of the forward pass that selective recomputation repeats
part_seconds         | t_pf | s      | a part of a layer's forward pass
selective_seconds    | t_q | s      | recomputation in a layer that is not fully recomputed
repeat_host          | h_r | s      | exposed host time of a recomputed forward pass of a layer
layer_collectives    | n_co |        | tensor-parallel collectives of a pass of a layer
host_layer           | h_f | s      | host time to launch the forward pass of a layer and its collectives
host_return          | h_b | s      | host time to launch the backward pass of a layer and its collectives
host_sparse_return   | h_rx | s     | host time to launch the backward pass of a sparse layer
host_sparse          | h_x | s      | host time to launch the forward pass of a sparse layer and its collectives
busy_forward         | t_bf | s     | forward pass of a layer on the device with its exposed communication
busy_backward        | t_bb | s     | backward pass of a layer on the device with its exposed communication
busy_layer           | t_l | s      | forward and backward pass of a layer on the device with exposed communication
layer_host           | h_l | s      | exposed host time of a layer
sparse_host          | h_lx | s     | exposed host time of a sparse layer
sparse_repeat_host   | h_rl | s     | exposed host time of a recomputed forward pass of a sparse layer
counted              | counted |    | whether the host waits for the counts of tokens of the experts
weight_share         | w   |        | gradients of weights over a layer's time
forward_share        | w_f |        | a layer's forward pass over its time
working_share        | w_q |        | share of a micro-batch on a stage that is not recomputation
bubble_left          | β   |        | bubble over that of 1F1B
head_seconds         | t_o | s      | head and loss, forward and backward
embedding_seconds    | t_i | s      | embedding, forward and backward
stage_compute        | C_i | s      | compute of a micro-batch on a stage
stage_work           | E_i | s      | a micro-batch on a stage, without recomputation
mixed_compute        | C_ix | s      | compute of a micro-batch on a stage
mixed_host           | H_ix | s      | exposed host time of a micro-batch on a stage
mixed_tp             | T_ix | s      | exposed tensor-parallel communication of a micro-batch on a stage
mixed_cp             | K_ix | s      | exposed context-parallel communication of a micro-batch on a stage
mixed_work           | E_ix | s      | a micro-batch on a stage, without recomputation
repeated_by_both     | Q_ix | s      | recomputation of a micro-batch on a stage
dense_repeat         | Q_d | s      | recomputation of dense layers of a micro-batch on a stage
sparse_repeat_seconds | Q_x | s     | recomputation of sparse layers of a micro-batch on a stage
repeat_layer         | q_l | s      | time of recomputing one layer
stage_repeat         | Q_i | s      | recomputation of a micro-batch on a stage
stage_host           | H_i | s      | exposed host time of a micro-batch on a stage
routing_left         | g_rx |      | share of the host time of routing that CUDA graphs leave
counts_left          | g_cx |      | share of the wait for token counts that CUDA graphs leave
across_nodes         | far |        | 1 where layers of a pipeline across nodes wait for hops over the network, else 0
ring_hop             | t_hop | s     | latency of an all-reduce per node
members              | n   |        | ranks in a group
message              | S   | B      | message of a collective
pieces               | n_p |        | messages of a collective
near_members         | n_d |        | ranks of a group in one scale-up domain
group_nodes          | n_n |        | scale-up domains that a group spans
all_reduce_seconds   | t_ar | s     | all-reduce
gather_seconds       | t_ag | s     | all-gather or reduce-scatter
send_seconds         | t_s | s      | one send between stages
all_to_all_seconds   | t_aa | s     | all-to-all
exchange_seconds     | t_xx | s     | one exchange of tokens with experts
within               | S_w | B      | bytes of an all-to-all within the scale-up domain
across               | S_o | B      | bytes of an all-to-all beyond the scale-up domain
ep_forward           | t_xe | s     | all-to-all of a sparse layer, forward
ep_backward          | t_xg | s     | all-to-all of a sparse layer, backward
ep_layer             | x_x | s      | exposed all-to-all of a sparse layer
stage_ep             | X_i | s      | exposed all-to-all of a micro-batch on a stage
tp_message           | S_t | B      | message of a tensor-parallel collective
reduced_halves       | n_h |        | tensor-parallel reductions in the forward pass of a layer
tp_forward           | t_t | s      | tensor-parallel communication of a layer, forward
tp_gathered          | t_tg | s      | all-gather of an input over tensor-parallel ranks, alone on the links
tp_share             | s_tg |        | share of gathers in the tensor-parallel communication of a forward pass
gathered_share       | s_gw |        | bytes of a gathered element over those in 16 bits
tp_again             | t_ta | s     | inputs gathered again in the backward pass of a layer
tp_visible           | x_tf | s     | exposed tensor-parallel communication of a layer, forward
tp_behind            | x_tb | s     | exposed tensor-parallel communication of a layer, backward
tp_layer             | x_tl | s     | exposed tensor-parallel communication of a layer
column_seconds       | t_mc | s     | a layer's column-parallel products, forward
tp_plain             | t_tt | s     | tensor-parallel communication of a layer, backward, without inputs gathered again
tp_sums              | t_tn | s     | sums of the gradients of inputs in the backward pass of a layer
tp_weight_products   | t_mw | s     | gradients of weights of a layer's column-parallel products
gathers_again        | again |      | 1 where inputs are gathered again in the backward pass, else 0
tp_products          | products |   | 1 where products hide the tensor-parallel communication of both passes, else 0
tp_hides             | hides |      | 1 where products hide tensor-parallel communication of the backward pass, else 0
sends_hidden         | sends |      | 1 where interleaved stages hide sends, else 0
stage_tp             | T_i | s      | exposed tensor-parallel communication of a micro-batch on a stage
cp_forward           | t_c | s      | context-parallel communication of a layer, forward
cp_message           | S_k | B      | keys and values of all context-parallel ranks
cp_layer             | x_l | s      | exposed context-parallel communication of a layer
cp_repeat            | x_r | s      | exposed context-parallel communication of a recomputed forward pass
stage_cp             | K_i | s      | exposed context-parallel communication of a micro-batch on a stage
stage_seconds        | τ_i | s      | one micro-batch on a stage, forward and backward
first_stage_seconds  | τ_1 | s      | one micro-batch on the first pipeline rank
middle_stage_seconds | τ_m | s      | one micro-batch on a pipeline rank between
last_stage_seconds   | τ_p | s      | one micro-batch on the last pipeline rank
rank_seconds         | τ_r | s      | one micro-batch on each pipeline rank of a layout
first_stage_layers   | ℓ_1 |        | layers on the first pipeline rank
middle_stage_layers  | ℓ_m |        | layers on a pipeline rank between
last_stage_layers    | ℓ_p |        | layers on the last pipeline rank
slowest_stage        | τ   | s      | one micro-batch on the slowest stage
all_stages           | τ_s | s      | one micro-batch through all stages
steady_seconds       | t_y | s      | all micro-batches on the slowest stage
bubble_seconds       | t_u | s      | pipeline bubble
pp_seconds           | t_p | s      | exposed pipeline sends
last_round           | n_r |        | micro-batches that overlap the communication per step
reduce_once          | t_1 | s      | gradient reduction per step
tied_sum             | t_et | s      | gradients of a tied embedding summed between the first and the last stage
whole_reduce         | t_rw | s      | all-reduce of gradients over all replicas
reduce_scatter       | t_rs | s      | reduce-scatter of gradients in a sharded group
replica_reduce       | t_rr | s      | all-reduce of sharded gradients between replicas
gather_messages      | n_gm |        | all-gathers of a layer's weights
reduce_messages      | n_rm |        | reduce-scatters of a layer's gradients
weight_gathers       | n_ga |        | all-gathers of a weight in a micro-batch
reuse_distance       | n_rd |        | parameters until its next use within which a weight stays gathered
gather_copies        | y_ga | B      | bytes per parameter that copies move after an all-gather
reduce_copies        | y_re | B      | bytes per parameter that copies move before a reduce-scatter
gathered_parameters  | P_gd |        | parameters of a rank that are gathered
reduced_parameters   | P_rd |        | parameters of a rank whose gradients are reduced
rank_loop_s          | t_rk | s      | host time per rank of a loop over ranks around an all-gather
shard_ranks          | Z_d |         | ranks of a sharded group
weight_matrices      | n_wm |        | weight matrices of a layer, as the framework stores them
weight_gather        | t_gw | s      | all-gather of weights in a sharded group
gather_once          | t_3 | s      | weight all-gather per step
hidden_once          | t_h1 | s     | hidden part of the communication per step
offload_each         | t_pc | s     | over PCIe per micro-batch: offloaded weights up, gradients down
moved_each           | t_2m | s     | communication per micro-batch, between ranks and with the host
reduce_each          | t_2 | s      | gradient and weight communication per micro-batch
ends_each            | t_en | s     | all-gather of the first unit and reduce-scatter of the last in a micro-batch
copies_each          | t_cy | s     | copies around the collectives of a micro-batch
loops_each           | t_lo | s     | host time of loops over ranks in a micro-batch
units_seen           | t_us | s     | exposed communication of units in all micro-batches, without the host's loops
units_exposed        | t_ux | s     | exposed communication of units in all micro-batches
share_exposed        | t_sx | s     | exposed communication of all micro-batches where a share of it can overlap
exposed_each         | t_2x | s     | exposed communication of all micro-batches
dp_seconds           | t_v | s      | exposed data-parallel communication
optimizer_seconds    | t_z | s      | optimizer step
fixed_seconds        | t_x | s      | fixed host time per step
even_seconds         | t_k | s      | one optimizer step of equally fast ranks
straggler_seconds    | t_w | s      | waiting for the slowest rank
step_seconds         | t_step | s   | one optimizer step
model_flops          | F   | FLOP   | model FLOPs per step
needed_flops         | F_n | FLOP   | FLOPs of a step that the training needs, of frozen weights none for gradients
matrix_weights       | P_mm |       | matrix weights active per token
layer_adapters       | P_al |       | parameters of a layer's adapters
mfu                  | MFU |        | model FLOPs utilisation
tokens_per_second_per_gpu | tok |   | tokens per second per GPU
compute_part         | t_yc | s     | compute of a step
recompute_part       | t_yq | s     | recomputation of a step
host_part            | t_yh | s     | exposed host time of a step
tp_part              | t_yt | s     | exposed tensor-parallel communication of a step
cp_part              | t_yk | s     | exposed context-parallel communication of a step
ep_part              | t_yx | s     | exposed all-to-all of a step
hidden_tp            | t_ht | s     | hidden tensor-parallel communication of a step
hidden_cp            | t_hc | s     | hidden context-parallel communication of a step
sparse_tp            | t_tx | s     | hidden tensor-parallel communication of a stage's sparse layers
sparse_cp            | t_cx | s     | hidden context-parallel communication of a stage's sparse layers
hidden_dp            | t_hd | s     | hidden data-parallel communication of a step
hidden_ep            | t_hx | s     | hidden all-to-all of a step
slack_bytes          | M_σ | B      | reserved by the allocator beyond live tensors
context_memory       | M_x | B      | context and communicators
workspace_memory     | M_w | B      | workspaces of libraries
memory_bytes         | M_g | B      | device memory as the driver reports it
usable_memory        | η_u |        | share of the device memory not lost to fragmentation
headroom             | η_m |        | share of the device memory left free
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
host_states          | H_o | B      | optimizer states of a rank in host memory
host_gradients       | H_g | B      | gradients of a rank in host memory
host_weights         | H_w | B      | weights of a rank in host memory
moved_weights        | W_mv | B     | weights of a rank that offloading moves to the host
moved_activations    | A_mv | B     | activations of a micro-batch in host memory until their backward pass
host_activations     | M_ha | B     | host memory per node of offloaded activations
node_memory          | M_hn | B     | host memory per node, activations with it
transfer_wait        | t_aw | s     | transfers of offloaded activations that a stage does not hide
repeat_or_wait       | Q_w | s      | recomputation and the wait for offloaded activations
host_bytes           | M_h | B      | host memory per node
lora_rank            | r   |        | rank of the adapters
adapter_fraction     | η_ad |       | share of memory bandwidth that the element-wise kernels of adapters reach
adapter_input_bytes  | y_ai | B      | bytes that they move per input of an adapted matrix in one pass
adapter_output_bytes | y_ao | B      | bytes that they move per output of an adapted matrix in one pass
adapted_inputs       | x_a |        | inputs of a matrix with an adapter, on a rank
adapted_outputs      | y_a |        | outputs of a matrix with an adapter, on a rank
adapted_width        | w_a |        | inputs and outputs of a matrix with an adapter, on a rank
linear_matrix        | P_lm |       | weights of one of a layer's matrices, on a rank
quantized_width      | b_4 | B      | a weight in 4 bits with its constants
dequantized          | W_dq | B     | the largest 4-bit matrix, dequantized to 16 bits
adapter_weights      | P_ad |       | parameters of a layer's adapters on a rank
stage_adapters       | P_ai |       | parameters of adapters of a stage on a rank
frozen_weights       | P_f |        | frozen parameters on a rank
quantized_weights    | P_q |        | weights of a layer on a rank stored in 4 bits
layer_frozen         | W_fl | B     | frozen weights of the largest layer on a rank
frozen_bytes         | W_fr | B     | frozen weights of a stage on a rank, before sharding
heaviest_frozen      | W_fm | B     | frozen weights on a rank of the heaviest stage
frozen_experts       | W_fx | B     | frozen weights of routed experts on a rank of the heaviest stage
frozen_parameters    | W_fp | B     | frozen weights and adapters
adapter_forward      | t_ma | s     | adapters of a layer, forward
adapter_backward     | t_na | s     | adapters of a layer, backward
adapted_forward      | t_mb | s     | matrix products and adapters of a layer, forward
adapted_backward     | t_nb | s     | matrix products and adapters of a layer, backward
frozen_each          | t_fe | s     | all-gather of frozen weights per micro-batch
adapted_each         | t_2a | s     | communication of adapters and frozen weights per micro-batch
adapter_flops        | F_ad | FLOP  | FLOPs per step with adapters
kv_rank              | d_c |        | width of the latents of keys and values
rope_dim             | d_r |        | positional part of a key
sliding_window       | n_w |        | window of local layers
global_layers        | L_g |        | layers with full attention
weight_width         | w_b | B      | a weight as served
cache_width          | c_b | B      | one cached element
overhead_share       | σ_o |        | memory of a forward pass over the weights
context              | n_c |        | tokens per served sequence
batch                | b_s |        | concurrently served sequences
limit_bytes          | M_o | B      | memory of a GPU that a plan may use
serving_weights      | P_t |        | parameters on a serving rank
inference_weights    | W_i | B      | weights as served
cached_width         | w_c |        | cached elements per token and layer
cached_tokens        | n_k |        | cached tokens per sequence, over all layers
cache_bytes          | K_c | B      | cache of keys and values
inference_overhead   | W_o | B      | working memory of a forward pass
inference_bytes      | M_i | B      | memory of a serving GPU
cache_room           | K_r | B      | memory available for the cache
room_tokens          | n_t |        | tokens of each sequence that fit in the cache of one layer
longest_context      | n_l |        | longest sequence that fits
largest_batch        | b_l |        | largest batch that fits
tokens_per_second    | tok_W |      | tokens per second on all GPUs
smallest_rate        | tok_0 |      | tokens per second per GPU on the smallest cluster that fits
scaling_efficiency   | η_W |        | tokens per second per GPU over those of the smallest cluster
other_seconds        | t_other | s  | one optimizer step on the other cluster
speed_up             | S_up |       | speed of the other cluster over this one
changed_rate         | tok_c |      | tokens per second per GPU with one input changed
rate_gain            | Δ_tok |      | relative gain in tokens per second
visited_parameters   | P   |        | active parameters per token
saved_parameters     | P_c |        | parameters in a checkpoint
all_parameters       | P_tot |        | parameters of the model
prediction_parameters | P_mt |        | parameters of the layers of multi-token prediction
saved_adapters       | P_ca |       | parameters in a checkpoint of adapters
train_tokens         | D_t |        | tokens to train on
tokens_per_parameter | r_t |        | tokens per parameter
forward_flops        | C_f | FLOP   | FLOPs of all forward passes
backward_flops       | C_b | FLOP   | FLOPs of all backward passes
frozen_backward      | C_bf | FLOP  | FLOPs of all backward passes with frozen weights
train_flops          | C   | FLOP   | training FLOPs, six per parameter and token
exact_flops          | C_e | FLOP   | training FLOPs with attention, without embeddings
train_steps          | n_s |        | steps to train
train_seconds        | T_n | s      | training time without failures
elapsed_seconds      | T_e | s      | training time with failures and checkpoints
gpu_hours            | H   |        | GPU-hours
price_gpu_hour       | p_h | $      | price of a GPU-hour
cost                 | K   | $      | cost of the GPU-hours
power_w              | W_b | W      | board power of a GPU
pue                  | PUE |        | power usage effectiveness of the data centre
energy_wh            | Q   | Wh     | energy of the GPUs and the data centre
co2_g_kwh            | I_c | g      | CO2 per kWh
co2_tonnes           | G_c | t      | CO2 of that energy
achieved_flops       | R_a | FLOP/s | model FLOPs per second per GPU
flops_floor          | R_f | FLOP/s | lowest plausible rate
gpu_mtbf_s           | θ   | s      | mean time between failures of a GPU
mtbf_seconds         | θ_W | s      | mean time between failures of the cluster
restart_s            | t_re | s     | restart time after a failure
storage_bytes_s      | B_s | B/s    | write bandwidth of checkpoints
saved_bytes          | S_c | B      | size of a checkpoint
save_seconds         | δ   | s      | time to write a checkpoint
young_seconds        | τ_y | s      | optimal checkpoint interval, first order
daly_seconds         | τ_d | s      | optimal checkpoint interval
interval_seconds     | τ_c | s      | checkpoint interval
checkpoint_s         | τ_g | s      | checkpoint interval set by the user
interval_given       | given |        | 1 where the user set the checkpoint interval, else 0
goodput              | γ   |        | share of time spent training
saving_share         | γ_s |        | share of time spent writing checkpoints
restart_share        | γ_r |        | share of time spent restarting
redone_share         | γ_l |        | share of time spent repeating lost work
failures             | n_f |        | expected failures during training
law_floor            | L_0 |        | irreducible loss
law_a                | A_L |        | coefficient of the model size
law_alpha            | α   |        | exponent of the model size
law_b                | B_L |        | coefficient of the tokens
law_beta             | β_L |        | exponent of the tokens
estimated_loss       | L_x |        | predicted loss
other_parameters     | P_o |        | parameters of another model
same_loss_tokens     | D_o |        | tokens to the same loss with another model
served_tokens        | D_v |        | tokens served over the lifetime
lifetime_flops       | C_l | FLOP   | training and serving FLOPs
serving_flops        | C_v | FLOP   | serving FLOPs
money                | K_b | $      | budget
spent_flops          | C_a | FLOP   | FLOPs for the budget
optimal_parameters   | P_b |        | parameters with the least loss for the FLOPs
ratio_parameters     | P_r |        | parameters at a given ratio of tokens
bought_tokens        | D_b |        | tokens for the FLOPs
""")
