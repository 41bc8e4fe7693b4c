"""
Mistral's batch jobs, over files or with the requests inside.

The behaviours are those of the provider facts, Mistral Batch (mistralai 3.7.0, platform-docs-public); what is
only remembered there is a switch.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import attrs
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from reconciler.testing.dialect import (
    Handler,
    Kinds,
    body_of,
    object_in,
)
from reconciler.testing.exchange import Json, Refusal
from reconciler.testing.fates import Outcome
from reconciler.testing.files import Content
from reconciler.testing.lines import Rules, examine
from reconciler.testing.live import openai_endpoints
from reconciler.testing.mistral_files import MistralFiles, page_of
from reconciler.testing.openai_batch import Results
from reconciler.testing.world import ENDS, Batch

ENDPOINTS: Final = frozenset(
    "/v1/chat/completions /v1/embeddings /v1/fim/completions /v1/moderations /v1/chat/moderations /v1/ocr"
    " /v1/classifications /v1/chat/classifications /v1/conversations /v1/audio/transcriptions".split()
)
STATUSES: Final = {
    "queued": "QUEUED",
    "running": "RUNNING",
    "finalizing": "RUNNING",
    "cancelling": "CANCELLATION_REQUESTED",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "expired": "TIMEOUT_EXCEEDED",
    "cancelled": "CANCELLED",
}
LISTED_BY: Final = frozenset(
    "page page_size model agent_id metadata created_after created_by_me status order_by".split()
)
LONGEST_KEY: Final = 32
LONGEST_VALUE: Final = 512
MOST_HOURS: Final = 7 * 24


class Mistral(MistralFiles):
    """The half that is about jobs."""

    def endpoints(self) -> Iterable[tuple[str, str, Kinds, Handler]]:
        """Files, jobs, and the live ones."""
        yield from super().endpoints()
        jobs = "/v1/batch/jobs"
        yield "POST", jobs, "create", self.create
        yield "GET", jobs, "list", self.jobs
        yield "GET", jobs + "/{id}", "get", self.get
        yield "DELETE", jobs + "/{id}", "delete", self.delete
        yield "POST", jobs + "/{id}/cancel", "cancel", self.cancel
        yield from openai_endpoints(self, "/v1")

    async def create(self, request: Request) -> Response:
        """Make a job of files or of the requests that came along."""
        account = self.account(request)
        asked = await object_in(request)
        if asked.get("endpoint") not in ENDPOINTS:
            raise Refusal(422, "Input should be one of the endpoints of the batch API", None, "endpoint")
        _check_metadata(asked.get("metadata"))
        hours = asked.get("timeout_hours")
        if hours is not None and not (isinstance(hours, int) and 1 <= hours <= MOST_HOURS):
            raise Refusal(422, "Input should be at most 168", None, "timeout_hours")
        content = self._requests(account, asked)
        model = asked.get("model") or asked.get("agent_id")
        rules = Rules("", self.switches.most_requests, one_model=True, needs_model=not model, needs_id=False)
        looked = examine(content, rules)
        extra = {name: asked.get(name) for name in ("endpoint", "model", "agent_id", "metadata")}
        extra["input_files"] = asked.get("input_files") or []
        # Grouped with counts and without line numbers (Mistral facts, job, states).
        messages = [error.message for error in looked.errors]
        extra["errors"] = [
            {"message": each, "count": messages.count(each)} for each in dict.fromkeys(messages)
        ]
        fate = self.world.next_fate()
        if looked.errors:
            fate = attrs.evolve(fate, end="failed")
        batch = Batch(
            id=self.new_id(),
            dialect=self.name,
            account=account,
            fate=fate,
            created_at=self.now,
            source=content,
            lines=looked.places,
            extra=extra,
        )
        return body_of(self.told(self.world.add(batch)))

    def _requests(self, account: str, asked: Json) -> Content:
        inline, named = asked.get("requests"), asked.get("input_files")
        if bool(inline) == bool(named):
            raise Refusal(422, "Either input_files or requests is required", None, "input_files")
        writer = self.world.disk.new()
        if isinstance(inline, list):
            if len(inline) > self.switches.most_inline:
                raise Refusal(
                    422, f"List should have at most {self.switches.most_inline} items", None, "requests"
                )
            for each in inline:
                writer.write(msgspec.json.encode(each) + b"\n")
            return writer.close()
        for file_id in named if isinstance(named, list) else ():
            file = self.world.file(self.name, account, str(file_id))
            if file is None:
                raise Refusal(404, f"File {file_id} not found.", None, "input_files")
            for _, line in file.content.lines():
                writer.write(line.rstrip(b"\n") + b"\n")
        return writer.close()

    async def get(self, request: Request) -> Response:
        """One look at a job; `inline=true` brings the results along."""
        batch = self.world.look(self._job(request), self._finish)
        told = self.told(batch)
        if request.query_params.get("inline") == "true" and batch.output is not None and batch.ended:
            told["outputs"] = [msgspec.json.decode(line) for _, line in batch.output.content.lines()]
        return body_of(told)

    async def jobs(self, request: Request) -> Response:
        """A page of jobs, narrowed by what was asked."""
        found = self.world.batches_of(self.name, self.account(request))
        asked = request.query_params
        if asked.get("order_by", "-created") == "created":
            found.reverse()
        after = asked.get("created_after")
        since = datetime.fromisoformat(after).timestamp() if after else 0
        words = asked.getlist("status")
        pairs = {name: value for name, value in asked.items() if name not in LISTED_BY}
        kept = [
            batch
            for batch in found
            if batch.created_at >= since
            and (not words or self._word(batch) in words)
            and asked.get("model") in {None, batch.extra["model"]}
            and (not self.switches.metadata_filter or _holds(batch.extra["metadata"], pairs))
        ]
        page = page_of(request, kept)
        page["data"] = [self.told(self.world.look(batch, self._finish)) for batch in page["data"]]
        return body_of(page)

    async def cancel(self, request: Request) -> Response:
        """Ask to stop."""
        batch = self._job(request)
        if batch.stage in ENDS:
            raise Refusal(409, f"Job {batch.id} has already ended.")
        self.world.cancel(batch)
        return body_of(self.told(batch))

    async def delete(self, request: Request) -> Response:
        """Forget a job, where that exists."""
        if not self.switches.delete:
            raise Refusal(405, "Method Not Allowed")
        batch = self._job(request)
        batch.deleted = True
        return body_of({"id": batch.id, "object": "batch", "deleted": True})

    def _job(self, request: Request) -> Batch:
        job_id = str(request.path_params["id"])
        batch = self.world.batch(self.name, self.account(request), job_id)
        if batch is None:
            raise Refusal(404, f"Job {job_id} not found.")
        return batch

    def _word(self, batch: Batch) -> str:
        return batch.word or STATUSES[batch.stage]

    def told(self, batch: Batch) -> Json:
        """A job as it is told."""
        shown = {role: batch.ended and batch.fate.tells(role, batch.after) for role in ("output", "error")}
        absent = "" if batch.fate.absent == "empty-id" and batch.ended else None
        good, bad = batch.counts.get("completed", 0), batch.counts.get("failed", 0)
        started = batch.stamps.get("running")
        told: Json = {
            "id": batch.id,
            "object": "batch",
            "input_files": batch.extra["input_files"],
            "metadata": batch.extra["metadata"],
            "endpoint": batch.extra["endpoint"],
            "model": batch.extra["model"],
            "agent_id": batch.extra["agent_id"],
            "output_file": batch.output.id if shown["output"] and batch.output else absent,
            "error_file": batch.error.id if shown["error"] and batch.error else absent,
            "errors": self._errors(batch),
            "status": self._word(batch),
            "created_at": int(batch.created_at),
            "started_at": None if started is None else int(started),
            "completed_at": int(batch.stamps[batch.stage]) if batch.ended else None,
            "total_requests": batch.total,
            "completed_requests": good + bad,
            "succeeded_requests": good,
            "failed_requests": bad,
        }
        return told | dict(batch.fate.counts)

    def _errors(self, batch: Batch) -> list[Json]:
        if batch.stage != "failed":
            return []
        scripted = [{"message": each.message, "count": 1} for each in batch.fate.errors]
        return list(batch.extra["errors"]) or scripted

    def _finish(self, batch: Batch, end: str) -> None:
        if end == "failed" or (end in {"expired", "cancelled"} and not self.switches.partial):
            return
        results = _Lines(batch, end, int(self.now), shape="openai", endpoint=batch.extra["endpoint"])
        results.chunks = self.switches.chunks
        results.write(self.world.disk.new, self.new_id)
        for role in ("output", "error"):
            file = results.files[role]
            file.expires_at = None  # results do not expire (Mistral facts, limits)
            if file.content.size == 0 and batch.fate.absent != "empty-file":
                continue
            if batch.fate.vanishes != "results":
                self.world.files[file.id] = file
            setattr(batch, role, file)


class _Lines(Results):
    """OpenAI-shaped lines, whose text may be a list of chunks."""

    chunks = False

    def _success(self, body: Json, outcome: Outcome) -> Json:
        answer = super()._success({"model": self.batch.extra["model"]} | body, outcome)
        if outcome.body is not None:
            return answer
        for choice in answer.get("choices", ()):
            message = choice["message"]
            # Its messages have no `refusal` (mistralai 3.7.0, AssistantMessage): a refusal is what was said.
            message["content"] = message.pop("refusal") or message["content"]
            if self.chunks:
                message["content"] = [{"type": "text", "text": message["content"]}]
        return answer


def _holds(metadata: Any, pairs: dict[str, str]) -> bool:
    """Whether a job's metadata has every pair that the query names (form style, exploded)."""
    given = metadata or {}
    return all(given.get(name) == value for name, value in pairs.items())


def _check_metadata(metadata: Any) -> None:
    """Keys of 1 to 32 characters, texts of 1 to 512 (Mistral facts, endpoints)."""
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(
        1 <= len(name) <= LONGEST_KEY and isinstance(each, str) and 1 <= len(each) <= LONGEST_VALUE
        for name, each in metadata.items()
    ):
        raise Refusal(422, "String should have 1 to 512 characters", None, "metadata")
