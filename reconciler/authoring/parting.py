"""
Cut requests into batches: of one provider, model and shape each, those that go first before the others.

Pure: nothing is read and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import attrs

from reconciler.authoring.items import Item
from reconciler.authoring.sampling import sampled
from reconciler.codec.bodies.anthropic import MAX_TOKENS
from reconciler.errors import UsageError
from reconciler.executor.splitting import UNLIMITED
from reconciler.model.described import Api
from reconciler.model.identity import BatchName
from reconciler.model.policy import LOCAL
from reconciler.model.record import After
from reconciler.model.remote import Limits
from reconciler.model.words import many
from reconciler.providers.registry import NAMES, takes

_ID_ROOM: Final = 256
"""Bytes that an id adds to a line at the most, with its escapes."""


@attrs.frozen
class Asked:
    """
    How requests become batches.

    Attributes:
        name: What the names of the batches begin with.
        dedupe: Ask equal requests once.
        fresh: Ask all of them anew, under new ids; they are paid for again.
        items_per_batch: Requests in a batch at the most; None for the provider's limit.
        time_limit: Seconds that they may take, retries included; None for as long as it takes.
        canary: How many go first; 0 for all at once.
        share: How many of these need a valid answer before the rest follows, as a part of all.
    """

    name: str
    dedupe: bool = False
    fresh: bool = False
    items_per_batch: int | None = None
    time_limit: float | None = None
    canary: int = 0
    share: float = 0.9


@attrs.frozen
class Part:
    """
    One batch that is to be made.

    Attributes:
        provider: Whom it is for.
        model: What it asks.
        items: Its requests with their ids, in order.
        size: About how many bytes it will have, never too few.
        canary: It goes ahead of the others.
        name: What it is called; None until it is made.
        after: What it waits for; None until it is made, and for what waits for nothing.
    """

    provider: str
    model: str
    items: tuple[tuple[str, Item], ...]
    size: int
    canary: bool = False
    name: BatchName | None = None
    after: After | None = None

    @property
    def in_words(self) -> int:
        """Of how many requests the prompt asks for the form, as they cannot name a schema."""
        return sum(item.in_words for _, item in self.items)


def told_assumed(part: Part) -> str:
    """What its provider demands and its author has not said, as it is sent; empty for nothing."""
    if part.items[0][1].api is not Api.ANTHROPIC:
        return ""
    lacking = sum("max_tokens" not in item.wanted.params for _, item in part.items)
    return f"max_tokens {MAX_TOKENS} for {lacking} of them" if lacking else ""


def tiny(parts: Sequence[Part], least: int) -> tuple[str, ...]:
    """
    Warnings of batches with fewer than *least* requests: each costs its round of waiting.

    A canary is small on purpose, and a worker on this machine has no rounds.
    """
    small = [part for part in parts if len(part.items) < least and not part.canary and part.provider != LOCAL]
    return tuple(
        f"{part.name or 'a batch'} for {part.provider}, {part.model} has {many(len(part.items), 'request')}, "
        f"and [policy] min_items_per_batch is {least}"
        for part in small
    )


def in_turn(wanted: Sequence[tuple[str, Item]], asked: Asked) -> Iterator[Part]:
    """The batches, those that go first before the others."""
    first: list[tuple[str, Item]] = []
    if asked.canary:
        first = sampled(
            wanted,
            asked.canary,
            stratum=lambda each: _place(each[1]),
            size=lambda each: each[1].size,
            key=lambda each: each[0],
        )
    chosen = {custom_id for custom_id, _ in first}
    for part in _parts(first, asked):
        yield attrs.evolve(part, canary=True)
    yield from _parts((each for each in wanted if each[0] not in chosen), asked)


def following(parts: Sequence[Part], share: float) -> Iterator[Part]:
    """The parts, each but the canaries with those of its kind to wait for; with all where there are none."""
    canaries = [part for part in parts if part.canary]
    for part in parts:
        if part.canary or not canaries:
            yield part
            continue
        kind = _place(part.items[0][1])
        alike = [each for each in canaries if _place(each.items[0][1]) == kind] or canaries
        yield attrs.evolve(part, after=After(tuple(name_of(each) for each in alike), share))


def _parts(wanted: Iterable[tuple[str, Item]], asked: Asked) -> Iterator[Part]:
    """Batches of one provider, model and shape each, as full as they may be."""
    by_place = sorted(wanted, key=lambda each: _place(each[1]))  # stable: the order of adding stays
    for (provider, model, _, _), group in groupby(by_place, key=lambda each: _place(each[1])):
        # What a provider of a user takes is known when a pass asks it, which refuses what is too large.
        limits = takes(provider)[0] if provider in NAMES else UNLIMITED
        part: list[tuple[str, Item]] = []
        size = 0
        for custom_id, item in group:
            more = item.size + _ID_ROOM
            if more > limits.size:
                told = f"a request of {item.size} bytes; {provider} takes {limits.size} in one batch"
                raise UsageError(told, hint="send smaller files, or fewer in one request")
            if part and (len(part) == _most(limits, asked) or size + more > limits.size):
                yield Part(provider, model, tuple(part), size)
                part, size = [], 0
            part.append((custom_id, item))
            size += more
        yield Part(provider, model, tuple(part), size)


def _place(item: Item) -> tuple[str, str, str, str]:
    """What all requests of a batch have in common."""
    return item.provider, item.model, item.api.value, item.schema


def _most(limits: Limits, asked: Asked) -> int | None:
    bounds = [bound for bound in (asked.items_per_batch, limits.requests) if bound is not None]
    return min(bounds) if bounds else None


def name_of(part: Part) -> BatchName:
    """
    The name of a batch that has one.

    Raises:
        UsageError: It has none.
    """
    if part.name is None:
        raise UsageError("a batch has no name yet")
    return part.name
