"""
Whose a model is, in which shape it is asked, and what it is known to refuse.

Names are told by how they begin, as each provider's list of models has them; a model that no row knows is
nobody's, and its author has to say whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.errors import UnknownProvider, UsageError
from reconciler.model.described import Api
from reconciler.providers.registry import NAMES
from reconciler.workspace.code import installed

ENDPOINTS: Final = ("chat", "responses")

_PREFIXES: Final = (
    ("openai", ("gpt-", "chatgpt-", "o1", "o3", "o4", "codex-")),
    ("anthropic", ("claude-",)),
    ("gemini", ("gemini-", "models/gemini-", "gemma-")),
    (
        "mistral",
        *(("mistral-", "ministral-", "codestral-", "pixtral-", "magistral-", "devstral-", "open-mi"),),
    ),
)
_OWN: Final = {"anthropic": Api.ANTHROPIC, "gemini": Api.GEMINI, "mistral": Api.MISTRAL}
# Reasoning models answer 400 to these (OpenAI's guide on reasoning).
_REASONING: Final = ("o1", "o3", "o4", "gpt-5")
_NOT_REASONING: Final = ("gpt-5-chat",)
_REFUSED: Final = frozenset(
    {
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
    }
)


def provider_of(model: str, told: str = "") -> str:
    """
    Who is asked for a model.

    Args:
        model: The model.
        told: Who, where the author says so.

    Raises:
        UsageError: There is no model, no such provider, or nobody knows whose the model is.
    """
    known = (*NAMES, "local")
    if told:
        if told not in known and told not in (mine := installed("provider.name")):
            names = ", ".join((*known, *sorted(mine)))
            raise UnknownProvider(f"there is no provider {told!r:.60}", hint=f"known: {names}")
        return told
    if not model:
        raise UsageError("no model", hint="name one: model='gpt-4o-mini', or --model gpt-4o-mini")
    for name, prefixes in _PREFIXES:
        if model.startswith(prefixes):
            return name
    raise UnknownProvider(
        f"nobody here knows whose model {model!r:.80} is",
        hint=f"is it spelled right? If so, say provider= or --provider; known: {', '.join(known)}",
    )


def api_of(provider: str, endpoint: str = "") -> Api:
    """
    The shape in which a provider is asked.

    Raises:
        UsageError: There is no such endpoint, or this provider has no choice of them.
    """
    own = _OWN.get(provider)
    if endpoint and endpoint not in ENDPOINTS:
        raise UsageError(f"there is no endpoint {endpoint!r:.60}", hint=f"known: {', '.join(ENDPOINTS)}")
    if own is not None:
        if endpoint:
            raise UsageError(
                f"{provider} has one endpoint for batches", hint="endpoint= is for OpenAI's models alone"
            )
        return own
    return Api(endpoint or Api.CHAT)


def refuse_params(model: str, provider: str, params: Mapping[str, Any]) -> None:
    """
    Hold parameters to what a model is known to take.

    Raises:
        UsageError: It would answer with an error, which costs a round of waiting.
    """
    if provider not in ("openai", "azure"):
        return
    if model.startswith(_REASONING) and not model.startswith(_NOT_REASONING):
        wrong = sorted(_REFUSED & params.keys())
        if wrong:
            told = f"{model} is a reasoning model, and refuses {', '.join(wrong)}"
            raise UsageError(told, hint=f"leave {' and '.join(wrong)} out, or choose another model")
