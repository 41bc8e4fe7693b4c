"""
What a transform is: a function that changes a failed request before it is sent again.

It is called with the request, as its input line says it, and, where it takes two arguments, with the failure.
It may be `async`. What it returns is checked and kept by the executor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from reconciler.processors.base import identified


@attrs.frozen
class Transform:
    """
    User code.

    Attributes:
        name: Where it came from, as `module:function`.
        version: Changes when the code does; requests that it could not change are handed to it again then.
        call: The function.
        told: Whether it takes the failure too.
        named: What a person types for it anywhere, empty where a program has handed it over.
    """

    name: str
    version: str
    call: Callable[..., Any] = attrs.field(eq=False, repr=False)
    told: bool = False
    named: str = attrs.field(default="", eq=False)

    @property
    def identity(self) -> str:
        """Name and version, as they enter tokens."""
        return f"{self.name}/{self.version}"


def transform(function: Callable[..., Any], name: str = "", version: str = "") -> Transform:
    """
    Make a transform of a function.

    Args:
        function: Of `(request)`, or `(request, failure)`.
        name: Where it came from; taken from the function when empty.
        version: Changes when the code does; its attribute `version`, or else a digest of its code.

    Raises:
        TypeError: It is not callable, or takes another number of parameters.
    """
    if not callable(function):
        raise TypeError(f"{function!r:.80} is no function")
    return Transform(*identified(function, name, version), function, _is_told(function))


def _is_told(function: Callable[..., Any]) -> bool:
    """Whether *function* takes the failure beside the request."""
    import inspect  # noqa: PLC0415 - for user code alone

    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C do not tell
        return False
    needed = [
        each
        for each in signature.parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) and each.default is each.empty
    ]
    told = len(needed) > 1
    try:
        signature.bind(*(("request", "failure") if told else ("request",)))
    except TypeError as error:
        raise TypeError(f"{function!r:.80} must take (request), or (request, failure)") from error
    return told
