"""Where every batch of a workspace stands, settled ones included; a pure read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

import attrs

from reconciler.config import Settings
from reconciler.costs import Costs
from reconciler.errors import BadMetadata
from reconciler.executor.charging import to_raise
from reconciler.executor.hooks import NOTHING_PLUGGED, Plugged
from reconciler.model.coverage import Coverage
from reconciler.model.identity import Role
from reconciler.model.plan import Plan, Waiting, hint_of, word_of
from reconciler.model.record import Counts
from reconciler.model.report import State
from reconciler.model.snapshot import Snapshot
from reconciler.preview import Preview, preview
from reconciler.selecting import quarantined
from reconciler.workspace import outlook, settled
from reconciler.workspace.archived import is_gone
from reconciler.workspace.reading import Reading

PENDING: Final = "pending"
"""The word for a batch for which something is to be done."""

MARGIN: Final = 5 * 86_400.0
"""Seconds before results vanish at their provider from which that is a warning."""


@attrs.frozen
class Row:
    """
    One batch.

    Attributes:
        name: The batch.
        state: pending, waiting, held, needs attention or settled.
        since: When its input was written, or when it settled (epoch seconds); None when nobody knows.
        coverage: Where its ids stand, as last drawn up.
        requests: Number of requests, None while nobody has counted.
        provider: Whose batch it is.
        batch_id: The provider's id of it.
        status: The provider's word for it.
        because: Why it stands there.
        hint: What a person could type or change.
        path: Where its files are.
        parent: The batch whose leftovers it asks again.
        attempt: How often its requests were or will be sent.
        until: When to look again, for a waiting batch.
        error: What its provider said went wrong with all of it, as JSON; None where it said nothing.
        results_until: When its results vanish at the provider; None once they are here, or when nobody says.
        heard: How many of its requests have ended, in its provider's last words.
        cost: Nano-dollars that it has cost or may cost; None where nobody knows, or nothing was sent.
    """

    name: str
    state: str
    because: str
    path: str
    since: float | None = None
    coverage: Coverage | None = None
    requests: int | None = None
    provider: str | None = None
    batch_id: str | None = None
    status: str | None = None
    hint: str = ""
    parent: str | None = None
    attempt: int = 1
    until: float | None = None
    results_until: float | None = None
    error: str | None = None
    heard: Counts | None = None
    cost: int | None = None


@attrs.frozen
class Status:
    """
    A whole workspace.

    Attributes:
        root: Its real path.
        seen_at: When this was drawn up.
        rows: Live batches, then quarantined ones, then settled ones.
        ignored: Files that are not ours, with the reason.
        walls: Why nothing more is sent to some place, for people.
        next_look: When a watcher looks again; None where none says.
        costs: What was spent and reserved, and the limit.
    """

    root: str
    seen_at: float
    rows: tuple[Row, ...]
    ignored: tuple[tuple[str, str], ...]
    walls: tuple[str, ...] = ()
    next_look: float | None = None
    costs: Costs | None = None


def status(path: str, settings: Settings, plugged: Plugged = NOTHING_PLUGGED) -> Status:
    """
    Look at every batch of a workspace.

    Raises:
        UserError: There is no workspace.
    """
    seen = preview(path, settings, plugged=plugged, asked=True)
    look = Reading(seen.layout.root)
    try:
        every = (*_live(seen), *_quarantined(look, seen), *_settled(look))
        rows = tuple(_priced(row, seen.costs) for row in every)
        ignored = tuple((each.path, each.why) for each in seen.listing.ignored)
        until = outlook.next_look(look)
        return Status(seen.layout.root, look.now(), rows, ignored, seen.walls, until, seen.costs)
    finally:
        look.close()


def _priced(row: Row, money: Costs | None) -> Row:
    """A row with its cost; a batch that the limit still keeps back is held, and says why."""
    if money is None:
        return row
    row = attrs.evolve(row, cost=money.batches.get(row.name))
    held = next((each for each in money.held if each.batch == row.name), None)
    unsent = row.state in (PENDING, State.WAITING.value) and row.batch_id is None
    if held is None or not unsent:
        return row
    return attrs.evolve(row, state=State.HELD.value, because=held.why, hint=to_raise(money.cap))


def _live(seen: Preview) -> Iterator[Row]:
    """Batches of the live directory."""
    for snap, plan in seen.batches:
        yield _row(snap, plan, seen.layout.live or ".")


def _row(snap: Snapshot, plan: Plan, live: str) -> Row:
    """One live batch."""
    record, asked = snap.record, snap.files.get(Role.INPUT)
    coverage = None if record is None else record.coverage
    requests = coverage.input.requests if coverage is not None else None
    row = Row(
        name=snap.name,
        state=word_of(plan.then),
        because=plan.because,
        path=live,
        since=None if asked is None else asked.mtime_ns / 1e9,
        coverage=coverage,
        requests=requests,
        hint=hint_of(plan.then),
        until=plan.then.until if isinstance(plan.then, Waiting) else None,
    )
    if record is None:
        return row
    until = None if snap.answers else record.results_until
    if until is not None:
        row = attrs.evolve(row, because=f"{row.because}; {_kept(until, snap.seen_at)}")
    return attrs.evolve(
        row,
        requests=requests if record.input is None else record.input.requests,
        provider=record.provider,
        batch_id=record.batch_id,
        status=record.status,
        error=record.online.error or None,
        results_until=until,
        heard=record.counts,
        parent=record.parent,
        attempt=record.attempt,
    )


def _kept(until: float, now: float) -> str:
    """How long the provider keeps the results; a warning when that is not long any more."""
    day = dt.datetime.fromtimestamp(until, dt.UTC).date().isoformat()
    if until < now:
        return f"WARNING: its results were kept until {day} only"
    return (
        f"its results are kept until {day}" if until - now > MARGIN else f"WARNING: its results vanish {day}"
    )


def _quarantined(look: Reading, seen: Preview) -> Iterator[Row]:
    """Folders of `quarantine/` that still hold batch files."""
    for report in quarantined(seen.listing.quarantined):
        fact = look.fact(f"{report.path}/batch_input_{report.name}.jsonl")
        since = None if fact is None else fact.mtime_ns / 1e9
        yield Row(report.name, report.state.value, report.because, report.path, since, hint=report.hint)


def _settled(look: Reading) -> Iterator[Row]:
    """Folders of `done/`, and what another tool left flat in it."""
    for name in settled.names(look):
        path = settled.folder_of(name)
        try:
            manifest = settled.read(look, name)
        except (BadMetadata, FileNotFoundError) as error:
            hint = f"restore {path}/{settled.MANIFEST}"
            yield Row(name, "needs attention", f"its manifest cannot be read: {error}", path, hint=hint)
            continue
        coverage = manifest.coverage
        yield Row(
            name=name,
            state="settled",
            because=_ended(coverage) + ("; its JSONL was removed" if is_gone(look, name) else ""),
            path=path,
            since=manifest.settled_at,
            coverage=coverage,
            requests=coverage.input.requests,
            provider=manifest.provider,
            batch_id=manifest.batch_id,
            parent=manifest.parent,
            attempt=manifest.attempt,
        )


def _ended(coverage: Coverage) -> str:
    """How a settled batch ended, in words."""
    parts = [f"{coverage.answered.requests} of {coverage.input.requests} answered"]
    for word, tally in (
        ("failed for good", coverage.failed),
        ("asked again in a child", coverage.retried),
        ("given up", coverage.dismissed),
    ):
        if tally.requests:
            parts.append(f"{tally.requests} {word}")
    return ", ".join(parts)
