"""Options shared by several commands, and the generated option of each field and each axis."""

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
Fresh = Annotated[bool, typer.Option("--fresh", help="set the last session aside and start a new one")]
Pin = Annotated[list[str] | None, typer.Option(metavar="AXIS=VALUES", help="pin axes, like the axis options: tp=8,ep=1,2 (repeatable)")]
Most = Annotated[list[str] | None, typer.Option("--max", metavar="AXIS=N", help="upper bound of an axis: pp=16 (repeatable)")]
Least = Annotated[list[str] | None, typer.Option("--min", metavar="AXIS=N", help="lower bound of an axis: dp=4 (repeatable)")]
Top = Annotated[int, typer.Option("--top", min=0, metavar="N", help="number of plans to print")]
PlanFormat = Annotated[str, typer.Option("--format", metavar="table|json|csv|markdown", help="output format")]
TextFormat = Annotated[str, typer.Option("--format", metavar="text|json", help="output format")]
TableFormat = Annotated[str, typer.Option("--format", metavar="table|json", help="output format")]
NumbersFormat = Annotated[str, typer.Option("--format", metavar="table|json|csv", help="output format")]
Explain = Annotated[bool, typer.Option("--explain", help="also print the derivation of the numbers")]
Save = Annotated[str | None, typer.Option(metavar="PLANFILE", help="save the first plan printed to a plan file", show_default=False)]
Every = Annotated[bool, typer.Option("--all", help="also print the plans that do not fit, after those that do, least excess first")]
Sort = Annotated[str | None, typer.Option(metavar="COLUMN", help="sort by a column (a key of the JSON), best first", show_default=False)]
PlanAxes = Annotated[
    str | None, typer.Option("--plan", metavar="AXES", help="the plan: tp=8,pp=16,ep=8,...; omitted axes are free", show_default=False)
]
Of = Annotated[
    list[str] | None,
    typer.Option("--of", metavar="NUMBER", help="the tree of memory, step, mfu, memory_activations, time_tp ... (repeatable)"),
]
Runs = Annotated[str, typer.Argument(metavar="RUNS", help="runs as CSV or JSON lines; docs/runs.md lists the columns")]
Out = Annotated[str | None, typer.Option(metavar="FILE", help="write the predictions to a file", show_default=False)]
To = Annotated[str | None, typer.Option(metavar="NAME", help="target of the export; --list shows all", show_default=False)]
Into = Annotated[
    str | None, typer.Option("--out", metavar="PATH", help="a folder, a file if there is only one, or - for stdout", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="overwrite existing files")]
