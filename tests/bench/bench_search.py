"""Speed of the search on one core: plans evaluated per second, that is plans whose memory and step time were both computed.

    taskset -c 0 python -m tests.bench.bench_search        (numpy's element-wise work is single-threaded; taskset proves it)

Apart from the rate: plans covered without being computed (of "recompute the first N layers" each N above the smallest that fits, see
`Counts.covered`), branches refused by a rule, and the time for the best plan alone. Nothing here is asserted: machines differ.
"""

from __future__ import annotations

import statistics
import time

from planner.document.inputs import EXAMPLE, resolve
from planner.search.branch_and_bound import fastest
from planner.search.search import search
from planner.specs.job import Job

JOBS = {
    "Llama 3.1 405B, 16,384 H100 (the example)": {},
    "GPT-3 175B, 4,096 A100, batch 4,096": {
        "model": "gpt3-175b",
        "gpu": "a100-80gb-sxm",
        "gpus": 4096,
        "sequence": 2048,
        "global_batch": 4096,
    },
    "Llama 3.1 8B, 64 H100": {"model": "llama-3.1-8b", "gpus": 64, "global_batch": 512},
    "Llama 3.1 405B, 16,384 H100, torchtitan": {"stack": "torchtitan"},
    "DeepSeek-V3, 2,048 H800, batch 2,048": {"model": "deepseek-v3-671b", "cluster": "hgx-h800", "gpus": 2048, "sequence": 4096},
    "DeepSeek-V3, 2,048 H800, batch 15,360": {
        "model": "deepseek-v3-671b",
        "cluster": "hgx-h800",
        "gpus": 2048,
        "sequence": 4096,
        "global_batch": 15360,
    },
}
RUNS = 7
HEADINGS = ("evaluated", "s, median", "M plans/s", "fit", "not computed", "refused", "alone, s")


def timed(job: Job) -> float:
    """Seconds to find the best plan, the others not ranked."""
    started = time.perf_counter()
    fastest(job)
    return time.perf_counter() - started


def main() -> None:
    """Print a row per job: counts, the medians of several searches for all plans and for the best one, and the refusals by rule."""
    print(f"{'job':44s}" + "".join(f"{heading:>14s}" for heading in HEADINGS))
    for title, changes in JOBS.items():
        job = resolve(EXAMPLE.with_all(changes))  # type: ignore[arg-type]
        search(job)  # warm: imports and memory
        runs = [search(job, clock=time.perf_counter).counts for _ in range(RUNS)]
        counts, seconds = runs[0], statistics.median(run.seconds for run in runs)
        alone = statistics.median(timed(job) for _ in range(RUNS))
        print(
            f"{title:44s}{counts.evaluated:14,d}{seconds:14.3f}{counts.evaluated / seconds / 1e6:14.2f}{counts.fit:14,d}"
            f"{counts.covered - counts.evaluated:14,d}{sum(counts.refused.values()):14,d}{alone:14.3f}"
        )
        print("    refused by rule: " + ", ".join(f"{k} {n:,}" for k, n in sorted(counts.refused.items(), key=lambda pair: -pair[1])))


if __name__ == "__main__":
    main()
