"""
Tell why a request failed from the provider's words and the HTTP status.

Pure. The provider's exact word decides before its prose, its prose before the status, and the status before
the broad words that providers put on everything (`invalid_request_error` stands on OpenAI's 400, 401 and 404
alike). Words are those of the public API references of OpenAI, Azure OpenAI, Anthropic, Gemini
(google.rpc.Code), Mistral and vLLM.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reconciler.model.outcome import ErrorClass

_EXACT_WORDS: Final = {
    ErrorClass.EXPIRED: "batch_expired expired",
    ErrorClass.CANCELLED: "batch_cancelled batch_canceled cancelled canceled",
    ErrorClass.TIME_LIMIT: "time_limit",
    ErrorClass.BILLING: "insufficient_quota billing_error billing_hard_limit_reached billing_not_active",
    ErrorClass.OVER_LENGTH: "context_length_exceeded request_too_large model_context_window_exceeded",
    ErrorClass.CONTENT_FILTER: (
        "content_filter content_policy_violation responsibleaipolicyviolation safety blocked blocklist"
        " prohibited_content spii moderation_blocked"
    ),
    ErrorClass.RATE_LIMIT: (
        "rate_limit_error rate_limit_exceeded resource_exhausted too_many_requests token_limit_exceeded"
    ),
    ErrorClass.TIMEOUT: "request_timeout timeout_error timeout deadline_exceeded",
    ErrorClass.OVERLOADED: "overloaded_error overloaded unavailable",
    ErrorClass.AUTHENTICATION: (
        "authentication_error permission_error invalid_api_key permission_denied unauthenticated"
    ),
    ErrorClass.NOT_FOUND: "not_found_error model_not_found not_found notfounderror deploymentnotfound",
}

_BROAD_WORDS: Final = {
    ErrorClass.INVALID_REQUEST: (
        "invalid_request_error invalid_request invalid_argument failed_precondition out_of_range"
        " badrequesterror invalid_answer"
    ),
    ErrorClass.SERVER_ERROR: (
        "connection_error api_error internal"
        " server_error internal_error internal_server_error internalservererror"
    ),
}

_PHRASES: Final = (
    ("maximum context length", ErrorClass.OVER_LENGTH),
    ("prompt is too long", ErrorClass.OVER_LENGTH),
    ("exceeds the maximum number of tokens", ErrorClass.OVER_LENGTH),
)

_BY_STATUS: Final = {
    400: ErrorClass.INVALID_REQUEST,
    401: ErrorClass.AUTHENTICATION,
    402: ErrorClass.BILLING,
    403: ErrorClass.AUTHENTICATION,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.TIMEOUT,
    413: ErrorClass.OVER_LENGTH,
    422: ErrorClass.INVALID_REQUEST,
    429: ErrorClass.RATE_LIMIT,
    529: ErrorClass.OVERLOADED,
}


def _by_word(table: dict[ErrorClass, str]) -> dict[str, ErrorClass]:
    return {word: error_class for error_class, words in table.items() for word in words.split()}


_EXACT: Final = _by_word(_EXACT_WORDS)
_BROAD: Final = _by_word(_BROAD_WORDS)


def classify(words: Iterable[str], status: int | None, message: str | None) -> ErrorClass:
    """
    Tell why a request failed.

    Args:
        words: The provider's codes and types, the most telling first; case does not count.
        status: The HTTP status, None where there is none.
        message: The provider's prose.

    Returns:
        The class; UNKNOWN when nothing is recognised.
    """
    known = [word.strip().lower().replace("-", "_") for word in words]
    prose = (message or "").lower()
    for word in known:
        if word in _EXACT:
            return _EXACT[word]
    for phrase, error_class in _PHRASES:
        if phrase in prose:
            return error_class
    if "overloaded" in prose and (status is None or is_server_error(status)):
        return ErrorClass.OVERLOADED
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if is_server_error(status):
        return ErrorClass.SERVER_ERROR
    for word in known:
        if word in _BROAD:
            return _BROAD[word]
    return ErrorClass.UNKNOWN


def is_success(status: int | None) -> bool:
    """Whether an HTTP status says that the request was served."""
    return status is not None and 200 <= status < 300  # noqa: PLR2004 - HTTP's own numbers


def is_server_error(status: int | None) -> bool:
    """Whether an HTTP status puts the fault on the server."""
    return status is not None and 500 <= status < 600  # noqa: PLR2004 - HTTP's own numbers
