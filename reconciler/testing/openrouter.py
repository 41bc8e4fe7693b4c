"""
OpenRouter's batch API: one create with all requests in it, results as pages or in the batch itself.

The behaviours are those of OpenRouter's batch quickstart and API reference (create, list, get, results,
delete), and of the crate `openrouter-batch`, which was tried on the real service; where they differ is a
switch. There is no cancel: its path is nobody's.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from reconciler.testing.answers import anthropic, openai
from reconciler.testing.dialect import Desk, Dialect, Handler, Kinds, body_of, whole_number
from reconciler.testing.exchange import Json, Refusal, pieces
from reconciler.testing.fates import Outcome
from reconciler.testing.lines import requests_of
from reconciler.testing.live import openai_endpoints
from reconciler.testing.openai_batch import GROUP, WORDS
from reconciler.testing.openrouter_create import requests_in
from reconciler.testing.switches import OpenRouterSwitches
from reconciler.testing.world import DAY, ENDS, Batch, File

KEPT: Final = 30 * DAY
"""After its creation a batch's requests and results are deleted (quickstart)."""

TYPES: Final = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}


class OpenRouter(Dialect):
    """`/openrouter/api/v1`."""

    name: ClassVar[str] = "openrouter"
    prefix: ClassVar[str] = "/openrouter/api/v1"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.switches = OpenRouterSwitches()

    def reset(self) -> None:
        """Set the switches back."""
        self.switches = OpenRouterSwitches()

    def endpoints(self) -> Iterable[tuple[str, str, Kinds, Handler]]:
        """The five endpoints of batches, and those that answer live."""
        yield from openai_endpoints(self)
        yield "POST", "/batches", "create", self.create
        yield "GET", "/batches", "list", self.batches
        yield "GET", "/batches/{id}", "get", self.get
        yield "DELETE", "/batches/{id}", "delete", self.delete
        yield "GET", "/batches/{id}/results", "download", self.results

    def refuse(self, refusal: Refusal) -> Response:
        """`{"error": {code, message}}`, the code being the status or a word."""
        error = {"code": refusal.code or refusal.status, "message": refusal.message}
        return body_of({"error": error}, refusal.status, refusal.headers)

    # --- create ---------------------------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        """Make a batch of the requests in the body: 202, or a refusal of all of them."""
        account = self.account(request)
        writer = self.world.disk.new()
        async for piece in pieces(request):
            writer.write(piece)
        body = writer.close()
        try:
            if body.size > self.switches.most_bytes:
                raise Refusal(413, "The request is too large.")
            told, source, places = requests_in(body, self.world.disk, self.switches)
        finally:
            self.world.disk.drop(body)
        batch = Batch(
            id=f"batch_or{self.world.number('openrouter batch'):06}",
            dialect=self.name,
            account=account,
            fate=self.world.next_fate(),
            created_at=self.now,
            source=source,
            lines=places,
            extra=told,
        )
        return body_of(self.told(self.world.add(batch)), 202)

    # --- afterwards -----------------------------------------------------------------------------------------

    async def get(self, request: Request) -> Response:
        """One look at a batch; one that has ended has its results with it."""
        batch = self.world.look(self.find(request), self.finish)
        return StreamingResponse(self._whole(batch), 200, None, "application/json")

    def _whole(self, batch: Batch) -> Iterator[bytes]:
        """A batch object as it is sent, its results streamed."""
        told = self.told(batch)
        del told["results"], told["error"]
        head, error = msgspec.json.encode(told), msgspec.json.encode(self._error(batch))
        first = self.switches.results_first
        yield b"{" if first else head[:-1] + b","
        yield b'"results":'
        if self._has_results(batch):
            before = b"["
            for line in self._lines(batch):
                yield before + line
                before = b","
            yield b"[]" if before == b"[" else b"]"
        else:
            yield b"null"
        yield b',"error":' + error
        yield b"," + head[1:] if first else b"}"

    async def batches(self, request: Request) -> Response:
        """A page of batches, newest first, without their results."""
        account = self.account(request)
        limit = whole_number(request, "limit", 20, self.switches.most_listed)
        found = self.world.batches_of(self.name, account)
        ids, after = [batch.id for batch in found], request.query_params.get("after")
        start = ids.index(after) + 1 if after in ids else 0
        page, more = found[start : start + limit], len(found) > start + limit
        data = [self.told(self.world.look(batch, self.finish)) for batch in page]
        first, last = (page[0].id, page[-1].id) if page else (None, None)
        return body_of({"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more})

    async def delete(self, request: Request) -> Response:
        """Forget a batch and what it holds, once it has ended."""
        batch = self.find(request)
        if batch.stage not in ENDS:
            raise Refusal(409, "The batch is still in progress.")
        batch.deleted = True
        return body_of({"id": batch.id, "object": "batch", "deleted": True})

    async def results(self, request: Request) -> Response:
        """A page of results; a cursor says where it begins, and is of one batch."""
        batch = self.find(request)
        if not self.switches.pages or not self._has_results(batch):
            raise Refusal(404, "The batch has no results.")
        limit = whole_number(request, "limit", 100, self.switches.most_rows)
        start = self._start(batch, request.query_params.get("cursor"))
        rows = list(self._lines(batch, start, start + limit))
        more = len(batch.extra["rows"]) > start + limit
        mark = urlsafe_b64encode(f"v1:{batch.id}:{start + limit}".encode()).decode().rstrip("=")
        tail = msgspec.json.encode({"has_more": more, "next_cursor": mark if more else None})
        body = b'{"object":"list","data":[' + b",".join(rows) + b"]," + tail[1:]
        return Response(body, 200, None, "application/json")

    def _start(self, batch: Batch, cursor: str | None) -> int:
        """Where a page begins."""
        if cursor is None:
            return 0
        try:
            version, batch_id, at = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(":")
        except ValueError:
            version, batch_id, at = "", "", ""
        if (version, batch_id) != ("v1", batch.id) or not at.isdigit():
            raise Refusal(400, "The cursor is not one of this batch.")
        return int(at)

    def find(self, request: Request) -> Batch:
        """The batch that the path names, or 404."""
        batch_id = str(request.path_params["id"])
        batch = self.world.batch(self.name, self.account(request), batch_id)
        if batch is None or self.now >= batch.created_at + KEPT:
            raise Refusal(404, f"Batch {batch_id} not found.")
        return batch

    def _has_results(self, batch: Batch) -> bool:
        """Whether results are told now."""
        if batch.output is None or not batch.ended or batch.fate.vanishes == "results":
            return False
        if batch.after < batch.fate.late:
            return False
        return batch.stage == "completed" or self.switches.early

    def _lines(self, batch: Batch, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The result lines from one number to another, without their ends."""
        if batch.output is not None:
            yield from batch.output.content.line_at(iter(batch.extra["rows"][start:stop]))

    def told(self, batch: Batch) -> Json:
        """A batch as lists tell it."""
        counts = {"total": batch.total} | {
            name: batch.counts.get(name, 0) if batch.stage in ENDS else 0 for name in ("completed", "failed")
        }
        ended = batch.stage in ENDS
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.extra["endpoint"],
            "model": batch.extra["model"],
            "completion_window": "24h",
            "status": batch.word or WORDS.get(batch.stage, batch.stage),
            "created_at": int(batch.created_at),
            "expires_at": int(batch.created_at + DAY),
            "finalized_at": int(batch.stamps.get(batch.stage, self.now)) if ended else None,
            "request_counts": counts | dict(batch.fate.counts),
            "usage": None,
            "results": None,
            "error": self._error(batch),
        }

    def _error(self, batch: Batch) -> Mapping[str, str] | None:
        """Why a batch failed."""
        if batch.stage != "failed" or batch.word:
            return None
        return {"message": "; ".join(each.message for each in batch.fate.errors) or "validation failed"}

    # --- results --------------------------------------------------------------------------------------------

    def finish(self, batch: Batch, end: str) -> None:
        """Write the results and count them."""
        if end == "failed":
            return
        writer, places = self.world.disk.new(), list[tuple[int, int]]()
        batch.extra["rows"] = places

        def write(row: Json) -> None:
            line = msgspec.json.encode(row)
            places.append((writer.size, len(line)))
            writer.write(line + b"\n")

        batch.counts = {"completed": 0, "failed": 0}
        for number, (position, request) in enumerate(requests_of(batch), 1):
            custom_id = request["custom_id"]
            outcome = batch.fate.outcome(custom_id, position, batch.total, end)
            group = GROUP.get(outcome.kind)
            group = group or ("failed" if outcome.kind in {"http", "error"} or end == "completed" else "")
            if group:
                batch.counts[group] += 1
            for _ in range({"missing": 0, "twice": 2}.get(outcome.kind, 1)):
                write(self._row(batch, request, outcome, number))
        for custom_id in batch.fate.foreign:
            foreign = {"custom_id": custom_id, "body": {}}
            write(self._row(batch, foreign, Outcome(text="nobody asked"), 0))
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

    def _row(self, batch: Batch, request: Json, outcome: Outcome, number: int) -> Json:
        """One result: exactly one of `response` and `error` (quickstart; the SDK's models)."""
        row: Json = {"id": f"batch_req_{number:08}", "custom_id": request["custom_id"]}
        if outcome.kind in {"expired", "cancelled"}:
            code = outcome.code or f"batch_{outcome.kind}"
            return row | {"response": None, "error": _error(code, f"the batch is {outcome.kind}")}
        if outcome.kind == "error":
            return row | {"response": None, "error": _error(outcome.code or "server_error", outcome.message)}
        if outcome.kind == "http":
            kind = outcome.code or TYPES.get(outcome.status, "api_error")
            answer: Any = {"error": {"code": outcome.status, "type": kind, "message": outcome.message}}
            answer = answer if outcome.body is None else outcome.body
        else:
            body = {"model": batch.extra["model"], **request["body"]}
            answer = self._answer(batch.extra["endpoint"], body, outcome, number)
        status = outcome.status if outcome.kind == "http" else 200
        response = {"status_code": status, "request_id": f"req_{number:08}", "body": answer}
        return row | {"response": response, "error": None}

    def _answer(self, endpoint: str, body: Json, outcome: Outcome, number: int) -> Json:
        """An answer in the shape of the endpoint."""
        if endpoint == "/v1/messages":
            return anthropic(body, outcome, number)
        return openai(endpoint, body, outcome, number, int(self.now))


def _error(kind: str, message: str) -> Json:
    """The error of a result: its word is `type`."""
    return {"type": kind, "message": message, "param": None}
