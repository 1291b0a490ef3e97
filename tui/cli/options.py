"""The options that several commands take, and the one for each field and each axis."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer

from planner.document.fields import FIELDS, JOB_GROUPS
from planner.document.space import AXES
from tui.cli.answer import Answer
from tui.state.axes import AXIS_HELP, metavar

File = Annotated[str | None, typer.Argument(metavar="FILE", help="a plan file to start from", show_default=False)]
Fresh = Annotated[bool, typer.Option("--fresh", help="leave the last session aside, and begin a new one")]
Pin = Annotated[list[str] | None, typer.Option(metavar="AXIS=VALUES", help="pin axes as their own options do: tp=8,ep=1,2 (repeatable)")]
Most = Annotated[list[str] | None, typer.Option("--max", metavar="AXIS=N", help="an axis at most: pp=16 (repeatable)")]
Least = Annotated[list[str] | None, typer.Option("--min", metavar="AXIS=N", help="an axis at least: dp=4 (repeatable)")]
Top = Annotated[int, typer.Option("--top", min=0, metavar="N", help="how many plans to print")]
PlanFormat = Annotated[str, typer.Option("--format", metavar="table|json|csv|markdown", help="how to print the plans")]
TextFormat = Annotated[str, typer.Option("--format", metavar="text|json", help="how to print it")]
TableFormat = Annotated[str, typer.Option("--format", metavar="table|json", help="how to print it")]
NumbersFormat = Annotated[str, typer.Option("--format", metavar="table|json|csv", help="how to print the numbers")]
Explain = Annotated[bool, typer.Option("--explain", help="print where the numbers come from too")]
Save = Annotated[str | None, typer.Option(metavar="PLANFILE", help="write the first plan printed to a plan file", show_default=False)]
Every = Annotated[bool, typer.Option("--all", help="print the plans that do not fit too, after those that do, least over first")]
Sort = Annotated[str | None, typer.Option(metavar="COLUMN", help="order by a column (a key of the JSON), best first", show_default=False)]
Wanted = Annotated[
    str | None, typer.Option("--plan", metavar="AXES", help="the plan: tp=8,pp=16,ep=8,...; axes left out are free", show_default=False)
]
Of = Annotated[
    list[str] | None,
    typer.Option("--of", metavar="NUMBER", help="the tree of memory, step, mfu, memory_activations, time_tp ... (repeatable)"),
]
Runs = Annotated[str, typer.Argument(metavar="RUNS", help="runs as CSV or JSON lines; docs/runs.md has their columns")]
Out = Annotated[str | None, typer.Option(metavar="FILE", help="write the predictions to a file", show_default=False)]
To = Annotated[str | None, typer.Option(metavar="NAME", help="what to write it for; --list names them", show_default=False)]
Into = Annotated[
    str | None, typer.Option("--out", metavar="PATH", help="a folder, a file where there is one alone, or - for stdout", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="overwrite files that are there")]
Targets = Annotated[bool, typer.Option("--list", help="list what a plan can be written for")]
Files = Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="plan files", show_default=False)]
Plans = Annotated[
    list[str] | None, typer.Option("--plan", metavar="AXES", help="the best plan with these: tp=8,pp=16 (repeatable)", show_default=False)
]
Typed = Annotated[str, typer.Argument(metavar="AXES", help="the plan: tp=16,pp=8,...; axes left out are free")]
Word = Annotated[str, typer.Argument(metavar="[WORD]", help="only those whose symbol, name, meaning or source has it")]
Width = Annotated[int, typer.Option("--width", min=56, max=1000, metavar="N", help="cells of a line of the picture")]
Foreign = Annotated[str, typer.Argument(metavar="FILE", help="a script, command line or configuration of another framework")]
SaveRead = Annotated[
    str | None, typer.Option("--save", metavar="PLANFILE", help="write what was read to a plan file, its plan pinned", show_default=False)
]
FromSize = Annotated[int | None, typer.Option("--from", metavar="GPUS", help="the smallest size (8, or whole nodes)", show_default=False)]
ToSize = Annotated[int | None, typer.Option("--to", metavar="GPUS", help="the largest size (4 times --gpus)", show_default=False)]
Sizes = Annotated[str | None, typer.Option(metavar="GPUS,GPUS", help="just these sizes: 8,24,48", show_default=False)]
Weak = Annotated[bool, typer.Option("--weak", help="the global batch grows with the GPUs, from --global-batch at --gpus")]
Against = Annotated[
    str, typer.Option(metavar="CLUSTER,KEY=VALUE", help="the other cluster: a preset of a cluster or GPU, or a file, and what to set on it")
]
By = Annotated[list[float] | None, typer.Option(metavar="FACTOR", help="by how much: 2, 1.1, 0.5 (repeatable; 2 and 1.1)")]
ExplainInput = Annotated[
    str | None,
    typer.Option("--explain", metavar="INPUT", help="print where the gains of one input come from: peak, nic", show_default=False),
]
ExplainSize = Annotated[
    int | None, typer.Option("--explain", min=1, metavar="GPUS", help="print where every number of one size comes from", show_default=False)
]
Flops = Annotated[float | None, typer.Option(metavar="FLOP", help="what so many FLOP train, such as 3.8e25", show_default=False)]
Money = Annotated[float | None, typer.Option(metavar="$", help="what so much money trains at what this plan costs", show_default=False)]
Depth = Annotated[int | None, typer.Option(min=1, metavar="N", help="how deep to print the tree", show_default=False)]
ServedModel = Annotated[str | None, typer.Option("--model", metavar="PRESET", help="model: a preset or a file", show_default=False)]
ServedGpu = Annotated[str | None, typer.Option("--gpu", metavar="PRESET", help="accelerator", show_default=False)]
ServedMemory = Annotated[
    str | None, typer.Option("--memory-gib", metavar="GiB", help="memory of a GPU as the driver offers it", show_default=False)
]
Headroom = Annotated[str | None, typer.Option("--headroom", metavar="%", help="share of the memory to leave free", show_default=False)]
ServedTp = Annotated[
    int | None, typer.Option("--tp", min=1, metavar="N", help="GPUs that share each layer; none: the fewest that fit", show_default=False)
]
Dtype = Annotated[
    str | None, typer.Option(metavar="TYPE", help="of the weights: int4, int8, fp8, fp16, bf16, fp32; none: a line for each size",
                             show_default=False)
]  # fmt: skip
CacheDtype = Annotated[str, typer.Option(metavar="TYPE", help="of keys and values in the cache: int4, int8, fp8, fp16, bf16, fp32")]
Contexts = Annotated[
    list[str] | None, typer.Option(metavar="TOKENS", help="tokens in each sequence: 8k (repeatable; the first is asked for)",
                                   show_default=False)
]  # fmt: skip
Batch = Annotated[int, typer.Option(min=1, metavar="N", help="sequences served at once")]
Overhead = Annotated[float, typer.Option(min=0, max=1000, metavar="%", help="memory of a forward pass over the weights")]
Largest = Annotated[bool, typer.Option("--largest", help="list the presets that fit instead, the largest first")]


def with_inputs(command: Callable[..., Answer], groups: Collection[str] = JOB_GROUPS) -> Callable[..., Answer]:
    """Give a command an option for each field of these groups and each axis; it receives what was given as the mapping `given`."""
    chosen = [f for f in FIELDS if f.group in groups]
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "given"]

    @functools.wraps(command)
    def run(**values: Any) -> Answer:
        given = {key: values.pop(key) for key in (*(f.key for f in chosen), *AXES)}
        return command(**values, given={key: value for key, value in given.items() if value is not None})

    fields = [_axis_option(axis) for axis in AXES]
    for f in chosen:
        help = f.help + (f" ({', '.join(f.choices)})" if f.choices else "")
        kind: Any = bool | None if f.kind == "bool" else str | None
        name = f"--{f.key.replace('_', '-')}"
        option = typer.Option(f"{name}/--no-{name[2:]}" if f.kind == "bool" else name, help=help, show_default=False,
                              metavar=None if f.kind == "bool" else (f.unit or f.kind).replace(" ", "-"))  # fmt: skip
        fields.append(inspect.Parameter(f.key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]))
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + fields
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def with_run(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """The same with the fields of the training as a whole too: tokens, price, power, failures."""
    return with_inputs(command, (*JOB_GROUPS, "run"))


def _axis_option(axis: str) -> inspect.Parameter:
    """The option that bounds one axis."""
    option = typer.Option(f"--{axis.replace('_', '-')}", help=AXIS_HELP[axis][1], show_default=False, metavar=metavar(axis))
    return inspect.Parameter(axis, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option])
