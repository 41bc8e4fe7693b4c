"""
Live endpoints: one request in, one answer out, in each provider's own shape.

Sources: the providers' API references; an answer is the one that a batch would give to the same body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from starlette.requests import Request
from starlette.responses import Response

from reconciler.testing import answers
from reconciler.testing.dialect import Dialect, Handler, Kinds, body_of, object_in
from reconciler.testing.exchange import Json, Refusal
from reconciler.testing.fates import OK

Make = Callable[[Request, Json, int], Json]

_NUMBERS = count(1)


def openai_endpoints(dialect: Dialect, prefix: str = "") -> Iterator[tuple[str, str, Kinds, Handler]]:
    """What OpenAI, Mistral and servers of one's own answer live."""
    for path in ("/chat/completions", "/responses", "/embeddings", "/completions", "/moderations"):
        yield "POST", prefix + path, "live", _handler(dialect, _openai_of(dialect, path))


def anthropic_endpoints(dialect: Dialect) -> Iterator[tuple[str, str, Kinds, Handler]]:
    """Anthropic's Messages API: `max_tokens` is required."""

    def make(_request: Request, body: Json, number: int) -> Json:
        if not isinstance(body.get("max_tokens"), int):
            raise Refusal(400, "max_tokens: Field required")
        return answers.anthropic(body, OK, number)

    yield "POST", "/v1/messages", "live", _handler(dialect, make)


def gemini_endpoints(dialect: Dialect) -> Iterator[tuple[str, str, Kinds, Handler]]:
    """Gemini's generateContent: the model stands in the path alone."""

    def make(request: Request, body: Json, number: int) -> Json:
        if not isinstance(body.get("contents"), list):
            raise Refusal(400, "* GenerateContentRequest.contents: contents is not specified")
        return answers.gemini(request.path_params["model"], body, OK, number)

    yield "POST", "/{ver}/models/{model}:generateContent", "live", _handler(dialect, make)


def _openai_of(dialect: Dialect, path: str) -> Make:
    def make(_request: Request, body: Json, number: int) -> Json:
        if not body.get("model"):
            raise Refusal(400, "you must provide a model parameter")
        return answers.openai(path, body, OK, number, int(dialect.now))

    return make


def _handler(dialect: Dialect, make: Make) -> Handler:
    """Answer whoever has a key."""

    async def handle(request: Request) -> Response:
        dialect.account(request)
        return body_of(make(request, await object_in(request), next(_NUMBERS)))

    return handle
