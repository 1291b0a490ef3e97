"""The bibliography: key -> what to look up. Formulas, presets and constants name these keys."""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """A work one can look up."""

    short: str
    title: str
    where: str


SOURCES: dict[str, Source] = {
    "math101": Source(
        "Transformer Math 101", "Anthony, Biderman, Schoelkopf: Transformer Math 101 (2023)", "blog.eleuther.ai/transformer-math"
    ),
    "korthikanti22": Source("Korthikanti et al. 2022", "Reducing Activation Recomputation in Large Transformer Models", "arXiv 2205.05198"),
    "narayanan21": Source(
        "Narayanan et al. 2021", "Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM", "arXiv 2104.04473"
    ),
    "shoeybi19": Source(
        "Shoeybi et al. 2019", "Megatron-LM: Training Multi-Billion Parameter Language Models Using Model Parallelism", "arXiv 1909.08053"
    ),
    "zero20": Source("Rajbhandari et al. 2020", "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", "arXiv 1910.02054"),
    "offload21": Source("Ren et al. 2021", "ZeRO-Offload: Democratizing Billion-Scale Model Training", "arXiv 2101.06840"),
    "fsdp23": Source("Zhao et al. 2023", "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", "arXiv 2304.11277"),
    "flash22": Source("Dao et al. 2022", "FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness", "arXiv 2205.14135"),
    "flash23": Source("Dao 2023", "FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning", "arXiv 2307.08691"),
    "ring23": Source("Liu et al. 2023", "Ring Attention with Blockwise Transformers for Near-Infinite Context", "arXiv 2310.01889"),
    "palm22": Source("Chowdhery et al. 2022", "PaLM: Scaling Language Modeling with Pathways", "arXiv 2204.02311"),
    "zerobubble23": Source("Qi et al. 2023", "Zero Bubble Pipeline Parallelism", "arXiv 2401.10241"),
    "gshard20": Source(
        "Lepikhin et al. 2020", "GShard: Scaling Giant Models with Conditional Computation and Automatic Sharding", "arXiv 2006.16668"
    ),
    "deepseekv2": Source(
        "DeepSeek-V2 2024", "DeepSeek-V2: A Strong, Economical, and Efficient Mixture-of-Experts Language Model", "arXiv 2405.04434"
    ),
    "deepseek24": Source("DeepSeek-AI 2024", "DeepSeek-V3 Technical Report", "arXiv 2412.19437"),
    "lora21": Source("Hu et al. 2021", "LoRA: Low-Rank Adaptation of Large Language Models", "arXiv 2106.09685"),
    "qlora23": Source("Dettmers et al. 2023", "QLoRA: Efficient Finetuning of Quantized LLMs", "arXiv 2305.14314"),
    "insights25": Source(
        "DeepSeek-AI 2025",
        "Insights into DeepSeek-V3: Scaling Challenges and Reflections on Hardware for AI Architectures",
        "arXiv 2505.09343",
    ),
    "deepep25": Source("DeepEP", "deepseek-ai/DeepEP, the code", "github.com/deepseek-ai/DeepEP"),
    "llama3": Source("Llama 3 2024", "The Llama 3 Herd of Models", "arXiv 2407.21783"),
    "glm130b22": Source("Zeng et al. 2022", "GLM-130B: An Open Bilingual Pre-trained Model", "arXiv 2210.02414"),
    "apertus25": Source(
        "Apertus 2025", "Apertus: Democratizing Open and Compliant LLMs for Global Language Environments", "arXiv 2509.14233"
    ),
    "thakur05": Source(
        "Thakur et al. 2005",
        "Optimization of Collective Communication Operations in MPICH",
        "Int. J. High Performance Computing Applications 19(1)",
    ),
    "megatron": Source("Megatron-LM", "NVIDIA/Megatron-LM, the code", "github.com/NVIDIA/Megatron-LM"),
    "torchtitan": Source("torchtitan", "pytorch/torchtitan, the code", "github.com/pytorch/torchtitan"),
    "deepspeed": Source("DeepSpeed", "deepspeedai/DeepSpeed, the code", "github.com/deepspeedai/DeepSpeed"),
    "calib": Source(
        "kernel measurements", "GEMM and NCCL latencies shipped with aiconfigurator (Apache-2.0)", "aiconfigurator_core 0.12.0"
    ),
    "hoffmann22": Source("Hoffmann et al. 2022", "Training Compute-Optimal Large Language Models (Chinchilla)", "arXiv 2203.15556"),
    "besiroglu24": Source("Besiroglu et al. 2024", "Chinchilla Scaling: A replication attempt", "arXiv 2404.10102"),
    "sardana23": Source(
        "Sardana et al. 2023", "Beyond Chinchilla-Optimal: Accounting for Inference in Language Model Scaling Laws", "arXiv 2401.00448"
    ),
    "young74": Source("Young 1974", "A First Order Approximation to the Optimum Checkpoint Interval", "Communications of the ACM 17(9)"),
    "daly06": Source(
        "Daly 2006",
        "A Higher Order Estimate of the Optimum Checkpoint Interval for Restart Dumps",
        "Future Generation Computer Systems 22(3)",
    ),
    "patterson21": Source("Patterson et al. 2021", "Carbon Emissions and Large Neural Network Training", "arXiv 2104.10350"),
    "tmplan": Source("tmplan", "the model of this program; see docs/design.md", "planner/"),
}
