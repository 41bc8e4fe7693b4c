"""
The best that is known of every request of a lineage, in the order in which they were first asked.

A pure read, streamed: an answer beats a failure, and of failures the last attempt counts. Per id nothing is
kept but where its lines stand; a child holds its requests in the order of its parent, so that following them
takes no lookup.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from reconciler.codec.request import request_id
from reconciler.errors import (
    Interrupted,
    PermanentError,
    ReconcilerError,
    StaleSnapshot,
    TransientError,
    UserError,
)
from reconciler.executor.context import View
from reconciler.executor.lineages import Lineage, Member, lineages
from reconciler.executor.published import Published
from reconciler.executor.reading import Lines
from reconciler.executor.sources import Source, source_of
from reconciler.model.coverage import digest_id
from reconciler.model.identity import Role
from reconciler.model.record import Child
from reconciler.model.rows import UNDER_WAY, ResultRow, Standing

WIDTH: Final = 16
"""Bytes of an id's digest."""

LOOKS: Final = 3
"""Looks at a lineage that a pass is working on, before that is said instead."""


@attrs.frozen
class Station:
    """
    A request in one batch of its lineage.

    Attributes:
        member: The batch.
        source: What it says.
        at: The position of the request in it, from 0.
    """

    member: Member
    source: Source
    at: int

    @property
    def standing(self) -> Standing:
        """Where the request stands as far as this batch knows."""
        return self.source.standing(self.at)

    @property
    def told(self) -> bool:
        """Whether an answer or a failure stands here."""
        return self.source.told(self.at)


@attrs.frozen
class Followed:
    """
    A batch of a lineage, its requests found among those of the first one.

    Attributes:
        member: The batch.
        source: What it says.
        positions: Where each of its requests stands in the first batch, rising; None for that one itself.
        order: Where each of these stands in this batch; None when it is in the same order.
    """

    member: Member
    source: Source
    positions: array[int] | None = None
    order: array[int] | None = None


