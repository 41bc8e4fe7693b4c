"""A multipart form read as it arrives: small fields to memory, the one file to disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import Message
from typing import Final

import attrs
from starlette.requests import Request

from reconciler.testing.exchange import Refusal, pieces
from reconciler.testing.files import Content, Disk, Writer

MOST_HEADERS: Final = 16_384
MOST_FIELD: Final = 65_536


@attrs.define
class Form:
    """What was sent."""

    fields: dict[str, str] = attrs.field(factory=dict)
    filename: str = ""
    content_type: str = ""
    content: Content | None = None


async def read_form(request: Request, disk: Disk) -> Form:
    """Read the form of *request*; its file goes to *disk*."""
    kind = _header("content-type", request.headers.get("content-type", ""))
    boundary = kind.get_boundary()
    if kind.get_content_type() != "multipart/form-data" or not boundary:
        raise Refusal(400, "The request is not multipart/form-data.")
    form, reader = Form(), _Reader(pieces(request), b"\r\n--" + boundary.encode())
    await reader.skip_preamble()
    while await reader.another():
        head = _header("content-disposition", "")
        for line in (await reader.upto(b"\r\n\r\n", MOST_HEADERS)).decode("utf-8", "replace").split("\r\n"):
            name, _, value = line.partition(":")
            if name:
                del head[name.strip()]
                head[name.strip()] = value.strip()
        name = str(head.get_param("name", "", "content-disposition"))
        filename = head.get_filename()
        if filename is None:
            form.fields[name] = (await reader.upto(reader.mark, MOST_FIELD)).decode("utf-8", "replace")
        else:
            form.filename, form.content_type = filename, head.get_content_type()
            form.content = await reader.file(disk.new())
    return form


class _Reader:
    """Cuts a stream at its boundaries, holding no more of it than it has to."""

    def __init__(self, source: AsyncIterator[bytes], mark: bytes) -> None:
        self.mark = mark
        self._source = source
        self._held = bytearray(b"\r\n")  # so that the first boundary looks like the others

    async def _more(self) -> None:
        try:
            self._held += await anext(self._source)
        except StopAsyncIteration:
            raise Refusal(400, "The form ends too early.") from None

    async def skip_preamble(self) -> None:
        """Go to behind the first boundary."""
        await self.upto(self.mark, MOST_HEADERS)

    async def another(self) -> bool:
        """Whether a part follows the boundary just passed."""
        while len(self._held) < 2:
            await self._more()
        follows = bytes(self._held[:2]) == b"\r\n"
        del self._held[:2]
        return follows

    async def upto(self, end: bytes, most: int) -> bytes:
        """The bytes before *end*, which is passed."""
        while (at := self._held.find(end)) < 0:
            if len(self._held) > most:
                raise Refusal(400, "A field of the form is too long.")
            await self._more()
        found = bytes(self._held[:at])
        del self._held[: at + len(end)]
        return found

    async def file(self, writer: Writer) -> Content:
        """The bytes before the next boundary, written away."""
        try:
            while (at := self._held.find(self.mark)) < 0:
                sure = len(self._held) - len(self.mark)
                if sure > 0:
                    writer.write(bytes(self._held[:sure]))
                    del self._held[:sure]
                await self._more()
            writer.write(bytes(self._held[:at]))
            del self._held[: at + len(self.mark)]
        finally:
            content = writer.close()
        return content


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value
    return message
