"""`reconcile explain`: the life of one request, from files and history; a pure read that takes no lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import attrs
import msgspec

from reconciler.codec.jsonl import Line
from reconciler.config import Settings
from reconciler.errors import NeedsPerson, PermanentError, ReconcilerError, UsageError
from reconciler.executor.account import quoted
from reconciler.executor.asked import Asked
from reconciler.executor.context import Progress, View, viewing
from reconciler.executor.lineages import Lineage, Member, lineages
from reconciler.executor.reading import Lines
from reconciler.executor.sources import Raw
from reconciler.executor.standings import Station, standings_of
from reconciler.executor.unhandled import items_of
from reconciler.model.changes import line_digest, read_changes
from reconciler.model.coverage import hash_id
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.life import Attempt, Change, Event, Explanation, Handling, Life
from reconciler.model.operation import ChangeRequests, ProcessOutput
from reconciler.model.outcome import ErrorClass
from reconciler.model.policy import LOCAL
from reconciler.model.receipt import STARTED, record_token
from reconciler.model.record import Record
from reconciler.model.rows import UNDER_WAY, ResultRow, Standing
from reconciler.model.snapshot import Place
from reconciler.pricing.book import Book
from reconciler.workspace import ledger, metadata, tombstones

_NEAREST: Final = 50_000
"""So many ids are looked at for one that was meant."""
_OWN: Final = frozenset({"at", "event", "batch", "crc"})


def explain(path: str, settings: Settings, custom_id: str, progress: Progress | None = None) -> Explanation:
    """
    Follow one request through every batch that has asked it.

    Args:
        path: The workspace.
        settings: Every setting.
        custom_id: The request.
        progress: Told about long reading.

    Raises:
        UsageError: No batch has asked it; the hint names ids that are close.
        NeedsPerson: None of those that could be read has, and some could not.
        UserError: There is no workspace.
    """
    if any("\ud800" <= each <= "\udfff" for each in custom_id):
        raise UsageError(f"{quoted(custom_id)} is no text, so no line has it for an id")
    with viewing(path, settings, progress) as view:
        search = _Search(view, custom_id, settings.prices)
        lives = tuple(life for lineage in lineages(view) for life in search.lives(lineage))
        if not lives:
            raise search.nothing_found()
        return Explanation(view.look.root, custom_id, lives, tuple(search.unsearched))


class _Search:
    """A request that is looked for in one lineage after the other."""

    def __init__(self, view: View, custom_id: str, prices: Book) -> None:
        self._view = view
        self._prices = prices
        self._custom_id = custom_id
        self._near: list[str] = []
        self._history: dict[str, list[Event]] | None = None
        self.unsearched: list[str] = []

    def lives(self, lineage: Lineage) -> Iterator[Life]:
        """The life of the request in a lineage, if it has one there."""
        self.unsearched += lineage.unread
        try:
            if not self._asked_by(lineage.root):
                return
            with standings_of(self._view, lineage) as standings:
                stations = standings.find(self._custom_id)
                if stations:
                    yield self._life(lineage, stations, standings.problems)
        except (ReconcilerError, OSError) as error:
            self.unsearched.append(f"{lineage.root.name}: {error}")

    def nothing_found(self) -> ReconcilerError:
        """Why there is nothing to tell."""
        import difflib  # noqa: PLC0415 - for mistakes alone

        message = f"no batch has asked {quoted(self._custom_id)}"
        if self.unsearched:
            few = "; ".join(self.unsearched[:3])
            return NeedsPerson(
                f"{message}, but not all could be searched: {few}", hint="reconcile check WORKSPACE"
            )
        close = difflib.get_close_matches(self._custom_id, self._near, n=3)
        hint = (
            f"did you mean {', '.join(map(quoted, close))}?"
            if close
            else "ids are the custom_id of input lines"
        )
        return UsageError(message, hint=hint)

    def _asked_by(self, member: Member) -> bool:
        """Whether a batch may have asked it: where its input is here, that alone is read first."""
        fact = member.files.get(Role.INPUT)
        if fact is None:
            return True
        asked = Asked(self._view, fact)
        if len(self._near) < _NEAREST:
            keys = (key for key in asked.positions if not key.startswith(b"\0"))
            self._near += [key.decode() for key in islice(keys, _NEAREST)]
        if asked.bad:
            raise PermanentError(asked.bad[0])
        return asked.position(self._custom_id.encode()) is not None

    def _life(self, lineage: Lineage, stations: Sequence[Station], problems: Sequence[str]) -> Life:
        attempts = [self._attempt(station) for station in stations]
        members = {station.member.name: station for station in stations}
        for at, station in enumerate(stations[1:], 1):
            parent = members.get(station.member.parent or station.member.name, station)
            attempts[at] = attrs.evolve(attempts[at], changed=self._change(parent, station))
        for at, following in enumerate(stations[1:]):
            attempts[at] = attrs.evolve(attempts[at], child=following.member.name, outcome=Standing.RETRIED)
        return Life(lineage.root.name, _outcome(stations), tuple(attempts), tuple(problems))

    def _attempt(self, station: Station) -> Attempt:
        """What one batch has to say of the request."""
        view, member = self._view, station.member
        record = _record(view, member)
        found = Attempt(
            batch=member.name,
            place=member.place,
            folder=member.folder,
            attempt=member.attempt,
            outcome=station.standing,
            parent=member.parent,
            request=self._request_line(station),
            unchanged=self._unchanged(member),
            reason=_reason(view, member),
            removed_at=_removed_at(view, member),
            provider=member.provider,
            batch_id=record.batch_id,
            status=record.status,
            batch_error=record.online.error or None,
            sent_at=record.sent_at,
            collected=self._collected(member.name),
            handling=self._handling(station),
            events=tuple(self._events(member.name)),
        )
        if not station.told:
            return found
        row = station.source.row(station.at)
        error = {"class": row.error_class, "code": row.error_code, "message": row.error_message}
        return attrs.evolve(
            found,
            answer=_answer_line(station),
            model=row.model,
            finish_reason=row.finish_reason,
            usage=row.usage,
            cost=self._cost(member, row),
            error=error if any(error.values()) else None,
        )

    def _cost(self, member: Member, row: ResultRow) -> Decimal | None:
        """What an answer cost at the prices of today."""
        provider = row.provider or member.provider or ""
        return self._prices.cost_of(row.usage, provider, row.model, live=provider == LOCAL)

    def _request_line(self, station: Station) -> str | None:
        """Where the request stands in its input."""
        fact, line = station.member.files.get(Role.INPUT), self._line(station)
        return None if fact is None or line is None else f"{fact.path}:{line.number}"

    def _line(self, station: Station) -> Line | None:
        """The request as it stands in its input."""
        fact = station.member.files.get(Role.INPUT)
        return None if fact is None else next(islice(Lines(self._view, fact), station.at, None), None)

    def _change(self, parent: Station, station: Station) -> Change | None:
        """What user code changed of it between two attempts."""
        given = parent.member.children.get(station.member.name)
        if given is None or given.changed is None:
            return None
        before, after = self._line(parent), self._line(station)
        failed = parent.source.row(parent.at).error_class if parent.told else None
        by = given.changed.by.get(ErrorClass(failed)) if failed else None
        if by is None or (before is not None and after is not None and before.data == after.data):
            return None
        digests = (None if line is None else line_digest(line.data) for line in (before, after))
        return Change(by, *digests)

    def _unchanged(self, member: Member) -> str | None:
        """Why user code could not change it."""
        known = member.manifest or member.record
        receipt = {} if known is None else known.receipts.get(ChangeRequests.verb, {})
        return read_changes(receipt).why(hash_id(self._custom_id))

    def _handling(self, station: Station) -> Handling | None:
        """What the output processor did, as its receipt says, and what was published."""
        known = station.member.manifest or station.member.record
        receipt = {} if known is None else known.receipts.get(ProcessOutput.verb, {})
        if "token" not in receipt:
            return None
        token = str(receipt["token"])
        found = Handling(
            processor=str(receipt.get("processor", "")),
            token=token,
            record_token=record_token(token, self._custom_id),
            calls=len(receipt.get("begun", ())),
            ended=receipt.get("state") != STARTED,
        )
        path = str(receipt.get("path", ""))
        if not path.endswith((".results.jsonl", "/index.jsonl")) or self._view.look.fact(path) is None:
            return found
        for number, row in _rows(self._view, path):
            if row.get("custom_id") == self._custom_id:
                where = f"{path}:{number}"
                if row.get("file"):
                    where = f"{path.rpartition('/')[0]}/{row['file']}"
                unhandled = row.get("unhandled") or {}
                return attrs.evolve(
                    found, published=where, value=row.get("value"), unhandled=unhandled.get("reason")
                )
        return found

    def _collected(self, name: BatchName) -> str | None:
        """The line that tells of it as given up, or as an answer that nobody could handle."""
        path = items_of(name)
        rows = _rows(self._view, path) if self._view.look.fact(path) is not None else ()
        return next(
            (f"{path}:{number}" for number, row in rows if row.get("custom_id") == self._custom_id), None
        )

    def _events(self, name: BatchName) -> list[Event]:
        """What history tells of a batch."""
        if self._history is None:
            self._history = {}
            for entry in ledger.entries(self._view.look):
                if entry.problem is None:
                    facts = {key: value for key, value in entry.fields.items() if key not in _OWN}
                    event = Event(float(entry.fields.get("at", 0.0)), entry.event, facts)
                    self._history.setdefault(str(entry.fields.get("batch")), []).append(event)
        return self._history.get(name, [])


def _outcome(stations: Sequence[Station]) -> Standing:
    """Where a request stands, all its attempts taken together."""
    if any(each.told and each.standing is Standing.ANSWERED for each in stations):
        return Standing.ANSWERED
    last = stations[-1].standing
    return Standing.RETRIED if last in UNDER_WAY and len(stations) > 1 else last


def _answer_line(station: Station) -> str | None:
    """Where the answer, or the failure, stands."""
    source = station.source
    place = source.answers.place(station.at) if isinstance(source, Raw) else None
    return None if place is None else f"{station.member.files[place.role].path}:{place.number}"


def _record(view: View, member: Member) -> Record:
    """The metadata of a batch, of a settled one that which was archived with it."""
    if member.record is not None:
        return member.record
    found = Record(member.name)
    if member.manifest is not None:
        found = attrs.evolve(found, batch_id=member.manifest.batch_id)
    path = f"{member.folder}/{file_name(Role.METADATA, member.name)}".lstrip("/")
    try:
        return metadata.decode(view.look.read(path), path, member.name) if view.look.fact(path) else found
    except (ReconcilerError, OSError):
        return found


def _removed_at(view: View, member: Member) -> float | None:
    """When the JSONL of a settled batch was removed."""
    if member.place is not Place.DONE:
        return None
    try:
        tombstone = tombstones.read(view.look, member.name)
    except (ReconcilerError, OSError):
        return None
    return None if tombstone is None else tombstone.removed_at


def _reason(view: View, member: Member) -> str | None:
    """Why a batch was set aside."""
    text = None
    if member.manifest is not None:
        text = member.manifest.receipts.get("quarantine", {}).get("reason")
    elif member.place is Place.QUARANTINE and view.look.fact(f"{member.folder}/reason.json"):
        text = view.look.read(f"{member.folder}/reason.json")
    try:
        found: Mapping[str, Any] = msgspec.json.decode(text) if text else {}
        return str(found["reason"]) if "reason" in found else None
    except (msgspec.MsgspecError, TypeError):
        return None


def _rows(view: View, path: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The lines of a published file with their numbers; one that somebody has edited away says nothing."""
    with view.look.open(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                row = msgspec.json.decode(line)
            except (msgspec.MsgspecError, UnicodeError):
                continue
            if isinstance(row, dict):
                yield number, row
