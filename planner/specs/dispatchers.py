"""Dispatchers of tokens to experts on other ranks: what each sends, and what it takes beyond links and network.

DeepEP's figures are from a vendor's tables of its dispatch and combine over 8 GPUs (aiconfigurator, Apache-2.0; 6 GPUs, 4 to 24
multiprocessors, 256 to 131,072 tokens, hidden width 2,048 to 7,168, top-1 to top-22): on Hopper its copies fill the links, on Blackwell
each of its multiprocessors copies 22 GB/s and works 0.7 us on a token. Megatron-Core 0.16.1 has it use 20 multiprocessors
(transformer_config.py), HybridEP 16, whose copies through the tensor memory accelerator reach 0.6 to 0.7 of the link (DeepEP,
docs/README_Hybrid-EP.md). NCCL's channels take up to 32 multiprocessors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MULTIPROCESSORS = 132  # of H100, whose share communication takes; B200 has 148


class Dispatcher(NamedTuple):
    """One implementation of the exchange of tokens between ranks that hold different experts."""

    once: bool  # a token goes once to each rank that holds experts of it, and over the network once to each node
    gathers: bool  # every rank gathers the tokens of all ranks
    processors: float  # share of the multiprocessors that communicate
    setup_s: float  # of one exchange: launches, layout and counts, beyond the latency of links
    byte_s: float  # of the multiprocessors for a byte copied over the scale-up link; seconds
    token_s: float  # of the multiprocessors for a token; seconds


DISPATCHERS: Mapping[str, Dispatcher] = {
    "alltoall": Dispatcher(False, False, 24 / MULTIPROCESSORS, 0.0, 0.0, 0.0),
    "deepep": Dispatcher(True, False, 20 / MULTIPROCESSORS, 15e-6, 1 / (20 * 22e9), 0.7e-6 / 20),
    "hybridep": Dispatcher(True, False, 16 / MULTIPROCESSORS, 15e-6, 0.0, 0.0),
    "allgather": Dispatcher(False, True, 24 / MULTIPROCESSORS, 0.0, 0.0, 0.0),
}
