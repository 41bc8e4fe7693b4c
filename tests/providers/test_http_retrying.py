"""Retry-After in every form, the waits between tries, and refusals in the words of each provider."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CallRefused, KeyRefused, Uncertain
from reconciler.providers.calls import Kind
from reconciler.providers.refusals import LONGEST, Said, is_page, said
from reconciler.providers.retrying import (
    LONGEST_WAIT,
    SHORTEST_WAIT,
    back_off,
    fault_of_status,
    retry_after,
)

NOW: Final = 1_700_000_000.0
"""Tue, 14 Nov 2023 22:13:20 GMT."""


def plain(text: str) -> str:
    """Hide nothing."""
    return text


def read(status: int, body: Any) -> Said:
    """What a reply says."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return said("openai (host), GET /x", status, raw, "", plain)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": " 30 "}, 30.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "9" * 200}, 1e200),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({"retry-after": "Tuesday, 14-Nov-23 22:14:20 GMT"}, 60.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:20 GMT"}, None),
        ({"retry-after": "Tue, 14 Nov 1999 22:13:20 GMT"}, None),
        ({"retry-after": "Tue, 99 Nov 2023 22:14:20 GMT"}, None),
        ({"retry-after": "Tue, 14 Nov 1999 00:00:30 GMT", "date": "Tue, 14 Nov 1999 00:00:00 GMT"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT", "date": "yesterday"}, 60.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "-1", "retry-after": "9"}, None),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
    ],
)
def test_retry_after_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, decimals, milliseconds and dates; what is no time to come is None."""
    assert retry_after(headers, NOW) == (pytest.approx(seconds) if seconds else None)


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "date"]),
        st.one_of(
            st.text(),
            st.floats().map(str),
            st.integers().map(str),
            st.datetimes().map(lambda when: when.strftime("%a, %d %b %Y %H:%M:%S GMT")),
        ),
    )
)
def test_no_retry_after_is_too_strange(headers: dict[str, str]) -> None:
    """Any text gives None or a finite time to come, and never an error."""
    found = retry_after(headers, NOW)

    assert found is None or 0 < found < float("inf")


@given(st.integers(min_value=0), st.floats(0, 1))
def test_back_off_stays_within_its_bounds(failures: int, chance: float) -> None:
    """Half a second at least, eight at most, after any number of failures."""
    assert SHORTEST_WAIT <= back_off(failures, chance) <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        pytest.param(
            {
                "error": {
                    "message": "No such model",
                    "type": "invalid_request_error",
                    "param": "m",
                    "code": "gone",
                }
            },
            "gone",
            "No such model",
            id="OpenAI",
        ),
        pytest.param(
            {"error": {"message": "Bad", "type": "invalid_request_error", "param": None, "code": None}},
            "invalid_request_error",
            "Bad",
            id="OpenAI without a code",
        ),
        pytest.param(
            {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}, "request_id": "r"},
            "overloaded_error",
            "Busy",
            id="Anthropic",
        ),
        pytest.param(
            {"error": {"code": 400, "message": "Wrong", "status": "INVALID_ARGUMENT", "details": []}},
            "INVALID_ARGUMENT",
            "Wrong",
            id="Gemini",
        ),
        pytest.param(
            [{"error": {"code": 400, "message": "Wrong", "status": "INVALID_ARGUMENT"}}],
            "INVALID_ARGUMENT",
            "Wrong",
            id="Gemini in a list",
        ),
        pytest.param(
            {"object": "error", "message": "Too many", "type": "limit", "param": None, "code": "3505"},
            "3505",
            "Too many",
            id="Mistral",
        ),
        pytest.param(
            {"detail": [{"loc": ["body", "model"], "msg": "field required", "type": "missing"}]},
            "",
            "body.model: field required",
            id="Mistral's validation",
        ),
        pytest.param(
            {
                "object": "error",
                "message": {"detail": [{"loc": ["body", 0], "msg": "no"}]},
                "type": "invalid",
            },
            "invalid",
            "body.0: no",
            id="Mistral's validation in a message",
        ),
        pytest.param({"detail": "Unauthorized"}, "", "Unauthorized", id="a detail"),
        pytest.param({"error": "gone"}, "", "gone", id="a bare error"),
        pytest.param({"error": {"message": 7, "code": ["x"]}}, "", "", id="of no known shape"),
        pytest.param(
            b"<html><head><title>502 Bad Gateway</title></head>x</html>",
            "",
            "a page, '502 Bad Gateway'",
            id="page",
        ),
        pytest.param(b"<p>Sorry,\n<b>closed</b></p>", "", "Sorry, closed", id="page without a title"),
        pytest.param(b"upstream connect error\x1b[31m", "", "upstream connect error [31m", id="text"),
        pytest.param(b"\xff\xfe", "", "\ufffd\ufffd", id="bytes"),
        pytest.param(b"", "", "", id="nothing"),
        pytest.param(b"[" * 100_000, "", "[" * (LONGEST - 3) + "...", id="deep"),
    ],
)
def test_a_refusal_speaks_in_the_providers_words(body: Any, code: str, told: str) -> None:
    """Every shape of error body gives its code and its words, cut and printable."""
    found = read(400, body)

    assert (found.code, found.told) == (code, told)
    assert found.words.isprintable()
    assert found.words.startswith("openai (host), GET /x: it answers 400")


@given(
    st.integers(100, 599),
    st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "error",
                            "message",
                            "code",
                            "status",
                            "details",
                            "detail",
                            "loc",
                            "msg",
                            "retryDelay",
                        ]
                    ),
                    inner,
                )
            ),
        ),
    ),
    st.sampled_from(Kind),
)
def test_no_body_is_too_strange(status: int, body: Any, kind: Kind) -> None:
    """Any reply becomes a fault with words that a terminal may see; no create is ever repeated."""
    fault = fault_of_status(kind, read(status, body), {}, now=NOW, longest=120)

    assert fault.error.message.isprintable()
    assert not (kind is Kind.CREATE and fault.again)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, {}),
        (403, {"error": {"type": "authentication_error", "message": "x"}}),
        (403, {"error": {"type": "permission_error", "message": "Your API key lacks the right"}}),
        (
            403,
            {
                "error": {
                    "message": "Method doesn't allow unregistered callers",
                    "status": "PERMISSION_DENIED",
                }
            },
        ),
        (400, {"error": {"message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}),
    ],
)
def test_it_is_the_key(status: int, error: Any) -> None:
    """Each provider's way of refusing a key."""
    fault = fault_of_status(Kind.CREATE, read(status, error), {}, now=NOW, longest=120)

    assert type(fault.error) is KeyRefused


@pytest.mark.parametrize("status", [400, 403])
def test_it_is_not_the_key(status: int) -> None:
    """A refusal that does not speak of the key is one of the call."""
    fault = fault_of_status(
        Kind.READ, read(status, {"error": {"message": "Country not supported"}}), {}, now=NOW, longest=120
    )

    assert type(fault.error) is CallRefused


@pytest.mark.parametrize(
    ("delay", "seconds"), [("30s", 30.0), ("1.5s", 1.5), ({"seconds": 7}, 7.0), ("soon", None), (3, None)]
)
def test_gemini_says_how_long(delay: Any, seconds: float | None) -> None:
    """A RetryInfo in either form."""
    found = read(429, {"error": {"details": [{"@type": "x"}, {"retryDelay": delay}]}})

    assert found.after == seconds


def test_no_credit_names_billing() -> None:
    """Waiting does not help where someone has to pay."""
    body = {"error": {"message": "Quota", "type": "insufficient_quota", "code": "insufficient_quota"}}
    fault = fault_of_status(Kind.READ, read(429, body), {"retry-after": "1"}, now=NOW, longest=120)

    assert isinstance(fault.error, CallRefused)
    assert (fault.error.code, fault.again) == ("insufficient_quota", False)
    assert "credit" in fault.error.hint


@pytest.mark.parametrize(
    ("content_type", "start", "page"),
    [
        ("text/html", b"", True),
        ("Text/HTML; charset=utf-8", b"{}", True),
        ("application/json", b"{}", False),
        ("", b"\xef\xbb\xbf \n<!DOCTYPE HTML>", True),
        ("application/json", b"<HTML lang=en>", True),
        ("application/octet-stream", b'{"text":"<html>"}', False),
    ],
)
def test_a_page_is_known_by_its_type_or_its_beginning(content_type: str, start: bytes, *, page: bool) -> None:
    """Model text that holds HTML is no page."""
    assert is_page(content_type, start) is page


@pytest.mark.parametrize("depth", [9, 500, 700, 900])
@pytest.mark.parametrize("name", ["message", "detail", "error"])
def test_an_error_that_is_nested_deeply_is_read(name: str, depth: int) -> None:
    """A body that no reader can walk to its end is an error like any other: a create stays uncertain."""
    found = read(500, b'{"%b":' % name.encode() + b"[" * depth + b'"deep"' + b"]" * depth + b"}")
    assert found.told == ""
    fault = fault_of_status(Kind.CREATE, found, {}, now=NOW, longest=60)
    assert isinstance(fault.error, Uncertain)
