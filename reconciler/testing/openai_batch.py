"""A batch as OpenAI tells it, and its result lines, which Mistral's are like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from reconciler.testing.answers import openai, tokens
from reconciler.testing.exchange import Json
from reconciler.testing.fates import PARTIAL, Outcome
from reconciler.testing.files import Writer
from reconciler.testing.lines import asked, requests_of
from reconciler.testing.switches import OpenAISwitches
from reconciler.testing.world import DAY, ENDS, Batch, File, World

WORDS: Final = {"queued": "validating", "running": "in_progress"}
STAMPS: Final = {
    "in_progress_at": "running",
    "finalizing_at": "finalizing",
    "completed_at": "completed",
    "failed_at": "failed",
    "expired_at": "expired",
    "cancelling_at": "cancelling",
    "cancelled_at": "cancelled",
}
GROUP: Final = {"ok": "completed", "refusal": "completed", "length": "completed", "twice": "completed"}
"""What a request counts as; one that never ran is not counted (warmbly#333: 10 in all, 1 completed)."""


def batch_object(batch: Batch, switches: OpenAISwitches) -> Json:
    """The batch as this service tells it now."""
    word = batch.word or WORDS.get(batch.stage, batch.stage)
    if switches.upper_case:
        word = word.upper()
    elif switches.capital:
        word = word.capitalize()
    told: Json = {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.extra["endpoint"],
        "model": batch.extra["model"],
        "errors": _errors(batch),
        "input_file_id": batch.extra["input_file_id"],
        "completion_window": batch.extra["completion_window"],
        "status": word,
        "output_file_id": _file_id(batch, "output", batch.output, switches),
        "error_file_id": _file_id(batch, "error", batch.error, switches),
        "created_at": stamp(batch.created_at, iso=switches.iso),
        "expires_at": stamp(batch.created_at + DAY, iso=switches.iso),
        **{name: stamp(batch.stamps.get(stage), iso=switches.iso) for name, stage in STAMPS.items()},
    }
    if switches.metadata:
        told["metadata"] = batch.extra["metadata"]
    if switches.counts:
        told["request_counts"] = _counts(batch, switches)
        told["usage"] = _usage(batch)
    else:
        done = batch.counts.get("completed", 0) + batch.counts.get("failed", 0)
        told["progress"] = 100 * done // max(1, batch.total)
        told["error"] = (
            batch.fate.errors[0].message if batch.stage == "failed" and batch.fate.errors else None
        )
    return told


def stamp(moment: float | None, *, iso: bool) -> int | str | None:
    """A moment in Unix seconds, or as an ISO text."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if iso else int(moment)


def _errors(batch: Batch) -> Json | None:
    if batch.stage != "failed" or batch.word:
        return None
    data = [
        {"code": each.code, "message": each.message, "line": each.line, "param": each.param}
        for each in batch.fate.errors
    ]
    return {"object": "list", "data": data}


def _file_id(batch: Batch, role: str, file: File | None, switches: OpenAISwitches) -> str | None:
    """A file's id once the batch has ended; null, or an empty text (kaibo#93), where there is none."""
    if file is not None and batch.ended and batch.fate.tells(role, batch.after):
        return file.id
    absent = batch.fate.absent or switches.absent
    return "" if absent == "empty-id" and batch.ended else None


def _counts(batch: Batch, switches: OpenAISwitches) -> Json:
    """0/0/0 while validating; then the total, and what is done by now."""
    if batch.stage in {"queued", "failed"}:
        unknown = None if switches.null_counts else 0
        told: Json = {"total": unknown, "completed": unknown, "failed": unknown}
    elif batch.stage in ENDS:
        told = {name: batch.counts.get(name, 0) for name in ("completed", "failed")} | {"total": batch.total}
    else:
        done = batch.total * min(batch.looks, batch.fate.polls) // (batch.fate.polls + 1)
        told = {"total": batch.total, "completed": done, "failed": 0}
    return told | dict(batch.fate.counts)


def _usage(batch: Batch) -> Json | None:
    if batch.stage not in ENDS or batch.stage == "failed":
        return None
    given, made = batch.counts.get("tokens in", 0), batch.counts.get("tokens out", 0)
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": given + made,
    }


