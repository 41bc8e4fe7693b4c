"""A `Wire` that replays a script: what was called is kept, and each call gets the script's next line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from hypothesis import strategies as st

from reconciler.errors import ReconcilerError
from reconciler.providers.calls import Call, Form, Reply, Sink, Source

Scripted: TypeAlias = Any
"""A `Reply`, an error to raise, or a JSON value to reply with; for `fetch`, bytes or a `Fetched`."""


class ScriptEnded(AssertionError):
    """More was called than the script has replies for."""


class Fetched:
    """What a fetch brings: headers, and the blocks that go into the sink."""

    def __init__(self, headers: Mapping[str, str], *blocks: bytes) -> None:
        self.headers = dict(headers)
        self.blocks = blocks


class Script:
    """
    A wire that reads bodies to their end, as a real one does, and answers from a list.

    Attributes:
        calls: What was called, in order.
        bodies: The streamed body of each call; empty where it had none.
    """

    def __init__(self, *replies: Scripted) -> None:
        self._replies = list(replies)
        self.calls: list[Call] = []
        self.bodies: list[bytes] = []

    @property
    def left(self) -> int:
        """Lines of the script that nobody asked for."""
        return len(self._replies)

    def send(self, call: Call) -> Reply:
        """Take a call, and give the script's next reply."""
        found = self._next(call)
        return found if isinstance(found, Reply) else reply(found)

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Take a call, and write the script's next blocks."""
        found = self._next(call)
        if isinstance(found, bytes):
            found = Fetched({"content-length": str(len(found))}, found)
        for block in found.blocks:
            sink.write(block)
        return dict(found.headers)

    def _next(self, call: Call) -> Any:
        """The script's next line; the call's body is read."""
        self.calls.append(call)
        source = call.content.source if isinstance(call.content, Form) else call.content
        body = b"" if source is None else b"".join(source.read(0))
        assert source is None or len(body) == source.size, "a body is as long as its source says"
        self.bodies.append(body)
        if not self._replies:
            raise ScriptEnded(f"the script has no reply to {call.method} {call.path}")
        found = self._replies.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def reply(body: Any = None, status: int = 200, **headers: str) -> Reply:
    """A reply of JSON, or of bytes."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def source_of(data: bytes, block: int = 7) -> Source:
    """*data* as a source that gives it in small blocks."""

    def read(offset: int) -> Any:
        return (data[at : at + block] for at in range(offset, len(data), block))

    return Source(len(data), read)


class Memory:
    """A sink that keeps what it is given."""

    def __init__(self, taken: bytes = b"") -> None:
        self.data = taken

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return len(self.data)

    def write(self, block: bytes) -> None:
        """Take the next bytes."""
        self.data += block

    def restart(self) -> None:
        """Forget what was taken."""
        self.data = b""


def error_of(function: Callable[[], object]) -> ReconcilerError | None:
    """The error of ours that *function* ends with, None when it ends well or with the script."""
    try:
        function()
    except ReconcilerError as error:
        return error
    except ScriptEnded:
        pass
    return None


_SCALARS: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 1 << 60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)


def any_json(sample: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """
    Any JSON value, mostly one that looks like *sample*.

    Members of the sample, down to the deepest, are left out, or stand with any value instead of their own.
    """
    names = st.sampled_from(sorted({*_names(sample), "data", "has_more", "id"}))
    nested = st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=8,
    )
    like = st.fixed_dictionaries(
        {}, optional={name: st.just(value) | nested for name, value in sample.items()}
    )
    wrapped = like | st.fixed_dictionaries(
        {"data": st.lists(like, max_size=3)}, optional={"has_more": _SCALARS}
    )
    return wrapped | nested


def _names(value: Any) -> Iterator[str]:
    """The names of all members in *value*, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)
