"""
What a reply that is no success says, in the words of whoever sent it.

Pure. Bodies: OpenAI `{error: {message, type, code}}`, Anthropic `{type, error: {type, message}}`, Gemini
`{error: {code, message, status, details}}`, Mistral `{object, message, type, code}` and `{detail: [...]}`,
pages of proxies, and anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import attrs
import msgspec

from reconciler.codec.jsonl import shorten

LONGEST: Final = 400
"""Characters of a provider's words that are shown."""

_LOOKED_AT: Final = 16_384
_KEY: Final = re.compile(
    r"api.?key|authenticat|credential|invalid.token|access token|subscription key|unregistered caller",
    re.IGNORECASE,
)
_KEY_CODES: Final = frozenset({"invalid_api_key", "API_KEY_INVALID", "authentication_error"})
_TITLE: Final = re.compile(r"<title[^>]{0,100}>([^<]{1,200})", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]{0,1000}>")
_DELAY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)s", re.ASCII)


@attrs.frozen
class Said:
    """
    What a reply says.

    Attributes:
        status: The HTTP status.
        words: All of it in one sentence, with who said it.
        code: The provider's own code; empty where it gave none.
        told: The provider's own words.
        reason: The reason in Gemini's details; empty where there is none.
        after: How long the body asks to wait, in seconds.
        hint: What to do about it.
    """

    status: int
    words: str
    code: str = ""
    told: str = ""
    reason: str = ""
    after: float | None = None
    hint: str = ""

    @property
    def no_credit(self) -> bool:
        """Whether nothing will be accepted until someone pays."""
        return self.code == "insufficient_quota"

    @property
    def about_key(self) -> bool:
        """Whether it is the key that is not accepted."""
        if self.status == HTTPStatus.FORBIDDEN:
            return bool(_KEY.search(f"{self.code} {self.reason} {self.told}"))
        if self.status == HTTPStatus.BAD_REQUEST:
            # Gemini's words, for when a proxy leaves out the details that hold the reason.
            invalid = self.told.lower().startswith("api key not valid")
            return invalid or bool({self.code, self.reason} & _KEY_CODES)
        return self.status == HTTPStatus.UNAUTHORIZED


def said(who: str, status: int, body: bytes, location: str, hide: Callable[[str], str]) -> Said:
    """
    Read the body of a reply that is no success.

    Args:
        who: The provider and what it was asked.
        status: The HTTP status.
        body: The body, or its beginning.
        location: Where a redirect points to: scheme and host, no more.
        hide: Takes secrets out of a text.
    """
    if 300 <= status < 400:  # noqa: PLR2004 - any redirect
        points = f" to {shorten(hide(location), 200)}" if location else ""
        return Said(
            status,
            f"{who}: it redirects{points} ({status}), and redirects are not followed",
            hint="set the base URL to where the API is; a login page of a network may be in the way",
        )
    found = _decoded(body)
    inner = _inner(found)
    if inner is None:
        told, code, reason, after = _page(body), "", "", None
    else:
        told = _text(inner)
        code = _code(inner)
        reason, after = _details(inner)
    told, code = shorten(hide(told), LONGEST), shorten(hide(code), 80)
    heading = f"it answers {status} {code}".strip()
    return Said(status, f"{who}: {heading}{': ' if told else ''}{told}", code, told, reason, after)


def _decoded(body: bytes) -> Any:
    """The body as JSON, None where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _inner(found: Any) -> Mapping[str, Any] | None:
    """The object that speaks of the error."""
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return None
    error = found.get("error")
    return error if isinstance(error, dict) else found


def _text(inner: Mapping[str, Any]) -> str:
    """The words of an error object."""
    for name in ("message", "detail", "msg", "error", "error_description", "title"):
        words = _words(inner.get(name))
        if words:
            return words
    return ""


def _words(value: Any, depth: int = 8) -> str:
    """A message, or several of them, each with the place that it speaks of; what is deeper is nobody's."""
    if not depth:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        place = value.get("loc")
        at = ".".join(map(str, place[:8])) + ": " if isinstance(place, list) and place else ""
        words = next(
            (w for n in ("message", "msg", "detail") if isinstance(w := value.get(n), str | list)), ""
        )
        return at + (words if isinstance(words, str) else _words(words, depth - 1))
    if isinstance(value, list):
        return "; ".join(filter(None, (_words(each, depth - 1) for each in value[:5])))
    return ""


def _code(inner: Mapping[str, Any]) -> str:
    """The most telling code of an error object."""
    for name in ("code", "status", "type"):
        found = inner.get(name)
        if isinstance(found, str) and found and found != "error":
            return found
    return ""


def _details(inner: Mapping[str, Any]) -> tuple[str, float | None]:
    """Gemini's reason and delay."""
    reason, after = "", None
    for detail in _objects(inner.get("details")):
        if not reason and isinstance(found := detail.get("reason"), str):
            reason = found[:80]
        if after is None:
            after = _delay(detail.get("retryDelay"))
    return reason, after


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The first objects of a list."""
    if isinstance(value, list):
        yield from (each for each in value[:20] if isinstance(each, dict))


def _delay(value: Any) -> float | None:
    """A duration as `30s` or `{seconds: 30}`, None for anything else."""
    if isinstance(value, str) and (found := _DELAY.fullmatch(value.strip())):
        return float(found[1])
    if isinstance(value, dict) and isinstance(seconds := value.get("seconds"), int | str):
        return _delay(f"{seconds}s")
    return None


def _page(body: bytes) -> str:
    """The title or the words of something that is no JSON."""
    text = body[:_LOOKED_AT].decode("utf-8", "replace")
    if title := _TITLE.search(text):
        return f"a page, {title[1].strip()!r}"
    return " ".join(_TAG.sub(" ", text).split())


def is_page(content_type: str, start: bytes) -> bool:
    """Whether a reply is a web page, which no API answers with."""
    if content_type.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}:
        return True
    return start[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))
