"""
A form with one file in it, as OpenAI and Mistral take uploads: streamed, of a length known beforehand.

Pure but for the boundary, which nobody may be able to guess: a file that held it would end its part early.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Final

import attrs

from reconciler.providers.calls import Form, Source

_UNQUOTABLE: Final = re.compile(r'["\\\x00-\x1f\x7f]')


@attrs.frozen
class Encoded:
    """
    A form as bytes.

    Attributes:
        content_type: The header that goes with them; names the boundary.
        source: The bytes.
    """

    content_type: str
    source: Source


def encoded(form: Form, boundary: str | None = None) -> Encoded:
    """A form as bytes, its parts between *boundary*, or a new one."""
    source = form.source
    mark = (boundary or secrets.token_hex(16)).encode("ascii")
    opening = b"--%b\r\nContent-Disposition: form-data; name=" % mark
    head = b"".join(
        b'%b"%b"\r\n\r\n%b\r\n' % (opening, quoted(name), value.encode("utf-8", "replace"))
        for name, value in form.fields.items()
    )
    head += b'%b"%b"; filename="%b"\r\nContent-Type: %b\r\n\r\n' % (
        opening,
        quoted(form.name),
        quoted(form.filename),
        form.content_type.encode("ascii"),
    )
    tail = b"\r\n--%b--\r\n" % mark

    def read(offset: int) -> Iterator[bytes]:
        """The form from *offset* on."""
        if offset < len(head):
            yield head[offset:]
        begin = max(offset - len(head), 0)
        if begin < source.size:
            yield from source.read(begin)
        rest = tail[max(begin - source.size, 0) :]
        if rest:
            yield rest

    size = len(head) + source.size + len(tail)
    return Encoded(f"multipart/form-data; boundary={mark.decode()}", Source(size, read))


def quoted(name: str) -> bytes:
    """A name as it stands between quotes: browsers write what cannot stand there as `%22`, and so do we."""
    return _UNQUOTABLE.sub(lambda found: f"%{ord(found[0]):02X}", name).encode("utf-8", "replace")
