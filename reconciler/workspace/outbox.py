"""
`.reconciler/outbox/`: events of a workspace that hooks have still to hear, and what they have heard.

A file holds the events of one pass together with all that is needed to tell what the next one adds, under
the number of its first event. Its publishing is the one moment at which events come to be: before it they
are found again, after it they are never made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import attrs
import msgspec

from reconciler.errors import BadMetadata
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import PRIVATE
from reconciler.workspace.nesting import shallow
from reconciler.workspace.reading import Reading

FOLDER: Final = f"{PRIVATE}/outbox"
DELIVERED: Final = f"{FOLDER}/delivered.json"
TELLING: Final = f"{PRIVATE}/telling"
"""Locked by whoever tells hooks, so that two watchers do not tell the same."""
SCHEMA: Final = 1


@attrs.frozen
class Posted:
    """
    How far events have been told.

    Attributes:
        last: The number of the last event.
        ledger: Bytes of the ledger that were read.
        told: Where each batch stood when it was last told of.
    """

    last: int = 0
    ledger: int = 0
    told: Mapping[str, str] = attrs.field(factory=dict)


def newest(look: Reading) -> Posted | None:
    """
    How far events have been told; None where no hook was ever told of any.

    Raises:
        BadMetadata: The file cannot be read.
    """
    numbers = _numbers(look)
    return None if not numbers else _read(look, numbers[-1])[0]


def commit(fx: Effects, before: Posted | None, events: Sequence[Mapping[str, Any]], after: Posted) -> None:
    """
    Let events come to be, numbered from `before.last + 1`.

    Raises:
        Clash: Another process has told of some meanwhile; nothing was written.
    """
    first = 0 if before is None else before.last + 1
    document = {
        "schema": SCHEMA,
        "last": after.last,
        "ledger": after.ledger,
        "told": dict(after.told),
        "events": list(events),
    }
    fx.publish(_path(first), (msgspec.json.encode(document) + b"\n",))


def pending(look: Reading, after: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Number and content of each event behind the number *after*, in order."""
    numbers = _numbers(look)
    # The last file that begins no later than the wanted event holds it, if any does.
    start = max((at for at, first in enumerate(numbers) if first <= after + 1), default=0)
    for first in numbers[start:]:
        _, events = _read(look, first)
        for number, event in enumerate(events, first):
            if number > after:
                yield number, event


def delivered(look: Reading) -> dict[str, int]:
    """The number of the last event that each hook has heard."""
    if look.fact(DELIVERED) is None:
        return {}
    try:
        found = msgspec.json.decode(look.read(DELIVERED), type=dict[str, int])
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadMetadata(f"{DELIVERED} cannot be read ({error})", hint="move it away") from error
    return found


def note_delivered(fx: Effects, heard: Mapping[str, int]) -> None:
    """Remember what each hook has heard, and remove what all of them have."""
    fx.publish(DELIVERED, (msgspec.json.encode(dict(heard)) + b"\n",), replace=True)
    numbers = _numbers(fx)
    least = min(heard.values(), default=0)
    for first, following in pairwise(numbers):
        # The newest stays: the next one is told from it.
        if following - 1 <= least:
            fx.unlink(_path(first))


def _path(first: int) -> str:
    return f"{FOLDER}/{first:012d}.json"


def _numbers(look: Reading) -> list[int]:
    """The first number of each file, in order."""
    names = (entry.name.partition(".") for entry in look.listing(FOLDER))
    return sorted(int(stem) for stem, _, end in names if end == "json" and stem.isdecimal())


def _read(look: Reading, first: int) -> tuple[Posted, list[Mapping[str, Any]]]:
    path = _path(first)
    try:
        data = look.read(path)
        found = shallow(data, msgspec.json.decode(data))
        if found["schema"] != SCHEMA:
            raise BadMetadata(f"{path} was written by another version (schema {found['schema']})")
        told = {str(key): str(value) for key, value in found["told"].items()}
        return Posted(int(found["last"]), int(found["ledger"]), told), list(found["events"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        hint = "move the folder .reconciler/outbox away; hooks then hear of what happens from there on"
        raise BadMetadata(f"{path} cannot be read ({error})", hint=hint) from error
