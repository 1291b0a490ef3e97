"""Plans for the oracles: drawn over models, clusters and degrees from the valid plans of a stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from planner.document.inputs import Inputs, resolve
from planner.document.space import Space
from planner.exporters.registry import Request, target
from planner.search.search import search

DENSE = ("gpt2-xl-1.5b", "llama-3.1-8b", "qwen3-8b", "llama-3.1-70b")
SPARSE = ("mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v2-lite-16b", "deepseek-v3-671b")
GPUS = (8, 32, 128)
SEED = 20261124
ENOUGH = 200


def drawn(name: str, stack: str, each: int, models: Sequence[str] = (*DENSE, *SPARSE)) -> Iterator[Request]:
    """Plans of a stack that a target accepts: up to `each` per model and cluster, whether or not they fit in memory."""
    rng, to = np.random.default_rng(SEED), target(name)
    for model in models:
        for gpus in GPUS:
            job = resolve(Inputs({"model": model, "gpus": gpus, "stack": stack, "global_batch": 256, "gpu": "h100-sxm"}))
            result = search(job, Space())
            taken = 0
            for row in rng.permutation(len(result))[: 40 * each]:
                request = Request(job, result.plan(int(row)), ("a plan of the oracle",))
                if not to.refusals(request):
                    yield request
                    taken += 1
                if taken == each:
                    break
