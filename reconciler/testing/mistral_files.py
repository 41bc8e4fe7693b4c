"""Mistral's files. Provider facts, Mistral Batch, endpoints (mistralai 3.7.0, platform-docs-public)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response

from reconciler.testing.dialect import (
    Desk,
    Dialect,
    Handler,
    Kinds,
    body_of,
    download,
    whole_number,
)
from reconciler.testing.exchange import Json, Refusal
from reconciler.testing.multipart import read_form
from reconciler.testing.switches import MistralSwitches
from reconciler.testing.world import File


class MistralFiles(Dialect):
    """`/mistral`: the half that is about files."""

    name: ClassVar[str] = "mistral"
    prefix: ClassVar[str] = "/mistral"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.switches = MistralSwitches()

    def reset(self) -> None:
        """Set the switches back."""
        self.switches = MistralSwitches()

    def endpoints(self) -> Iterable[tuple[str, str, Kinds, Handler]]:
        """Files."""
        yield "POST", "/v1/files", "upload", self.upload
        yield "GET", "/v1/files", "files", self.files
        yield "GET", "/v1/files/{id}", "file", self.file
        yield "DELETE", "/v1/files/{id}", "delete_file", self.delete_file
        yield "GET", "/v1/files/{id}/content", "download", self.content

    def refuse(self, refusal: Refusal) -> Response:
        """`{"object": "error", ...}`, and `{"detail": [...]}` for a 422 [recall]."""
        if refusal.status == 422 and self.switches.detail:
            detail = {"loc": ["body", refusal.param], "msg": refusal.message, "type": "value_error"}
            return body_of({"detail": [detail]}, 422, refusal.headers)
        body = {
            "object": "error",
            "message": refusal.message,
            "type": "invalid_request_error",
            "param": refusal.param,
            "code": refusal.code,
        }
        return body_of(body, refusal.status, refusal.headers)

    # --- files ----------------------------------------------------------------------------------------------

    async def upload(self, request: Request) -> Response:
        """Take a file."""
        account = self.account(request)
        form = await read_form(request, self.world.disk)
        if form.content is None:
            raise Refusal(422, "Field required", None, "file")
        if form.fields.get("purpose") != "batch":
            raise Refusal(422, "Input should be 'batch'", None, "purpose")
        if form.content.size > self.switches.most_upload:
            raise Refusal(413, "File is too large.")
        file = File(
            id=self.new_id(),
            dialect=self.name,
            account=account,
            name=form.filename,
            purpose="batch",
            content=form.content,
            created_at=self.now,
        )
        self.world.files[file.id] = file
        return body_of(self.file_object(file))

    async def files(self, request: Request) -> Response:
        """A page of files, found by name or purpose."""
        found = self.world.files_of(self.name, self.account(request))
        asked = request.query_params
        told = [
            self.file_object(file)
            for file in reversed(found)
            if asked.get("search", "") in file.name and asked.get("purpose") in {None, file.purpose}
        ]
        return body_of(page_of(request, told))

    async def file(self, request: Request) -> Response:
        """What a file is."""
        return body_of(self.file_object(self._file(request)) | {"deleted": False})

    async def delete_file(self, request: Request) -> Response:
        """Forget a file."""
        file = self._file(request)
        self.world.delete(file)
        return body_of({"id": file.id, "object": "file", "deleted": True})

    async def content(self, request: Request) -> Response:
        """The bytes of a file."""
        file = self._file(request)
        kind = "application/octet-stream"
        return download(request, file.content, media_type=kind, ranges=self.switches.ranges)

    def _file(self, request: Request) -> File:
        file_id = str(request.path_params["id"])
        file = self.world.file(self.name, self.account(request), file_id)
        if file is None:
            raise Refusal(404, f"File {file_id} not found.")
        return file

    def new_id(self) -> str:
        """A UUID that is the same in every run."""
        return f"00000000-0000-4000-8000-{self.world.number('mistral'):012x}"

    def file_object(self, file: File) -> Json:
        """A file as it is told."""
        sample = "batch_result" if file.generated else "batch_request"
        return {
            "id": file.id,
            "object": "file",
            "bytes": file.content.size,
            "created_at": int(file.created_at),
            "filename": file.name,
            "purpose": "batch",
            "sample_type": sample,
            "source": "mistral" if file.generated else "upload",
            "num_lines": None,
            "mimetype": "application/jsonl",
            "signature": file.content.sha256.hex(),
        }


def page_of(request: Request, found: list[Any]) -> dict[str, Any]:
    """A page of *found*, counted from 0."""
    page = whole_number(request, "page", 0, 1_000_000, least=0)
    size = whole_number(request, "page_size", 100, 1_000)
    return {"object": "list", "total": len(found), "data": found[page * size : (page + 1) * size]}
