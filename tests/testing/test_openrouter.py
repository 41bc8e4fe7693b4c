"""What OpenRouter refuses, and each of its switches both ways."""

import json
from typing import Any

import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import LineError, refused
from reconciler.testing.world import DAY
from tests.testing.speakers import OpenRouterSpeaker
from tests.testing.speaking import IDS


@pytest.mark.parametrize(
    ("item", "word"),
    [
        ({"body": {}}, "custom_id and body"),
        ({"custom_id": "a"}, "custom_id and body"),
        ({"custom_id": "a", "body": {}, "method": "POST"}, "custom_id and body"),
        ({"custom_id": "", "body": {}}, "custom_id is required"),
        ({"custom_id": "a", "body": []}, "body is required"),
        ({"custom_id": "a", "body": {"model": "another"}}, "not that of the batch"),
        ({"custom_id": "r-1", "body": {}}, "not unique"),
        ("text", "custom_id and body"),
    ],
)
def test_openrouter_refuses_items(openrouter: OpenRouterSpeaker, item: Any, word: str) -> None:
    """An item that is not `{custom_id, body}`, or of another model, refuses the create, and is named."""
    reply = openrouter.make([openrouter.item("r-1"), item])

    assert (reply.status_code, openrouter.fake.batches) == (400, [])
    assert "requests[1]" in reply.text
    assert word in reply.text


@pytest.mark.parametrize(
    "fields", [{"endpoint": None}, {"model": None}, {"endpoint": "/v1/images"}, {"model": ""}, {"model": 7}]
)
def test_openrouter_refuses_creates(openrouter: OpenRouterSpeaker, fields: dict[str, Any]) -> None:
    """Endpoint and model are needed, and the endpoint is one of four; there is at least one request."""
    assert openrouter.make([openrouter.item("r-1")], **fields).status_code == 400
    assert openrouter.make([]).status_code == 400
    openrouter.fake.openrouter.switches.most_bytes = 10
    assert openrouter.create().status_code == 413
    assert openrouter.fake.batches == []


@pytest.mark.parametrize("late", ["endpoint", "model"])
def test_the_order_of_members_counts(openrouter: OpenRouterSpeaker, late: str) -> None:
    """What holds for the whole batch stands before its requests: the body is read as it comes."""
    body = {"endpoint": "/v1/responses", "model": "m", "requests": [openrouter.item("r-1")]}
    body[late] = body.pop(late)
    reply = openrouter.ask("POST", "/batches", content=json.dumps(body).encode())

    assert reply.status_code == 400
    assert f"'{late}' must appear before 'requests'" in reply.text


def test_pages_of_results(fake: FakeProvider, openrouter: OpenRouterSpeaker) -> None:
    """Pages of any size hold the same rows, a cursor is of one batch, and a page has a largest size."""
    fake.default(Fate(polls=0))
    batch, other = openrouter.submit(IDS), openrouter.submit(IDS)
    openrouter.state(batch), openrouter.state(other)
    whole = openrouter.rows(batch, 1000)
    first = openrouter.fetch(f"/batches/{batch}/results", params={"limit": 3})

    assert [len(openrouter.rows(batch, limit)) for limit in (1, 2, 3, 4)] == [4] * 4
    assert openrouter.rows(batch, 3) == whole == openrouter.get(batch).json()["results"]
    assert (len(first["data"]), first["has_more"]) == (3, True)
    cursor = {"cursor": first["next_cursor"]}
    assert openrouter.ask("GET", f"/batches/{other}/results", params=cursor).status_code == 400
    assert openrouter.ask("GET", f"/batches/{batch}/results", params={"limit": 1001}).status_code == 400


@pytest.mark.parametrize("end", ["completed", "expired"])
def test_the_first_surface(fake: FakeProvider, openrouter: OpenRouterSpeaker, end: Any) -> None:
    """Without pages the batch holds the results alone; without `early`, only one that is completed does."""
    switches = fake.openrouter.switches
    switches.pages = switches.early = False
    fake.default(Fate(polls=0, end=end))
    batch = openrouter.submit(IDS)
    openrouter.state(batch)

    assert openrouter.ask("GET", f"/batches/{batch}/results").status_code == 404
    held = openrouter.get(batch).json()["results"]
    assert held is None if end == "expired" else len(held) == 4
    assert openrouter.fetch("/batches")["data"][0]["results"] is None


def test_results_first(fake: FakeProvider, openrouter: OpenRouterSpeaker) -> None:
    """The order of a batch's members is a switch; what they say is the same."""
    fake.default(Fate(polls=0))
    batch = openrouter.submit(IDS)
    openrouter.state(batch)
    usual = openrouter.get(batch)
    fake.openrouter.switches.results_first = True
    turned = openrouter.get(batch)

    assert usual.json() == turned.json()
    assert (next(iter(usual.json())), next(iter(turned.json()))) == ("id", "results")


def test_a_batch_that_failed_says_why(fake: FakeProvider, openrouter: OpenRouterSpeaker) -> None:
    """A failed batch has a message and no results."""
    fake.default(refused(LineError("x", "no such model")))
    batch = openrouter.submit(IDS)
    while openrouter.state(batch) == "validating":
        fake.clock.advance(1)
    told = openrouter.get(batch).json()

    assert (told["status"], told["error"], told["results"]) == ("failed", {"message": "no such model"}, None)


def test_delete_and_what_time_deletes(fake: FakeProvider, openrouter: OpenRouterSpeaker) -> None:
    """A batch that runs cannot be deleted; one that has ended can, and goes by itself after 30 days."""
    running = openrouter.submit(IDS)
    assert openrouter.ask("DELETE", f"/batches/{running}").status_code == 409
    fake.default(Fate(polls=0))
    ended = openrouter.submit(IDS)
    openrouter.state(ended)
    assert openrouter.ask("DELETE", f"/batches/{ended}").json()["deleted"] is True
    assert openrouter.get(ended).status_code == 404
    fake.clock.advance(30 * DAY)
    assert openrouter.get(running).status_code == 404


def test_messages_are_answered_as_messages(fake: FakeProvider, openrouter: OpenRouterSpeaker) -> None:
    """The endpoint says which shape an answer has."""
    fake.default(Fate(polls=0))
    batch = openrouter.make([openrouter.item("r-1")], endpoint="/v1/messages").json()["id"]
    openrouter.state(batch)

    (row,) = openrouter.rows(batch)
    assert row["response"]["body"]["content"][0]["text"] == "say r-1"
