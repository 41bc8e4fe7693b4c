"""What Anthropic refuses, and each of its switches both ways."""

from typing import Any

import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import http_error
from reconciler.testing.world import DAY
from tests.testing.speakers import AnthropicSpeaker
from tests.testing.speaking import IDS, read


@pytest.mark.parametrize(
    ("custom_id", "word"),
    [
        ("x" * 65, "at most 64"),
        ("", "at least 1"),
        ("a b", "pattern"),
        ("ü", "pattern"),
        (7, "Field required"),
    ],
)
def test_anthropic_refuses_ids(anthropic: AnthropicSpeaker, custom_id: Any, word: str) -> None:
    """One id that is too long, empty or of other characters refuses the whole create, and is named."""
    reply = anthropic.make([anthropic.request("r-1"), anthropic.request(custom_id)])

    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "requests.1.custom_id" in reply.text
    assert word in reply.text


def test_anthropic_refuses_creates(fake: FakeProvider, anthropic: AnthropicSpeaker) -> None:
    """No request, too many, and too many bytes are refused; nothing was created."""
    empty = anthropic.make([])
    fake.anthropic.switches.most_requests = 1
    many = anthropic.make(map(anthropic.request, IDS))
    fake.anthropic.switches.most_bytes = 10
    large = anthropic.make([anthropic.request("r-1")])
    torn = anthropic.ask("POST", "/v1/messages/batches", content=b"{}")

    assert [reply.status_code for reply in (empty, many, large, torn)] == [400, 400, 413, 400]
    assert large.json()["error"]["type"] == "request_too_large"
    assert fake.batches == []


@pytest.mark.parametrize(("strict", "status"), [(True, 400), (False, 200)])
def test_a_duplicate_id_at_anthropic(
    fake: FakeProvider,
    anthropic: AnthropicSpeaker,
    strict: bool,
    status: int,
) -> None:
    """A duplicate refuses the create [recall], or is taken."""
    fake.anthropic.switches.refuse_duplicates = strict

    assert anthropic.make([anthropic.request("r-1")] * 2).status_code == status


def test_anthropic_wants_its_version_header(fake: FakeProvider, anthropic: AnthropicSpeaker) -> None:
    """The header is required and its value is one of two; x-api-key with the newer one is a switch."""

    def status(**headers: str) -> int:
        url = anthropic.url + "/v1/messages/batches"
        return anthropic.http.get(url, headers={"x-api-key": fake.key, **headers}).status_code

    new = {"anthropic-version": "2026-10-21"}
    taken = status(**new)
    fake.anthropic.switches.x_api_key_2026 = False

    assert (status(), status(**{"anthropic-version": "2020-01-01"}), taken) == (400, 400, 200)
    assert status(**new) == 401


@pytest.mark.parametrize("field", ["temperature", "top_p", "top_k"])
@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_what_2026_10_21_breaks(
    fake: FakeProvider, anthropic: AnthropicSpeaker, field: str, version: str
) -> None:
    """Sampling parameters are refused by the newer version alone: later as errored lines, or at once."""
    fake.default(Fate(polls=0))
    headers = {"anthropic-version": version}
    requests = [anthropic.request("r-1", **{field: 1})]
    later = anthropic.make(requests, headers=headers).json()["id"]
    counts = anthropic.get(later).json()["request_counts"]
    fake.anthropic.switches.params_checked = "create"
    at_once = anthropic.make(requests, headers=headers).status_code
    fake.anthropic.switches.breaks_2026 = False
    off = anthropic.make(requests, headers=headers).status_code

    new = version == "2026-10-21"
    assert (counts["errored"], at_once, off) == (int(new), 400 if new else 200, 200)


def test_the_newer_version_refuses_blocks(fake: FakeProvider, anthropic: AnthropicSpeaker) -> None:
    """Documents of an assistant and citations of a user are refused as well."""
    fake.anthropic.switches.params_checked = "create"
    document = {"role": "assistant", "content": [{"type": "document"}]}
    citing = {"role": "user", "content": [{"type": "text", "text": "x", "citations": [{}]}]}
    headers = {"anthropic-version": "2026-10-21"}

    for message in (document, citing):
        request = anthropic.request("r-1", messages=[message])
        assert anthropic.make([request], headers=headers).status_code == 400
        assert anthropic.make([request]).status_code == 200


