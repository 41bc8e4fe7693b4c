"""
OpenAI's Files and Batches, and what compatible services make of them.

The behaviours are those of the provider facts, OpenAI (SDK types of openai 3.52.0, openai-openapi) and
OpenAI-compatible services; what is only remembered there is a switch here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import attrs
from starlette.requests import Request
from starlette.responses import Response

from reconciler.testing.dialect import (
    Desk,
    Dialect,
    Handler,
    Kinds,
    body_of,
    download,
    object_in,
    whole_number,
)
from reconciler.testing.exchange import Json, Refusal
from reconciler.testing.lines import Rules, examine
from reconciler.testing.live import openai_endpoints
from reconciler.testing.multipart import Form, read_form
from reconciler.testing.openai_batch import batch_object, write_results
from reconciler.testing.switches import OpenAISwitches
from reconciler.testing.world import ENDS, Batch, File


class OpenAI(Dialect):
    """`/openai/v1`."""

    name: ClassVar[str] = "openai"
    prefix: ClassVar[str] = "/openai/v1"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.switches = self.first_switches()

    def first_switches(self) -> OpenAISwitches:
        """The switches as they are at first."""
        return OpenAISwitches()

    def reset(self) -> None:
        """Set the switches back."""
        self.switches = self.first_switches()

    def endpoints(self) -> Iterable[tuple[str, str, Kinds, Handler]]:
        """Files, batches, and the live ones."""
        yield "POST", "/files", "upload", self.upload
        yield "GET", "/files", "files", self.files
        yield "GET", "/files/{id}", "file", self.file
        yield "DELETE", "/files/{id}", "delete_file", self.delete_file
        yield "GET", "/files/{id}/content", "download", self.content
        yield "POST", "/batches", "create", self.create
        yield "GET", "/batches", "list", self.batches
        yield "GET", "/batches/{id}", "get", self.get
        yield "POST", "/batches/{id}/cancel", "cancel", self.cancel
        yield from openai_endpoints(self)

    def refuse(self, refusal: Refusal) -> Response:
        """`{"error": {message, type, param, code}}`."""
        kinds = {401: "authentication_error", 429: "requests", 404: "invalid_request_error"}
        kind = "server_error" if refusal.status >= 500 else kinds.get(refusal.status, "invalid_request_error")
        if refusal.code == "insufficient_quota":
            kind = "insufficient_quota"
        error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
        return body_of({"error": error}, refusal.status, refusal.headers)

    # --- files ----------------------------------------------------------------------------------------------

    async def upload(self, request: Request) -> Response:
        """Take a file; its lines are looked at when a batch is made of it (litellm PR 37527)."""
        account = self.account(request)
        form = await read_form(request, self.world.disk)
        if form.content is None:
            raise Refusal(400, "'file' is a required property", None, "file")
        purpose = form.fields.get("purpose", "")
        if purpose != self.switches.purpose:
            raise Refusal(400, f"'{purpose}' is not one of ['{self.switches.purpose}']", None, "purpose")
        if not form.filename.endswith(".jsonl"):
            raise Refusal(400, "Invalid file format for Batch API. Must be .jsonl", None, "file")
        if form.content.size > self.switches.most_upload:
            raise Refusal(400, "File is too large.")  # curator#111
        lifetime = self._lifetime(form)
        file = File(
            id=f"file-{self.world.number('file'):06}",
            dialect=self.name,
            account=account,
            name=form.filename,
            purpose=purpose,
            content=form.content,
            created_at=self.now,
            expires_at=None if lifetime is None else self.now + lifetime,
            ready=self.switches.ready,
        )
        self.world.files[file.id] = file
        return body_of(self.file_object(file))

    def _lifetime(self, form: Form) -> float | None:
        """How long the file is kept; the field's name has brackets (OpenAI [recall]) or a dot (Azure)."""
        given = form.fields.get("expires_after[seconds]") or form.fields.get("expires_after.seconds")
        if given is None:
            return self.switches.lifetime
        least, most = self.switches.expiry
        if not given.isdigit() or not least <= int(given) <= most:
            raise Refusal(400, f"'seconds' has to be in {least}..{most}.", None, "expires_after.seconds")
        return float(given)

    async def files(self, request: Request) -> Response:
        """A page of files, newest first unless asked otherwise."""
        found = self.world.files_of(self.name, self.account(request))
        purpose = request.query_params.get("purpose")
        found = [file for file in found if purpose in {None, file.purpose}]
        if request.query_params.get("order", "desc") == "desc":
            found.reverse()
        limit = whole_number(request, "limit", 10_000, 10_000)
        return body_of(self._page(request, [self.file_object(file) for file in found], limit))

    async def file(self, request: Request) -> Response:
        """What a file is; a look at it brings it nearer to being processed."""
        file = self.find_file(request)
        file.ready = max(0, file.ready - 1)
        return body_of(self.file_object(file))

    async def delete_file(self, request: Request) -> Response:
        """Forget a file; a create that names it from now on is refused."""
        file = self.find_file(request)
        self.world.delete(file)
        return body_of({"id": file.id, "object": "file", "deleted": True})

    async def content(self, request: Request) -> Response:
        """The bytes of a file."""
        file = self.find_file(request)
        return download(
            request, file.content, media_type="application/octet-stream", ranges=self.switches.ranges
        )

    def find_file(self, request: Request) -> File:
        """The file that the path names, or 404."""
        file_id = str(request.path_params["id"])
        file = self.world.file(self.name, self.account(request), file_id)
        if file is None:
            raise Refusal(404, f"No such File object: {file_id}", None, "id")
        return file

    def file_object(self, file: File) -> Json:
        """A file as it is told."""
        return {
            "id": file.id,
            "object": "file",
            "bytes": file.content.size,
            "created_at": int(file.created_at),
            "expires_at": None if file.expires_at is None else int(file.expires_at),
            "filename": file.name,
            "purpose": file.purpose,
            "status": "uploaded" if file.ready else "processed",
            "status_details": None,
        }

    # --- batches --------------------------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        """Make a batch; what is wrong with its lines shows later, as a `failed` batch."""
        account = self.account(request)
        asked = await object_in(request)
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not isinstance(asked.get(name), str) and (
                name != "completion_window" or self.switches.windows
            ):
                raise Refusal(400, f"Missing required parameter: '{name}'.", None, name)
        if asked["endpoint"] not in self.switches.endpoints:
            allowed = ", ".join(f"'{each}'" for each in self.switches.endpoints)
            raise Refusal(400, f"Invalid value for 'endpoint'. Supported: {allowed}.", None, "endpoint")
        if self.switches.windows and asked["completion_window"] not in self.switches.windows:
            raise Refusal(400, "Invalid value for 'completion_window'.", None, "completion_window")
        check_metadata(asked.get("metadata"))
        file_id = asked["input_file_id"]
        file = self.world.file(self.name, account, file_id)
        if file is None or file.ready:
            # 400 and not 404 (curator#116).
            message = f"Cannot find file {file_id}, or the project does not have access to it."
            raise Refusal(400, message, None, "file_id")
        if file.content.size > self.switches.most_bytes:
            raise Refusal(400, "File is too large.", None, "input_file_id")
        batch = self._make(account, file, asked)
        told = batch_object(batch, self.switches)
        return body_of({self.switches.wrapper: told} if self.switches.wrapper else told)

    def _make(self, account: str, file: File, asked: Json) -> Batch:
        url = asked["endpoint"] if self.switches.lines_have_url else ""
        looked = examine(file.content, self.rules(url))
        fate = self.world.next_fate()
        if looked.errors:
            fate = attrs.evolve(fate, end="failed", errors=tuple(looked.errors))
        kept = {name: asked.get(name) for name in ("endpoint", "completion_window", "output_expires_after")}
        kept |= {"input_file_id": file.id, "model": next(iter(sorted(looked.models)), None)}
        kept["metadata"] = asked.get("metadata") if self.switches.metadata else None
        batch = Batch(
            id=f"batch_{self.world.number('batch'):06}",
            dialect=self.name,
            account=account,
            fate=fate,
            created_at=self.now,
            source=file.content,
            lines=looked.places,
            extra=kept,
        )
        return self.world.add(batch)

    def rules(self, endpoint: str) -> Rules:
        """What the lines of a batch for *endpoint* have to be."""
        return Rules(endpoint, self.switches.most_requests, self.switches.one_model, bom=self.switches.bom)

    async def get(self, request: Request) -> Response:
        """One look at a batch."""
        batch = self.world.look(self.find(request), self._finish)
        return body_of(batch_object(batch, self.switches))

    async def batches(self, request: Request) -> Response:
        """A page of batches; each batch on it was looked at."""
        account = self.account(request)
        limit = whole_number(request, "limit", 20, 100)
        found = self.world.batches_of(self.name, account)
        if self.switches.oldest_first:
            found.reverse()
        page = self._page(request, [{"id": batch.id} for batch in found], limit)
        shown = [self.world.batches[each["id"]] for each in page[self.switches.list_key]]
        page[self.switches.list_key] = [
            batch_object(self.world.look(batch, self._finish), self.switches) for batch in shown
        ]
        return body_of(page)

    async def cancel(self, request: Request) -> Response:
        """Ask to stop; 409 when there is nothing left to stop."""
        batch = self.find(request)
        if batch.stage in ENDS:
            raise Refusal(409, f"Cannot cancel a batch with status '{batch.stage}'.")
        self.world.cancel(batch)
        return body_of(batch_object(batch, self.switches))

    def find(self, request: Request) -> Batch:
        """The batch that the path names, or 404."""
        batch_id = str(request.path_params["id"])
        batch = self.world.batch(self.name, self.account(request), batch_id)
        if batch is None:
            raise Refusal(404, f"No batch found with id '{batch_id}'.")
        return batch

    def _finish(self, batch: Batch, end: str) -> None:
        write_results(batch, end, self.world, self.switches)

    def _page(self, request: Request, found: list[Json], limit: int) -> dict[str, Any]:
        """The part of *found* behind the id `after`."""
        if not self.switches.paging:
            return {"object": "list", self.switches.list_key: found}
        after = request.query_params.get("after")
        ids = [each["id"] for each in found]
        if after is not None:
            if after not in ids:
                raise Refusal(400, f"Invalid 'after': {after}", None, "after")
            found = found[ids.index(after) + 1 :]
        page = found[:limit]
        return {
            "object": "list",
            self.switches.list_key: page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(found) > limit,
        }


def check_metadata(metadata: Any, *, pairs: int = 16, key: int = 64, value: int = 512) -> None:
    """At most 16 pairs, keys up to 64 characters, texts up to 512 (OpenAI facts, endpoints)."""
    if metadata is None:
        return
    fine = isinstance(metadata, dict) and len(metadata) <= pairs
    if not fine or not all(
        0 < len(name) <= key and isinstance(each, str) and len(each) <= value
        for name, each in metadata.items()
    ):
        raise Refusal(400, "Invalid 'metadata'.", None, "metadata")
