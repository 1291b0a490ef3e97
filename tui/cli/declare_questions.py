"""Commands beyond one plan: other sizes, inputs and clusters, the cost of training, serving, and the memory of the framework itself."""

from __future__ import annotations

from typing import Any

from tui.cli import options as opt
from tui.cli.answer import Answer
from tui.cli.declare_app import EXIT_CODES, app
from tui.cli.options import with_inputs, with_run


@app.command("scale", epilog=EXIT_CODES)
@with_run
def scale(
    given: dict[str, Any], file: opt.File = None, least: opt.FromSize = None, most: opt.ToSize = None, sizes: opt.Sizes = None,
    weak: opt.Weak = False, format: opt.NumbersFormat = "table", width: opt.Width = 80, explain: opt.ExplainSize = None,
    depth: opt.Depth = None, pin: opt.Pin = None, max: opt.Most = None, min: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the best plan at each of several sizes: step, tokens/s, MFU, efficiency, time and GPU-hours to train; the changes of the
    layout, and why scaling saturates. Bounds on axes apply at every size.

    Example: tmplan scale --model llama-3.1-8b --gpu h100-sxm --gpus 64 --global-batch 512 --to 4096 --train-tokens 15t
    """
    from tui.cli.inputs import start
    from tui.cli.scale import scale

    return scale(start(file, given, pin, max, min), least=least, most=most, chosen=sizes, weak=weak, format=format, width=width,
                 of=explain, depth=depth)  # fmt: skip


@app.command("sensitivity", epilog=EXIT_CODES)
@with_inputs
def sensitivity(
    given: dict[str, Any], file: opt.File = None, by: opt.By = None, format: opt.NumbersFormat = "table", width: opt.Width = 80,
    explain: opt.ExplainInput = None, depth: opt.Depth = None, axes: opt.PlanAxes = None, pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the gain from each input, ranked: peak rate, HBM, memory size, links, node size, batch, sequence, each changed in turn, for
    one plan (the pinned, else the plan file's, else the best) and for the new best plan.

    Example: tmplan sensitivity plan.toml --by 2 --explain peak
    """
    from tui.cli.inputs import begin, document_from
    from tui.cli.sensitivity import sensitivities

    document = document_from(file, given, pin, most, least)
    named, pinned = begin(file, given, pin, most, least, axes)
    return sensitivities(document, named, pinned=pinned, by=by, format=format, width=width, of=explain, depth=depth)


@app.command("versus", epilog=EXIT_CODES)
@with_inputs
def versus(
    given: dict[str, Any], file: opt.File = None, against: opt.Against = "", format: opt.TableFormat = "table", width: opt.Width = 80,
    explain: opt.Explain = False, depth: opt.Depth = None, pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the same job on two clusters side by side: the best plan of each, the step by part, and the cause of the difference.

    Example: tmplan versus --against dgx-b200,gpus=8192
    """
    from tui.cli.inputs import start
    from tui.cli.versus import compared

    return compared(start(file, given, pin, most, least), against, format=format, width=width, trees=explain, depth=depth)


@app.command("budget", epilog=EXIT_CODES)
@with_run
def budget(
    given: dict[str, Any], file: opt.File = None, axes: opt.PlanAxes = None, flops: opt.Flops = None, money: opt.Money = None,
    explain: opt.Explain = False, format: opt.NumbersFormat = "table", width: opt.Width = 100,
    pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the budget of training: FLOP, time, GPU-hours, energy, cost, CO2, failures; for the plan pinned, the plan file's, or the best.

    Example: tmplan budget --model llama-3.1-8b --gpus 64 --global-batch 512 --train-tokens 1t --price-gpu-hour 2.5 --deadline-days 10
    """
    from tui.cli.budget import budget
    from tui.cli.inputs import begin

    document, pinned = begin(file, given, pin, most, least, axes)
    return budget(document, pinned=pinned, flops=flops, money=money, explain=explain, format=format, width=width)


@app.command("fit", epilog="Exit codes: 0 done, 1 nothing fits (stdout still has the table), 2 an input was refused, 130 interrupted.")
def fit(
    file: opt.File = None, model: opt.ServedModel = None, gpu: opt.ServedGpu = None, memory_gib: opt.ServedMemory = None,
    headroom: opt.Headroom = None, tp: opt.ServedTp = None, dtype: opt.Dtype = None, cache_dtype: opt.CacheDtype = "bf16",
    context: opt.Contexts = None, batch: opt.Batch = 1, overhead: opt.Overhead = 20.0, largest: opt.Largest = False,
    explain: opt.Explain = False, format: opt.TableFormat = "table", width: opt.Width = 100,
) -> Answer:  # fmt: skip
    """Print whether a model can be served: memory per GPU by dtype of the weights and context, and the largest context that fits.

    The KV cache accounts for GQA, latent attention and sliding windows. docs/json.md documents the JSON.

    Example: tmplan fit --model llama-3.1-70b --gpu h100-sxm --dtype fp8 --context 32k
    """
    from tui.cli.fit import fit, tokens
    from tui.cli.inputs import start

    given = {"model": model, "gpu": gpu, "memory_gib": memory_gib, "headroom": headroom}
    document = start(file, {key: text for key, text in given.items() if text is not None})
    serving = {"cache_dtype": cache_dtype, "batch": batch, "overhead_share": overhead / 100} | ({"dtype": dtype} if dtype else {})
    lengths = tuple(tokens(text) for text in context or ())
    return fit(document, serving=serving, contexts=lengths, tp=tp, explain=explain, largest=largest, format=format, width=width)


@app.command("verify", epilog="Exit codes: 0 done, 1 no plan fits, 2 an input was refused or the framework cannot run, 130 interrupted.")
@with_inputs
def verify(
    given: dict[str, Any], file: opt.File = None, axes: opt.PlanAxes = None, stage: opt.Stages = "fullest", depths: opt.Depths = None,
    python: opt.Interpreter = None, format: opt.VerifyFormat = "text", width: opt.Width = 100, pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Run a stage of a plan with its own framework on fake tensors, without a GPU, and print its memory next to the prediction: live
    tensors by kind and phase, what the allocator reserves, the largest tensors. Needs the extra `verify`: pip install 'tmplan[verify]'.

    Example: tmplan verify plan.toml --stage all
    """
    from tui.cli.inputs import begin
    from tui.cli.verify import verified

    document, pinned = begin(file, given, pin, most, least, axes)
    return verified(document, pinned=pinned, stage=stage, depths=depths, python=python, format=format, width=width)
