"""Lines of each shape that providers write for failures, with what they have to say."""

from __future__ import annotations

from typing import Any, Final

from reconciler.model.outcome import ErrorClass
from tests.codec.samples import GOOD, TEXT_PART, Sample, dump, envelope, response, said


def _fails(
    error_class: ErrorClass, code: str | None = None, message: str | None = None, status: int | None = None
) -> dict[str, Any]:
    return {"error_class": error_class, "error_code": code, "error_message": message, "status_code": status}


_SERVER_SAYS: Final = {"code": "server_error", "message": "sorry"}
_BAD_PARAM: Final = {"message": "bad", "type": "invalid_request_error", "param": "x", "code": None}

FAILED: Final = (
    Sample(
        "openai-http-error",
        envelope({"error": _BAD_PARAM}, 400),
        _fails(ErrorClass.INVALID_REQUEST, "invalid_request_error", "bad", 400),
    ),
    Sample(
        "openai-expired",
        dump({"custom_id": "r-1", "response": None, "error": {"code": "batch_expired", "message": "late"}}),
        _fails(ErrorClass.EXPIRED, "batch_expired", "late"),
    ),
    Sample(
        "openai-expired-with-a-server-error-text",
        dump(
            {
                "custom_id": "r-1",
                "response": {"status_code": 500, "body": None},
                "error": {"code": "batch_expired", "message": "The server had an error"},
            }
        ),
        _fails(ErrorClass.EXPIRED, "batch_expired", "The server had an error", 500),
    ),
    Sample(
        "azure-cancelled-status-zero",
        envelope(None, 0, {"code": "batch_canceled", "message": "stopped"}),
        _fails(ErrorClass.CANCELLED, "batch_canceled", "stopped", 0),
    ),
    Sample(
        "azure-content-filter",
        envelope(
            {
                "error": {
                    "message": "filtered",
                    "code": None,
                    "status": 400,
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                }
            },
            400,
        ),
        _fails(ErrorClass.CONTENT_FILTER, "ResponsibleAIPolicyViolation", "filtered", 400),
    ),
    Sample(
        "request-timeout",
        dump({"custom_id": "r-1", "response": None, "error": {"code": "request_timeout", "message": "slow"}}),
        _fails(ErrorClass.TIMEOUT, "request_timeout", "slow"),
    ),
    Sample(
        "error-outweighs-200",
        envelope(GOOD, 200, {"code": "odd", "message": "no"}),
        {**_fails(ErrorClass.UNKNOWN, "odd", "no", 200), "model": "m-1", "usage": {"total_tokens": 9}},
    ),
    Sample(
        "answer-under-500",
        envelope(GOOD, 500),
        {
            **_fails(ErrorClass.SERVER_ERROR, None, "HTTP status 500", 500),
            "model": "m-1",
            "usage": {"total_tokens": 9},
        },
    ),
    Sample(
        "answer-under-zero",
        envelope(GOOD, 0),
        {
            **_fails(ErrorClass.UNKNOWN, None, "HTTP status 0", 0),
            "model": "m-1",
            "usage": {"total_tokens": 9},
        },
    ),
    Sample("digits-429", envelope(None, "429"), _fails(ErrorClass.RATE_LIMIT, None, "HTTP status 429", 429)),
    Sample(
        "body-is-an-error-under-200",
        envelope({"error": _SERVER_SAYS}),
        _fails(ErrorClass.SERVER_ERROR, "server_error", "sorry", 200),
    ),
    Sample(
        "choices-beside-an-error-under-200",
        envelope({"choices": [{"message": {}}], "error": _SERVER_SAYS}),
        _fails(ErrorClass.SERVER_ERROR, "server_error", "sorry", 200),
    ),
    Sample(
        "mistral-error-object",
        envelope({"object": "error", "message": "no such", "type": "not_found_error", "code": "1500"}, 200),
        _fails(ErrorClass.NOT_FOUND, "1500", "no such", 200),
    ),
    Sample(
        "mistral-validation",
        envelope({"detail": [{"loc": ["body"], "msg": "field required", "type": "missing"}]}, 422),
        _fails(ErrorClass.INVALID_REQUEST, None, "field required", 422),
    ),
    Sample(
        "choices-empty",
        envelope({"choices": [], "model": "m-1"}),
        {**_fails(ErrorClass.UNKNOWN, None, "the answer's choices are empty", 200), "model": "m-1"},
    ),
    Sample(
        "choices-null",
        envelope({"choices": None}),
        _fails(ErrorClass.UNKNOWN, None, "the answer's choices are empty", 200),
    ),
    Sample("body-null", envelope(None), _fails(ErrorClass.UNKNOWN, None, "the response has no body", 200)),
    Sample("body-empty", envelope({}), _fails(ErrorClass.UNKNOWN, None, "the response has no body", 200)),
    Sample(
        "body-no-json",
        envelope('{"choices":[{'),
        _fails(ErrorClass.UNKNOWN, None, "the response's body is not an object", 200),
    ),
    Sample(
        "responses-failed",
        envelope(response("failed", [], error=_SERVER_SAYS)),
        {**_fails(ErrorClass.SERVER_ERROR, "server_error", "sorry", 200), "model": "m-1"},
    ),
    Sample(
        "responses-cancelled",
        envelope(response("cancelled", [said(TEXT_PART)])),
        {
            **_fails(ErrorClass.CANCELLED, "cancelled", "the response's status is 'cancelled'", 200),
            "model": "m-1",
        },
    ),
    Sample(
        "responses-unfinished",
        envelope(response("in_progress", [said(TEXT_PART)])),
        {**_fails(ErrorClass.UNKNOWN, None, "the response's status is 'in_progress'", 200), "model": "m-1"},
    ),
    Sample(
        "responses-empty",
        envelope(response("completed", [])),
        {**_fails(ErrorClass.UNKNOWN, None, "the answer's output is empty", 200), "model": "m-1"},
    ),
    Sample(
        "vllm-plain-string",
        dump(
            {
                "id": "vllm-1",
                "custom_id": "r-1",
                "response": {"status_code": 400, "body": None},
                "error": "bad url",
            }
        ),
        _fails(ErrorClass.INVALID_REQUEST, None, "bad url", 400),
    ),
    Sample(
        "vllm-error-response",
        dump(
            {
                "custom_id": "r-1",
                "response": {"status_code": 400, "body": None},
                "error": {
                    "error": {
                        "message": "maximum context length is 8",
                        "type": "BadRequestError",
                        "code": 400,
                    }
                },
            }
        ),
        _fails(ErrorClass.OVER_LENGTH, "BadRequestError", "maximum context length is 8", 400),
    ),
    Sample(
        "error-without-response",
        dump({"id": "b", "custom_id": "r-1", "error": {"type": "api_error", "message": "oops"}}),
        _fails(ErrorClass.SERVER_ERROR, "api_error", "oops"),
    ),
    Sample(
        "error-a-word",
        dump({"custom_id": "r-1", "error": "request_timeout"}),
        _fails(ErrorClass.TIMEOUT, "request_timeout", "request_timeout"),
    ),
    Sample(
        "nothing-at-all",
        dump({"custom_id": "r-1", "response": None, "error": None}),
        _fails(ErrorClass.UNKNOWN, None, "the line has neither a response nor an error"),
    ),
    Sample(
        "anthropic-errored-twice-nested",
        dump(
            {
                "custom_id": "r-1",
                "result": {
                    "type": "errored",
                    "error": {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
                },
            }
        ),
        _fails(ErrorClass.OVERLOADED, "overloaded_error", "busy"),
    ),
    Sample(
        "anthropic-errored-once-nested",
        dump(
            {
                "custom_id": "r-1",
                "result": {"type": "errored", "error": {"type": "billing_error", "message": "$"}},
            }
        ),
        _fails(ErrorClass.BILLING, "billing_error", "$"),
    ),
    Sample(
        "anthropic-canceled",
        dump({"custom_id": "r-1", "result": {"type": "canceled"}}),
        _fails(ErrorClass.CANCELLED, "canceled", "the request is canceled and was not run"),
    ),
    Sample(
        "anthropic-expired",
        dump({"custom_id": "r-1", "result": {"type": "expired"}}),
        _fails(ErrorClass.EXPIRED, "expired", "the request is expired and was not run"),
    ),
    Sample(
        "anthropic-succeeded-without-message",
        dump({"custom_id": "r-1", "result": {"type": "succeeded"}}),
        _fails(ErrorClass.UNKNOWN, None, "the result has no message"),
    ),
    Sample(
        "openai-status-in-words",
        dump({"custom_id": "r-1", "response": None, "error": {"code": "429", "message": "slow down"}}),
        _fails(ErrorClass.RATE_LIMIT, "429", "slow down", 429),
    ),
    Sample(
        "openai-error-in-a-word",
        dump({"custom_id": "r-1", "response": None, "error": {"error": "rate_limit_exceeded"}}),
        _fails(ErrorClass.RATE_LIMIT, "rate_limit_exceeded", "rate_limit_exceeded"),
    ),
    Sample(
        "gemini-error-in-the-response",
        dump(
            {
                "key": "r-1",
                "response": {"error": {"code": 503, "message": "sorry", "status": "UNAVAILABLE"}},
            }
        ),
        _fails(ErrorClass.OVERLOADED, "UNAVAILABLE", "sorry", 503),
    ),
    Sample(
        "gemini-blocked",
        dump({"key": "r-1", "response": {"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": {}}}),
        _fails(ErrorClass.CONTENT_FILTER, "OTHER", "the prompt was blocked: OTHER"),
    ),
    Sample(
        "gemini-nothing",
        dump({"key": "r-1", "response": {"usageMetadata": {}}}),
        _fails(ErrorClass.UNKNOWN, None, "the response has no candidates"),
    ),
    Sample(
        "gemini-error",
        dump({"key": "r-1", "error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}),
        _fails(ErrorClass.RATE_LIMIT, "RESOURCE_EXHAUSTED", "quota", 429),
    ),
    Sample(
        "gemini-error-number-only",
        dump({"key": "r-1", "error": {"code": 503, "message": "later", "details": []}}),
        _fails(ErrorClass.SERVER_ERROR, "503", "later", 503),
    ),
    Sample(
        "gemini-status",
        dump({"key": "r-1", "status": {"code": 4, "message": "slow"}}),
        _fails(ErrorClass.TIMEOUT, "DEADLINE_EXCEEDED", "slow"),
    ),
)
