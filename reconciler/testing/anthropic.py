"""
Anthropic's Message Batches: one create with all requests in it, one stream of results.

The behaviours are those of the provider facts, Anthropic Message Batches (SDK types of anthropic 2.11.0, the
batch processing guide, anthropic-sdk-python#984 and #938); what is only remembered there is a switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from reconciler.testing.answers import anthropic
from reconciler.testing.anthropic_requests import custom_id_of, problem_of
from reconciler.testing.dialect import Desk, Dialect, Handler, Kinds, body_of, download, whole_number
from reconciler.testing.exchange import Json, Refusal, pieces
from reconciler.testing.fates import Outcome
from reconciler.testing.files import Content
from reconciler.testing.lines import requests_of
from reconciler.testing.live import anthropic_endpoints
from reconciler.testing.switches import AnthropicSwitches
from reconciler.testing.world import DAY, ENDS, Batch, File

KEPT: Final = 29 * DAY
NEW: Final = "2026-10-21"
COUNTS: Final = ("processing", "succeeded", "errored", "canceled", "expired")
TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
GROUPS: Final = {"http": "errored", "error": "errored", "expired": "expired", "cancelled": "canceled"}


def moment(seconds: float | None) -> str | None:
    """RFC 3339."""
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    )


class _Create(msgspec.Struct):
    requests: list[msgspec.Raw]


class Anthropic(Dialect):
    """`/anthropic`."""

    name: ClassVar[str] = "anthropic"
    prefix: ClassVar[str] = "/anthropic"
    key_headers: ClassVar[tuple[str, ...]] = ("x-api-key", "authorization")
    request_id: ClassVar[str] = "request-id"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.switches = AnthropicSwitches()

    def reset(self) -> None:
        """Set the switches back."""
        self.switches = AnthropicSwitches()

    def endpoints(self) -> Iterable[tuple[str, str, Kinds, Handler]]:
        """Batches, and the live one."""
        base = "/v1/messages/batches"
        yield "POST", base, "create", self.create
        yield "GET", base, "list", self.batches
        yield "GET", base + "/{id}", "get", self.get
        yield "DELETE", base + "/{id}", "delete", self.delete
        yield "POST", base + "/{id}/cancel", "cancel", self.cancel
        yield "GET", base + "/{id}/results", "download", self.results
        yield from anthropic_endpoints(self)

    def refuse(self, refusal: Refusal) -> Response:
        """`{"type": "error", "error": {type, message}, "request_id"}`."""
        kind = TYPES.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
        body = {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": None}
        return body_of(body, refusal.status, refusal.headers)

    def account(self, request: Request) -> str:
        """Whose key this is; the version header comes first."""
        version = request.headers.get("anthropic-version", "")
        if not version:
            raise Refusal(400, "anthropic-version: header is required")
        if version not in self.switches.versions:
            raise Refusal(400, f"anthropic-version: '{version}' is not a valid version")
        if version == NEW and "x-api-key" in request.headers and not self.switches.x_api_key_2026:
            raise Refusal(401, "x-api-key is not served with this version; use Authorization: Bearer")
        return super().account(request)

    def unknown_key(self, *, brought: bool) -> Refusal:
        """The refusal of a wrong key, or of none."""
        return Refusal(401, "invalid x-api-key" if brought else "x-api-key header is required")

    # --- create ---------------------------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        """Make a batch of the requests in the body, or refuse all of them."""
        account = self.account(request)
        writer = self.world.disk.new()
        async for piece in pieces(request):
            writer.write(piece)
        body = writer.close()
        try:
            if body.size > self.switches.most_bytes:
                raise Refusal(413, "Request exceeds the maximum allowed number of bytes.")
            new = request.headers["anthropic-version"] == NEW and self.switches.breaks_2026
            source, places, wrong = self._take(body, new=new)
        finally:
            self.world.disk.drop(body)
        batch = Batch(
            id=f"msgbatch_{self.world.number('message batch'):06}",
            dialect=self.name,
            account=account,
            fate=self.world.next_fate(),
            created_at=self.now,
            source=source,
            lines=places,
            extra={"wrong": wrong},
        )
        return body_of(self.told(self.world.add(batch), request))

    def _take(self, body: Content, *, new: bool) -> tuple[Content, list[tuple[int, int]], dict[str, str]]:
        """The requests as lines on disk, their places, and what is wrong with the params of which."""
        with body.mapped() as view:
            try:
                requests = msgspec.json.decode(view, type=_Create).requests
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Refusal(400, f"requests: {error}") from None
            if not 1 <= len(requests) <= self.switches.most_requests:
                raise Refusal(
                    400,
                    f"requests: List should have 1 to {self.switches.most_requests} items after validation",
                )
            return self._keep(requests, new=new)

    def _keep(
        self, requests: Sequence[msgspec.Raw], *, new: bool
    ) -> tuple[Content, list[tuple[int, int]], dict[str, str]]:
        places: list[tuple[int, int]] = []
        wrong: dict[str, str] = {}
        ids: set[str] = set()
        writer = self.world.disk.new()
        try:
            for index, raw in enumerate(requests):
                value = msgspec.json.decode(raw)
                custom_id = custom_id_of(value, index)
                if custom_id in ids and self.switches.refuse_duplicates:
                    raise Refusal(400, f"requests.{index}.custom_id: '{custom_id}' is not unique")
                ids.add(custom_id)
                problem = problem_of(value.get("params"), new=new)
                if problem and self.switches.params_checked == "create":
                    raise Refusal(400, f"requests.{index}.params.{problem}")
                if problem:
                    wrong[custom_id] = problem
                line = bytes(raw)
                places.append((writer.size, len(line)))
                writer.write(line)
        finally:
            content = writer.close()
        return content, places, wrong

    # --- afterwards -----------------------------------------------------------------------------------------

    async def get(self, request: Request) -> Response:
        """One look at a batch."""
        batch = self.world.look(self.find(request), self.finish)
        return body_of(self.told(batch, request))

    async def batches(self, request: Request) -> Response:
        """A page of batches, newest first."""
        account = self.account(request)
        limit = whole_number(request, "limit", 20, self.switches.most_listed)
        found = self.world.batches_of(self.name, account)
        ids = [batch.id for batch in found]
        after, before = request.query_params.get("after_id"), request.query_params.get("before_id")
        if before in ids:
            start = max(0, ids.index(before) - limit)
            page, more = found[start : ids.index(before)], start > 0
        else:
            start = ids.index(after) + 1 if after in ids else 0
            page, more = found[start : start + limit], len(found) > start + limit
        data = [self.told(self.world.look(batch, self.finish), request) for batch in page]
        first, last = (page[0].id, page[-1].id) if page else (None, None)
        return body_of({"data": data, "has_more": more, "first_id": first, "last_id": last})

    async def cancel(self, request: Request) -> Response:
        """Ask to stop."""
        batch = self.find(request)
        if batch.stage in ENDS:
            raise Refusal(409, f"Batch {batch.id} has already ended.")
        self.world.cancel(batch)
        return body_of(self.told(batch, request))

    async def delete(self, request: Request) -> Response:
        """Forget a batch, once it has ended."""
        batch = self.find(request)
        if batch.stage not in ENDS:
            raise Refusal(400, f"Batch {batch.id} cannot be deleted while it is being processed.")
        batch.deleted = True
        return body_of({"id": batch.id, "type": "message_batch_deleted"})

    async def results(self, request: Request) -> Response:
        """The result lines, while they are kept."""
        batch = self.find(request)
        if batch.output is None or not batch.ended or self._archived(batch) is not None:
            raise Refusal(404, f"Batch {batch.id} has no results available.")
        if batch.fate.vanishes == "results":
            raise Refusal(404, f"Batch {batch.id} has no results available.")
        kind = "application/x-jsonl"
        return download(request, batch.output.content, media_type=kind, ranges=self.switches.ranges)

    def find(self, request: Request) -> Batch:
        """The batch that the path names, or 404."""
        batch_id = str(request.path_params["id"])
        batch = self.world.batch(self.name, self.account(request), batch_id)
        if batch is None:
            raise Refusal(404, f"Message Batch {batch_id} not found.")
        return batch

    def _archived(self, batch: Batch) -> float | None:
        """When the results went away: 29 days after the creation."""
        if batch.fate.archived:
            return batch.stamps.get(batch.stage, batch.created_at)
        kept_until = batch.created_at + KEPT
        return kept_until if self.now >= kept_until else None

    def told(self, batch: Batch, request: Request) -> Json:
        """A batch as it is told; only `ended` is an end."""
        done = batch.stage in ENDS
        word = batch.word or ("ended" if done else "canceling" if batch.cancel_asked else "in_progress")
        counts = dict.fromkeys(COUNTS, 0) | ({} if done else {"processing": batch.total})
        counts |= {name: number for name, number in batch.counts.items() if done} | dict(batch.fate.counts)
        shown = batch.ended and batch.after >= batch.fate.late
        archived = self._archived(batch) if shown else None
        origin = batch.fate.results_origin or f"{request.url.scheme}://{request.url.netloc}{self.prefix}"
        url = f"{origin}/v1/messages/batches/{batch.id}/results"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": word,
            "request_counts": counts,
            "created_at": moment(batch.created_at),
            "expires_at": moment(batch.created_at + DAY),
            "ended_at": moment(batch.stamps.get(batch.stage)) if batch.ended else None,
            "archived_at": moment(archived),
            "cancel_initiated_at": moment(batch.stamps.get("cancelling")),
            "results_url": url if shown and archived is None else None,
        }

    def finish(self, batch: Batch, end: str) -> None:
        """Write the one stream of results and count its lines."""
        writer = self.world.disk.new()
        batch.counts = dict.fromkeys(COUNTS, 0)
        for number, (position, request) in enumerate(requests_of(batch), 1):
            custom_id = request["custom_id"]
            outcome = batch.fate.outcome(custom_id, position, batch.total, end)
            if end == "failed":
                outcome = Outcome("error", message=batch.fate.errors[0].message if batch.fate.errors else "")
            if custom_id in batch.extra["wrong"] and GROUPS.get(outcome.kind) != "expired":
                outcome = Outcome("error", code=TYPES[400], message=batch.extra["wrong"][custom_id])
            batch.counts[GROUPS.get(outcome.kind, "succeeded")] += 1
            line = msgspec.json.encode(
                {"custom_id": custom_id, "result": self._result(request["params"], outcome, number)}
            )
            writer.write((line + b"\n") * {"missing": 0, "twice": 2}.get(outcome.kind, 1))
        for custom_id in batch.fate.foreign:
            result = self._result({}, Outcome(text="nobody asked"), 0)
            writer.write(msgspec.json.encode({"custom_id": custom_id, "result": result}) + b"\n")
        batch.output = File(
            id=f"{batch.id}/results",
            dialect=self.name,
            account=batch.account,
            name="results.jsonl",
            purpose="results",
            content=writer.close(),
            created_at=self.now,
            generated=True,
        )

    def _result(self, params: Any, outcome: Outcome, number: int) -> Json:
        if outcome.kind in {"expired", "cancelled"}:
            return {"type": GROUPS[outcome.kind]}
        if outcome.kind in {"http", "error"}:
            kind = outcome.code or (TYPES.get(outcome.status, "api_error"))
            error: Json = {"type": kind, "message": outcome.message}
            if self.switches.nested_errors:
                error = {"type": "error", "error": error, "request_id": None}
            return {"type": "errored", "error": error}
        return {"type": "succeeded", "message": anthropic(params, outcome, number)}
