"""
Make inputs of requests, under the lock of their workspace: new ones only, whole or not at all.

A batch asks one model at one provider. Its metadata, which says whose it is, stands before its input does; a
crash between the two leaves metadata of a batch that was never sent, and the next call takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import attrs

from reconciler.authoring.deadlines import give_another
from reconciler.authoring.items import Item, generation_of, named
from reconciler.authoring.parting import Asked, Part, following, in_turn, name_of
from reconciler.authoring.quoting import quotes_of
from reconciler.codec.request import request_id
from reconciler.config import Settings
from reconciler.errors import BadLine, Clash, NeedsPerson, UsageError
from reconciler.executor.context import Context, View
from reconciler.executor.lineages import Member, lineages
from reconciler.executor.reading import Lines
from reconciler.executor.standings import rows_of
from reconciler.model.coverage import FileDigest
from reconciler.model.extraction import Extraction, Kind
from reconciler.model.identity import BatchName, Role, file_name, parse_name
from reconciler.model.record import InputFact, Limit, Record
from reconciler.model.snapshot import Place
from reconciler.pricing.book import LISTED, Book
from reconciler.pricing.money import dollars
from reconciler.pricing.quote import Quote
from reconciler.processors.repair import repair_version
from reconciler.session import Options, session
from reconciler.workspace import metadata
from reconciler.workspace.effects import Effects


@attrs.frozen
class Added:
    """
    What came, or would come, of adding requests.

    Attributes:
        asked: Every request that was added with its id, in order.
        parts: The batches that were, or would be, made.
        there: How many requests were there before.
        warnings: What is wasteful about it, a line each; nothing is refused for it.
        prices: What requests cost.
        left: Nano-dollars that the limit of cost leaves; None where there is none, or no workspace yet.
    """

    asked: tuple[tuple[str, Item], ...]
    parts: tuple[Part, ...]
    there: int
    warnings: tuple[str, ...] = ()
    prices: Book = LISTED
    left: int | None = None

    @property
    def requests(self) -> int:
        """How many requests are new."""
        return sum(len(part.items) for part in self.parts)

    @property
    def quotes(self) -> dict[str, Quote]:
        """What each batch may cost, by its name or its number: estimates, made when they are asked for."""
        return dict(quotes_of(self.parts, self.prices))

    @property
    def cost_usd(self) -> Decimal | None:
        """What all of it may cost in dollars, an estimate; None where a part is not known."""
        found = [each.nano for each in self.quotes.values()]
        return None if None in found else dollars(sum(each for each in found if each is not None))


def planned(view: View | None, items: Sequence[Item], asked: Asked) -> Added:
    """
    What adding would do; a pure read.

    Args:
        view: The workspace; None while there is none.
        items: What was added.
        asked: How it becomes batches.

    Raises:
        UsageError: Two requests share an id, or one is too large for its provider.
        Clash: An id stands in the workspace with another request.
        NeedsPerson: What was asked there before cannot be told, so it might be paid for twice.
    """
    _name(asked.name, 1)
    given = {item.custom_id for item in items if item.wanted.custom_id is not None}
    there = {} if view is None else _there(view, given, fresh=asked.fresh)
    generation = 1
    if asked.fresh:
        generation = max((generation_of(each) for each in there), default=0) + 1
    listed = named(items, dedupe=asked.dedupe, generation=generation)
    wanted = [(custom_id, item) for custom_id, item in listed if custom_id not in there]
    for custom_id, item in listed:
        held = there.get(custom_id)
        if held and item.wanted.custom_id is not None and held != item.line(custom_id).rstrip(b"\n"):
            told = f"custom_id={custom_id!r:.80} stands in this workspace with another request"
            raise Clash(told, hint="give it another id; or fresh=True asks everything anew and pays again")
    return Added(
        tuple(listed),
        tuple(in_turn(wanted, asked)),
        len(listed) - len(wanted),
    )


def add(
    path: str, settings: Settings, items: Sequence[Item], asked: Asked, options: Options | None = None
) -> Added:
    """
    Make the inputs; nothing is sent.

    Raises:
        UsageError, Clash, NeedsPerson: As `planned`.
        StaleSnapshot: A file changed since its request was added; nothing was made.
    """
    with session(path, settings, options or Options()) as held:
        found = planned(held.ctx, items, asked)
        limit = (
            None
            if asked.time_limit is None
            else Limit(asked.time_limit, held.ctx.fx.now() + asked.time_limit)
        )
        named_parts = list(following(list(_named(held.ctx, found.parts, asked.name)), asked.share))
        made = _Staged(held.ctx, limit)
        try:
            for part in named_parts:
                made.stage(part)
            # A canary comes last: what waits for one that is not there yet waits, and asks nothing.
            for part in sorted(named_parts, key=lambda each: each.canary):
                made.publish(part)
        finally:
            made.drop()
        if limit is not None and found.there:
            give_another(held.ctx, {custom_id for custom_id, _ in found.asked}, limit)
        return attrs.evolve(found, parts=tuple(named_parts))


def _there(view: View, given: set[str], *, fresh: bool) -> dict[str, bytes]:
    """
    Every id that was ever asked in a workspace; with its line where the author chose the id.

    Raises:
        NeedsPerson: A batch that was paid for does not tell any more, and not everything is asked anew.
    """
    found: dict[str, bytes] = {}
    for lineage in lineages(view):
        root = lineage.root
        fact = root.files.get(Role.INPUT)
        if fact is None:
            # Its input was removed, or never came to be: what it asked stands in its results.
            lost = root.place is Place.LIVE and root.problem and _was_sent(root)
            problems = [root.problem] if lost else list[str]()
            if root.manifest is not None:
                rows = {row.custom_id: b"" for row in rows_of(view, problems, [root.name])}
                # Whatever else cannot be read of it: here the ids count.
                problems = problems if len(rows) < root.manifest.coverage.input.requests else []
                found.update(rows)
            if problems and not fresh:
                told = f"{'; '.join(problems)}: nobody knows what {root.name} has asked, so nothing was added"
                hint = "put the file back; or fresh=True asks everything anew and pays again"
                raise NeedsPerson(told, hint=hint)
            continue
        for line in Lines(view, fact):
            try:
                custom_id = request_id(line, fact.path)
            except BadLine:
                continue  # a pass tells of it; it asks nothing
            found[custom_id] = bytes(line.data).rstrip(b"\n") if custom_id in given else b""
    return found


def _named(ctx: Context, parts: Sequence[Part], prefix: str) -> Iterator[Part]:
    """
    The parts with names that are free, counted on from the last one.

    Raises:
        UsageError: The prefix cannot begin a name.
    """
    taken = {lineage.root.name: lineage.root for lineage in lineages(ctx)}
    number = 0
    for part in parts:
        while True:
            number += 1
            name = _name(prefix, number)
            if name not in taken or _is_leftover(taken[name]):
                break
        yield attrs.evolve(part, name=name)


def _name(prefix: str, number: int) -> BatchName:
    """
    A name of a batch.

    Raises:
        UsageError: The prefix cannot begin one.
    """
    name = parse_name(f"{prefix}-{number:04}")
    if name is None:
        told = f"name={prefix!r:.80} cannot begin the name of a batch"
        raise UsageError(told, hint="letters, digits, . _ -; at most 80 characters")
    return name


def _is_leftover(member: Member) -> bool:
    """Whether a crash left metadata of a batch whose input never came: nothing was sent under it."""
    record = member.record
    return (
        member.place is Place.LIVE
        and not member.files
        and record is not None
        and record.state is None
        and record.batch_id is None
        and record.intent is None
        and record.parent is None
        and not record.children
    )


def _was_sent(member: Member) -> bool:
    """Whether somebody may have been paid for a batch."""
    record = member.record
    return record is not None and any((record.batch_id, record.intent, record.status))


class _Staged:
    """Inputs under their temporary names, until all of them are there."""

    def __init__(self, ctx: Context, limit: Limit | None) -> None:
        self._ctx = ctx
        self._limit = limit
        self._facts: dict[BatchName, FileDigest] = {}

    def stage(self, part: Part) -> None:
        """Have the lines of a batch under a temporary name."""
        name = name_of(part)
        lines = (item.line(custom_id) for custom_id, item in part.items)
        self._facts[name] = self._fx.stage(self._path(name), lines)

    def publish(self, part: Part) -> None:
        """Say whose the batch is, then give its input the name."""
        name = name_of(part)
        digest = self._facts[name]
        before = self._ctx.record(name)
        record = Record(
            name,
            generation=1 if before is None else before.generation + 1,
            input=InputFact(digest, len(part.items)),
            provider=part.provider,
            asks=_asks(part.items[0][1].schema),
            limit=self._limit,
            after=part.after,
        )
        self._fx.publish(self._ctx.record_path(name), [metadata.encode(record)], replace=True)
        self._fx.reveal(self._path(name), digest)
        self._fx.sync_folder(self._ctx.layout.live)
        del self._facts[name]

    def drop(self) -> None:
        """Take back what has no name."""
        for name in self._facts:
            self._fx.unstage(self._path(name))

    @property
    def _fx(self) -> Effects:
        return self._ctx.fx

    def _path(self, name: BatchName) -> str:
        return self._ctx.layout.live_path(file_name(Role.INPUT, name))


def _asks(schema: str) -> Extraction | None:
    """What the answers of a batch are held to."""
    return Extraction(Kind.SCHEMA, schema=schema, repair=repair_version()) if schema else None
