"""
Gemini's files: the resumable upload, both download paths.

Provider facts, Google Gemini Batch, endpoints (google-genai 3.4.0, cookbook `File_API.ipynb`, js-genai#1227).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

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
from reconciler.testing.exchange import Json, Refusal, pieces
from reconciler.testing.files import Writer
from reconciler.testing.gemini_batch import moment
from reconciler.testing.records import Kind
from reconciler.testing.switches import GeminiSwitches
from reconciler.testing.world import DAY, File

LONGEST_ID: Final = 40
STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@attrs.define
class Session:
    """A resumable upload under way."""

    account: str
    writer: Writer
    size: int | None
    mime: str
    display_name: str
    done: bool = False


class GeminiFiles(Dialect):
    """`/gemini`; the API version comes behind it. The half that is about files."""

    name: ClassVar[str] = "gemini"
    prefix: ClassVar[str] = "/gemini"
    key_headers: ClassVar[tuple[str, ...]] = ("x-goog-api-key",)
    request_id: ClassVar[str] = ""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.switches = GeminiSwitches()
        self.sessions: dict[str, Session] = {}

    def reset(self) -> None:
        """Set the switches back and forget uploads under way."""
        self.switches = GeminiSwitches()
        self.sessions = {}

    def endpoints(self) -> Iterable[tuple[str, str, Kinds, Handler]]:
        """Upload, both download paths, and what is told of files."""
        yield "POST", "/upload/{ver}/files", _upload_kind, self.upload
        yield "GET", "/{ver}/files/{id}:download", "download", self.download
        yield "GET", "/download/{ver}/files/{id}:download", "download", self.download
        yield "GET", "/{ver}/files", "files", self.files
        yield "GET", "/{ver}/files/{id}", "file", self.file
        yield "DELETE", "/{ver}/files/{id}", "delete_file", self.delete_file

    def refuse(self, refusal: Refusal) -> Response:
        """`{"error": {code, message, status}}`."""
        word = STATUSES.get(refusal.status, "UNKNOWN")
        error: Json = {"code": refusal.status, "message": refusal.message, "status": word}
        return body_of({"error": error}, refusal.status, refusal.headers)

    def account(self, request: Request) -> str:
        """Whose key this is, at an API version that exists."""
        if request.path_params.get("ver") not in self.switches.versions:
            raise Refusal(404, f"nothing is at {request.url.path}")
        return super().account(request)

    def unknown_key(self, *, brought: bool) -> Refusal:
        """The refusal of a wrong key, or of none."""
        if not brought:
            return Refusal(403, "Method doesn't allow unregistered callers.")
        return Refusal(self.switches.wrong_key, "API key not valid. Please pass a valid API key.")

    # --- upload ---------------------------------------------------------------------------------------------

    async def upload(self, request: Request) -> Response:
        """One step of the resumable protocol: `start`, then `upload` at an offset, `finalize` at the end."""
        if _upload_kind(request.scope) == "upload_start":
            return await self._start(request)
        session = self.sessions.get(request.query_params.get("upload_id", ""))
        if session is None or session.done:
            raise Refusal(404, "There is no such upload.")
        commands = {each.strip() for each in request.headers.get("x-goog-upload-command", "").split(",")}
        if "query" in commands:
            return self._status("active", {"x-goog-upload-size-received": str(session.writer.size)})
        if "upload" in commands:
            offset = request.headers.get("x-goog-upload-offset", "")
            if offset != str(session.writer.size):
                raise Refusal(400, f"The offset is {offset!r}; {session.writer.size} bytes are here.")
            async for piece in pieces(request):
                session.writer.write(piece)
        if session.writer.size > (self.switches.most_upload if session.size is None else session.size):
            raise Refusal(400, "More bytes came than were announced.")
        if self.switches.status_missing > 0:
            self.switches.status_missing -= 1
            return Response(None, 200)
        return self._finalize(session) if "finalize" in commands else self._status("active")

    async def _start(self, request: Request) -> Response:
        account = self.account(request)
        if request.headers.get("x-goog-upload-protocol") != "resumable":
            raise Refusal(400, "X-Goog-Upload-Protocol has to be resumable.")
        given = request.headers.get("x-goog-upload-header-content-length", "")
        size = int(given) if given.isdigit() else None
        if size is not None and size > self.switches.most_upload:
            raise Refusal(400, "The file is too large.")
        asked = camel(await object_in(request)).get("file", {})
        mime = asked.get("mimeType") or request.headers.get("x-goog-upload-header-content-type", "")
        number = str(self.world.number("upload"))
        writer = self.world.disk.new()
        self.sessions[number] = Session(account, writer, size, mime, asked.get("displayName", ""))
        origin = self.switches.upload_origin or f"{request.url.scheme}://{request.url.netloc}"
        url = f"{origin}{request.url.path}?upload_id={number}&upload_protocol=resumable"
        return self._status("active", {"x-goog-upload-url": url})

    def _finalize(self, session: Session) -> Response:
        if session.size is not None and session.writer.size != session.size:
            raise Refusal(400, f"{session.size} bytes were announced, {session.writer.size} came.")
        session.done = True
        file = File(
            id=f"files/up{self.world.number('gemini file'):010}",
            dialect=self.name,
            account=session.account,
            name=session.display_name,
            purpose="batch",
            content=session.writer.close(),
            created_at=self.now,
            expires_at=self.now + 2 * DAY,
            ready=self.switches.ready,
            mime=session.mime,
        )
        self.world.files[file.id] = file
        return self._status("final", value={"file": self.file_object(file)})

    def _status(self, word: str, headers: dict[str, str] | None = None, value: Any = None) -> Response:
        told = {"x-goog-upload-status": word} | (headers or {})
        return Response(None, 200, told) if value is None else body_of(value, 200, told)

    # --- files ----------------------------------------------------------------------------------------------

    async def file(self, request: Request) -> Response:
        """What an uploaded file is; the ids of results are too long for this call (js-genai#1227)."""
        account, file_id = self.account(request), str(request.path_params["id"])
        if len(file_id) > LONGEST_ID:
            raise Refusal(400, f"* GetFileRequest.name: longer than {LONGEST_ID} characters")
        file = self._file(account, file_id)
        file.ready = max(0, file.ready - 1)
        return body_of(self.file_object(file))

    async def files(self, request: Request) -> Response:
        """A page of files."""
        found = self.world.files_of(self.name, self.account(request))
        told = [self.file_object(file) for file in found if not file.generated]
        return body_of(page_of(request, "files", told, 10, 100))

    async def delete_file(self, request: Request) -> Response:
        """Forget a file."""
        self.world.delete(self._file(self.account(request), str(request.path_params["id"])))
        return body_of({})

    async def download(self, request: Request) -> Response:
        """The bytes of a result file; what was uploaded cannot be downloaded."""
        which = "download" if "/download/" in request.url.path else "files"
        account = self.account(request)
        if self.switches.download_paths not in {"both", which}:
            raise Refusal(404, f"nothing is at {request.url.path}")
        file = self._file(account, str(request.path_params["id"]))
        if request.query_params.get("alt") != "media" or not file.generated:
            raise Refusal(400, "Only generated files can be downloaded, with alt=media.")
        kind = "application/octet-stream"
        return download(request, file.content, media_type=kind, ranges=self.switches.ranges)

    def _file(self, account: str, file_id: str) -> File:
        file = self.world.file(self.name, account, f"files/{file_id}")
        if file is None:
            raise Refusal(self.switches.not_yours, f"The File {file_id} does not exist, or is not yours.")
        return file

    def file_object(self, file: File) -> Json:
        """A file as it is told; the size is an int64, hence a text."""
        digest = file.content.sha256
        told: Json = {
            "name": file.id,
            "displayName": file.name,
            "mimeType": file.mime,
            "sizeBytes": str(file.content.size),
            "createTime": moment(file.created_at),
            "updateTime": moment(file.created_at),
            "sha256Hash": base64.b64encode(
                digest.hex().encode() if self.switches.sha256_of_hex else digest
            ).decode(),
            "uri": f"https://generativelanguage.googleapis.com/v1beta/{file.id}",
            "state": "PROCESSING" if file.ready else "ACTIVE",
            "source": "GENERATED" if file.generated else "UPLOADED",
        }
        if file.expires_at is not None:
            told["expirationTime"] = moment(file.expires_at)
        return told


def _upload_kind(scope: Scope) -> Kind:
    """Starting an upload and sending its bytes have one path."""
    return "upload" if b"upload_id=" in scope["query_string"] else "upload_start"


def page_of(request: Request, name: str, found: list[Any], usual: int, most: int) -> dict[str, Any]:
    """A page of *found*; the token is the place where the next one begins."""
    size = whole_number(request, "pageSize", usual, most)
    token = request.query_params.get("pageToken", "")
    start = int(token) if token.isdigit() else 0
    told: dict[str, Any] = {name: found[start : start + size]}
    if len(found) > start + size:
        told["nextPageToken"] = str(start + size)
    return told


def camel(value: Json) -> Json:
    """The keys of an object in camel case, down to a batch's own: REST samples show snake_case, too."""
    told = {}
    for name, each in value.items():
        first, *rest = name.split("_")
        inner = camel(each) if name in {"batch", "file", "input_config", "inputConfig"} else each
        told[first + "".join(word.capitalize() for word in rest)] = inner
    return told
