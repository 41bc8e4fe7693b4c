"""
Files inside of request bodies, and the tokens that their providers count for them.

Rules as each provider states them: OpenAI by tiles or patches of the model, Anthropic by area, Gemini by
tiles, Mistral by patches. Where the size of an image is not known, the most that the rule can come to is
counted.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from reconciler.model.exchange import Dialect

_DATA_URL: Final = re.compile(r"data:([\w.+/-]*)(?:;[^,]*)?;base64,", re.ASCII)
_PAGE: Final = re.compile(rb"/Type\s*/Page(?![s\w])")
_COUNT: Final = re.compile(rb"/Count\s+(\d{1,6})")
_DENSE: Final = 2000
"""Bytes of a PDF that are at least one page, where its pages cannot be counted."""

# Of one page, its picture and its text together (Anthropic: up to 3000 of text, and the picture).
_PER_PAGE: Final = {
    Dialect.ANTHROPIC: 4_800,
    Dialect.OPENAI: 4_000,
    Dialect.GEMINI: 1_120,
    Dialect.MISTRAL: 4_000,
}
# OpenAI: for a picture as a whole, and for each tile of 512 pixels.
_TILES: Final = (
    ("gpt-4o-mini", 2833, 5667),
    ("gpt-5-chat", 70, 140),
    ("o1", 75, 150),
    ("o3", 75, 150),
    ("gpt-4o", 85, 170),
    ("gpt-4.1", 85, 170),
    ("gpt-4.5", 85, 170),
    ("gpt-5", 70, 140),
)
# OpenAI: a token for each patch of 32 pixels, 1536 at the most, times this.
_PATCHES: Final = (
    ("gpt-4.1-mini", 1.62),
    ("gpt-4.1-nano", 2.46),
    ("gpt-5-mini", 1.62),
    ("gpt-5-nano", 2.46),
    ("gpt-5.4", 2.46),
    ("gpt-5.5", 2.46),
    ("o4-mini", 1.72),
)
_MOST_PATCHES: Final = 1536
_MOST_TILES: Final = 8
_ANTHROPIC_MOST: Final = 1_600
_ANTHROPIC_FINE_MOST: Final = 4_800
_FINE: Final = ("claude-opus-4-7", "claude-opus-4-8", "claude-opus-5", "claude-sonnet-5")
_GEMINI_TILE, _GEMINI_EDGE, _GEMINI_SMALL = 258, 768, 384
_GEMINI_MOST: Final = 16 * _GEMINI_TILE
_GEMINI_3: Final = 1_120
_MISTRAL_MOST: Final = 4_096
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG behind which the size of the picture stands."""


@attrs.frozen
class File:
    """
    A file inside of a body.

    Attributes:
        kind: `image`, `pdf`, or another word for what no rule knows.
        data: Its bytes in base64; empty where the body only names it.
        told: The file for people.
    """

    kind: str
    data: str
    told: str


def files_in(part: Mapping[str, Any]) -> Iterator[File]:
    """The file that a part of a body is, in the words of any provider; none where it is no file."""
    url = part.get("image_url") or part.get("document_url") or part.get("file_data")
    if isinstance(url, Mapping):
        url = url.get("url")
    if isinstance(url, str) and (part.get("type") or "file_data" in part):
        pdf = "document_url" in part or "file_data" in part
        yield _at(url, "pdf" if pdf else "image")
        return
    source = part.get("source")
    if isinstance(source, Mapping) and part.get("type") in ("image", "document"):
        if source.get("type") == "text":
            return
        yield _source(source, str(part["type"]))
        return
    inline = part.get("inlineData") or part.get("inline_data")
    if isinstance(inline, Mapping):
        mime = str(inline.get("mimeType") or inline.get("mime_type") or "")
        yield _of(mime, str(inline.get("data") or ""))
        return
    if isinstance(part.get("file_id"), str) or _has(part, "fileData", "fileUri"):
        yield File("named", "", "a file that the body only names")
    elif _has(part, "input_audio", "data"):
        yield File("audio", "", "audio")


def _has(part: Mapping[str, Any], name: str, inner: str) -> bool:
    value = part.get(name)
    return isinstance(value, Mapping) and isinstance(value.get(inner), str)


def _source(source: Mapping[str, Any], kind: str) -> File:
    """A file in the words of Anthropic."""
    if source.get("type") == "base64":
        return _of(str(source.get("media_type") or ""), str(source.get("data") or ""))
    if kind == "image":
        return File("image", "", "an image that the body only names")
    return File("named", "", "a document that the body only names")


