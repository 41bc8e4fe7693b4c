"""Dialects in their shortest form that are unlike OpenAI's, and the table of all of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import httpx

from reconciler.testing import FakeProvider
from tests.testing.speaking import (
    AzureSpeaker,
    Json,
    MistralSpeaker,
    OpenAISpeaker,
    Speaker,
    Spoken,
    jsonl,
    openai_word,
    read,
)


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
    return str(row["error"]["type"]) if row["error"] else openai_word(row)


SPEAKERS: Final[Mapping[str, Callable[[FakeProvider, httpx.Client, str], Speaker]]] = {
    "openai": OpenAISpeaker,
    "azure": AzureSpeaker,
    "anthropic": AnthropicSpeaker,
    "gemini": GeminiSpeaker,
    "mistral": MistralSpeaker,
    "openrouter": OpenRouterSpeaker,
}
