"""
The providers' published API descriptions, as a validating proxy (Prism) holds them against both sides.

Only with `make judges`: it needs node and the documents.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.testing import FakeProvider
from tests.judging import kept
from tests.judging.serving import document, free_port, served, tool
from tests.judging.tape import Spoken, forward, taped
from tests.judging.tour import START, client_of, tour

pytestmark = pytest.mark.judges_node

DOCUMENTS: Final = {"openai": "OPENAI_OPENAPI", "mistral": "MISTRAL_OPENAPI"}


@contextmanager
def proxied(name: str, fake: FakeProvider, folder: Path) -> Iterator[int]:
    """Prism between a client and the fake; its port."""
    port = free_port()
    command = [tool("node_modules/.bin/prism"), "proxy", "-h", "127.0.0.1", "-p", str(port)]
    with served([*command, document(DOCUMENTS[name]), fake.url(name)], port, folder):
        yield port


def violations(spoken: Spoken) -> list[str]:
    """What Prism found, but for what is known to be the description's own fault."""
    found = json.loads(spoken.answered.headers.get("sl-violations", "[]"))
    return [f"{spoken.asked.line}: {each}" for each in found if not known(each, spoken)]


def known(found: Any, spoken: Spoken) -> bool:
    """
    Whether it is one of two false alarms.

    OpenAI says null for what is absent (its own samples do), where the description says string, integer or
    object. And it says that the content of a file is `application/json`, which lines are not.
    """
    place = found["location"]
    if place[:1] != ["response"]:
        return False
    if place == ["response"]:
        return spoken.asked.path.endswith("/content") and "media type" in found["message"]
    value = spoken.answered.json()
    for step in place[2:]:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value is None and found.get("code") == "type"


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_both_sides_are_as_published(name: str, tmp_path: Path) -> None:
    """A tour violates nothing, and says what the golden file says: what the plain run compares was judged."""
    with FakeProvider(start=START) as fake, proxied(name, fake, tmp_path) as port:
        with taped(forward(f"http://127.0.0.1:{port}")) as tape:
            tour(tmp_path / "workspace", fake, client_of(name, tape.url, fake.key))
        said = kept.kept(tape.spoken, tape.url)

    assert [found for each in tape.spoken for found in violations(each)] == []
    assert said == kept.read(name)


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("openai", "/batches", {"input_file_id": "f", "endpoint": "/v1/chat", "completion_window": "24h"}),
        ("openai", "/batches", {"endpoint": "/v1/embeddings", "completion_window": "24h"}),
        ("mistral", "/v1/batch/jobs", {"input_files": ["f"], "model": "m"}),
    ],
)
def test_the_proxy_sees_what_is_wrong(name: str, path: str, body: Any, tmp_path: Path) -> None:
    """A word that is none, and a member that is missing, do not get through."""
    with FakeProvider(start=START) as fake, proxied(name, fake, tmp_path) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"content-type": "application/json", "authorization": f"Bearer {fake.key}"}
        connection.request("POST", path, json.dumps(body), headers)
        reply = connection.getresponse()
        reply.read()
        connection.close()

    found = json.loads(reply.headers["sl-violations"])
    assert [each["location"][0] for each in found if each["location"][0] == "request"]
