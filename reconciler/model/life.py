"""
The life of one request: every batch that has asked it, and what became of it there.

Pure values. `explaining.py` draws them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from reconciler.model.identity import BatchName
from reconciler.model.rows import Standing
from reconciler.model.snapshot import Place


@attrs.frozen
class Event:
    """
    One line of history about a batch.

    Attributes:
        at: Seconds since the epoch.
        event: What happened, as the ledger names it.
        facts: Further members of that line.
    """

    at: float
    event: str
    facts: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Handling:
    """
    What processors were handed of a request, and what was published of it.

    Attributes:
        processor: Name and version.
        token: Of the invocation of the output processor.
        record_token: Of this answer within it; for processors of single answers.
        calls: Under how many tokens user code has begun; 0 for what is built in.
        ended: Whether it is known to have ended.
        published: Where its line, or its file, stands, as `path:line`; None when there is none.
        value: What was made of the answer.
        unhandled: Why it could not be handled; None when it could.
    """

    processor: str
    token: str
    record_token: str
    calls: int = 0
    ended: bool = True
    published: str | None = None
    value: Any = None
    unhandled: str | None = None


@attrs.frozen
class Change:
    """
    What user code changed of a request before it was sent again.

    Attributes:
        by: Name and version of the code.
        before: SHA-256 of the line as its parent has it, without its line feed; None when that is gone.
        after: That of the line that was sent.
    """

    by: str
    before: str | None = None
    after: str | None = None


@attrs.frozen
class Attempt:
    """
    A request in one batch.

    Attributes:
        batch: The batch.
        place: Live, in `done/` or in `quarantine/`.
        folder: Where its files are, relative to the workspace.
        attempt: How often its requests had been sent, this time included.
        parent: The batch whose leftovers it asks.
        outcome: Where the request stands as far as this batch knows.
        child: The batch that asks it again; None when none does.
        request: Its line, as `path:line`; None when the input is gone.
        changed: How its line differs from that of the attempt before; None where it does not.
        unchanged: Why user code could not change it, so that it was not asked again; None where none tried.
        answer: The line that answers it, likewise.
        removed_at: When `[retain]` removed the JSONL, in seconds since the epoch.
        reason: Why the batch was quarantined.
        provider: Who was asked.
        batch_id: The provider's id of the batch.
        status: The provider's last word on it.
        batch_error: What it said went wrong with the whole batch, as JSON; None where it said nothing.
        sent_at: When its create may have left, in seconds since the epoch.
        model: The model that answered.
        finish_reason: The provider's own word.
        error: Class, code and message of a failure; None when it has not failed.
        usage: Token counts in the provider's shape.
        cost: What the answer cost, in dollars; None where its price, or what it used, is not known.
        collected: The line of `failed-items/` that tells of it, as `path:line`; None when none does.
        handling: What processors did with it; None before they did.
        events: What history tells of the batch, in order.
    """

    batch: BatchName
    place: Place
    folder: str
    attempt: int
    outcome: Standing
    parent: BatchName | None = None
    child: BatchName | None = None
    request: str | None = None
    changed: Change | None = None
    unchanged: str | None = None
    answer: str | None = None
    removed_at: float | None = None
    reason: str | None = None
    provider: str | None = None
    batch_id: str | None = None
    status: str | None = None
    batch_error: str | None = None
    sent_at: float | None = None
    model: str | None = None
    finish_reason: str | None = None
    error: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] | None = None
    cost: Decimal | None = None
    collected: str | None = None
    handling: Handling | None = None
    events: tuple[Event, ...] = ()


@attrs.frozen
class Life:
    """
    A request within one lineage.

    Attributes:
        lineage: The batch that first asked it.
        outcome: Where it stands, all attempts taken together.
        attempts: The batches that have asked it, the first attempt first.
        problems: What of the lineage could not be read.
    """

    lineage: BatchName
    outcome: Standing
    attempts: tuple[Attempt, ...]
    problems: tuple[str, ...] = ()


@attrs.frozen
class Explanation:
    """
    Everything that a workspace knows of one request.

    Attributes:
        root: The workspace.
        custom_id: The request.
        lives: One for each lineage that holds the id; requests of several may share it.
        unsearched: Batches that could not be searched for it, with the reason.
    """

    root: str
    custom_id: str
    lives: tuple[Life, ...]
    unsearched: tuple[str, ...] = ()
