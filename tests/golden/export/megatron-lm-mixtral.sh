#!/usr/bin/env bash
# mixtral-8x7b on 16 GPUs, for Megatron-LM d98e8a64dd (2026-08-22)
# Note: the plan does not specify the MLP activation: SwiGLU is written, change it if the model has another
# Note: the plan does not specify base and scaling of rotary positions: set them
# Note: the plan does not specify router scores and load balancing: set them (Megatron-LM: softmax, no balancing loss)
# Note: flash-3 is written as the fused attention backend (cuDNN)
# Note: the precision-aware optimizer stores 2 bytes of a master copy, those that bf16 rounds off: less memory than predicted
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
unset CUDA_DEVICE_MAX_CONNECTIONS
MODEL=(
    --num-layers 32
    --hidden-size 4096
    --ffn-hidden-size 14336
    --num-attention-heads 32
    --kv-channels 128
    --group-query-attention
    --num-query-groups 8
    --swiglu
    --normalization RMSNorm
    --disable-bias-linear
    --position-embedding-type rope
    --max-position-embeddings 32768
    --untie-embeddings-and-output-weights
    --vocab-size 32000
    --make-vocab-size-divisible-by 128
    --hidden-dropout 0
    --attention-dropout 0
)
EXPERTS=(
    --num-experts 8
    --moe-router-topk 2
    --moe-ffn-hidden-size 14336
    --moe-layer-freq 1
    --moe-grouped-gemm
    --moe-token-dispatcher-type alltoall
)
PARALLEL=(
    --tensor-model-parallel-size 1
    --pipeline-model-parallel-size 1
    --context-parallel-size 1
    --expert-model-parallel-size 8
    --expert-tensor-parallel-size 1
    --use-distributed-optimizer
    --use-megatron-fsdp
    --data-parallel-sharding-strategy optim_grads_params
    --no-gradient-accumulation-fusion
    --num-distributed-optimizer-instances 2
    --outer-dp-sharding-strategy no_shard
    --overlap-grad-reduce
    --overlap-param-gather
)
TRAINING=(
    --micro-batch-size 1
    --global-batch-size 64
    --seq-length 2048
    --bf16
    --accumulate-allreduce-grads-in-fp32
    --megatron-fsdp-main-grads-dtype fp32
    --megatron-fsdp-grad-comm-dtype fp32
    --optimizer adam
    --use-precision-aware-optimizer
    --exp-avg-dtype bf16
    --exp-avg-sq-dtype bf16
    --attention-backend fused
    --ckpt-format fsdp_dtensor
)

DATA=(--tokenizer-type "$TOKENIZER_TYPE")
if [[ -n "$TOKENIZER_MODEL" ]]; then DATA+=(--tokenizer-model "$TOKENIZER_MODEL"); fi
if [[ -n "$DATA_PATH" ]]; then DATA+=(--data-path "$DATA_PATH" --split 99,1,0); else DATA+=(--mock-data); fi
if [[ -n "$CHECKPOINTS" ]]; then DATA+=(--save "$CHECKPOINTS" --load "$CHECKPOINTS" --save-interval 1000); fi
DATA+=(--rotary-base "$ROTARY_BASE")

exec torchrun --nnodes 2 --nproc-per-node 8 \
    --node-rank "$NODE_RANK" --master-addr "$MASTER_ADDR" --master-port "$MASTER_PORT" \
    "$MEGATRON/pretrain_gpt.py" \
    "${MODEL[@]}" \
    "${EXPERTS[@]}" \
    "${PARALLEL[@]}" \
    "${TRAINING[@]}" \
    --train-iters "$TRAIN_ITERS" --lr "$LR" --min-lr "$MIN_LR" --lr-decay-style cosine \
    --eval-interval 1000 --eval-iters 10 --log-interval 1 --log-throughput \
    "${DATA[@]}" "$@"
