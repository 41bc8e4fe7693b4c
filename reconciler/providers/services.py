"""
Who answers live requests over HTTP: where, with which key, and in which shapes.

Sources: the services' own API references; the ports of local servers are those of their documentation.
"""

from __future__ import annotations

from typing import Final

import attrs

from reconciler.model.exchange import Dialect
from reconciler.providers import anthropic, gemini, mistral, openai
from reconciler.providers.keys import BEARER

_OPENAI: Final = frozenset({Dialect.OPENAI, Dialect.MISTRAL})


@attrs.frozen
class Service:
    """
    One service.

    Attributes:
        base_url: Where it is, the version of its API included; empty where only the settings can say.
        keys: Environment variables that may hold the key, the first that is set counting.
        needs_key: Whether it is of no use without a key.
        dialects: The shapes of lines that it takes.
        auth: `bearer`, or the name of the header that holds the key.
        base_variable: The environment variable that says where else it is; empty for none.
        model_variable: The environment variable that names a model; empty for none.
        headers: Sent with every call.
    """

    base_url: str
    keys: tuple[str, ...] = ()
    needs_key: bool = True
    dialects: frozenset[Dialect] = _OPENAI
    auth: str = BEARER
    base_variable: str = ""
    model_variable: str = ""
    headers: tuple[tuple[str, str], ...] = ()


SERVICES: Final = {
    "openai": Service(openai.BASE_URL, ("OPENAI_API_KEY",), base_variable="OPENAI_BASE_URL"),
    "openrouter": Service(
        "https://openrouter.ai/api/v1",
        ("OPENROUTER_API_KEY",),
        base_variable="OPENROUTER_BASE_URL",
        model_variable="MODEL",
    ),
    "mistral": Service(f"{mistral.BASE_URL}/v1", ("MISTRAL_API_KEY",), base_variable="MISTRAL_BASE_URL"),
    "anthropic": Service(
        f"{anthropic.BASE_URL}/v1",
        anthropic.KEYS,
        dialects=frozenset({Dialect.ANTHROPIC}),
        auth=anthropic.HEADER,
        base_variable="ANTHROPIC_BASE_URL",
        headers=(("anthropic-version", anthropic.VERSION),),
    ),
    "gemini": Service(
        f"{gemini.BASE_URL}/{gemini.VERSION}",
        gemini.KEYS,
        dialects=frozenset({Dialect.GEMINI}),
        auth=gemini.HEADER,
        base_variable="GEMINI_BASE_URL",
    ),
    "ollama": Service("http://localhost:11434/v1", needs_key=False),
    "vllm": Service("http://localhost:8000/v1", ("VLLM_API_KEY",), needs_key=False),
    "llamacpp": Service("http://localhost:8080/v1", ("LLAMA_API_KEY",), needs_key=False),
    "lmstudio": Service("http://localhost:1234/v1", needs_key=False),
    "compatible": Service("", ("OPENAI_API_KEY",), needs_key=False, base_variable="OPENAI_BASE_URL"),
}
"""By the name in settings; `compatible` is any other server that speaks OpenAI's API."""

BY_DIALECT: Final = {
    Dialect.OPENAI: "openai",
    Dialect.MISTRAL: "mistral",
    Dialect.ANTHROPIC: "anthropic",
    Dialect.GEMINI: "gemini",
}
"""Who answers lines of a shape where the settings name nobody."""
