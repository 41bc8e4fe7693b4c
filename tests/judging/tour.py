"""
A tour through a provider's API: everything that our clients ever send, once.

First a whole `reconcile --wait` over a batch of mixed fortune, with the real engine and the real network;
then by hand what a good pass does not need: lists, a cancel, a delete, a batch that is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from reconciler.model.remote import Order
from reconciler.providers.base import Remote
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.registry import make
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import REFUSAL, error_object, http_error, refused
from tests.online import CHAT, Online, put_input
from tests.wires import source_of

START: Final = 4_000_000_000.0
"""When every tour begins, so that each has the same times in it; later than files on the disk are."""
INTENTS: Final = tuple(f"{number:032x}" for number in (0xA11CE, 0xB0B))
MODELS: Final = {"gemini": "gemini-x", "mistral": "mistral-x"}
KEYS: Final = "OPENAI_API_KEY AZURE_OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY MISTRAL_API_KEY".split()
WEEKS: Final = 14 * 86_400
"""How long files are kept where that can be asked for."""
NAMES: Final = ("openai", "azure", "anthropic", "gemini", "mistral")


def client_of(name: str, base: str, key: str, **more: Any) -> Remote:
    """The client that settings would make."""
    usual = {"expires_after": WEEKS} if name in {"openai", "azure"} else {}
    options = ProviderOptions(base_url=base, model=MODELS.get(name, ""), **usual | more)
    made = make(name, options, dict.fromkeys(KEYS, key))
    assert not isinstance(made, KeyMissing)
    return made


def line_of(name: str, number: int, model: str = "gpt-4o-mini") -> dict[str, Any]:
    """Request *number* in the shape of a provider."""
    messages = [{"role": "user", "content": f"say {number}"}]
    match name:
        case "anthropic":
            return {
                "custom_id": f"q-{number}",
                "params": {"model": "claude-x", "max_tokens": 9, "messages": messages},
            }
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": f"say {number}"}]}]
            return {"key": f"q-{number}", "request": {"contents": contents}}
        case "mistral":
            return {"custom_id": f"q-{number}", "body": {"messages": messages}}
        case _:
            body = {"model": model, "messages": messages}
            return {"custom_id": f"q-{number}", "method": "POST", "url": CHAT, "body": body}


def tour(root: Path, fake: FakeProvider, client: Remote) -> None:
    """Both halves."""
    outcomes = {"q-1": http_error(400, "invalid_request"), "q-2": REFUSAL, "q-3": error_object()}
    fake.script(Fate(polls=1, outcomes=outcomes), Fate(polls=9), refused())
    online = Online(root, fake, client, {"max_attempts": 1})
    whole_pass(online)
    by_hand(client, online.pause)


def whole_pass(online: Online) -> None:
    """Input to the end, in passes that wait."""
    put_input(online.root, [line_of(online.client.name, number) for number in range(4)])
    report = online.wait()
    assert [batch.state for batch in report.batches] == ["settled"], report


def by_hand(
    client: Remote, pause: Callable[[float, Callable[[], bool]], None], model: str = "gpt-4o-mini"
) -> None:
    """Two batches more, one of them cancelled; lists; the end of a file."""
    source = source_of(b"".join(_lines(client.name, model)), 1 << 16)
    with Http(pause, HttpSettings(spacing=0.0)) as wire:
        for number, intent in enumerate(INTENTS):
            file_id = None
            if client.takes_file:
                file_id = client.upload(wire, source, f"batch_input_{intent}.jsonl")
                while not client.is_ready(wire, file_id):
                    pause(1.0, lambda: False)
            order = Order(intent, client.endpoint, client.model, 2)
            batch = client.create(wire, order, source, file_id)
            if number == 0:
                client.cancel(wire, batch.batch_id)
            for _ in range(2):
                client.status(wire, batch.batch_id)
        assert batch.batch_id in [each.batch_id for each in client.batches(wire, since=START - 60)]
        list(client.files(wire))
        if file_id is not None:
            client.delete_file(wire, file_id)


def _lines(name: str, model: str) -> Iterator[bytes]:
    for number in range(2):
        yield json.dumps(line_of(name, number, model)).encode() + b"\n"
