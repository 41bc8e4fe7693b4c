"""Transforms for end-to-end tests: what changes requests that were too long, and batches of them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler.model.exchange import Result
from reconciler.model.outcome import ErrorClass
from tests.plugging import Plugs, lines_of
from tests.workspaces import (
    answered,
    failed,
    live,
    put,
    record,
    request,
)

TOO_LONG: Final = 413
SHORT: Final = "short"


def shorten(asked: dict[str, Any]) -> Any:
    """Put a short question in the place of the one that was asked."""
    asked["body"]["messages"][0]["content"] = SHORT
    return asked


@attrs.define
class Noting:
    """
    A transform that notes what it is called with.

    Attributes:
        then: What it makes of a request.
        calls: Requests as they came, with their failures.
    """

    then: Callable[[dict[str, Any]], Any] = shorten
    calls: list[tuple[dict[str, Any], Result]] = attrs.field(factory=list)

    def __call__(self, asked: dict[str, Any], failure: Result) -> Any:
        """Note the call, then change the request."""
        self.calls.append((json.loads(json.dumps(asked)), failure))
        return self.then(asked)

    @property
    def ids(self) -> list[str]:
        """Which requests it was called for."""
        return [asked["custom_id"] for asked, _ in self.calls]


def changing(function: Callable[..., Any], **more: Any) -> Plugs:
    """Plugs in which requests that are too long are changed by *function*."""
    return Plugs(transforms={ErrorClass.OVER_LENGTH: function}, **more)


def put_long(root: Path, *long: int, count: int = 4) -> None:
    """A batch of which some requests were too long, and the others are answered."""
    put(
        root,
        "1",
        input=[request(n) for n in range(count)],
        output=[answered(n) for n in range(count) if n not in long],
        error=[failed(n, TOO_LONG) for n in long],
    )


def child_lines(root: Path, name: str = "1.r1") -> list[dict[str, Any]]:
    """The requests of a live child."""
    return lines_of(live(root) / f"batch_input_{name}.jsonl")


def content(line: Mapping[str, Any]) -> Any:
    """What a request asks."""
    return line["body"]["messages"][0]["content"]


def kept(root: Path, name: str = "1") -> list[tuple[str, bool, int]]:
    """Why requests of a live batch were not changed, whether a person should look, and how many they are."""
    found = record(root, name)["receipts"]["change-requests"]["kept"]
    return [(each["why"], each["attention"], len(each["ids"])) for each in found]


def raising(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    """A transform that raises."""

    def change(_asked: dict[str, Any]) -> Any:
        raise error

    return change
