"""What a function wants to be called with is seen in its parameters, and its version in its code."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.model.exchange import Result
from reconciler.processors.base import BatchContext, Per, ProcessedBatch, arguments_of, wrap


def plain(result: Result) -> Any:
    """Take a result."""
    return result.text


def with_default(result: Result, retries: int = 3) -> Any:
    """Take a result, and something that has a default."""
    return result.text, retries


def any_name(answer: Result, /) -> Any:
    """Take a result under another name."""
    return answer.text


def with_more(result: Result, *rest: Any, **more: Any) -> Any:
    """Take a result and whatever else."""
    return result, rest, more


async def awaited(result: Result) -> Any:
    """Take a result, in its own time."""
    return result.text


def whole(batch: ProcessedBatch, context: BatchContext) -> None:
    """Take a batch."""


def whole_alone(batch: ProcessedBatch) -> None:
    """Take a batch without its context."""


def whole_other_names(these: ProcessedBatch, those: BatchContext) -> None:
    """Take a batch under another name."""


def whole_with_default(batch: ProcessedBatch, context: BatchContext | None = None) -> None:
    """Take a batch, and its context where there is one."""


async def whole_awaited(batch: ProcessedBatch, context: BatchContext) -> None:
    """Take a batch, in its own time."""


@attrs.frozen
class Machine:
    """An object that is called."""

    factor: int = 2

    def __call__(self, result: Result) -> Any:
        """Take a result."""
        return (result.text or "") * self.factor

    def method(self, result: Result) -> Any:
        """Take a result."""
        return self(result)

    def whole(self, batch: ProcessedBatch, context: BatchContext) -> None:
        """Take a batch."""


def none() -> None:
    """Take nothing."""


def three(one: Any, two: Any, more: Any) -> None:
    """Take too much."""


def keyword(result: Any, *, must: Any) -> None:
    """Take what nobody gives."""


def only_rest(*results: Any) -> None:
    """Take nobody knows what."""


def only_keywords(**results: Any) -> None:
    """Take nothing by position."""


@pytest.mark.parametrize(
    ("function", "per"),
    [
        pytest.param(plain, Per.RECORD, id="plain"),
        pytest.param(with_default, Per.RECORD, id="default"),
        pytest.param(any_name, Per.RECORD, id="any-name"),
        pytest.param(with_more, Per.RECORD, id="more"),
        pytest.param(awaited, Per.RECORD, id="async"),
        pytest.param(Machine(), Per.RECORD, id="object"),
        pytest.param(Machine().method, Per.RECORD, id="method"),
        pytest.param(functools.partial(Machine.method, Machine()), Per.RECORD, id="partial-with-one-left"),
        pytest.param(functools.partial(with_default, retries=1), Per.RECORD, id="partial"),
        pytest.param(len, Per.RECORD, id="built-in"),
        pytest.param(str, Per.RECORD, id="class-that-tells-no-signature"),
        pytest.param(whole, Per.BATCH, id="batch"),
        pytest.param(whole_alone, Per.BATCH, id="batch-alone"),
        pytest.param(whole_other_names, Per.BATCH, id="batch-any-name"),
        pytest.param(whole_with_default, Per.BATCH, id="batch-default"),
        pytest.param(whole_awaited, Per.BATCH, id="batch-async"),
        pytest.param(Machine().whole, Per.BATCH, id="batch-method"),
    ],
)
def test_what_it_is_called_with(function: Callable[..., Any], per: Per) -> None:
    """A function of one parameter takes results; one of two, or of `batch`, takes the whole batch."""
    assert wrap(function).per is per


@pytest.mark.parametrize("function", [none, three, keyword, only_rest, only_keywords, 7, "name", None])
def test_what_cannot_be_called(function: Any) -> None:
    """Whatever cannot be called with a result or a batch is refused in words."""
    with pytest.raises(TypeError, match=r"must take|is no function"):
        wrap(function)


BATCH: Final = ProcessedBatch("7", 1, None, None, 1, 1, 0, lambda: iter(()))
CONTEXT: Final = BatchContext(Path("/"), {}, "text", "t", redelivery=False, publish=lambda *_: None)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (whole, (BATCH, CONTEXT)),
        (whole_alone, (BATCH,)),
        (whole_with_default, (BATCH, CONTEXT)),
        (whole_other_names, (BATCH, CONTEXT)),
        (Machine().whole, (BATCH, CONTEXT)),
    ],
)
def test_the_context_is_for_who_wants_it(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """A function of the batch alone gets no context."""
    assert arguments_of(wrap(function), BATCH, CONTEXT) == arguments


def made(source: str) -> Callable[..., Any]:
    """The function `f` of a source text."""
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102 - a text of ours
    function: Callable[..., Any] = names["f"]
    return function


def test_the_same_code_has_the_same_version() -> None:
    """The version is that of the code, wherever it stands and however often it is loaded."""
    source = "def f(result):\n    return {'a', 'b', result.text} & {'c', 'd'}"
    assert wrap(made(source)).version == wrap(made("\n\n" + source)).version


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("def f(result):\n    return result.text + 'y'", id="constant"),
        pytest.param("def f(result):\n    return result.model + 'x'", id="name"),
        pytest.param("def f(result):\n    return result.text * 'x'", id="instruction"),
        pytest.param(
            "def f(result):\n    g = lambda: 'y'\n    return result.text + 'x'", id="inner-function"
        ),
        pytest.param("async def f(result):\n    return result.text + 'x'", id="async"),
    ],
)
def test_other_code_has_another_version(other: str) -> None:
    """A change of the code is another version."""
    assert wrap(made(other)).version != wrap(made("def f(result):\n    return result.text + 'x'")).version


def test_a_version_of_its_own() -> None:
    """A function that tells its version is believed; a version that is handed over comes second."""
    function = made("def f(result):\n    return 1")
    assert wrap(function, version="given").version == "given"
    function.version = 7  # type: ignore[attr-defined]
    assert wrap(function, version="given").version == "7"


def test_its_name() -> None:
    """The name is the one given, else module and name of the function; both enter its identity."""
    assert wrap(plain, "mine:it", "3").identity == "mine:it/3"
    assert wrap(plain).name == f"{__name__}:plain"
    assert wrap(Machine()).name == f"{__name__}:Machine"