Targets = Annotated[bool, typer.Option("--list", help="list the targets of exports")]
Files = Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="plan files", show_default=False)]
Plans = Annotated[
    list[str] | None, typer.Option("--plan", metavar="AXES", help="the best plan with these: tp=8,pp=16 (repeatable)", show_default=False)
]
Typed = Annotated[str, typer.Argument(metavar="AXES", help="the plan: tp=16,pp=8,...; omitted axes are free")]
Word = Annotated[str, typer.Argument(metavar="[WORD]", help="only symbols whose symbol, name, meaning or source contains it")]
Width = Annotated[int, typer.Option("--width", min=56, max=1000, metavar="N", help="line width of the output in cells")]
Foreign = Annotated[str, typer.Argument(metavar="FILE", help="a script, command line or configuration of another framework")]
SaveRead = Annotated[
    str | None, typer.Option("--save", metavar="PLANFILE", help="save the imported plan to a plan file", show_default=False)
]
FromSize = Annotated[int | None, typer.Option("--from", metavar="GPUS", help="the smallest size (8, or one node)", show_default=False)]
ToSize = Annotated[int | None, typer.Option("--to", metavar="GPUS", help="the largest size (4 times --gpus)", show_default=False)]
Sizes = Annotated[str | None, typer.Option(metavar="GPUS,GPUS", help="only these sizes: 8,24,48", show_default=False)]
Weak = Annotated[bool, typer.Option("--weak", help="the global batch grows with the GPUs, from --global-batch at --gpus")]
Against = Annotated[
    str, typer.Option(metavar="CLUSTER,KEY=VALUE", help="the other cluster: a preset of a cluster or GPU, or a file, and changes to it")
]
By = Annotated[list[float] | None, typer.Option(metavar="FACTOR", help="factor of change: 2, 1.1, 0.5 (repeatable; default 2 and 1.1)")]
ExplainInput = Annotated[
    str | None,
    typer.Option("--explain", metavar="INPUT", help="print the derivation of the gains from one input: peak, nic", show_default=False),
]
ExplainSize = Annotated[
    int | None,
    typer.Option("--explain", min=1, metavar="GPUS", help="print the derivation of every number of one size", show_default=False),
]
Flops = Annotated[
    float | None, typer.Option(metavar="FLOP", help="models that this number of FLOP can train, such as 3.8e25", show_default=False)
]
Money = Annotated[
    float | None, typer.Option(metavar="$", help="models that this amount can train at the cost of this plan", show_default=False)
]
Depth = Annotated[int | None, typer.Option(min=1, metavar="N", help="depth of the tree", show_default=False)]
ServedModel = Annotated[str | None, typer.Option("--model", metavar="PRESET", help="model: a preset or a file", show_default=False)]
ServedGpu = Annotated[str | None, typer.Option("--gpu", metavar="PRESET", help="accelerator", show_default=False)]
ServedMemory = Annotated[
    str | None, typer.Option("--memory-gib", metavar="GiB", help="memory of a GPU as reported by the driver", show_default=False)
]
Headroom = Annotated[str | None, typer.Option("--headroom", metavar="%", help="share of the memory to keep free", show_default=False)]
ServedTp = Annotated[
    int | None, typer.Option("--tp", min=1, metavar="N", help="tensor-parallel GPUs; default: the fewest that fit", show_default=False)
]
Dtype = Annotated[
    str | None, typer.Option(metavar="TYPE", help="dtype of the weights: int4, int8, fp8, fp16, bf16, fp32; default: a line for each size",
                             show_default=False)
]  # fmt: skip
CacheDtype = Annotated[str, typer.Option(metavar="TYPE", help="dtype of the KV cache: int4, int8, fp8, fp16, bf16, fp32")]
Contexts = Annotated[
    list[str] | None, typer.Option(metavar="TOKENS", help="tokens per sequence: 8k (repeatable; the first is the requested context)",
                                   show_default=False)
]  # fmt: skip
Batch = Annotated[int, typer.Option(min=1, metavar="N", help="concurrent sequences")]
Overhead = Annotated[float, typer.Option(min=0, max=1000, metavar="%", help="memory of a forward pass, relative to the weights")]
Stages = Annotated[str, typer.Option("--stage", metavar="N|all", help="the pipeline stage, or all; default: the fullest by prediction")]
Depths = Annotated[
    str | None, typer.Option("--depths", metavar="N,M", help="run stages of N and M layers, and extrapolate", show_default=False)
]
Interpreter = Annotated[
    str | None, typer.Option("--python", metavar="PATH", help="the Python that has the framework; default: TMPLAN_PYTHON, else tmplan's",
                             show_default=False)
]  # fmt: skip
VerifyFormat = Annotated[str, typer.Option("--format", metavar="text|json|csv", help="output format")]
StackName = Annotated[str | None, typer.Argument(metavar="[STACK]", help="a stack: its releases", show_default=False)]
Largest = Annotated[bool, typer.Option("--largest", help="list the presets that fit, largest first")]


def with_inputs(command: Callable[..., Answer], groups: Collection[str] = JOB_GROUPS) -> Callable[..., Answer]:
    """Decorate a command with an option for each field of these groups and each axis; it receives the values as the mapping `given`."""
    chosen = [f for f in FIELDS if f.group in groups]
    specific = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "given"]

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
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in specific] + fields
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def with_run(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """The same, with the fields of the training run too: tokens, price, power, failures."""
    return with_inputs(command, (*JOB_GROUPS, "run"))


def _axis_option(axis: str) -> inspect.Parameter:
    """The option that bounds one axis."""
    option = typer.Option(f"--{axis.replace('_', '-')}", help=AXIS_HELP[axis][1], show_default=False, metavar=metavar(axis))
    return inspect.Parameter(axis, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option])
