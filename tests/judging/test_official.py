"""What our clients send is what the official ones could send, and what the fake answers is what they take."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from google import genai
from google.genai import types

from reconciler.testing import FakeProvider, Fate
from tests.judging.official import findings
from tests.judging.rules import RULES
from tests.judging.tape import Said, Spoken, forward, taped
from tests.judging.tour import NAMES, START, client_of, line_of, tour


@pytest.mark.parametrize("name", NAMES)
def test_official_types_take_every_word(name: str, tmp_path: Path) -> None:
    """Each request and each answer of a tour is of the types of the provider's package, member by member."""
    with FakeProvider(start=START) as fake, taped(forward(fake.url())) as tape:
        prefix = fake.dialects[name].prefix
        tour(tmp_path, fake, client_of(name, tape.url + prefix, fake.key))

    assert [found for each in tape.spoken for found in findings(RULES[name], each, prefix)] == []


BATCH: Final = {
    "id": "b",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "f",
    "completion_window": "24h",
    "status": "validating",
    "created_at": 1,
}
CREATE: Final = {"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
JOB: Final = {
    "id": "j",
    "input_files": [],
    "endpoint": "/v1/chat/completions",
    "errors": [],
    "status": "QUEUED",
    "created_at": 1,
    "total_requests": 0,
    "completed_requests": 0,
    "succeeded_requests": 0,
    "failed_requests": 0,
}


def exchange(line: str, body: Any, answer: Any) -> Spoken:
    """A request and its answer."""
    return Spoken(
        Said(line, {"content-type": "application/json"}, json.dumps(body).encode() if body else b""),
        Said("200", {}, json.dumps(answer).encode()),
    )


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("openai", exchange("POST /batches", CREATE, BATCH), None),
        ("openai", exchange("POST /batches", CREATE | {"window": 1}, BATCH), "nobody knows .window"),
        ("openai", exchange("POST /batches", CREATE | {"endpoint": "/v1/chat"}, BATCH), "endpoint"),
        ("openai", exchange("POST /batches", {"endpoint": "/v1/embeddings"}, BATCH), "input_file_id"),
        ("openai", exchange("POST /batches", CREATE, BATCH | {"status": "done"}), "status"),
        ("openai", exchange("POST /batches", CREATE, BATCH | {"created_at": "1"}), "created_at"),
        ("openai", exchange("POST /batches", CREATE, BATCH | {"extra": 1}), "nobody knows .extra"),
        ("openai", exchange("GET /batches?limit=many", None, {"data": []}), "limit"),
        ("openai", exchange("GET /batches?size=1", None, {"data": []}), "nobody knows .size"),
        ("openai", exchange("POST /batch", CREATE, BATCH), "no endpoint"),
        ("mistral", exchange("GET /v1/batch/jobs/j", None, JOB), None),
        ("mistral", exchange("GET /v1/batch/jobs/j", None, JOB | {"status": "DONE"}), "DONE"),
        ("mistral", exchange("GET /v1/batch/jobs?order_by=created_at", None, {"total": 0}), "order_by"),
        ("anthropic", exchange("GET /v1/messages/batches/b", None, {"processing_status": "done"}), "done"),
    ],
)
def test_the_judge_sees_what_is_wrong(name: str, said: Spoken, words: str | None) -> None:
    """A member too many or too few, a word that is none, a value of another type: each is found."""
    found = list(findings(RULES[name], said, ""))

    assert (found == []) if words is None else (words in " ".join(found))


# --- Gemini, whose types do not say what is sent ------------------------------------------------------------


@attrs.frozen
class Shape:
    """A request without what is new each time; *headers* are those of uploads."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: str
    headers: frozenset[tuple[str, str]]


def shape_of(asked: Said) -> Shape:
    """
    The shape of a request.

    The official client says `v1` where we say `v1beta`, both of which the API has; writes the members of an
    upload's file in snake case, which protobuf's JSON reads alike; and tells its size twice.
    """
    path = re.sub(r"^/gemini(/upload)?/v1(?=/)", r"/gemini\1/v1beta", asked.path)
    path = re.sub(r"(files|batches)/[^/:]+", r"\1/*", path)
    query = tuple(sorted((name, "*" if name == "upload_id" else each) for name, each in asked.query.items()))
    carries = asked.headers.get("content-type") == "application/json" and not query
    body = json.dumps(_alike(asked.json()), sort_keys=True) if carries and asked.body else ""
    headers = {
        (name, "*" if name.endswith("content-length") else value)
        for name, value in asked.headers.items()
        if name.startswith("x-goog-upload-")
    }
    return Shape(asked.method, path, query, body, frozenset(headers))


def _alike(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        plain = {re.sub("_([a-z])", lambda found: found[1].upper(), key): each for key, each in value.items()}
        return {key: _alike(each, key) for key, each in plain.items() if key != "sizeBytes"}
    return "*" if name in {"displayName", "fileName"} else value


def official_tour(fake: FakeProvider, base: str) -> None:
    """What the official client sends for what ours do."""
    fake.script(Fate(polls=0), Fate(polls=9))
    options = types.HttpOptions(base_url=base)
    content = io.BytesIO(json.dumps(line_of("gemini", 0)).encode())
    with genai.Client(api_key=fake.key, http_options=options) as client:
        file = client.files.upload(
            file=content, config={"display_name": "T", "mime_type": "application/jsonl"}
        )
        name = client.files.get(name=file.name or "").name or ""
        made = [client.batches.create(model="gemini-x", src=name, config={"display_name": "T"}) for _ in "12"]
        done = client.batches.get(name=made[0].name or "")
        client.batches.cancel(name=made[1].name or "")
        list(client.batches.list(config={"page_size": 100}))
        list(client.files.list(config={"page_size": 100}))
        client.files.download(file=done.dest.file_name if done.dest and done.dest.file_name else "")
        client.files.delete(name=name)


def shapes(fill: Callable[[FakeProvider, str], object]) -> set[Shape]:
    """The shapes of the requests of a tour."""
    with FakeProvider(start=START) as fake, taped(forward(fake.url())) as tape:
        fill(fake, tape.url + fake.dialects["gemini"].prefix)
    return {shape_of(each.asked) for each in tape.spoken}


def test_gemini_is_asked_as_the_official_client_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of our requests is one of the official client's: path, query, body, and what an upload tells."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    ours = shapes(lambda fake, base: tour(tmp_path, fake, client_of("gemini", base, fake.key)))
    theirs = {attrs.evolve(each, headers=frozenset()): each.headers for each in shapes(official_tour)}

    for each in ours:
        assert each.headers <= theirs.get(attrs.evolve(each, headers=frozenset()), frozenset()), each
    assert {attrs.evolve(each, headers=frozenset()) for each in ours} == set(theirs)
