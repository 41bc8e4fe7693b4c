"""Why a request failed, told from words, prose and status."""

import pytest

from reconciler.codec.classify import classify
from reconciler.model.outcome import ErrorClass


@pytest.mark.parametrize(
    ("words", "status", "message", "expected"),
    [
        pytest.param((), 429, None, ErrorClass.RATE_LIMIT, id="429"),
        pytest.param(("insufficient_quota",), 429, None, ErrorClass.BILLING, id="429-but-no-money"),
        pytest.param(("billing_hard_limit_reached",), 400, None, ErrorClass.BILLING, id="billing-limit"),
        pytest.param(("billing_error",), None, None, ErrorClass.BILLING, id="billing"),
        pytest.param((), 402, None, ErrorClass.BILLING, id="402"),
        pytest.param(
            ("rate_limit_exceeded", "tokens"), None, None, ErrorClass.RATE_LIMIT, id="rate-limit-code"
        ),
        pytest.param(("rate_limit_error",), None, None, ErrorClass.RATE_LIMIT, id="rate-limit-type"),
        pytest.param(("RESOURCE_EXHAUSTED",), None, None, ErrorClass.RATE_LIMIT, id="resource-exhausted"),
        pytest.param((), 408, None, ErrorClass.TIMEOUT, id="408"),
        pytest.param(("request_timeout",), None, None, ErrorClass.TIMEOUT, id="request-timeout"),
        pytest.param(("timeout_error",), None, None, ErrorClass.TIMEOUT, id="timeout-error"),
        pytest.param(("DEADLINE_EXCEEDED",), 504, None, ErrorClass.TIMEOUT, id="deadline-before-504"),
        pytest.param((), 504, None, ErrorClass.SERVER_ERROR, id="504"),
        pytest.param((), 529, None, ErrorClass.OVERLOADED, id="529"),
        pytest.param(("overloaded_error",), None, None, ErrorClass.OVERLOADED, id="overloaded-error"),
        pytest.param(("UNAVAILABLE",), 503, None, ErrorClass.OVERLOADED, id="unavailable"),
        pytest.param(
            (), 503, "The engine is currently Overloaded", ErrorClass.OVERLOADED, id="overloaded-prose"
        ),
        pytest.param(
            (), 429, "The engine is overloaded", ErrorClass.RATE_LIMIT, id="overloaded-prose-under-429"
        ),
        pytest.param(
            (), None, "The engine is overloaded", ErrorClass.OVERLOADED, id="overloaded-prose-without-status"
        ),
        pytest.param((), 503, None, ErrorClass.SERVER_ERROR, id="503"),
        pytest.param((), 500, None, ErrorClass.SERVER_ERROR, id="500"),
        pytest.param(("api_error",), None, None, ErrorClass.SERVER_ERROR, id="api-error"),
        pytest.param(("INTERNAL",), None, None, ErrorClass.SERVER_ERROR, id="internal"),
        pytest.param(("server_error",), 200, None, ErrorClass.SERVER_ERROR, id="server-error-under-200"),
        pytest.param(("batch_expired",), 500, "server error", ErrorClass.EXPIRED, id="expired-before-500"),
        pytest.param(("expired",), None, None, ErrorClass.EXPIRED, id="expired"),
        pytest.param(("batch_cancelled",), None, None, ErrorClass.CANCELLED, id="cancelled"),
        pytest.param(("batch_canceled",), None, None, ErrorClass.CANCELLED, id="canceled"),
        pytest.param(
            ("context_length_exceeded", "invalid_request_error"),
            400,
            None,
            ErrorClass.OVER_LENGTH,
            id="context",
        ),
        pytest.param(
            ("invalid_request_error",),
            400,
            "This model's Maximum Context Length is 8192 tokens",
            ErrorClass.OVER_LENGTH,
            id="context-prose",
        ),
        pytest.param(
            ("invalid_request_error",),
            None,
            "prompt is too long: 210000 tokens > 200000 maximum",
            ErrorClass.OVER_LENGTH,
            id="prompt-prose",
        ),
        pytest.param(("request_too_large",), None, None, ErrorClass.OVER_LENGTH, id="too-large"),
        pytest.param((), 413, None, ErrorClass.OVER_LENGTH, id="413"),
        pytest.param(("content_filter",), 400, None, ErrorClass.CONTENT_FILTER, id="content-filter"),
        pytest.param(("content_policy_violation",), 400, None, ErrorClass.CONTENT_FILTER, id="policy"),
        pytest.param(("SAFETY",), None, None, ErrorClass.CONTENT_FILTER, id="safety"),
        pytest.param(("blocked",), None, None, ErrorClass.CONTENT_FILTER, id="blocked"),
        pytest.param((), 401, None, ErrorClass.AUTHENTICATION, id="401"),
        pytest.param((), 403, None, ErrorClass.AUTHENTICATION, id="403"),
        pytest.param(
            ("invalid_api_key", "invalid_request_error"), None, None, ErrorClass.AUTHENTICATION, id="api-key"
        ),
        pytest.param(("authentication_error",), None, None, ErrorClass.AUTHENTICATION, id="authentication"),
        pytest.param(("permission_error",), None, None, ErrorClass.AUTHENTICATION, id="permission"),
        pytest.param(("PERMISSION_DENIED",), None, None, ErrorClass.AUTHENTICATION, id="permission-denied"),
        pytest.param(("UNAUTHENTICATED",), None, None, ErrorClass.AUTHENTICATION, id="unauthenticated"),
        pytest.param((), 404, None, ErrorClass.NOT_FOUND, id="404"),
        pytest.param(
            ("invalid_request_error",), 404, None, ErrorClass.NOT_FOUND, id="404-before-a-broad-word"
        ),
        pytest.param(("not_found_error",), None, None, ErrorClass.NOT_FOUND, id="not-found"),
        pytest.param(("model_not_found",), 400, None, ErrorClass.NOT_FOUND, id="model-not-found"),
        pytest.param((), 400, None, ErrorClass.INVALID_REQUEST, id="400"),
        pytest.param((), 422, None, ErrorClass.INVALID_REQUEST, id="422"),
        pytest.param(
            ("invalid_request_error",), None, None, ErrorClass.INVALID_REQUEST, id="invalid-request"
        ),
        pytest.param(("INVALID_ARGUMENT",), None, None, ErrorClass.INVALID_REQUEST, id="invalid-argument"),
        pytest.param((" Rate-Limit-Error ",), None, None, ErrorClass.RATE_LIMIT, id="spelling"),
        pytest.param(("brand_new_word",), None, "what", ErrorClass.UNKNOWN, id="unknown-word"),
        pytest.param((), 418, None, ErrorClass.UNKNOWN, id="unknown-status"),
        pytest.param((), 0, None, ErrorClass.UNKNOWN, id="zero"),
        pytest.param((), None, None, ErrorClass.UNKNOWN, id="nothing"),
    ],
)
def test_class(words: tuple[str, ...], status: int | None, message: str | None, expected: ErrorClass) -> None:
    """The exact word decides, then the prose, then the status, then the broad word."""
    assert classify(words, status, message) is expected
