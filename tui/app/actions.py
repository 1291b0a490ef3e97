"""Actions: the method of an object of the program that each key binding calls.

`tui.settings.bindings` is the one table: the keys of a binding, its help, and its action, `<object>.<method>`. The object is an attribute
of the program (tui.app.program); its method carries the mark `@action`. A test holds that each binding has one such method and each such
method a binding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from tui.settings.bindings import Binding

Method = TypeVar("Method", bound=Callable[..., None])


def action(method: Method) -> Method:
    """Mark a method as one that a key binding calls."""
    vars(method)["is_action"] = True
    return method


def marked(program: object) -> Iterator[str]:
    """The actions that the objects of a program offer, as bindings name them."""
    for name, target in vars(program).items():
        for method, value in vars(type(target)).items():
            if getattr(value, "is_action", False):
                yield f"{name}.{method}"


class Actions:
    """Calls the methods that bindings name."""

    def __init__(self, program: object) -> None:
        self._program = program

    def handler(self, binding: Binding) -> Callable[..., None]:
        """The method that a binding names; AttributeError where there is none."""
        target, _, method = binding.action.partition(".")
        handler: Callable[..., None] = getattr(getattr(self._program, target), method)
        return handler

    def perform(self, binding: Binding) -> None:
        """Do what a binding says."""
        self.handler(binding)(*binding.arguments)
