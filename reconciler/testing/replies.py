"""Faults by name: the replies that a client meets in the wild, each a value of `faults`."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from reconciler.testing.faults import Refuse, Reply

HTML: Final = Reply(200, b"<!doctype html><html><body>Sign in to continue</body></html>", "text/html")
"""A captive portal or a proxy answers, and says 200."""

BAD_GATEWAY: Final = Reply(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html")
NO_CONTENT: Final = Reply(204)
WRONG_JSON: Final = Reply(200, b'{"object": "batch", "id": ')
OTHER_JSON: Final = Reply(200, b'["neither", "what", "was", "asked"]')
NOT_FOUND: Final = Refuse(404, "The requested resource was not found.", "not_found")
UNAUTHORIZED: Final = Refuse(401, "Incorrect API key provided.", "invalid_api_key")
OVERLOADED: Final = Refuse(529, "Overloaded", "overloaded_error")
INSUFFICIENT_QUOTA: Final = Refuse(
    429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota"
)
"""Provider facts, retry table: permanent until billing is mended [recall]."""

RESOURCE_EXHAUSTED: Final = Refuse(429, "Resource has been exhausted (e.g. check quota).")
"""Gemini facts, limits: the enqueued-token quota is full (discuss.ai.google.dev thread 112624)."""

CANNOT_FIND_FILE: Final = Refuse(
    400,
    "Cannot find file file-000001, or organization org-x does not have access to it.",
    param="file_id",
)
"""OpenAI facts, errors: 400, not 404, right after an upload although the file was there (curator#116)."""

FILE_TOO_LARGE: Final = Refuse(400, "File is too large.", "invalid_request_error")
"""OpenAI facts, gotchas (curator#111)."""


def server_error(status: int = 500) -> Refuse:
    """A 5xx in the provider's own shape."""
    return Refuse(status, "The server had an error while processing your request.", "server_error")


def too_many(retry_after: str | float | None = None, retry_after_ms: str | float | None = None) -> Refuse:
    """
    A 429.

    Args:
        retry_after: The header as text: seconds, a float, an HTTP date, something absurd or negative.
        retry_after_ms: The header `retry-after-ms`.
    """
    headers = {}
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    if retry_after_ms is not None:
        headers["retry-after-ms"] = str(retry_after_ms)
    return Refuse(429, "Rate limit reached.", "rate_limit_exceeded", headers=headers)


def http_date(unix_seconds: float) -> str:
    """A moment as Retry-After may give it."""
    return format_datetime(datetime.fromtimestamp(unix_seconds, UTC), usegmt=True)


def redirect(to: str, status: int = 307) -> Reply:
    """A redirect to *to*: a path of the same origin, or another server's address."""
    return Reply(status, headers={"location": to})
