"""The dialects in their shortest form, over httpx: what a test needs to get a batch through the fake."""

import json
from collections.abc import Callable, Iterable, Mapping
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
            (line["custom_id"], _openai_word(line))
            for file_id in found
            if file_id
            for line in read(self.ask("GET", f"/files/{file_id}/content").content)
        ]


def _openai_word(line: Json) -> str:
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


class AnthropicSpeaker(Spoken):
    """Anthropic."""

    def headers(self) -> dict[str, str]:
        """Key and version."""
        return {"x-api-key": self.key, "anthropic-version": "2023-06-01"}

    def request(self, number: str, **params: Any) -> Json:
        """One request."""
        usual = {
            "model": "claude-x",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": f"say {number}"}],
        }
        return {"custom_id": number, "params": {**usual, **params}}

    def make(self, requests: Iterable[Any], **how: Any) -> httpx.Response:
        """Create a batch."""
        return self.ask("POST", "/v1/messages/batches", json={"requests": list(requests)}, **how)

    def submit(self, ids: Iterable[str]) -> str:
        """Create."""
        made = self.make(self.request(number) for number in ids)
        assert made.status_code == 200, made.text
        return str(made.json()["id"])

    def create(self) -> httpx.Response:
        """Create a batch."""
        return self.make([self.request("r-1")])

    def get(self, batch: str) -> httpx.Response:
        """Look at a batch."""
        return self.ask("GET", f"/v1/messages/batches/{batch}")

    def listed(self) -> list[str]:
        """The first page."""
        return [each["id"] for each in self.fetch("/v1/messages/batches")["data"]]

    def cancel(self, batch: str) -> httpx.Response:
        """Ask to cancel."""
        return self.ask("POST", f"/v1/messages/batches/{batch}/cancel")

    def state(self, batch: str) -> str:
        """Look."""
        return str(self.get(batch).json()["processing_status"])

    def results(self, batch: str) -> list[tuple[str, str]]:
        """The stream."""
        url = self.get(batch).json()["results_url"]
        if url is None:
            return []
        lines = read(self.http.get(url, headers=self.headers()).content)
        return [(line["custom_id"], _anthropic_word(line["result"])) for line in lines]


def _anthropic_word(result: Json) -> str:
    if result["type"] == "succeeded":
        return "".join(part["text"] for part in result["message"]["content"])
    return str(result["type"])


class GeminiSpeaker(Spoken):
    """Gemini."""

    def headers(self) -> dict[str, str]:
        """Google's own header."""
        return {"x-goog-api-key": self.key}

    def start(self, size: int, name: str = "T") -> httpx.Response:
        """Begin an upload."""
        headers = {
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
            "x-goog-upload-header-content-length": str(size),
            "x-goog-upload-header-content-type": "application/jsonl",
        }
        return self.ask("POST", "/upload/v1beta/files", headers=headers, json={"file": {"displayName": name}})

    def chunk(self, url: str, data: bytes, offset: int, command: str = "upload, finalize") -> httpx.Response:
        """Send bytes of an upload."""
        headers = {"x-goog-upload-command": command, "x-goog-upload-offset": str(offset)}
        return self.http.post(url, content=data, headers=headers)

    def upload(self, content: bytes) -> str:
        """Upload a file at once; its name."""
        url = self.start(len(content)).headers["x-goog-upload-url"]
        return str(self.chunk(url, content, 0).json()["file"]["name"])

    def line(self, key: str) -> Json:
        """One request."""
        return {"key": key, "request": {"contents": [{"role": "user", "parts": [{"text": f"say {key}"}]}]}}

    def make(self, config: Mapping[str, Any], name: str = "T") -> httpx.Response:
        """Create a job."""
        body = {"batch": {"displayName": name, "inputConfig": config}}
        return self.ask("POST", "/v1beta/models/gemini-x:batchGenerateContent", json=body)

    def inline(self, ids: Iterable[str]) -> str:
        """Create a job with its requests inside."""
        requests = [{"request": self.line(key)["request"], "metadata": {"key": key}} for key in ids]
        return str(self.make({"requests": {"requests": requests}}).json()["name"])

    def submit(self, ids: Iterable[str]) -> str:
        """Upload and create."""
        made = self.make({"fileName": self.upload(jsonl(self.line(key) for key in ids))})
        assert made.status_code == 200, made.text
        return str(made.json()["name"])

    def create(self) -> httpx.Response:
        """Create a job."""
        return self.make({"fileName": self.upload(jsonl([self.line("r-1")]))})

    def get(self, batch: str) -> httpx.Response:
        """Look at a job."""
        return self.ask("GET", f"/v1beta/{batch}")

    def listed(self) -> list[str]:
        """The first page."""
        return [each["name"] for each in self.fetch("/v1beta/batches").get("operations", [])]

    def cancel(self, batch: str) -> httpx.Response:
        """Ask to cancel."""
        return self.ask("POST", f"/v1beta/{batch}:cancel")

    def state(self, batch: str) -> str:
        """Look."""
        return str(self.get(batch).json()["metadata"]["state"])

    def results(self, batch: str) -> list[tuple[str, str]]:
        """The file."""
        name = self.get(batch).json()["metadata"].get("output", {}).get("responsesFile")
        if not name:
            return []
        content = self.ask("GET", f"/v1beta/{name}:download", params={"alt": "media"}).content
        return [(line["key"], _gemini_word(line)) for line in read(content)]


