"""
What a processor is: a function, and how it wants to be called.

A function of one parameter is called with each result, a function of two (or of one called `batch`) with the
whole batch. Both may be `async`. What they return is published by the engine, never by them.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model.exchange import Result


class Per(enum.StrEnum):
    """What a processor is called with."""

    RECORD = "record"
    BATCH = "batch"


class Answer(enum.StrEnum):
    """What an error processor may say of a failed request."""

    RETRY = "retry"
    GIVE_UP = "give-up"
    ATTENTION = "attention"


class Publish(Protocol):
    """Puts data under a name of the batch's own in `target/`."""

    def __call__(self, leaf: str, data: bytes | str | Iterable[bytes]) -> None:
        """
        Publish *data* as `target/<batch>.files/<leaf>`, whole, once the processor has returned.

        Args:
            leaf: A plain file name.
            data: The content; an iterable is consumed while it is written.

        Raises:
            ValueError: *leaf* is no plain file name, or was given before.
        """


@attrs.frozen
class ProcessedBatch:
    """
    A whole batch, for a processor that wants it in one piece.

    Attributes:
        name: Its name.
        attempt: How often its requests had been sent.
        provider: Whose answers these are, None when nobody knows.
        parent: The batch whose leftovers it asked again.
        requests: How many requests it has.
        answered: How many of them were answered.
        failed: How many failed.
        read: Reads the results, in input order.
    """

    name: str
    attempt: int
    provider: str | None
    parent: str | None
    requests: int
    answered: int
    failed: int
    read: Callable[[], Iterator[Result]] = attrs.field(repr=False)

    def results(self) -> Iterator[Result]:
        """Every request that has an answer or a failure, in input order; read from disk on the way."""
        return self.read()


@attrs.frozen
class BatchContext:
    """
    What a processor of whole batches may use.

    Attributes:
        workspace: The workspace.
        paths: The files of the triple by role (`input`, `output`, `error`); for reading only.
        content: What answers are read as: `text`, `json` or `jsonl`.
        token: Equal whenever the same work is handed over again, on every machine and after every crash.
        redelivery: An earlier invocation with this token may have begun, and nobody knows how far it came.
        operations: For an error processor: what is planned for the failures (`summary`, `retry`).
        publish: Puts data into `target/`, once the processor has returned.
    """

    workspace: Path
    paths: Mapping[str, Path]
    content: str
    token: str
    redelivery: bool
    publish: Publish = attrs.field(repr=False)
    operations: tuple[str, ...] = ()


@attrs.frozen
class Processor:
    """
    User code.

    Attributes:
        name: Where it came from, as `module:function`.
        version: Changes when the code does; a batch that it could not handle is tried again then.
        per: What it is called with.
        call: The function.
        named: What a person types for it anywhere, empty where a program has handed it over.
    """

    name: str
    version: str
    per: Per
    call: Callable[..., Any] = attrs.field(eq=False, repr=False)
    named: str = attrs.field(default="", eq=False)

    @property
    def identity(self) -> str:
        """Name and version, as they enter tokens."""
        return f"{self.name}/{self.version}"

    @property
    def noted(self) -> dict[str, str]:
        """An error processor as receipts know it."""
        return {"processor": self.identity, **({"named": self.named} if self.named else {})}


OutputProcessor = Processor | str
"""User code, or the name of a built-in output processor: `results` or `files`."""

RESULTS: Final = "results"
FILES: Final = "files"
VERSIONS: Final = {RESULTS: 1, FILES: 1}
"""The built-in output processors; a version grows when what it publishes of the same answers changes."""


def wrap(function: Callable[..., Any], name: str = "", version: str = "") -> Processor:
    """
    Make a processor of a function.

    Args:
        function: Of one parameter, for each result; of two (`batch`, `context`), for the whole batch.
        name: Where it came from; taken from the function when empty.
        version: Changes when the code does; its attribute `version`, or else a digest of its code.

    Raises:
        TypeError: It is not callable, or takes another number of parameters.
    """
    if not callable(function):
        raise TypeError(f"{function!r:.80} is no function")
    return Processor(*identified(function, name, version), _per(function), function)


def identified(function: Callable[..., Any], name: str = "", version: str = "") -> tuple[str, str]:
    """
    Name and version of a function.

    Args:
        function: The function.
        name: Where it came from; taken from the function when empty.
        version: Changes when the code does; the function's attribute `version` outranks it, a digest of its
            code stands in for it.
    """
    told = getattr(function, "version", None)
    version = str(told) if isinstance(told, str | int) else version or _code_digest(function)
    return name or ":".join(home_of(function)), version


def home_of(function: Callable[..., Any]) -> tuple[str, str]:
    """The module of a function and its name there; those of its class, where it has none of its own."""
    kind = type(function)
    module, plain = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    # What answers to any attribute, as a stub of something remote may, has no such name.
    module = module if module and isinstance(module, str) else kind.__module__
    return module, plain if plain and isinstance(plain, str) else kind.__qualname__


def _per(function: Callable[..., Any]) -> Per:
    """Whether *function* takes a result or a batch."""
    import inspect  # noqa: PLC0415 - for user code alone

    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # some functions written in C do not tell
        return Per.RECORD
    positional = [
        each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    needed = [each for each in positional if each.default is each.empty]
    named = any(each.kind is each.KEYWORD_ONLY and each.default is each.empty for each in parameters)
    if named or len(needed) > 2 or not positional:  # noqa: PLR2004 - batch and context
        raise TypeError(f"{function!r:.80} must take (result), or (batch, context)")
    if len(needed) == 2 or positional[0].name == "batch":  # noqa: PLR2004 - batch and context
        return Per.BATCH
    return Per.RECORD


def arguments_of(processor: Processor, batch: ProcessedBatch, context: BatchContext) -> tuple[Any, ...]:
    """What a processor of whole batches is called with: a function of `batch` alone gets no context."""
    import inspect  # noqa: PLC0415 - for user code alone

    try:
        inspect.signature(processor.call).bind(batch, context)
    except TypeError:
        return (batch,)
    return (batch, context)


def _code_digest(function: Callable[..., Any]) -> str:
    """A digest of what a function does; the same in every process of one Python version."""
    import inspect  # noqa: PLC0415 - for user code alone

    inner = inspect.unwrap(function)
    hasher = hashlib.sha256()
    while isinstance(inner, functools.partial):
        hasher.update(repr((inner.args, sorted(inner.keywords.items()))).encode())
        inner = inner.func
    method = inspect.getattr_static(type(inner), "__call__", None)
    code = getattr(inner, "__code__", None) or getattr(method, "__code__", None)
    if isinstance(code, CodeType):
        _feed(hasher.update, code)
    return hasher.hexdigest()[:12]


def _feed(update: Callable[[bytes], None], code: CodeType) -> None:
    """Hand over the instructions, names and constants of *code*, inner functions included."""
    update(code.co_code)
    update(repr((code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _feed(update, constant)
        elif isinstance(constant, frozenset):
            update(repr(sorted(map(repr, constant))).encode())
        else:
            update(repr(constant).encode())
