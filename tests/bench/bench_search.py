"""How fast the search is: plans decided a second on one core: those whose memory and time were both computed, and of "recompute the
first N layers" each N that the fewest which fit stand for (`Counts.covered`).

    taskset -c 0 python -m tests.bench.bench_search        (numpy's element-wise work is single-threaded; taskset proves it)

Baselines, as published or measured elsewhere: Calculon, exhaustive, 336 to 432 plans a second; the fastest browser simulator up
to 70,000 a second on a sample of its space. Nothing here is asserted: machines differ.
"""

from __future__ import annotations

import statistics
import time

from planner.document.inputs import EXAMPLE, resolve
from planner.search.branch_and_bound import fastest
from planner.search.search import search
from planner.specs.job import Job

CALCULON, BROWSER = 432, 70_000
JOBS = {
    "Llama 3.1 405B, 16,384 H100 (the default)": {},
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
WIDTHS = (12, 11, 11, 11, 11, 11, 12, 11)


def timed(job: Job) -> float:
    """Seconds to find the best plan, the others not ranked."""
    started = time.perf_counter()
    fastest(job)
    return time.perf_counter() - started


def main() -> None:
    """Print a row a job: counts, the median of several searches, and the ratio to each baseline."""
    headings = zip(("covered", "refused", "evaluated", "fit", "s, median", "M plans/s", "x Calculon", "x browser"), WIDTHS, strict=True)
    print(f"{'job':44s}" + "".join(f"{text:>{width}s}" for text, width in headings))
    for title, changes in JOBS.items():
        job = resolve(EXAMPLE.with_all(changes))  # type: ignore[arg-type]
        search(job)  # warm: imports and memory
        runs = [search(job, clock=time.perf_counter).counts for _ in range(RUNS)]
        counts, seconds = runs[0], statistics.median(run.seconds for run in runs)
        rate = counts.covered / seconds
        refused = sum(counts.refused.values())
        alone = statistics.median(timed(job) for _ in range(RUNS))
        print(
            f"{title:44s}{counts.covered:12,d}{refused:11,d}{counts.evaluated:11,d}{counts.fit:11,d}{seconds:11.3f}{rate / 1e6:11.2f}"
            f"{rate / CALCULON:12,.0f}{rate / BROWSER:11,.0f}"
        )
        print(f"    the best plan alone: {alone:.3f} s, {seconds / alone:.1f} times as fast")
        print("    refused by rule: " + ", ".join(f"{k} {n:,}" for k, n in sorted(counts.refused.items(), key=lambda pair: -pair[1])))


if __name__ == "__main__":
    main()