def _gemini_word(line: Json) -> str:
    if "response" not in line:
        return str(line["error"]["code"])
    return str(line["response"]["candidates"][0]["content"]["parts"][0]["text"])


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
            (line["custom_id"], _openai_word(line))
            for file_id in (told["output_file"], told["error_file"])
            if file_id
            for line in read(self.ask("GET", f"/v1/files/{file_id}/content").content)
        ]


class OpenRouterSpeaker(Spoken):
    """OpenRouter; it has no call that cancels."""

    def item(self, number: str, **body: Any) -> Json:
        """One request."""
        return {
            "custom_id": number,
            "body": {"messages": [{"role": "user", "content": f"say {number}"}], **body},
        }

    def make(self, items: Iterable[Any], **fields: Any) -> httpx.Response:
        """Create a batch; what is None is left out."""
        usual = {"endpoint": "/v1/chat/completions", "model": "maker/model-x", **fields}
        body = {name: value for name, value in usual.items() if value is not None}
        return self.ask("POST", "/batches", json={**body, "requests": list(items)})

    def submit(self, ids: Iterable[str]) -> str:
        """Create."""
        made = self.make(map(self.item, ids))
        assert (made.status_code, made.json()["status"]) == (202, "validating"), made.text
        return str(made.json()["id"])

    def create(self) -> httpx.Response:
        """Create a batch."""
        return self.make([self.item("r-1")])

    def get(self, batch: str) -> httpx.Response:
        """Look at a batch."""
        return self.ask("GET", f"/batches/{batch}")

    def listed(self) -> list[str]:
        """The first page."""
        return [each["id"] for each in self.fetch("/batches")["data"]]

    def cancel(self, batch: str) -> httpx.Response:
        """Nothing is there."""
        return self.ask("POST", f"/batches/{batch}/cancel")

    def state(self, batch: str) -> str:
        """Look."""
        return str(self.get(batch).json()["status"])

    def rows(self, batch: str, limit: int = 2) -> list[Json]:
        """The results by pages."""
        found: list[Json] = []
        cursor = None
        while True:
            params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
            page = self.ask("GET", f"/batches/{batch}/results", params=params)
            if page.status_code == 404:
                return found
            found += page.json()["data"]
            cursor = page.json()["next_cursor"]
            if not page.json()["has_more"]:
                return found

    def results(self, batch: str) -> list[tuple[str, str]]:
        """The results by pages, which are those that the batch holds."""
        held = self.get(batch).json()["results"] or []
        found = self.rows(batch)
        assert held == found
        return [(row["custom_id"], _openrouter_word(row)) for row in found]


def _openrouter_word(row: Json) -> str:
    assert (row["response"] is None) != (row["error"] is None)
    return str(row["error"]["type"]) if row["error"] else _openai_word(row)


SPEAKERS: Final[Mapping[str, Callable[[FakeProvider, httpx.Client, str], Speaker]]] = {
    "openai": OpenAISpeaker,
    "azure": AzureSpeaker,
    "anthropic": AnthropicSpeaker,
    "gemini": GeminiSpeaker,
    "mistral": MistralSpeaker,
    "openrouter": OpenRouterSpeaker,
}
