"""
Files that go with requests: read, and held to being what their names say.

A file that no provider could read is refused here, before anything is written, let alone paid for.
"""

from __future__ import annotations

import io
import os
from contextlib import closing
from typing import Final

from reconciler.errors import UsageError
from reconciler.model.described import DOCX, PDF, Attachment
from reconciler.model.facts import Kind
from reconciler.workspace.reading import Reading, locate

_TYPES: Final = {
    ".pdf": PDF,
    ".docx": DOCX,
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".html": "text/html",
    ".xml": "text/xml",
    ".json": "application/json",
}
_BEGIN: Final = {
    PDF: (b"%PDF-",),
    DOCX: (b"PK\x03\x04",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
LARGEST: Final = 100 << 20
"""Bytes of one file; no provider takes a request of that size."""


def load(path: str | os.PathLike[str]) -> Attachment:
    """
    One file.

    Raises:
        UsageError: It is not there, of no known type, not what its name says, or too large.
    """
    named = os.fspath(path)
    real, kind = locate(named)
    if kind is not Kind.FILE:
        raise UsageError(f"there is no file {named}" if kind is None else f"{named} is not a file")
    folder, _, leaf = real.rpartition("/")
    ending = f".{leaf.lower().rpartition('.')[2]}"
    media_type = _TYPES.get(ending)
    if media_type is None:
        raise UsageError(f"{named}: nobody is known to take such files", hint=f"known: {', '.join(_TYPES)}")
    with closing(Reading(folder or "/")) as look:
        fact = look.fact(leaf)
        if fact is not None and fact.size > LARGEST:
            raise UsageError(f"{named} has {fact.size} bytes; no provider takes more than {LARGEST}")
        data = look.read(leaf)
    if not data:
        raise UsageError(f"{named} is empty")
    if media_type in _BEGIN and not data.startswith(_BEGIN[media_type]):
        raise UsageError(f"{named} is no {ending[1:].upper()}, though its name says so")
    return Attachment(leaf, media_type, data)


def refuse_unreadable(file: Attachment) -> None:
    """
    Hold a file that shall be cited to having text.

    Raises:
        UsageError: It is a picture, or a PDF without text, or pypdf is not there to tell.
    """
    if file.is_text:
        return
    if file.media_type != PDF:
        raise UsageError(f"{file.name} cannot be cited: {file.media_type} holds no text")
    try:
        import pypdf  # noqa: PLC0415 - only where a PDF shall be cited
    except ImportError as error:
        told = "citations of a PDF take pypdf, which tells whether it holds text"
        raise UsageError(told, hint="pip install 'reconciler[documents]'") from error
    try:
        pages = pypdf.PdfReader(io.BytesIO(file.data)).pages
        if any(page.extract_text().strip() for page in pages):
            return
    except (pypdf.errors.PyPdfError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{file.name} cannot be read as PDF: {error}") from error
    told = f"{file.name} holds pictures of text and no text: it cannot be cited"
    raise UsageError(told, hint="run it through OCR first, or leave citations out")
