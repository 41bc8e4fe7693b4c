"""
Processors for end-to-end tests: plug functions into a pass, and look at what was written down of them.

Nothing here replaces a part of the product; the functions are real, and so is every file.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler import deciding, engine
from reconciler.check import check
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.content import Content
from reconciler.model.exchange import Result
from reconciler.model.extraction import Extraction
from reconciler.model.outcome import ErrorClass
from reconciler.model.report import Report
from reconciler.processors.base import OutputProcessor, Processor, wrap
from reconciler.processors.transform import transform
from reconciler.session import Options
from reconciler.workspace.effects import Tap
from tests.workspaces import Line, answered, put, request, results, settings

Function = Callable[..., Any]
Verb = Callable[..., deciding.Decision]

NAME: Final = "tests:processor"
LONG: Final = 60.0
"""Seconds that no test lasts; a call that waits so long hangs."""


def processor(function: Function, version: str = "1", name: str = NAME) -> Processor:
    """A function as a processor of a name and version of our own."""
    return wrap(function, name, version)


@attrs.frozen
class Plugs:
    """
    What is plugged into a pass.

    Attributes:
        output: A function, or the name of a built-in processor.
        error: A function.
        transforms: Functions that change failed requests, by error class.
        content: What answers are read as.
        extraction: What answers are held to.
        chosen: Whether some setting says so.
        version: The version of all functions.
        tap: Called before each change.
        stopping: Whether someone asked for an end.
    """

    output: Function | str = "results"
    error: Function | None = None
    transforms: Mapping[ErrorClass, Function] = attrs.field(factory=dict)
    content: str = "text"
    extraction: Extraction | None = None
    chosen: bool = True
    version: str = "1"
    tap: Tap | None = None
    stopping: Callable[[], bool] = lambda: False

    @property
    def options(self) -> Options:
        """What a pass takes."""
        output: OutputProcessor
        output = self.output if isinstance(self.output, str) else processor(self.output, self.version)
        error = None if self.error is None else processor(self.error, self.version, "tests:errors")
        hooks = Hooks(
            output,
            Content(self.content),
            error,
            {each: transform(code, "tests:change", self.version) for each, code in self.transforms.items()},
            extraction=self.extraction,
            extraction_chosen=self.chosen,
        )
        return Options(tap=self.tap, stopping=self.stopping, plugged=Plugged(lambda _name: hooks))

    def run(self, root: Path, **flags: Any) -> Report:
        """One pass."""
        return engine.reconcile(str(root), settings(**flags), self.options)

    def decide(self, verb: Verb, root: Path, *names: str, **flags: Any) -> deciding.Decision:
        """A person's verb, and the pass that follows it."""
        return verb(str(root), settings(**flags), names or ["1"], self.options)


def texts(*found: str) -> list[dict[str, Any]]:
    """Answers with these texts, to the requests from number 0 on."""
    lines = []
    for n, text in enumerate(found):
        line = answered(n)
        line["response"]["body"]["choices"][0]["message"]["content"] = text
        lines.append(line)
    return lines


def put_answers(root: Path, count: int = 3, name: str = "1", output: Sequence[Line] | None = None) -> None:
    """A batch whose requests are all answered, in another order than they were asked in."""
    lines = [answered(n) for n in reversed(range(count))] if output is None else output
    put(root, name, input=[request(n) for n in range(count)], output=lines)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of ours; none when it is not there."""
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def items(root: Path, name: str = "1") -> list[dict[str, Any]]:
    """What a processor could not handle."""
    return lines_of(root / "failed-items" / f"{name}.jsonl")


def unread(root: Path, name: str = "1") -> list[dict[str, Any]]:
    """Answers that could not be read as what was asked for."""
    return lines_of(root / "failed-json-repairs" / f"{name}.jsonl")


def values(root: Path, name: str = "1") -> list[Any]:
    """The values of the published lines, in order."""
    return [line["value"] for line in results(root, name)]


def sound(root: Path) -> None:
    """No promise is broken."""
    assert check(str(root), settings()).findings == []


@attrs.define
class Seen:
    """
    A record processor that notes what it gets.

    Attributes:
        what: What it does then.
        calls: The results that it got, in the order of the calls.
    """

    what: Callable[[Result], Any] = lambda result: result.text
    calls: list[Result] = attrs.field(factory=list)

    def __call__(self, result: Result) -> Any:
        """Note the result and do what there is to do."""
        self.calls.append(result)
        return self.what(result)

    @property
    def ids(self) -> list[str]:
        """Whose results it got."""
        return [each.custom_id for each in self.calls]

    @property
    def tokens(self) -> dict[str, str]:
        """The last token of each id."""
        return {each.custom_id: each.token for each in self.calls}

    @property
    def redelivered(self) -> set[bool]:
        """What it was told about earlier invocations."""
        return {each.redelivery for each in self.calls}


def refusing(*ids: str) -> Callable[[Result], Any]:
    """What a processor does that cannot handle the results of some ids."""

    def handle(result: Result) -> Any:
        if result.custom_id in ids:
            raise ValueError(f"no use for {result.custom_id}")
        return {"text": result.text}

    return handle
