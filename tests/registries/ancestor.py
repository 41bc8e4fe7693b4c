"""
What pairwiseLLM leaves on disk after `llm_submit_pairs_multi_batch(write_registry = TRUE)`, and how it asks.

Files as R writes them: the registry with readr (`NA`, `TRUE`, `FALSE`, paths as they were given), inputs for
OpenAI as lines, those for Anthropic and Gemini as one indented document. Gemini's batches are created inline
and without keys, as it does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import httpx

from reconciler.testing import FakeProvider

COLUMNS: Final = (
    "segment_index,provider,model,batch_id,batch_input_path,batch_output_path,csv_path,pairs_path,done"
)
MODELS: Final[Mapping[str, str]] = {
    "openai": "gpt-4.1",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-3-pro-preview",
}
PREFIXES: Final[Mapping[str, str]] = {"openai": "EXP", "anthropic": "ANTH", "gemini": "GEM"}
PROMPT: Final = 'Which is better?\nAnswer <BETTER_SAMPLE>SAMPLE_1</BETTER_SAMPLE>. "Ümläut"'


def ids_of(provider: str, count: int, first: int = 1) -> list[str]:
    """The ids that it gives to pairs."""
    return [f"{PREFIXES[provider]}_S{n:02d}_vs_S{n + 1:02d}" for n in range(first, first + count)]


def requests_of(provider: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The requests as its input file holds them."""
    model = MODELS[provider]
    if provider == "openai":
        body = {"model": model, "messages": [{"role": "user", "content": PROMPT}]}
        return [
            {"custom_id": each, "method": "POST", "url": "/v1/chat/completions", "body": body} for each in ids
        ]
    if provider == "anthropic":
        content = [{"type": "text", "text": PROMPT}]
        params = {"model": model, "max_tokens": 768, "messages": [{"role": "user", "content": content}]}
        return [{"custom_id": each, "params": params} for each in ids]
    request = {
        "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": False, "thinkingLevel": "Low"}},
    }
    parts = [each.removeprefix("GEM_").split("_vs_") for each in ids]
    return [
        {"custom_id": each, "ID1": one, "ID2": two, "request": request}
        for each, (one, two) in zip(ids, parts, strict=True)
    ]


def write_input(path: Path, provider: str, requests: Sequence[Mapping[str, Any]]) -> None:
    """The input file of one segment."""
    if provider == "openai":
        text = "".join(
            json.dumps(each, separators=(",", ":"), ensure_ascii=False) + "\n" for each in requests
        )
    else:
        text = json.dumps({"requests": requests}, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, "utf-8")


def create(fake: FakeProvider, provider: str, path: Path, requests: Sequence[Mapping[str, Any]]) -> str:
    """Create the batch as it does; gives the id that its registry names."""
    base = fake.url(provider)
    if provider == "openai":
        headers = {"authorization": f"Bearer {fake.key}"}
        files = {"file": (path.name, path.read_bytes())}
        uploaded = httpx.post(f"{base}/files", headers=headers, data={"purpose": "batch"}, files=files).json()
        order = {
            "input_file_id": uploaded["id"],
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        return str(httpx.post(f"{base}/batches", headers=headers, json=order).json()["id"])
    if provider == "anthropic":
        headers = {"x-api-key": fake.key, "anthropic-version": "2023-06-01"}
        body = {"requests": requests}
        return str(httpx.post(f"{base}/v1/messages/batches", headers=headers, json=body).json()["id"])
    headers = {"x-goog-api-key": fake.key}
    items = [{"request": each["request"]} for each in requests]
    batch = {"display_name": "pairwiseLLM-gemini-batch", "input_config": {"requests": {"requests": items}}}
    url = f"{base}/v1beta/models/{MODELS['gemini']}:batchGenerateContent"
    return str(httpx.post(url, headers=headers, json={"batch": batch}).json()["name"])


@attrs.define
class OutputDir:
    """
    Its `output_dir`.

    Attributes:
        path: The folder.
        rows: The rows of its registry, as texts.
    """

    path: Path
    rows: list[list[str]] = attrs.field(factory=list)

    def add(
        self,
        provider: str,
        batch_id: str,
        ids: Sequence[str],
        *,
        done: str = "FALSE",
        folder: str | None = None,
    ) -> Path:
        """One segment, its input written; paths begin with *folder*, or with the whole path of this one."""
        self.path.mkdir(parents=True, exist_ok=True)
        number = len(self.rows) + 1
        path = self.path / f"batch_{number:02d}_input.jsonl"
        write_input(path, provider, requests_of(provider, ids))
        head = f"{self.path}/" if folder is None else folder
        files = ("input.jsonl", "output.jsonl", "results.csv", "pairs.rds")
        paths = [f"{head}batch_{number:02d}_{leaf}" for leaf in files]
        self.rows.append([str(number), provider, MODELS[provider], batch_id, *paths, done])
        return path

    def write(self) -> Path:
        """The registry."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / "jobs_registry.csv"
        path.write_text("\n".join([COLUMNS, *(",".join(row) for row in self.rows)]) + "\n", "utf-8")
        return path

    def output(self, number: int) -> Path:
        """The output file of a segment."""
        return self.path / f"batch_{number:02d}_output.jsonl"


def openai_outputs(ids: Iterable[str]) -> str:
    """Answers as OpenAI serves them."""
    message = {"role": "assistant", "content": "<BETTER_SAMPLE>SAMPLE_1</BETTER_SAMPLE>"}
    body = {"model": "gpt-4.1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    lines = (
        {"id": "x", "custom_id": each, "response": {"status_code": 200, "body": body}, "error": None}
        for each in ids
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def anthropic_outputs(ids: Iterable[str]) -> str:
    """Answers as Anthropic serves them; the last request has failed."""
    message = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "one"}]}
    *first, last = ids
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    lines: list[dict[str, Any]] = [
        {"custom_id": each, "result": {"type": "succeeded", "message": message}} for each in first
    ]
    lines.append({"custom_id": last, "result": {"type": "errored", "error": error}})
    return "".join(json.dumps(line) + "\n" for line in lines)


def gemini_outputs(ids: Iterable[str]) -> str:
    """Answers as it writes Gemini's: a row of a table is a list of one."""
    content = {"parts": [{"text": "one"}], "role": "model"}
    response = [{"candidates": [{"content": content, "finishReason": "STOP"}], "modelVersion": "gemini-3"}]
    lines = ({"custom_id": each, "result": {"type": "succeeded", "response": response}} for each in ids)
    return "".join(json.dumps(line) + "\n" for line in lines)
