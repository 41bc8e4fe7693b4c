"""
Gemini's Developer API: a resumable upload, jobs in the shape of long-running operations.

The behaviours are those of the provider facts, Google Gemini Batch (google-genai 3.4.0, cookbook
`Batch_mode.ipynb`, the Batch API guide and reference); what is only remembered there is a switch.
"""

from __future__ import annotations

from collections.abc import Iterable

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
from reconciler.testing.files import Content
from reconciler.testing.gemini_batch import DONE, operation, write_results
from reconciler.testing.gemini_files import GeminiFiles, camel, page_of
from reconciler.testing.lines import first_bad
from reconciler.testing.live import gemini_endpoints
from reconciler.testing.world import ENDS, Batch


class Gemini(GeminiFiles):
    """The half that is about jobs."""

    def endpoints(self) -> Iterable[tuple[str, str, Kinds, Handler]]:
        """Files, jobs, and the live one."""
        yield from super().endpoints()
        yield "POST", "/{ver}/models/{model}:batchGenerateContent", "create", self.create
        yield "POST", "/{ver}/batches/{id}:cancel", "cancel", self.cancel
        yield "POST", "/{ver}/batches/{id}:delete", "delete", self.delete
        yield "GET", "/{ver}/batches", "list", self.batches
        yield "GET", "/{ver}/batches/{id}", "get", self.get
        yield "DELETE", "/{ver}/batches/{id}", "delete", self.delete
        yield from gemini_endpoints(self)

    async def create(self, request: Request) -> Response:
        """Make a job; the same request twice makes two (the guide)."""
        account = self.account(request)
        body = await request.body()
        asked = camel(await object_in(request)).get("batch")
        if not isinstance(asked, dict) or not asked.get("displayName"):
            raise Refusal(400, "batch.displayName is required.")
        config = camel(asked.get("inputConfig") or {})
        running = [each for each in self.world.batches.values() if each.dialect == self.name]
        if len([each for each in running if each.stage not in ENDS]) >= self.switches.most_running:
            raise Refusal(429, "Resource has been exhausted (e.g. check quota).")
        if isinstance(config.get("fileName"), str):
            source, places = self._from_file(account, config["fileName"])
            wrong = first_bad(source, places)
        else:
            if len(body) > self.switches.most_inline:
                raise Refusal(400, "Request payload size exceeds the limit.")
            source, places = self._inline(config)
            wrong = None
        fate = self.world.next_fate()
        if wrong is not None:
            fate = attrs.evolve(fate, end="failed", errors=(wrong,))
        batch = Batch(
            id=f"batches/{self.world.number('gemini batch'):012}",
            dialect=self.name,
            account=account,
            fate=fate,
            created_at=self.now,
            source=source,
            lines=places,
            extra={
                "display_name": asked["displayName"],
                "model": f"models/{request.path_params['model']}",
                "inline": "fileName" not in config,
                "input": config.get("fileName"),
            },
        )
        return body_of(operation(self.world.add(batch), self.switches, listed=False))

    def _from_file(self, account: str, name: str) -> tuple[Content, list[tuple[int, int]]]:
        file = self.world.file(self.name, account, name)
        if file is None:
            raise Refusal(self.switches.not_yours, f"The File {name} does not exist, or is not yours.")
        if file.ready:
            raise Refusal(400, f"The File {name} is not in an ACTIVE state.")
        return file.content, file.content.places()

    def _inline(self, config: Json) -> tuple[Content, list[tuple[int, int]]]:
        requests = (config.get("requests") or {}).get("requests")
        if not isinstance(requests, list) or not requests:
            raise Refusal(400, "batch.inputConfig needs fileName or requests.")
        writer = self.world.disk.new()
        for each in requests:
            writer.write(msgspec.json.encode(each) + b"\n")
        content = writer.close()
        return content, content.places()

    async def get(self, request: Request) -> Response:
        """One look at a job."""
        batch = self.world.look(self._batch(request), self._finish)
        return body_of(operation(batch, self.switches, listed=False))

    async def batches(self, request: Request) -> Response:
        """A page of jobs, without inline results; each on it was looked at."""
        account = self.account(request)
        if "filter" in request.query_params:
            raise Refusal(400, "filter is not supported.")
        page = page_of(request, "operations", list(self.world.batches_of(self.name, account)), 50, 1_000)
        page["operations"] = [
            operation(self.world.look(batch, self._finish), self.switches, listed=True)
            for batch in page["operations"]
        ]
        return body_of(page)

    async def cancel(self, request: Request) -> Response:
        """Ask to stop; the reply is empty."""
        batch = self._batch(request)
        if batch.stage in DONE:
            raise Refusal(400, f"Batch {batch.id} is not running.")
        self.world.cancel(batch)
        return body_of({})

    async def delete(self, request: Request) -> Response:
        """Forget a job."""
        self._batch(request).deleted = True
        return body_of({})

    def _batch(self, request: Request) -> Batch:
        name = f"batches/{request.path_params['id']}"
        batch = self.world.batch(self.name, self.account(request), name)
        if batch is None:
            raise Refusal(self.switches.not_yours, f"{name} does not exist, or is not yours.")
        return batch

    def _finish(self, batch: Batch, end: str) -> None:
        write_results(batch, end, self.world, self.switches)
