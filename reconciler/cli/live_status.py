"""
`reconcile status --watch`: where every batch stands, redrawn in place until Ctrl-C.

A frame is a list of lines, made by a pure function and no wider than the screen.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from reconciler.cli.console import err, out, paint, safe
from reconciler.errors import ReconcilerError
from reconciler.model.report import State
from reconciler.model.words import many
from reconciler.pricing.money import shown
from reconciler.screen import Screen, cut

if TYPE_CHECKING:
    from reconciler.cli.interrupt import Stop
    from reconciler.status import Row, Status

EVERY: Final = 1.0
"""Seconds between two frames; more where looking takes long."""

_ORDER: Final = ("needs attention", "failed", "held", "pending", "waiting", "settled")
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))
_LEAST: Final = 12
"""The narrowest column for reasons that says anything."""


def frame(found: Status, width: int, height: int, *, everything: bool) -> list[str]:
    """
    One state of the screen.

    Args:
        found: Where batches stand.
        width: Columns.
        height: Lines.
        everything: Settled batches too.
    """
    rows = [row for row in found.rows if everything or row.state != State.SETTLED.value]
    rows.sort(key=lambda row: _ORDER.index(row.state) if row.state in _ORDER else 0)
    counted = {state: sum(row.state == state for row in found.rows) for state in _ORDER}
    told = ", ".join(f"{count} {state}" for state, count in counted.items() if count)
    last = f"{many(len(found.rows), 'batch', 'batches')}: {told}" if found.rows else "no batch"
    if found.next_look is not None:
        last += f"; next look in {_span(max(0.0, found.next_look - found.seen_at))}"
    fitting = rows[: max(1, height - 4)]
    lines = _table(fitting, found.seen_at, width) if fitting else []
    if len(rows) > len(fitting):
        lines.append(paint(f"... and {len(rows) - len(fitting)} more", "faint"))
    lines += [paint(cut(f"nothing more is sent: {safe(told)}", width), "held") for told in found.walls[:1]]
    return [*lines, cut(last, width)]


def _table(rows: Sequence[Row], now: float, width: int) -> list[str]:
    """The batches, each in a line that fits."""
    heads = ("batch", "state", "age", "progress", "cost", "next", "kept")
    cells = [heads, *(_cells(row, now) for row in rows)]
    sizes = [max(len(line[at]) for line in cells) for at in range(len(heads))]
    sizes[0] = min(sizes[0], max(8, width // 4))
    # A column that nobody fills takes no room.
    kept = [at for at in range(len(heads)) if at < 2 or any(line[at] for line in cells[1:])]  # noqa: PLR2004
    while sum(sizes[at] + 2 for at in kept) > width + 2 and len(kept) > 2:  # noqa: PLR2004 - likewise
        kept.pop()
    left = width - sum(sizes[at] + 2 for at in kept)
    lines = []
    for line, row in zip(cells, (None, *rows), strict=True):
        parts = []
        for at in kept:
            text = cut(line[at], sizes[at], in_the_middle=at == 0)
            text = text.ljust(sizes[at]) if at < 2 else text.rjust(sizes[at])  # noqa: PLR2004 - names and states
            parts.append(paint(text, row.state) if row is not None and at == 1 else text)
        why = "why" if row is None else safe(row.because)
        told = "  ".join([*parts, cut(why, left)] if left >= _LEAST else parts).rstrip()
        lines.append(paint(told, "faint") if row is None else told)
    return lines


def _cells(row: Row, now: float) -> tuple[str, ...]:
    age = "" if row.since is None else _span(max(0.0, now - row.since))
    # Of a batch at a provider only its watcher knows when it is asked for.
    until = None if row.batch_id else row.until
    coming = "" if until is None else _span(max(0.0, until - now))
    kept = "" if row.results_until is None else _span(max(0.0, row.results_until - now))
    cost = "" if row.cost is None else shown(row.cost)
    return safe(row.name), row.state, age, _progress(row), cost, coming, kept


def _progress(row: Row) -> str:
    """How much of a batch is answered, as last heard or counted."""
    done, total = None, row.requests
    if row.coverage is not None:
        done = row.coverage.answered.requests + row.coverage.failed.requests
    elif row.heard is not None and row.heard.completed is not None:
        done, total = row.heard.completed + (row.heard.failed or 0), row.heard.total or total
    if done is None or not total:
        return "" if total is None else f"0/{total}"
    return f"{done}/{total} {100 * done // total:3d} %"


def _span(seconds: float) -> str:
    """A length of time in the largest unit that gives a number."""
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def follow(
    look: Callable[[], Status],
    stop: Stop,
    pause: Callable[[float, Callable[[], bool]], None],
    *,
    everything: bool,
) -> None:
    """
    Show where batches stand until somebody asks for an end.

    Args:
        look: Looks at every batch.
        stop: Whether somebody asks.
        pause: Waits so many seconds, or until somebody asks.
        everything: Settled batches too.
    """
    screen, before, trouble = Screen(), None, ""
    try:
        while not stop.asked():
            began = time.monotonic()
            try:
                found = look()
            except (ReconcilerError, OSError) as error:
                if screen.redraws:
                    screen.draw([cut(safe(str(error)), screen.size[0])])
                elif str(error) != trouble:
                    trouble = str(error)
                    err(safe(trouble))
            else:
                said = [(row.name, row.state, _progress(row), row.because) for row in found.rows]
                if screen.redraws or said != before:
                    before, trouble = said, ""
                    if not screen.redraws:
                        at = dt.datetime.fromtimestamp(found.seen_at, dt.UTC).isoformat(timespec="seconds")
                        out(f"{at[:19]}Z")
                    screen.draw(frame(found, *screen.size, everything=everything))
            pause(max(EVERY, 10 * (time.monotonic() - began)), stop.asked)
    finally:
        screen.close()
