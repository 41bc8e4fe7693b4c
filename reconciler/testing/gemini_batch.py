"""A job as Gemini tells it, and its results: one file, or inside the job itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from reconciler.testing.answers import gemini
from reconciler.testing.exchange import Json
from reconciler.testing.fates import Outcome
from reconciler.testing.lines import requests_of
from reconciler.testing.switches import GeminiSwitches
from reconciler.testing.world import ENDS, Batch, File, World

STATES: Final = {
    "queued": "PENDING",
    "running": "RUNNING",
    "finalizing": "RUNNING",
    "cancelling": "RUNNING",
    "completed": "SUCCEEDED",
    "failed": "FAILED",
    "expired": "EXPIRED",
    "cancelled": "CANCELLED",
}
DONE: Final = ENDS
FAILED: Final = frozenset({"http", "error"})
NEVER_RAN: Final = frozenset({"expired", "cancelled", "missing"})
CODES: Final = {"failed": 3, "cancelled": 1, "expired": 4}
"""The top-level `error.code`; a cancelled operation carries 1 (Gemini facts, job shape)."""


def moment(seconds: float) -> str:
    """RFC 3339 with fractions, as Google writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def operation(batch: Batch, switches: GeminiSwitches, *, listed: bool) -> Json:
    """The long-running operation."""
    done = batch.ended
    state = batch.word or switches.state_prefix + _state(batch, switches)
    metadata: Json = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "name": batch.id,
        "model": batch.extra["model"],
        "displayName": batch.extra["display_name"],
        "createTime": moment(batch.created_at),
        "updateTime": moment(max(batch.stamps.values())),
        "batchStats": _stats(batch),
        "state": state,
    }
    if batch.extra["input"]:
        metadata["inputConfig"] = {"fileName": batch.extra["input"]}
    told: Json = {"name": batch.id, "metadata": metadata, "done": done}
    if not done:
        return told
    metadata["endTime"] = moment(batch.stamps[batch.stage])
    if batch.stage in CODES:
        told["error"] = {"code": CODES[batch.stage], "message": _reason(batch)}
    output = _output(batch, switches, listed=listed)
    place = batch.fate.place or switches.place
    if output and place in {"metadata", "both"}:
        metadata["output"] = output
    if output and place in {"response", "both"} and "error" not in told:
        told["response"] = {"@type": metadata["@type"]} | output
    return told


def _state(batch: Batch, switches: GeminiSwitches) -> str:
    if batch.stage == "completed" and switches.partially_succeeded and batch.counts.get("missing"):
        return "PARTIALLY_SUCCEEDED"
    return STATES[batch.stage]


def _reason(batch: Batch) -> str:
    if batch.fate.errors and batch.stage == "failed":
        return batch.fate.errors[0].message
    return f"The operation was {batch.stage}."


def _stats(batch: Batch) -> Json:
    """int64 values are texts on the wire."""
    done = batch.stage in ENDS
    stats: Json = {
        "requestCount": str(batch.total),
        "pendingRequestCount": str(0 if done else batch.total),
    }
    if done:
        stats["successfulRequestCount"] = str(batch.counts.get("ok", 0))
        stats["failedRequestCount"] = str(batch.counts.get("failed", 0))
    return stats | {name: str(value) for name, value in batch.fate.counts.items()}


def _output(batch: Batch, switches: GeminiSwitches, *, listed: bool) -> Json | None:
    """Where the results are; inline ones are left out of lists (cookbook)."""
    told = {
        "completed": True,
        "cancelled": switches.cancelled_output,
        "expired": switches.expired_output,
        "failed": False,
    }
    if not told[batch.stage] or batch.output is None or batch.after < batch.fate.late:
        return {"responsesFile": ""} if batch.fate.absent == "empty-id" else None
    if not batch.extra["inline"]:
        return {"responsesFile": batch.output.id}
    if listed or batch.fate.vanishes == "results":
        return None
    items = [msgspec.json.decode(line) for _, line in batch.output.content.lines()]
    return {"inlinedResponses": {"inlinedResponses": items}}


def write_results(batch: Batch, end: str, world: World, switches: GeminiSwitches) -> None:
    """Write the one file of results, in the order of the input unless the fate says otherwise."""
    if end == "failed":
        return
    writer = world.disk.new()
    for number, (position, request) in enumerate(requests_of(batch), 1):
        key = _key(request, inline=batch.extra["inline"])
        outcome = batch.fate.outcome(key or "", position, batch.total, end)
        group = _group(outcome)
        batch.counts[group] = batch.counts.get(group, 0) + 1
        if group == "missing":
            continue
        line = _line(batch, key, request.get("request") or {}, outcome, number, switches)
        writer.write((msgspec.json.encode(line) + b"\n") * (2 if outcome.kind == "twice" else 1))
    for key in batch.fate.foreign:
        line = _line(batch, key, {}, Outcome(text="nobody asked"), 0, switches)
        writer.write(msgspec.json.encode(line) + b"\n")
    content = writer.close()
    if content.size == 0 and batch.fate.absent != "empty-file":
        return
    # Longer than what a file-get takes (js-genai#1227).
    batch.output = File(
        id=f"files/batch-{batch.id.removeprefix('batches/'):0>36}",
        dialect=batch.dialect,
        account=batch.account,
        name=f"{batch.id}.jsonl",
        purpose="results",
        content=content,
        created_at=world.clock.now,
        generated=True,
        mime="application/jsonl",
    )
    if batch.fate.vanishes != "results":
        world.files[batch.output.id] = batch.output


def _key(request: Json, *, inline: bool) -> str | None:
    """A line is known by its `key`, an inline request by the `key` in its metadata; both may lack one."""
    found = (request.get("metadata") or {}).get("key") if inline else request.get("key")
    return found if isinstance(found, str) else None


def _group(outcome: Outcome) -> str:
    if outcome.kind in NEVER_RAN:
        return "missing"
    return "failed" if outcome.kind in FAILED else "ok"


def _line(  # noqa: PLR0913, PLR0917 - what a line is made of
    batch: Batch, key: str | None, request: Json, outcome: Outcome, number: int, switches: GeminiSwitches
) -> Json:
    line: Json = {}
    if batch.extra["inline"]:
        line["metadata"] = {} if key is None else {"key": key}
    elif key is not None:
        line["key"] = key
    if outcome.kind in FAILED:
        status: Any = {"code": outcome.status, "message": outcome.message}
        line[switches.error_member] = status
    else:
        line["response"] = gemini(batch.extra["model"], request, outcome, number)
    return line
