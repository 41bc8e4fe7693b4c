"""
Batch servers that nobody here wrote: how they are started, and what they are asked.

OGX (once llama-stack) is a real one, which asks a model server for each answer; ours is a function. aimock is
a mock that others test their clients against.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import waiting
from reconciler.errors import NotThere
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.report import Report
from reconciler.providers.base import Remote
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from reconciler.session import Options
from tests.judging.serving import free_port, served, tool
from tests.judging.tape import Said, taped
from tests.judging.tour import by_hand, line_of
from tests.online import put_input
from tests.workspaces import settings

POOR: Final = 2
"""The number of the request for which the model server has no answer."""
KEY: Final = "test-key"


@attrs.frozen
class Server:
    """
    A foreign batch server.

    Attributes:
        model: A model that it has.
        start: Starts it in a folder, and gives its origin.
        states: What becomes of the two batches of a tour: a good one, and one for a model that is not there.
        results: What becomes of the good one's requests.
    """

    model: str
    start: Callable[[Path], Any]
    states: tuple[str, str]
    results: tuple[str, str, str, str]


def _complete(asked: Said) -> Said:
    """A model server: the question is the answer."""
    headers = {"content-type": "application/json"}
    if asked.method == "GET":
        models = [{"id": "gpt-4o-mini", "object": "model", "created": 1, "owned_by": "nobody"}]
        return Said("200", headers, json.dumps({"object": "list", "data": models}).encode())
    body = asked.json()
    question = body["messages"][-1]["content"]
    if question == f"say {POOR}":
        error = {"error": {"message": "no answer to that", "type": "invalid_request_error"}}
        return Said("400", headers, json.dumps(error).encode())
    message = {"role": "assistant", "content": question}
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
    }
    return Said("200", headers, json.dumps(answer).encode())


@contextmanager
def _ogx(folder: Path) -> Iterator[str]:
    """OGX with its files and batches in *folder*, and our model server behind it."""
    port = free_port()
    program = tool("ogx/bin/ogx")
    with taped(_complete) as models:
        (folder / "ogx.yaml").write_text(json.dumps(_ogx_settings(port, models.url), indent=1))
        command = [program, "run", "ogx.yaml", "--port", str(port), "--insecure"]
        with served(command, port, folder):
            yield f"http://127.0.0.1:{port}"


def _ogx_settings(port: int, models: str) -> Any:
    """What OGX is told: three parts of it, on SQLite."""
    rows = {"backend": "sql_default"}
    inference = {"api_key": "x", "base_url": f"{models}/v1"}
    files = {"storage_dir": "./files", "metadata_store": {"table_name": "files_metadata", **rows}}
    model = {"model_id": "gpt-4o-mini", "provider_id": "openai", "provider_model_id": "gpt-4o-mini"}
    queue = {"max_write_queue_size": 100, "num_writers": 1}
    return {
        "version": 2,
        "distro_name": "batches",
        "apis": ["batches", "files", "inference"],
        "providers": {
            "inference": [{"provider_id": "openai", "provider_type": "remote::openai", "config": inference}],
            "files": [{"provider_id": "files", "provider_type": "inline::localfs", "config": files}],
            "batches": [
                {
                    "provider_id": "reference",
                    "provider_type": "inline::reference",
                    "config": {"sqlstore": {"table_name": "batches", **rows}},
                }
            ],
        },
        "storage": {
            "backends": {
                "kv_default": {"type": "kv_sqlite", "db_path": "./kv.db"},
                "sql_default": {"type": "sql_sqlite", "db_path": "./sql.db"},
            },
            "stores": {
                "metadata": {"namespace": "registry", "backend": "kv_default"},
                "inference": {"table_name": "inference_store", **rows, **queue},
                **{name: {"table_name": name, **rows} for name in ("conversations", "prompts", "connectors")},
            },
        },
        "registered_resources": {"models": [{"metadata": {}, "model_type": "llm", **model}]},
        "server": {"port": port, "host": "127.0.0.1"},
    }


@contextmanager
def _aimock(folder: Path) -> Iterator[str]:
    """aimock, whose every answer is the same."""
    port = free_port()
    (folder / "answers.json").write_text('{"fixtures":[]}')
    (folder / "aimock.json").write_text('{"llm":{"fixtures":"./answers.json"}}')
    with served([tool("node_modules/.bin/aimock"), "-c", "aimock.json", "-p", str(port)], port, folder):
        yield f"http://127.0.0.1:{port}"


SERVERS: Final = {
    "ogx": Server(
        "openai/gpt-4o-mini",
        _ogx,
        ("settled", "needs attention"),
        ("answered", "answered", "failed", "answered"),
    ),
    "aimock": Server("gpt-4o-mini", _aimock, ("settled", "settled"), ("answered",) * 4),
}


def foreign_tour(root: Path, client: Remote, options: Options, model: str) -> Report:
    """
    A whole `reconcile --wait` over a good batch and one for an unknown model, and the rest by hand.

    Besides what any tour does: the cancel of a batch that has ended, and a look at one that never was.
    """
    for name, asked in (("1", model), ("2", "nobody")):
        put_input(root, [line_of("openai", number, asked) for number in range(4)], name)
    for path in root.rglob("*.jsonl"):
        os.utime(path, (1.0, 1.0))
    hooks = Hooks(providers={client.name: client})
    options = attrs.evolve(options, plugged=Plugged(lambda _name: hooks))
    set_up = settings(provider=client.name, settle_seconds=0.0, poll_seconds=1.0, max_attempts=1)
    report = waiting.reconcile_until_settled(str(root), set_up, options, 120.0)
    by_hand(client, options.pause, model)
    with Http(options.pause, HttpSettings(spacing=0.0)) as wire:
        ended = [each.batch_id for each in client.batches(wire) if each.status == "completed"]
        client.cancel(wire, ended[-1])
        with pytest.raises(NotThere):
            client.status(wire, "batch_0000000000000000")
    return report


def results_of(root: Path) -> dict[str, str]:
    """What became of the requests of the good batch."""
    lines = (root / "target" / "1.results.jsonl").read_text().splitlines()
    return {each["custom_id"]: each["outcome"] for each in map(json.loads, lines)}