def _at(url: str, kind: str) -> File:
    """A file in a data URL, or at an address."""
    found = _DATA_URL.match(url)
    if found is not None:
        return _of(found[1], url[found.end() :])
    if kind == "image":
        return File("image", "", "an image at an address")
    return File("named", "", "a document at an address")


def _of(mime: str, data: str) -> File:
    if mime.startswith("image/"):
        return File("image", data, mime)
    if mime == "application/pdf":
        return File("pdf", data, mime)
    if mime.startswith("text/"):
        return File("text", data, mime)
    return File(mime or "file", data, f"a file of type {mime or 'unknown'}")


def tokens_of(file: File, dialect: Dialect, model: str) -> int | None:
    """The tokens that a provider counts for a file; None where no rule says."""
    if file.kind == "image":
        return _image(_size(_decoded(file.data, 1 << 16)), dialect, model)
    if file.kind == "text":
        return len(file.data)
    if file.kind == "pdf" and file.data:
        return pages(_decoded(file.data)) * _PER_PAGE[dialect]
    return None


def pages(data: bytes) -> int:
    """How many pages a PDF has, rather more than fewer."""
    counted = max(len(_PAGE.findall(data)), max((int(each) for each in _COUNT.findall(data)), default=0))
    return counted or max(1, -(-len(data) // _DENSE))


def _decoded(data: str, most: int | None = None) -> bytes:
    """Bytes of base64, the first ones where only these matter."""
    part = data if most is None else data[: most // 4 * 4]
    try:
        return base64.b64decode(part)
    except (binascii.Error, ValueError):
        return b""


def _image(size: tuple[int, int] | None, dialect: Dialect, model: str) -> int:
    """The tokens of an image by the rule of its provider."""
    match dialect:
        case Dialect.OPENAI:
            return _openai(size, model)
        case Dialect.ANTHROPIC:
            most = _ANTHROPIC_FINE_MOST if model.startswith(_FINE) else _ANTHROPIC_MOST
            return most if size is None else min(most, -(-size[0] * size[1] // 750))
        case Dialect.GEMINI:
            if model.removeprefix("models/").startswith("gemini-3"):
                return _GEMINI_3
            if size is None:
                return _GEMINI_MOST
            if max(size) <= _GEMINI_SMALL:
                return _GEMINI_TILE
            return _tiles(*size, _GEMINI_EDGE) * _GEMINI_TILE
        case Dialect.MISTRAL:
            return _MISTRAL_MOST if size is None else min(_MISTRAL_MOST, _tiles(*size, 16) + 64)


def _openai(size: tuple[int, int] | None, model: str) -> int:
    """OpenAI counts tiles for some models and patches for others."""
    for name, factor in _PATCHES:
        if model.startswith(name):
            patches = _MOST_PATCHES if size is None else min(_MOST_PATCHES, _tiles(*size, 32))
            return int(patches * factor) + 1
    base, each = next(((base, each) for name, base, each in _TILES if model.startswith(name)), (85, 170))
    if size is None:
        return base + each * _MOST_TILES
    wide, high = _fit(*size, 2048, longest=True)
    wide, high = _fit(wide, high, 768, longest=False)
    return base + each * _tiles(wide, high, 512)


def _fit(wide: int, high: int, edge: int, *, longest: bool) -> tuple[int, int]:
    """A picture made smaller until an edge of it fits."""
    now = max(wide, high) if longest else min(wide, high)
    if now <= edge:
        return wide, high
    return max(1, -(-wide * edge // now)), max(1, -(-high * edge // now))


def _tiles(wide: int, high: int, edge: int) -> int:
    return -(-wide // edge) * -(-high // edge)


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height of an image, as its own header says; None where it says nothing."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
        return _positive(int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    if data[:4] == b"GIF8":
        return _positive(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X":
        wide, high = int.from_bytes(data[24:27], "little"), int.from_bytes(data[27:30], "little")
        return _positive(wide + 1, high + 1)
    return _jpeg(data) if data[:2] == b"\xff\xd8" else None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Width and height in the first frame header of a JPEG."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - the marker of JPEG
        mark = data[at + 1]
        if mark in _FRAMES:
            return _positive(int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7]))
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _positive(wide: int, high: int) -> tuple[int, int] | None:
    return (wide, high) if wide > 0 and high > 0 else None