@pytest.mark.parametrize("params", [{"model": None}, {"max_tokens": 0}, {"messages": None}, {"stream": True}])
def test_bad_params_show_later(
    fake: FakeProvider, anthropic: AnthropicSpeaker, params: dict[str, Any]
) -> None:
    """Bad params of one request are an errored line of it [recall]."""
    fake.default(Fate(polls=0))
    batch = anthropic.make([anthropic.request("r-1", **params), anthropic.request("r-2")]).json()["id"]
    anthropic.get(batch)

    assert anthropic.results(batch) == [("r-1", "errored"), ("r-2", "say r-2")]


@pytest.mark.parametrize("nested", [True, False])
def test_errors_are_nested_twice(fake: FakeProvider, anthropic: AnthropicSpeaker, nested: bool) -> None:
    """The SDK's types have the error two levels down, the guide's sample one."""
    fake.anthropic.switches.nested_errors = nested
    fake.default(Fate(polls=0, default=http_error(529)))
    batch = anthropic.submit(["r-1"])
    url = anthropic.get(batch).json()["results_url"]
    error = read(anthropic.http.get(url, headers=anthropic.headers()).content)[0]["result"]["error"]

    assert (error["error"] if nested else error)["type"] == "overloaded_error"


def test_counts_at_anthropic_add_up(fake: FakeProvider, anthropic: AnthropicSpeaker) -> None:
    """All is `processing` until the end; the sum is always the number of requests."""
    fake.default(Fate(outcomes={"r-1": http_error()}))
    batch = anthropic.submit(IDS)
    counts = [anthropic.get(batch).json()["request_counts"] for _ in range(2)]

    assert [each["processing"] for each in counts] == [4, 0]
    assert [sum(each.values()) for each in counts] == [4, 4]


def test_results_are_archived(fake: FakeProvider, anthropic: AnthropicSpeaker) -> None:
    """By fate, or 29 days after the creation: ended, archived, and no results."""
    fake.script(Fate(polls=0, archived=True), Fate(polls=0))
    at_once, later = anthropic.submit(IDS), anthropic.submit(IDS)
    early = [bool(anthropic.get(each).json()["archived_at"]) for each in (at_once, later)]
    fake.clock.advance(29 * DAY)
    told = anthropic.get(later).json()

    assert early == [True, False]
    assert (told["processing_status"], told["results_url"]) == ("ended", None)
    assert told["archived_at"]
    assert anthropic.ask("GET", f"/v1/messages/batches/{later}/results").status_code == 404


def test_results_url_points_elsewhere(fake: FakeProvider, anthropic: AnthropicSpeaker) -> None:
    """The results URL may name another server; a client that sends its key there is seen."""
    with FakeProvider() as trap:
        fake.default(Fate(polls=0, results_origin=trap.url()))
        batch = anthropic.submit(IDS)
        url = anthropic.get(batch).json()["results_url"]
        anthropic.http.get(url, headers=anthropic.headers())
        seen = trap.calls.saw(fake.key)

    assert [call.path for call in seen] == [f"/v1/messages/batches/{batch}/results"]


def test_anthropic_lists_and_deletes(fake: FakeProvider, anthropic: AnthropicSpeaker) -> None:
    """Pages go either way; a batch is deleted only after its end."""
    fake.default(Fate(polls=0))
    made = [anthropic.submit(["r-1"]) for _ in range(3)]
    path = "/v1/messages/batches"
    first = anthropic.fetch(path, params={"limit": 2})
    second = anthropic.fetch(path, params={"limit": 2, "after_id": first["last_id"]})
    back = anthropic.fetch(path, params={"limit": 2, "before_id": second["first_id"]})
    fresh = anthropic.submit(["r-1"])

    assert [each["id"] for each in (*first["data"], *second["data"])] == made[::-1]
    assert [each["id"] for each in back["data"]] == made[:0:-1]
    assert anthropic.ask("DELETE", f"{path}/{fresh}").status_code == 400
    assert anthropic.ask("DELETE", f"{path}/{made[0]}").status_code == 200
    assert anthropic.get(made[0]).status_code == 404
