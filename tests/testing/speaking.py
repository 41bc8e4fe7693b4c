"""
Dialects in their shortest form, over httpx: what a test needs to get a batch through the fake.

Here are OpenAI's and those like it; the others, and the table of all, are in speakers.py.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, Protocol

import attrs
import httpx

from reconciler.testing import FakeProvider

Json = dict[str, Any]
IDS: Final = ("r-1", "r-2", "r-3", "r-4")


def jsonl(lines: Iterable[Any]) -> bytes:
    """Values as lines."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def read(content: bytes) -> list[Json]:
    """Lines as values."""
    return [json.loads(line) for line in content.splitlines()]


def chat(number: str, *, url: str = "/v1/chat/completions", **body: Any) -> Json:
    """A request line of OpenAI."""
    asks = {"model": "gpt-x", "messages": [{"role": "user", "content": f"say {number}"}], **body}
    return {"custom_id": number, "method": "POST", "url": url, "body": asks}


class Speaker(Protocol):
    """One dialect."""

    def submit(self, ids: Iterable[str]) -> str:
        """Submit a batch with a request for each id; the batch's id."""

    def create(self) -> httpx.Response:
        """Create a batch, of whatever."""

    def get(self, batch: str) -> httpx.Response:
        """Look at a batch."""

    def listed(self) -> list[str]:
        """The ids on the first page of the list."""

    def cancel(self, batch: str) -> httpx.Response:
        """Ask to cancel."""

    def state(self, batch: str) -> str:
        """Look at a batch: its state."""

    def results(self, batch: str) -> list[tuple[str, str]]:
        """What came back: each line's id, with its answer or its error in a word or two."""


@attrs.define
class Spoken:
    """What the dialects have in common here: a client with a key."""

    fake: FakeProvider
    http: httpx.Client
    url: str
    key: str = FakeProvider.key

    def headers(self) -> dict[str, str]:
        """How the key goes."""
        return {"authorization": f"Bearer {self.key}"}

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """One call."""
        headers = {**self.headers(), **how.pop("headers", {})}
        return self.http.request(method, self.url + path, headers=headers, **how)

    def fetch(self, path: str, **how: Any) -> Json:
        """One call that has to go well."""
        reply = self.ask("GET", path, **how)
        assert reply.status_code == 200, reply.text
        found: Json = reply.json()
        return found


class OpenAISpeaker(Spoken):
    """OpenAI."""

    def upload(self, content: bytes, name: str = "in.jsonl", **fields: str) -> httpx.Response:
        """Upload a file."""
        return self.ask(
            "POST", "/files", files={"file": (name, content)}, data={"purpose": "batch", **fields}
        )

    def make(self, file_id: str, **fields: Any) -> httpx.Response:
        """Create a batch of a file."""
        usual = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        return self.ask("POST", "/batches", json={"input_file_id": file_id, **usual, **fields})

    def put(self, lines: Iterable[Any], **fields: Any) -> str:
        """Upload lines and make a batch of them."""
        file_id = self.upload(jsonl(lines)).json()["id"]
        self.ready(file_id)
        made = self.make(file_id, **fields)
        assert made.status_code == 200, made.text
        return str(made.json()["id"])

    def ready(self, file_id: str) -> None:
        """Wait until a file is processed; at once, here."""

    def submit(self, ids: Iterable[str]) -> str:
        """Upload and create."""
        return self.put(chat(number) for number in ids)

    def create(self) -> httpx.Response:
        """Create a batch."""
        file_id = self.upload(jsonl([chat("r-1")])).json()["id"]
        self.ready(file_id)
        return self.make(file_id)

    def get(self, batch: str) -> httpx.Response:
        """Look at a batch."""
        return self.ask("GET", f"/batches/{batch}")

    def listed(self) -> list[str]:
        """The first page."""
        return [each["id"] for each in self.fetch("/batches")["data"]]

    def cancel(self, batch: str) -> httpx.Response:
        """Ask to cancel."""
        return self.ask("POST", f"/batches/{batch}/cancel")

    def state(self, batch: str) -> str:
        """Look."""
        return str(self.get(batch).json()["status"])

    def results(self, batch: str) -> list[tuple[str, str]]:
        """Both files."""
        told = self.get(batch).json()
        found = [told["output_file_id"], told["error_file_id"]]
        return [
            (line["custom_id"], openai_word(line))
            for file_id in found
            if file_id
            for line in read(self.ask("GET", f"/files/{file_id}/content").content)
        ]


def openai_word(line: Json) -> str:
    """A line of results in a word: its answer, or its error."""
    if line["error"]:
        return str(line["error"]["code"])
    if line["response"]["status_code"] != 200:
        return str(line["response"]["status_code"])
    return str(line["response"]["body"]["choices"][0]["message"]["content"])


class AzureSpeaker(OpenAISpeaker):
    """Azure, on the older surface."""

    def headers(self) -> dict[str, str]:
        """Azure's own header."""
        return {"api-key": self.key}

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """With the api-version."""
        return super().ask(method, f"/openai{path}", params={"api-version": "2024-10-21"}, **how)

    def ready(self, file_id: str) -> None:
        """A look brings a file nearer to being processed."""
        assert self.fetch(f"/files/{file_id}")["status"] == "processed"


class MistralSpeaker(Spoken):
    """Mistral."""

    def upload(self, content: bytes, **fields: str) -> httpx.Response:
        """Upload a file."""
        data = {"purpose": "batch", **fields}
        return self.ask("POST", "/v1/files", files={"file": ("in.jsonl", content)}, data=data)

    def make(self, **fields: Any) -> httpx.Response:
        """Create a job."""
        usual = {"endpoint": "/v1/chat/completions", "model": "mistral-x"}
        return self.ask("POST", "/v1/batch/jobs", json={**usual, **fields})

    def line(self, number: str) -> Json:
        """One request."""
        return {"custom_id": number, "body": {"messages": [{"role": "user", "content": f"say {number}"}]}}

    def submit(self, ids: Iterable[str]) -> str:
        """Upload and create."""
        file_id = self.upload(jsonl(self.line(number) for number in ids)).json()["id"]
        made = self.make(input_files=[file_id])
        assert made.status_code == 200, made.text
        return str(made.json()["id"])

    def create(self) -> httpx.Response:
        """Create a job."""
        return self.make(input_files=[self.upload(jsonl([self.line("r-1")])).json()["id"]])

    def get(self, batch: str) -> httpx.Response:
        """Look at a job."""
        return self.ask("GET", f"/v1/batch/jobs/{batch}")

    def listed(self) -> list[str]:
        """The first page."""
        return [each["id"] for each in self.fetch("/v1/batch/jobs")["data"]]

    def cancel(self, batch: str) -> httpx.Response:
        """Ask to cancel."""
        return self.ask("POST", f"/v1/batch/jobs/{batch}/cancel")

    def state(self, batch: str) -> str:
        """Look."""
        return str(self.get(batch).json()["status"])

    def results(self, batch: str) -> list[tuple[str, str]]:
        """Both files."""
        told = self.get(batch).json()
        return [
            (line["custom_id"], openai_word(line))
            for file_id in (told["output_file"], told["error_file"])
            if file_id
            for line in read(self.ask("GET", f"/v1/files/{file_id}/content").content)
        ]
