"""Reports, plans, status and verdicts: as lines for people, as one JSON document for machines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from reconciler.cli import render_costs
from reconciler.cli.console import colourful, out, paint, safe, safe_json, typed
from reconciler.model.coverage import Coverage
from reconciler.model.report import BatchReport, Report, State
from reconciler.model.words import many

if TYPE_CHECKING:
    from reconciler.preview import Preview
    from reconciler.status import Row, Status

SCHEMA: Final = 1
_PARTS: Final = ("answered", "failed", "retried", "dismissed", "missing")


def document(fields: Mapping[str, Any], workspace: str, code: int) -> None:
    """One JSON document on stdout, its hints ready to be typed."""
    import msgspec

    whole = _ready({"schema": SCHEMA, "exit_code": code, **fields}, workspace)
    out(safe_json(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()))


def _ready(value: Any, workspace: str, key: str = "") -> Any:
    """*value* with the workspace as typed in every hint."""
    if isinstance(value, dict):
        return {name: _ready(each, workspace, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_ready(each, workspace) for each in value]
    return typed(value, workspace) if key == "hint" and value else value


def report(found: Report, workspace: str) -> None:
    """What a pass did, for people."""
    width = max((len(batch.name) for batch in found.batches), default=0)
    for batch in found.batches:
        _batch(batch, width, workspace)
    _ignored(found.ignored)
    out(_totals({state.value: found.count(state) for state in State}, len(found.batches)))


def told(lines: Sequence[str]) -> None:
    """What a person's decision did."""
    for line in lines:
        out(safe(line))


def report_fields(found: Report) -> dict[str, Any]:
    """What a pass did, for machines."""
    return {
        "workspace": found.root,
        "changed": found.changed,
        "batches": [_batch_fields(batch) for batch in found.batches],
        "ignored": _ignored_fields(found.ignored),
    }


def preview(found: Preview, workspace: str) -> None:
    """What the next pass would do, for people."""
    plans = [*(plan for _, plan in found.batches), *found.removals]
    for plan in plans:
        name, _, rest = plan.explain().partition(": ")
        word, _, rest = rest.partition(": ")
        first, *more = rest.splitlines()
        out(f"{paint(name, 'strong')}  {paint(word, word)}  {safe(first)}")
        for line in more:
            out(f"  {safe(typed(line, workspace))}")
    for batch in found.asking:
        _batch(batch, 0, workspace)
    _walls(found.walls, workspace)
    _ignored(tuple((each.path, each.why) for each in found.listing.ignored))
    for line in render_costs.quotes(found.quotes, found.costs):
        out(line)
    steps = many(sum(len(plan.steps) for plan in plans), "step")
    out(f"{many(len(plans), 'batch', 'batches')}, {steps} to do now; nothing was touched")


def preview_fields(found: Preview) -> dict[str, Any]:
    """What the next pass would do, for machines."""
    from reconciler.model.plan import Waiting, hint_of, word_of

    return {
        "workspace": found.layout.root,
        "batches": [
            {
                "name": snap.name,
                "shape": snap.shape.value,
                "because": plan.because,
                "steps": [step.verb for step in plan.steps],
                "then": word_of(plan.then),
                "hint": hint_of(plan.then) or None,
                "until": plan.then.until if isinstance(plan.then, Waiting) else None,
                "cost": render_costs.quote_fields(found.quotes[snap.name])
                if snap.name in found.quotes
                else None,
            }
            for snap, plan in found.batches
        ],
        "costs": None if found.costs is None else render_costs.fields(found.costs),
        "removals": [
            {"name": plan.name, "because": plan.because, "steps": [step.verb for step in plan.steps]}
            for plan in found.removals
        ],
        "quarantined": [{"name": each.name, "path": each.path} for each in found.asking],
        "walls": list(found.walls),
        "ignored": _ignored_fields(tuple((each.path, each.why) for each in found.listing.ignored)),
    }


def status(found: Status, workspace: str, *, everything: bool) -> None:
    """Where every batch stands, as a table."""
    rows = [row for row in found.rows if everything or row.state != State.SETTLED.value]
    if rows:
        _table(rows, found.seen_at)
    for row in rows:
        for way in row.hint.splitlines():
            out(f"  {row.name} -> {safe(typed(way, workspace))}")
    _walls(found.walls, workspace)
    _ignored(found.ignored)
    if found.costs is not None and (found.costs.batches or found.costs.cap.nano is not None):
        for line in render_costs.lines(found.costs):
            out(line)
    counted = {row.state: 0 for row in found.rows}
    for row in found.rows:
        counted[row.state] += 1
    hidden = "" if everything or "settled" not in counted else " (--all lists the settled ones)"
    out(_totals(counted, len(found.rows)) + hidden)


def _walls(found: Sequence[str], workspace: str) -> None:
    """Where nothing more is sent, and what to do about it."""
    for told in found:
        out(f"{paint('nothing more is sent', 'held')}  {safe(told)}")
        out(f"  -> {safe(typed('mend the cause, then: reconcile resume WORKSPACE', workspace))}")


