"""
The providers as a workspace meets them: a client from the registry, and lines of its shape.

Requests are numbered from 1 and named `q-<n>`. On the wire they may have other names; the number stays.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler.model.report import Report
from reconciler.providers.base import Remote
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.openai import OpenAI
from reconciler.providers.registry import make
from reconciler.testing import FakeProvider, Outcome
from tests.online import Online, put_input
from tests.workspaces import Line, leftovers, results

FIVE: Final = ("openai", "azure", "anthropic", "gemini", "mistral")
SIX: Final = (*FIVE, "openrouter")
"""Every one that the fake speaks."""

NUMBERED: Final = ("anthropic", "openrouter")
"""Providers that keep no tag and take no file: ids carry the intent, and the create the requests."""

TWO_FILES: Final = ("openai", "azure", "mistral")
"""Providers with an output and an error file; the others serve one stream."""

KEY: Final = FakeProvider.key
OTHER_KEY: Final = "other-key"
REQUESTS: Final = 5
HURRY: Final = 600.0
"""By how much the clock of `quick` outruns others."""
_VARIABLES: Final = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "together": "TOGETHER_API_KEY",
}


def client_of(name: str, fake: FakeProvider, key: str = KEY, base_url: str = "") -> Remote:
    """The client of a provider, as settings and environment would make it."""
    model = {"gemini": "gemini-flash", "mistral": "mistral-small"}.get(name, "")
    spoken = "openai" if name == "together" else name
    options = ProviderOptions(base_url=base_url or fake.url(spoken), model=model)
    made = make(name, options, {_VARIABLES[name]: key})
    assert not isinstance(made, KeyMissing)
    if isinstance(made, OpenAI):
        # The fake takes uploads at one address alone.
        made = attrs.evolve(made, switches=attrs.evolve(made.switches, upload="/files"))
    return made


def line_of(name: str, number: int) -> Line:
    """Request number *number*, in the shape of a provider."""
    custom_id, text = f"q-{number}", f"question {number}"
    messages = [{"role": "user", "content": text}]
    match name:
        case "anthropic":
            params = {"model": "claude", "max_tokens": 9, "messages": messages}
            return {"custom_id": custom_id, "params": params}
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": text}]}]
            return {"key": custom_id, "request": {"contents": contents}}
        case "mistral":
            return {"custom_id": custom_id, "body": {"messages": messages}}
        case _:
            body = {"model": "m", "messages": messages}
            url = "/v1/chat/completions"
            return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def lines_of(name: str, requests: int = REQUESTS) -> list[Line]:
    """The first requests."""
    return [line_of(name, number) for number in range(1, requests + 1)]


def number_of(custom_id: str) -> int:
    """Which request an id stands for, ours or the wire's."""
    return int(custom_id.rpartition("-")[2])


def by_number(outcomes: Mapping[int, Outcome]) -> Callable[[str], Outcome | None]:
    """What becomes of single requests, for `Fate.choose`, whatever their ids are on the wire."""
    return lambda custom_id: outcomes.get(number_of(custom_id))


def online(root: Path, fake: FakeProvider, name: str, requests: int = REQUESTS, **more: Any) -> Online:
    """A workspace with one input that nobody has sent, and its provider."""
    put_input(root, lines_of(name, requests))
    return Online(root, fake, client_of(name, fake), **more)


def quick(fake: FakeProvider, **more: Any) -> Http:
    """
    The room for calls, in which no wait takes time and silence is noticed at once.

    Its clock runs `HURRY` times as fast as others, so that a reply that drips is soon too slow.
    """
    silence = dict.fromkeys(HttpSettings().silence, 0.15)
    settings = HttpSettings(**{"spacing": 0.0, "connect": 2.0, "reply": HURRY, "silence": silence, **more})
    return Http(
        lambda seconds, _stop: fake.clock.advance(seconds),
        settings,
        now=lambda: fake.clock.now,
        clock=lambda: time.monotonic() * HURRY,
    )


def outcomes(root: Path, batch: str = "1") -> dict[int, str]:
    """What was published of each request of a batch, by its number."""
    return {number_of(line["custom_id"]): line["outcome"] for line in results(root, batch)}


def lines_in(root: Path, role: str, batch: str = "1") -> list[int]:
    """The requests that a file in `done/` holds, by their numbers."""
    path = root / "done" / batch / f"batch_{role}_{batch}.jsonl"
    found = [json.loads(line) for line in path.read_bytes().split(b"\n") if line] if path.exists() else []
    return sorted(number_of(line.get("custom_id") or line.get("key")) for line in found)


def settled(report: Report, root: Path, *batches: str) -> bool:
    """Whether these batches and no others are in `done/`, and all is well."""
    done = sorted(path.name for path in (root / "done").iterdir())
    return report.exit_code == 0 and done == sorted(batches) and not leftovers(root)
