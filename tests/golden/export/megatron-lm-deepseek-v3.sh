#!/usr/bin/env bash
# deepseek-v3-671b on 512 GPUs, for Megatron-LM d98e8a64dd (2026-08-22)
# Note: the plan does not specify the MLP activation: SwiGLU is written, change it if the model has another
# Note: the plan does not specify base and scaling of rotary positions: set them
# Note: the plan does not specify router scores and load balancing: set them (Megatron-LM: softmax, no balancing loss)
# Note: flash-3 is written as the fused attention backend (cuDNN)
# Note: overlap of tensor-parallel communication (tp_comm_overlap) is off: turn it on and measure
set -euo pipefail

# ---- settings: here or in the environment; arguments of the script are passed to Megatron-LM last and take precedence ----
MEGATRON="${MEGATRON:-.}"  # folder of Megatron-LM
DATA_PATH="${DATA_PATH:-}"  # prefix of the tokenized data; empty: random tokens
TOKENIZER_TYPE="${TOKENIZER_TYPE:-NullTokenizer}"
TOKENIZER_MODEL="${TOKENIZER_MODEL:-}"
CHECKPOINTS="${CHECKPOINTS:-}"  # folder; empty: no checkpoints
TRAIN_ITERS="${TRAIN_ITERS:-1000}"
LR="${LR:-3e-4}"
MIN_LR="${MIN_LR:-3e-5}"
NODE_RANK="${NODE_RANK:-0}"  # 0 on the node of MASTER_ADDR
MASTER_ADDR="${MASTER_ADDR:-127.0.0.1}"
MASTER_PORT="${MASTER_PORT:-29500}"
ROTARY_BASE="${ROTARY_BASE:-10000}"  # base of rotary positions; Llama 3: 500000

# ---- the plan: change it in tmplan ----
export CUDA_DEVICE_MAX_CONNECTIONS=1
MODEL=(
    --num-layers 61
    --hidden-size 7168
    --ffn-hidden-size 18432
    --num-attention-heads 128
    --kv-channels 128
    --multi-latent-attention
    --q-lora-rank 1536
    --kv-lora-rank 512
    --qk-head-dim 128
    --qk-pos-emb-head-dim 64
    --v-head-dim 128
    --rope-type rope
    --no-rope-fusion
    --swiglu
    --normalization RMSNorm
    --qk-layernorm
    --disable-bias-linear
    --position-embedding-type rope
    --max-position-embeddings 163840
    --untie-embeddings-and-output-weights
    --vocab-size 129280
    --make-vocab-size-divisible-by 128
    --hidden-dropout 0
    --attention-dropout 0
    --mtp-num-layers 1
)
EXPERTS=(
    --num-experts 256
    --moe-router-topk 8
    --moe-ffn-hidden-size 2048
    --moe-shared-expert-intermediate-size 2048
    --moe-layer-freq '([0]*3+[1]*58)'
    --moe-router-num-groups 8
    --moe-router-group-topk 4
    --moe-grouped-gemm
    --moe-token-dispatcher-type alltoall
)
PARALLEL=(
    --tensor-model-parallel-size 2
    --sequence-parallel
    --pipeline-model-parallel-size 16
    --pipeline-model-parallel-layout 'Et*2|(t*2|)*14t|(t*2|)*15mL'
    --context-parallel-size 1
    --expert-model-parallel-size 32
    --expert-tensor-parallel-size 1
    --use-distributed-optimizer
    --overlap-grad-reduce
    --overlap-param-gather
)
TRAINING=(
    --micro-batch-size 1
    --global-batch-size 1024
    --seq-length 4096
    --recompute-granularity full
    --recompute-method block
    --recompute-num-layers 1
    --bf16
    --accumulate-allreduce-grads-in-fp32
    --optimizer adam
    --attention-backend fused
    --ckpt-format torch_dist
)

DATA=(--tokenizer-type "$TOKENIZER_TYPE")
if [[ -n "$TOKENIZER_MODEL" ]]; then DATA+=(--tokenizer-model "$TOKENIZER_MODEL"); fi
if [[ -n "$DATA_PATH" ]]; then DATA+=(--data-path "$DATA_PATH" --split 99,1,0); else DATA+=(--mock-data); fi
if [[ -n "$CHECKPOINTS" ]]; then DATA+=(--save "$CHECKPOINTS" --load "$CHECKPOINTS" --save-interval 1000); fi
DATA+=(--rotary-base "$ROTARY_BASE")

exec torchrun --nnodes 64 --nproc-per-node 8 \
    --node-rank "$NODE_RANK" --master-addr "$MASTER_ADDR" --master-port "$MASTER_PORT" \
    "$MEGATRON/pretrain_gpt.py" \
    "${MODEL[@]}" \
    "${EXPERTS[@]}" \
    "${PARALLEL[@]}" \
    "${TRAINING[@]}" \
    --train-iters "$TRAIN_ITERS" --lr "$LR" --min-lr "$MIN_LR" --lr-decay-style cosine \
    --eval-interval 1000 --eval-iters 10 --log-interval 1 --log-throughput \
    "${DATA[@]}" "$@"