def _table(rows: Sequence[Row], now: float) -> None:
    """The rows as a table that fits the terminal; hints come below it, where they are not folded."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", show_edge=False)
    table.add_column("batch", overflow="fold", max_width=36)
    table.add_column("state", no_wrap=True, min_width=len(State.ATTENTION.value))
    for heading in ("age", "requests", "answered", "failed"):
        table.add_column(heading, no_wrap=True, justify="right")
    table.add_column("why", overflow="fold", min_width=20)
    for row in rows:
        colour = {"settled": "green", "pending": "cyan", "needs attention": "red"}.get(row.state, "yellow")
        cells = (row.name, row.state, _age(row, now), *_counts(row), safe(row.because))
        table.add_row(*(Text(cell, style=colour if cell is row.state else "") for cell in cells))
    colours = colourful(sys.stdout)
    width = None if sys.stdout is not None and sys.stdout.isatty() else 200
    console = Console(force_terminal=colours, no_color=not colours, width=width, highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        out(line.rstrip())


def status_fields(found: Status) -> dict[str, Any]:
    """Where every batch stands, for machines."""
    return {
        "workspace": found.root,
        "seen_at": found.seen_at,
        "batches": [
            {
                "name": row.name,
                "state": row.state,
                "because": row.because,
                "hint": row.hint or None,
                "path": row.path,
                "age_seconds": None if row.since is None else round(max(0.0, found.seen_at - row.since), 1),
                "requests": row.requests,
                "counts": _coverage_fields(row.coverage),
                "provider": row.provider,
                "batch_id": row.batch_id,
                "status": row.status,
                "parent": row.parent,
                "attempt": row.attempt,
                "until": row.until,
                "results_until": row.results_until,
                "error": row.error,
                "cost_usd": None if row.cost is None else render_costs.usd(row.cost),
            }
            for row in found.rows
        ],
        "costs": None if found.costs is None else render_costs.fields(found.costs),
        "walls": list(found.walls),
        "ignored": _ignored_fields(found.ignored),
    }


def _batch(batch: BatchReport, width: int, workspace: str) -> None:
    """One batch of a report, its name padded to *width*."""
    state = batch.state.value
    name = paint(batch.name.ljust(width), "strong")
    out(f"{name}  {paint(state.ljust(15), state)}  {safe(_told(batch))}")
    hint(batch.hint, workspace, " " * (width + 19))


def _batch_fields(batch: BatchReport) -> dict[str, Any]:
    """One batch of a report."""
    return {
        "name": batch.name,
        "state": batch.state.value,
        "because": batch.because,
        "hint": batch.hint or None,
        "path": batch.path or None,
        "until": batch.until,
        "counts": _coverage_fields(batch.coverage),
        "receipts": [
            {"operation": each.verb, "summary": each.summary, "facts": each.facts} for each in batch.receipts
        ],
    }


def _coverage_fields(coverage: Coverage | None) -> dict[str, Any] | None:
    """Counts of an account."""
    if coverage is None:
        return None
    counts: dict[str, Any] = {part: getattr(coverage, part).requests for part in ("input", *_PARTS)}
    counts["by_class"] = {name.value: tally.requests for name, tally in coverage.by_class.items()}
    return counts


def _ignored_fields(ignored: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Files that are not ours, for machines."""
    return [{"path": path, "why": why} for path, why in ignored]


def _told(batch: BatchReport) -> str:
    """Why a batch stands where it does, with its account when it has settled."""
    if batch.state is State.SETTLED and batch.coverage is not None:
        counts = ", ".join(
            f"{getattr(batch.coverage, part).requests} {part}"
            + (_why(batch.coverage) if part == "failed" else "")
            for part in _PARTS
            if getattr(batch.coverage, part).requests
        )
        return f"{counts}; {batch.because}"
    return batch.because


def _why(coverage: Coverage) -> str:
    """Of which classes failures are; how many of each, where there are several."""
    parts = sorted(
        (name.value, tally.requests) for name, tally in coverage.by_class.items() if tally.requests
    )
    words = [name if len(parts) == 1 else f"{count} {name}" for name, count in parts]
    return f" ({', '.join(words)})"


def hint(hint: str, workspace: str, indent: str) -> None:
    """What a person could type, ready to be copied; one way a line."""
    for way in hint.splitlines():
        out(f"{indent}-> {safe(typed(way, workspace))}")


def _ignored(ignored: Sequence[tuple[str, str]], limit: int = 10) -> None:
    """Files that were left alone."""
    for path, why in ignored[:limit]:
        out(f"{paint('ignored', 'faint')}  {safe(path)}: {why}")
    if len(ignored) > limit:
        out(f"{paint('ignored', 'faint')}  and {len(ignored) - limit} more (--json lists them)")


def _totals(counted: Mapping[str, int], total: int) -> str:
    """The last line of a report."""
    if not total:
        return "no live batch: nothing to do"
    parts = ", ".join(f"{count} {paint(state, state)}" for state, count in counted.items() if count)
    return f"{many(total, 'batch', 'batches')}{': ' if parts else ''}{parts}"


def _age(row: Row, now: float) -> str:
    """How long ago, in the largest unit that gives a number."""
    if row.since is None:
        return ""
    seconds = max(0.0, now - row.since)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _counts(row: Row) -> tuple[str, str, str]:
    """Requests, answered and failed, empty where nobody has counted."""
    requests = "" if row.requests is None else str(row.requests)
    if row.coverage is None:
        return requests, "", ""
    return requests, str(row.coverage.answered.requests), str(row.coverage.failed.requests or "")
