"""The life of one request: as lines for people, as fields for machines."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reconciler.cli.console import out, paint, safe

if TYPE_CHECKING:
    from reconciler.model.life import Attempt, Change, Event, Explanation, Handling, Life


def explanation(found: Explanation) -> None:
    """For people."""
    for life in found.lives:
        out(f"{paint(safe(found.custom_id), 'strong')}  {life.outcome.value}  {_where(life)}")
        for attempt in life.attempts:
            _attempt(attempt)
        for problem in life.problems:
            out(f"  {paint('note', 'faint')}  {safe(problem)}")
    for each in found.unsearched:
        out(f"{paint('not searched', 'faint')}  {safe(each)}")


def _where(life: Life) -> str:
    """The batches of a life, in a line."""
    return " -> ".join(f"{each.batch} (attempt {each.attempt})" for each in life.attempts)


def _attempt(attempt: Attempt) -> None:
    """One batch, and what became of the request in it."""
    child = f"; {attempt.child} asks it again" if attempt.child else ""
    where = f"{attempt.place.value}, in {attempt.folder}/" if attempt.folder else attempt.place.value
    out(f"  {paint(attempt.batch, 'strong')}  {attempt.outcome.value}{child}; {where}")
    for label, told in _facts(attempt):
        out(f"    {label.ljust(10)} {safe(told)}")
    for event in attempt.events:
        out(f"    {_time(event.at)}  {safe(_event(event))}")


def _facts(attempt: Attempt) -> Iterator[tuple[str, str]]:
    """What is known of it, a line each."""
    yield "request", attempt.request or _gone(attempt)
    if attempt.changed is not None:
        yield "changed", _change(attempt.changed)
    if attempt.unchanged is not None:
        yield "unchanged", attempt.unchanged
    if attempt.answer or attempt.model:
        words = [attempt.answer or "in its results", attempt.model or "", attempt.finish_reason or ""]
        yield "answer", "  ".join(word for word in words if word)
    if attempt.error:
        yield "error", ": ".join(str(value) for value in attempt.error.values() if value)
    if attempt.collected:
        yield "collected", attempt.collected
    if attempt.reason:
        yield "set aside", attempt.reason
    if attempt.provider:
        yield from _provider(attempt)
    if attempt.usage:
        yield "usage", json.dumps(attempt.usage, ensure_ascii=False)
        yield "cost", _cost(attempt)
    if attempt.handling is not None:
        yield from _handling(attempt.handling)


def _cost(attempt: Attempt) -> str:
    """What the answer cost; who has no price is named, so that one can be said."""
    from reconciler.pricing.money import nano, shown

    if attempt.cost is not None:
        return f"about {shown(nano(attempt.cost))}"
    if not attempt.provider:
        return "not known: nothing says who answered"
    return f"not known: no price for {attempt.model or 'its model'}; see [prices]"


def _provider(attempt: Attempt) -> Iterator[tuple[str, str]]:
    """Who was asked, and what they said of the whole batch."""
    words = [attempt.provider or "", attempt.batch_id or "", attempt.status or ""]
    sent = f"create sent {_time(attempt.sent_at)}" if attempt.sent_at is not None else ""
    yield "provider", "  ".join(word for word in (*words, sent) if word)
    if attempt.batch_error:
        yield "batch said", _cut(attempt.batch_error, 200)


def _change(change: Change) -> str:
    """What user code changed of the request."""
    if change.before is None or change.after is None:
        return f"by {change.by}"
    return f"by {change.by}  sha256 {change.before[:16]}… -> {change.after[:16]}…"


def _gone(attempt: Attempt) -> str:
    """Why there is no line of the request."""
    if attempt.removed_at is None:
        return "its input is not here"
    return f"removed by [retain] {_time(attempt.removed_at)}; see {attempt.folder}/tombstone.json"


def _handling(handling: Handling) -> Iterator[tuple[str, str]]:
    """What processors did."""
    begun = "" if handling.ended else ", begun and not known to have ended"
    calls = f", {handling.calls} token{'s' * (handling.calls != 1)} so far" if handling.calls else ""
    yield "processor", f"{handling.processor}  token {handling.token}{calls}{begun}"
    if handling.calls:
        yield "", f"token of this answer {handling.record_token}"
    if handling.published:
        value = "" if handling.value is None else f"  value {_cut(handling.value)}"
        yield "published", f"{handling.published}{value}"
    if handling.unhandled:
        yield "unhandled", handling.unhandled


def _event(event: Event) -> str:
    """One line of history."""
    facts = (f"{key}={_cut(value)}" for key, value in event.facts.items() if not isinstance(value, dict))
    return f"{event.event}  {' '.join(facts)}".rstrip()


def _cut(value: Any, limit: int = 60) -> str:
    """A value as JSON, text without quotes, cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _time(at: float | None) -> str:
    """A time in UTC, to the second."""
    if at is None:
        return ""
    try:
        return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(at)


def explanation_fields(found: Explanation) -> dict[str, Any]:
    """For machines."""
    return {
        "workspace": found.root,
        "custom_id": found.custom_id,
        "lives": [
            {
                "lineage": life.lineage,
                "outcome": life.outcome.value,
                "attempts": [_attempt_fields(each) for each in life.attempts],
                "problems": list(life.problems),
            }
            for life in found.lives
        ],
        "unsearched": list(found.unsearched),
    }


def _attempt_fields(attempt: Attempt) -> dict[str, Any]:
    """One attempt: its own members, with nested values as JSON has them."""
    import attrs

    from reconciler.cli import render_costs
    from reconciler.pricing.money import nano

    fields = attrs.asdict(attempt, recurse=False)
    handling = attempt.handling
    fields["handling"] = None if handling is None else attrs.asdict(handling, recurse=False)
    fields["changed"] = None if attempt.changed is None else attrs.asdict(attempt.changed)
    fields["events"] = [{"at": each.at, "event": each.event, **each.facts} for each in attempt.events]
    if attempt.cost is not None:
        fields["cost"] = render_costs.usd(nano(attempt.cost))
    return {**fields, "place": attempt.place.value, "outcome": attempt.outcome.value}