def write_results(batch: Batch, end: str, world: World, switches: OpenAISwitches) -> None:
    """Write the output file and the error file, as far as there is something to say."""
    if end == "failed" and not switches.failed_has_files:
        return
    results = Results(
        batch, end, int(world.clock.now), shape=switches.lines, endpoint=batch.extra["endpoint"]
    )
    results.write(world.disk.new, lambda: f"file-{world.number('file'):06}")
    absent = batch.fate.absent or switches.absent
    for role in ("output", "error"):
        file = results.files[role]
        if file.content.size == 0 and absent != "empty-file":
            continue
        if batch.fate.vanishes != "results":
            world.files[file.id] = file
        setattr(batch, role, file)


class Results:
    """The result lines of an OpenAI-shaped batch, on their way into its two files."""

    def __init__(self, batch: Batch, end: str, now: int, *, shape: str, endpoint: str) -> None:
        self.batch = batch
        self.end = end
        self.now = now
        self.shape = shape
        self.endpoint = endpoint
        self.files: dict[str, File] = {}
        self._made = 0

    def write(self, new: Callable[[], Writer], new_id: Callable[[], str]) -> None:
        """Answer every request, in the order of the fate."""
        output, error = new(), new()
        fate, total = self.batch.fate, self.batch.total
        for position, request in requests_of(self.batch) if self.end != "failed" else ():
            custom_id, body = str(request.get("custom_id", "")), request.get("body") or {}
            outcome = fate.outcome(custom_id, position, total, self.end)
            self._count(outcome, body)
            for line in self._lines(custom_id, body, outcome):
                (output if outcome.kind in GROUP else error).write(msgspec.json.encode(line) + b"\n")
        for custom_id in fate.foreign if self.end != "failed" else ():
            for line in self._lines(custom_id, {}, Outcome(text="nobody asked")):
                output.write(msgspec.json.encode(line) + b"\n")
        for role, writer in (("output", output), ("error", error)):
            self.files[role] = File(
                id=new_id(),
                dialect=self.batch.dialect,
                account=self.batch.account,
                name=f"{self.batch.id}_{role}.jsonl",
                purpose="batch_output",
                content=writer.close(),
                created_at=self.now,
                expires_at=self.now + 30 * DAY,
                generated=True,
            )

    def _count(self, outcome: Outcome, body: Any) -> None:
        counts = self.batch.counts
        group = GROUP.get(outcome.kind, "failed" if outcome.kind in {"http", "error"} else "")
        if self.end not in PARTIAL and not group:
            group = "failed"
        if group:
            counts[group] = counts.get(group, 0) + 1
        if group == "completed":
            question = tokens(asked(body))
            counts["tokens in"] = counts.get("tokens in", 0) + question
            counts["tokens out"] = counts.get("tokens out", 0) + question

    def _lines(self, custom_id: str, body: Json, outcome: Outcome) -> list[Json]:
        """The lines of one request: one, none, or two that say the same."""
        if outcome.kind == "missing":
            return []
        self._made += 1
        line: Json = {"id": f"batch_req_{self._made:08}", "custom_id": custom_id}
        if outcome.kind in {"expired", "cancelled"}:
            # The guide's sample has the same line id twice: it is no key (OpenAI facts, JSONL lines).
            line["id"] = "batch_req_123"
            code = outcome.code or f"batch_{outcome.kind}"
            line |= self._error(code, f"This request could not be executed: the batch is {outcome.kind}.")
        elif outcome.kind == "error":
            line |= self._error(outcome.code or "request_timeout", outcome.message)
        else:
            status = outcome.status if outcome.kind == "http" else 200
            answer = self._failure(outcome) if outcome.kind == "http" else self._success(body, outcome)
            line["response"] = {
                "status_code": status,
                "request_id": f"req_{self._made:08}",
                "body": msgspec.json.encode(answer).decode() if self.shape == "ogx" else answer,
            }
            line["error"] = None
        return [line, line] if outcome.kind == "twice" else [line]

    def _success(self, body: Json, outcome: Outcome) -> Json:
        return openai(self.endpoint, body, outcome, self._made, self.now)

    def _failure(self, outcome: Outcome) -> Any:
        if outcome.body is not None:
            return outcome.body
        code = outcome.code or None
        kind = "server_error" if outcome.status >= 500 else "invalid_request_error"
        return {"error": {"message": outcome.message, "type": kind, "param": None, "code": code}}

    def _error(self, code: str, message: str) -> Json:
        if self.shape == "ogx":
            return {"error": {"type": code, "message": message}}
        if self.shape == "vllm":
            return {"response": {"status_code": 400, "body": None}, "error": message}
        return {"response": None, "error": {"code": code, "message": message}}
