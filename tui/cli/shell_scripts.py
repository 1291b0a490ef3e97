"""Completion scripts for bash, zsh and fish, from a list of commands and the values of their options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

NAMED = "tmplan completion names"


class Taken(NamedTuple):
    """The values accepted: words (one that ends in = continues), presets of a kind, files; without any of these, any text."""

    words: tuple[str, ...] = ()
    preset: str = ""
    files: bool = False


class Completed(NamedTuple):
    """A command: its description, the values (None: a switch) and description of each option, the values of its arguments."""

    name: str
    about: str
    options: Mapping[str, tuple[Taken | None, str]]
    arguments: Sequence[Taken | None]


BASH = """\
# Completion of tmplan for bash. Print it again after an upgrade: tmplan completion bash
_tmplan() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev= command=open
    ((COMP_CWORD > 0)) && prev=${{COMP_WORDS[COMP_CWORD - 1]}}
    if [[ $cur == "=" ]]; then # --model=, split into two words by bash
        cur=
    elif [[ $prev == "=" ]] && ((COMP_CWORD > 1)); then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    COMPREPLY=()
    if ((COMP_CWORD > 1)); then
        case ${{COMP_WORDS[1]}} in
            {commands}) command=${{COMP_WORDS[1]}} ;;
        esac
    fi
    case $command:$prev in
{values}
    esac
    if [[ $cur == -* ]]; then
        case $command in
{options}
        esac
        return
    fi
    ((COMP_CWORD == 1)) && _tmplan_words {words}
    case $command in
{arguments}
    esac
}}
_tmplan_words() {{
    local word
    for word in "$@"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
    [[ ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace 2> /dev/null
    return 0
}}
_tmplan_presets() {{
    local line
    while IFS= read -r line; do
        [[ $line == "$cur"* ]] && COMPREPLY+=("$line")
    done < <({named} "$1" 2> /dev/null)
    return 0
}}
_tmplan_files() {{
    local line
    compopt -o filenames 2> /dev/null
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(compgen -f -- "$cur")
    return 0
}}
complete -F _tmplan tmplan
"""
ZSH = """\
# Completion of tmplan for zsh, through its bash emulation. Print it again after an upgrade: tmplan completion zsh
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
autoload -Uz bashcompinit && bashcompinit
{script}"""
FISH = """\
# Completion of tmplan for fish. Print it again after an upgrade: tmplan completion fish
function __tmplan_in
    set -l line (commandline -opc)
    set -l command open
    if set -q line[2]; and contains -- $line[2] {commands}
        set command $line[2]
    end
    contains -- $command $argv
end
function __tmplan_first
    test (count (commandline -opc)) -eq 1
end
complete -c tmplan -f
{lines}
"""


def bash(listed: Sequence[Completed]) -> str:
    """The script for bash."""
    places: dict[str, list[str]] = {}  # call that completes a value -> the options that use it
    for name, users in _users(listed).items():
        same = len(set(users.values())) == 1
        for command, taken in {"*": next(iter(users.values()))}.items() if same else users.items():
            if taken is not None:
                places.setdefault(_bash(taken), []).append(f"{command}:{name}")
    values = [f"        {'|'.join(options)}) {call}{'; ' if call else ''}return ;;" for call, options in places.items()]
    options = [f"            {c.name}) _tmplan_words {' '.join(c.options)} --help ;;" for c in listed]
    calls = {c.name: "; ".join(dict.fromkeys(_bash(taken) for taken in c.arguments if taken)) for c in listed}
    arguments = [f"        {name}) {call} ;;" for name, call in calls.items() if call]
    names = [command.name for command in listed]
    return BASH.format(
        commands="|".join(names), words=" ".join(names), values="\n".join(values), options="\n".join(options),
        arguments="\n".join(arguments), named=NAMED,
    )  # fmt: skip


def _users(listed: Sequence[Completed]) -> dict[str, dict[str, Taken | None]]:
    """Options, and the values of each in each command that has it."""
    users: dict[str, dict[str, Taken | None]] = {}
    for command in listed:
        for name, (taken, _) in command.options.items():
            users.setdefault(name, {})[command.name] = taken
    return users


def _bash(taken: Taken) -> str:
    """The call that completes a value in bash; empty for a text."""
    calls = [f"_tmplan_presets {taken.preset}"] if taken.preset else []
    calls += [f"_tmplan_words {' '.join(taken.words)}"] if taken.words else []
    return "; ".join(calls + (["_tmplan_files"] if taken.files else []))


def zsh(listed: Sequence[Completed]) -> str:
    """The script for zsh: that for bash, which zsh can run."""
    return ZSH.format(script=bash(listed).partition("\n")[2])


def fish(listed: Sequence[Completed]) -> str:
    """The script for fish, with descriptions."""
    lines = [f"complete -c tmplan -n __tmplan_first -a {c.name} -d {_quoted(c.about)}" for c in listed]
    places: dict[str, list[str]] = {}  # the arguments after the condition -> the commands for which it holds
    for command in listed:
        for name, (taken, about) in command.options.items():
            places.setdefault(f"-l {name.removeprefix('--')}{_fish(taken)} -d {_quoted(about)}", []).append(command.name)
        for taken in command.arguments:
            if taken and (taken.files or taken.words):
                places.setdefault("-F" if taken.files else f"-a {_quoted(' '.join(taken.words))}", []).append(command.name)
    lines += [f"complete -c tmplan -n '__tmplan_in {' '.join(dict.fromkeys(names))}' {rest}" for rest, names in places.items()]
    return FISH.format(commands=" ".join(command.name for command in listed), lines="\n".join(lines))


def _fish(taken: Taken | None) -> str:
    """The values of an option, in fish."""
    if taken is None:
        return ""
    values = f"({NAMED} {taken.preset})" if taken.preset else " ".join(taken.words)
    return f" -r{' -F' if taken.files else ' -f'}" + (f" -a {_quoted(values)}" if values else "")


def _quoted(text: str) -> str:
    """A text in single quotes, as fish reads them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
