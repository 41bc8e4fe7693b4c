"""Environments with keys, and the clients that are made of them."""

from __future__ import annotations

from typing import Any

from reconciler.providers.anthropic import Anthropic
from reconciler.providers.gemini import Gemini
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.mistral import Mistral
from reconciler.providers.openai import OpenAI
from reconciler.providers.openrouter import OpenRouter
from reconciler.providers.registry import make

Client = OpenAI | Anthropic | Gemini | Mistral | OpenRouter
RESOURCE = "https://res.openai.azure.com"
AT_AZURE = {"AZURE_OPENAI_ENDPOINT": RESOURCE}
ALL_KEYS = {
    name: f"key-{n}"
    for n, name in enumerate(
        "OPENAI_API_KEY AZURE_OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY MISTRAL_API_KEY GROQ_API_KEY"
        " TOGETHER_API_KEY DEEPINFRA_API_KEY DOUBLEWORD_API_KEY OPENROUTER_API_KEY".split()
    )
} | AT_AZURE


def made(name: str, environment: dict[str, str], **options: Any) -> Client:
    """A client, which has to be there."""
    found = make(name, ProviderOptions(**options), environment)
    assert isinstance(found, Client)
    return found