@attrs.define
class Standings:
    """
    A lineage whose files are open.

    Attributes:
        view: Rooms and settings.
        lineage: Its batches.
        followed: What they say, the first one first.
        problems: What could not be read, for people; the rows say what is known without it.
    """

    view: View
    lineage: Lineage
    followed: list[Followed]
    problems: list[str]

    def __len__(self) -> int:
        return len(self.followed[0].source.digests) // WIDTH

    def stations(self) -> Iterator[list[Station]]:
        """For each request, in input order: the batches that have asked it, the first attempt first."""
        first, children = self.followed[0], self.followed[1:]
        nexts = [0] * len(children)
        for at in range(len(self)):
            stations = [Station(first.member, first.source, at)]
            for number, child in enumerate(children):
                following, positions = nexts[number], child.positions
                if positions is not None and following < len(positions) and positions[following] == at:
                    nexts[number] += 1
                    place = following if child.order is None else child.order[following]
                    stations.append(Station(child.member, child.source, place))
            yield stations

    def find(self, custom_id: str) -> list[Station]:
        """The batches that have asked one request, the first attempt first; empty when none has."""
        wanted = digest_id(custom_id.encode())
        found: list[Station] = []
        for each in self.followed:
            digests = each.source.digests
            at = digests.find(wanted)
            while at >= 0 and at % WIDTH:
                at = digests.find(wanted, at + 1)
            if at >= 0:
                found.append(Station(each.member, each.source, at // WIDTH))
        return found

    def rows(self) -> Iterator[ResultRow]:
        """The best that is known of each request, in input order."""
        names = _Names(self.view, self.followed[0])
        for at, stations in enumerate(self.stations()):
            yield self._row(at, stations, names)

    def _row(self, at: int, stations: Sequence[Station], names: _Names) -> ResultRow:
        """The best of one request."""
        root, last = self.lineage.root, stations[-1]
        for each in stations:
            if each.told and each.standing is Standing.ANSWERED:
                return attrs.evolve(each.source.row(each.at), lineage=root.name)
        standing = last.standing
        if standing in UNDER_WAY and len(stations) > 1:
            standing = Standing.RETRIED
        # Of failures the last one counts; a batch that is under way has none yet.
        told = next((each for each in reversed(stations) if each.told), None)
        if told is None:
            told = stations[-2] if standing is Standing.RETRIED else last
            row = ResultRow(names.at(at), standing, provider=told.member.provider)
            row = attrs.evolve(row, batch=told.member.name, attempt=told.member.attempt)
        else:
            row = told.source.row(told.at)
        child = None if told.member is last.member else last.member.name
        return attrs.evolve(row, outcome=standing, child=child, lineage=root.name)


class _Names:
    """The ids of a first batch, read as far as they are wanted, in order."""

    def __init__(self, view: View, root: Followed) -> None:
        self._view = view
        self._root = root.member
        self._published = root.source if isinstance(root.source, Published) else None
        self._lines: Iterator[str] | None = None
        self._next = 0

    def at(self, position: int) -> str:
        """The id at a position; positions are asked for in order."""
        if self._published is not None:
            return str(self._published.line(position)["custom_id"])
        if self._lines is None:
            self._lines = self._read()
        for custom_id in self._lines:
            self._next += 1
            if self._next > position:
                return custom_id
        raise StaleSnapshot(f"the input of {self._root.name} changed while it was read")

    def _read(self) -> Iterator[str]:
        # Its source has read it: only what was published does without.
        fact = self._root.files[Role.INPUT]
        for line in Lines(self._view, fact):
            yield request_id(line, fact.path)


@contextlib.contextmanager
def standings_of(view: View, lineage: Lineage, *, finished: bool = False) -> Iterator[Standings]:
    """
    What became of every request of a lineage; its files are open as long as this lasts.

    Args:
        view: Rooms and settings.
        lineage: Its batches.
        finished: Children that have not settled count as not answered, whatever lies there.

    Raises:
        PermanentError: Its first batch cannot be read.
        StaleSnapshot: A file was written to meanwhile.
    """
    problems = [f"retry child {name} is nowhere to be found" for name in lineage.lost]
    problems += lineage.unread
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(source_of(view, lineage.root, finished=finished))
        followed = [Followed(lineage.root, root)]
        problems += root.problems
        for member in lineage.members[1:]:
            try:
                source = stack.enter_context(source_of(view, member, finished=finished))
                if _given(lineage, member).digest != source.asked:
                    raise PermanentError(f"{member.name} does not hold the requests that it was given")
                found = _positions(root.digests, source.digests)
                if found is None:
                    told = f"retry child {member.name} holds requests that {lineage.root.name} does not"
                    raise PermanentError(told)
            except (Interrupted, StaleSnapshot):
                raise
            except ReconcilerError as error:
                problems.append(error.message)
                continue
            followed.append(Followed(member, source, *found))
            problems += source.problems
        yield Standings(view, lineage, followed, problems)


def rows_of(
    view: View, problems: list[str], only: Sequence[str] = (), *, finished: bool = False
) -> Iterator[ResultRow]:
    """
    The best that is known of every request of a workspace: batch by batch, in input order.

    Args:
        view: Rooms and settings.
        problems: Where it is said what could not be read; complete once the last row is there.
        only: Names or patterns of batches; empty: all of them.
        finished: Only what has settled counts, so that `done/` alone decides what comes out.

    Raises:
        UsageError: A name or pattern matches no batch.
        TransientError: A pass moved files while they were read; the same again will do.
    """
    for lineage in lineages(view, only, finished=finished):
        try:
            with contextlib.ExitStack() as stack:
                found = _patiently(view, lineage, stack, finished=finished)
                problems += found.problems
                yield from found.rows()
        except (Interrupted, UserError):
            raise
        except (StaleSnapshot, FileNotFoundError) as error:
            message = f"{lineage.root.name}: a pass is working on it ({error})"
            raise TransientError(message, hint="the same command again, when the pass has ended") from error
        except ReconcilerError as error:
            problems.append(error.message)


def _patiently(view: View, lineage: Lineage, stack: contextlib.ExitStack, *, finished: bool) -> Standings:
    """A lineage with its files open; one that moves meanwhile is looked at again."""
    for _ in range(LOOKS):
        try:
            return stack.enter_context(standings_of(view, lineage, finished=finished))
        except (StaleSnapshot, FileNotFoundError):
            view.look.refresh()
            name = lineage.root.name
            lineage = next(lineages(view, [name], finished=finished), lineage)
    return stack.enter_context(standings_of(view, lineage, finished=finished))


def _given(lineage: Lineage, member: Member) -> Child:
    """What a child was given, as its parent says: it is in the lineage because a batch there names it."""
    return next(each.children[member.name] for each in lineage.members if member.name in each.children)


def _positions(
    whole: bytes | bytearray, part: bytes | bytearray
) -> tuple[array[int], array[int] | None] | None:
    """
    Where each request of a child stands in the first batch of its lineage.

    Returns:
        The positions, rising, and where each of them stands in the child if that has another order; None when
        the child holds a request that the first batch does not.
    """
    found: array[int] = array("Q")
    at = 0
    for offset in range(0, len(part), WIDTH):
        wanted = part[offset : offset + WIDTH]
        while at < len(whole) and whole[at : at + WIDTH] != wanted:
            at += WIDTH
        if at >= len(whole):
            return _looked_up(whole, part)
        found.append(at // WIDTH)
        at += WIDTH
    return found, None


def _looked_up(whole: bytes | bytearray, part: bytes | bytearray) -> tuple[array[int], array[int]] | None:
    """The same for a child in another order, such as one that a person has put together."""
    wanted = {bytes(part[at : at + WIDTH]): at // WIDTH for at in range(0, len(part), WIDTH)}
    found: array[int] = array("Q")
    order: array[int] = array("Q")
    for at in range(0, len(whole), WIDTH):
        place = wanted.get(bytes(whole[at : at + WIDTH]))
        if place is not None:
            found.append(at // WIDTH)
            order.append(place)
    return (found, order) if len(found) == len(wanted) else None
