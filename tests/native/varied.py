"""Lines that differ from a given one in one member: left out, given twice, escaped, changed or added."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

NAMES: Final = """
    body candidates choices citations content custom_id data error finishReason finish_reason function_call
    functionCall incomplete_details key message model modelVersion object output parts refusal response result
    status status_code stop_reason text thought tool_calls type usage usageMetadata
""".split()
VALUES: Final = r"""
    null true false 5 -5 200 2000 200.5 201e1 1e5 "" "x" "x\u0041" "refusal" "incomplete" "completed"
    "succeeded" "tool_use" "function_call" [] [1] [null] [{}] [{},{}] {} {"n":1e5} {"n":"7e"} {"a":null}
    {"reason":"x"} [{"type":"text","text":"y"}] [{"text":"y"}] [{"type":"output_text","text":"y"}]
""".split()

Member = tuple[str, str]
"""Key and value as JSON text."""


def written(members: list[Member]) -> str:
    """An object of them."""
    return "{" + ",".join(f"{key}:{value}" for key, value in members) + "}"


def varied(text: str) -> Iterator[str]:
    """JSON text with one change somewhere in it."""
    value = json.loads(text)
    if isinstance(value, dict):
        members = [(json.dumps(key), json.dumps(each)) for key, each in value.items()]
        yield from map(written, _objects(members))
    elif isinstance(value, list):
        items = [json.dumps(each) for each in value]
        for at, item in enumerate(items):
            for other in varied(item):
                yield "[" + ",".join([*items[:at], other, *items[at + 1 :]]) + "]"
        for each in VALUES:
            yield "[" + ",".join([*items, each]) + "]"


def _objects(members: list[Member]) -> Iterator[list[Member]]:
    """An object with one change in it."""
    for at, (key, value) in enumerate(members):
        before, after = members[:at], members[at + 1 :]
        yield before + after
        yield [*members, (key, value)]
        yield [*before, (f'"\\u{ord(key[1]):04x}{key[2:]}', value), *after]
        for other in (*VALUES, *varied(value)):
            yield [*before, (key, other), *after]
        for other in VALUES:
            yield [*members, (key, other)]
            yield [(key, other), *members]
    for name in NAMES:
        for other in VALUES:
            yield [*members, (f'"{name}"', other)]


def lines(line: bytes) -> Iterator[bytes]:
    """Lines that differ from this one in one member, each with its line feed."""
    value: dict[str, Any] = json.loads(line)
    for text in varied(json.dumps(value)):
        yield text.encode() + b"\n"
