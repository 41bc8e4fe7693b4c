"""Replies that a client meets in the wild, by name: pages, refusals, rate limits, redirects."""

import pytest

from reconciler.testing import FakeProvider
from reconciler.testing.faults import (
    Refuse,
    Reply,
    Retype,
)
from reconciler.testing.replies import (
    BAD_GATEWAY,
    CANNOT_FIND_FILE,
    FILE_TOO_LARGE,
    HTML,
    INSUFFICIENT_QUOTA,
    NO_CONTENT,
    NOT_FOUND,
    OTHER_JSON,
    OVERLOADED,
    RESOURCE_EXHAUSTED,
    UNAUTHORIZED,
    WRONG_JSON,
    http_date,
    redirect,
    server_error,
    too_many,
)
from tests.testing.speaking import IDS, OpenAISpeaker, Speaker


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        pytest.param(HTML, 200, "text/html", id="html"),
        pytest.param(BAD_GATEWAY, 502, "text/html", id="502"),
        pytest.param(NO_CONTENT, 204, "", id="204"),
        pytest.param(WRONG_JSON, 200, "application/json", id="wrong-json"),
        pytest.param(OTHER_JSON, 200, "application/json", id="other-json"),
        pytest.param(Reply(200, b"", "application/json"), 200, "application/json", id="empty"),
    ],
)
def test_answers_that_are_none(
    fake: FakeProvider, speaker: Speaker, fault: Reply, status: int, kind: str
) -> None:
    """Pages, nothing at all, and JSON that is cut or another come in place of an answer; nothing happens."""
    fake.fault("create", fault)
    reply = speaker.create()

    assert (reply.status_code, reply.content) == (status, fault.body)
    assert reply.headers.get("content-type", "").startswith(kind)
    assert fake.batches == []


def test_a_wrong_content_type(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """The right answer under a wrong name."""
    batch = openai.submit(IDS)
    fake.fault("get", Retype("text/html"))
    reply = openai.get(batch)

    assert (reply.headers["content-type"], reply.json()["id"]) == ("text/html", batch)


@pytest.mark.parametrize(
    "value",
    ["7", "0.5", "-3", "86400000", "soon", http_date(1_900_000_000), http_date(0)],
    ids=["seconds", "float", "negative", "absurd", "no-number", "date", "date-gone"],
)
def test_429_with_every_kind_of_retry_after(fake: FakeProvider, speaker: Speaker, value: str) -> None:
    """Retry-After comes as it was scripted, and a 429 is a refusal: nothing was created."""
    fake.fault("create", too_many(value, retry_after_ms=1500))
    reply = speaker.create()

    assert reply.status_code == 429
    assert (reply.headers["retry-after"], reply.headers["retry-after-ms"]) == (value, "1500")
    assert fake.batches == []


def test_429_without_retry_after(fake: FakeProvider, speaker: Speaker) -> None:
    """A 429 may say nothing of when."""
    fake.fault("create", too_many())

    assert "retry-after" not in speaker.create().headers


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
def test_5xx_in_the_providers_own_shape(fake: FakeProvider, speaker: Speaker, status: int) -> None:
    """A server error has the provider's error object in it."""
    fake.fault("create", server_error(status))
    reply = speaker.create()

    assert reply.status_code == status
    assert "error" in reply.text


@pytest.mark.parametrize(
    ("fault", "status", "word"),
    [
        (NOT_FOUND, 404, "not found"),
        (UNAUTHORIZED, 401, "key"),
        (OVERLOADED, 529, "Overloaded"),
        (RESOURCE_EXHAUSTED, 429, "exhausted"),
        (INSUFFICIENT_QUOTA, 429, "quota"),
        (CANNOT_FIND_FILE, 400, "Cannot find file"),
        (FILE_TOO_LARGE, 400, "too large"),
    ],
)
def test_refusals_by_name(
    fake: FakeProvider, speaker: Speaker, fault: Refuse, status: int, word: str
) -> None:
    """Known refusals are there once, and then the call goes through."""
    fake.fault("create", fault)
    first, second = speaker.create(), speaker.create()

    assert (first.status_code, second.is_success) == (status, True)
    assert word in first.text
    assert len(fake.batches) == 1


def test_insufficient_quota_has_its_code(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """`error.code` tells the quota that waiting does not mend from a rate limit."""
    fake.fault("create", INSUFFICIENT_QUOTA)

    assert openai.create().json()["error"]["code"] == "insufficient_quota"


def test_a_redirect_to_the_same_origin(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A redirect is an answer like another; nobody is made to follow it."""
    fake.fault("list", redirect("/openai/v1/files"))
    reply = openai.ask("GET", "/batches")

    assert (reply.status_code, reply.headers["location"]) == (307, "/openai/v1/files")


def test_a_redirect_to_a_trap(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A client that follows a redirect elsewhere and takes its key along is seen by the trap."""
    with FakeProvider() as trap:
        fake.fault("list", redirect(trap.url() + "/anywhere", 302))
        careless = {"authorization": "", "x-api-key": openai.key}
        openai.http.get(f"{openai.url}/batches", headers=openai.headers(), follow_redirects=True)
        kept = trap.calls.saw(openai.key)
        fake.fault("list", redirect(trap.url() + "/anywhere", 302))
        openai.http.get(f"{openai.url}/batches", headers=careless, follow_redirects=True)
        lost = trap.calls.saw(openai.key)

    assert kept == ()
    assert [(call.path, call.kind, call.status) for call in lost] == [("/anywhere", "other", 404)]
