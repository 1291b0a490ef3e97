"""Commands that exchange plans with other frameworks."""

from __future__ import annotations

from typing import Any

from tui.cli import options as opt
from tui.cli.answer import Answer
from tui.cli.declare_app import EXIT_CODES, app
from tui.cli.options import with_inputs


@app.command("export", epilog=EXIT_CODES)
@with_inputs
def export(
    given: dict[str, Any], file: opt.File = None, to: opt.To = None, out: opt.Into = None, list: opt.Targets = False,
    force: opt.Force = False, pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Write a plan as the input files of a framework or launcher: the plan pinned, else that of the plan file, else the best.

    Example: tmplan export plan.toml --to slurm --out job/
    """
    from tui.cli.export import export, targets
    from tui.cli.inputs import begin

    if list:
        return targets()
    document, pinned = begin(file, given, pin, most, least)
    return export(document, pinned=pinned, to=to, out=out, force=force)


@app.command("import", epilog=EXIT_CODES)
@with_inputs
def import_(
    given: dict[str, Any], file: opt.Foreign, format: opt.TableFormat = "table", save: opt.SaveRead = None, force: opt.Force = False,
) -> Answer:  # fmt: skip
    """Read your current training configuration, and print its prediction next to tmplan's choice for the same job.

    Reads a Megatron-LM command line or script, a torchtitan TOML, a DeepSpeed JSON and an accelerate YAML. Options provide what the file
    does not contain (the GPU, the model of a DeepSpeed file); options of axes bound tmplan's choice.

    Example: tmplan import pretrain.sh --gpu h100-sxm --save today.toml
    """
    from tui.cli.import_plan import imported

    return imported(file, given, format=format, save=save, force=force)
