"""
The form of an answer, asked for in the prompt: for requests that cannot name a schema.

An answer is read and held to its schema all the same, as any other is.
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from reconciler.codec.bodies.strict import ANTHROPIC, closed, is_object
from reconciler.model.described import Api, Described

_ASKED: Final = (
    "Answer with JSON and nothing else: one value that satisfies this JSON Schema, "
    "without words before or behind it.\n\n%s"
)


def in_words(described: Described, api: Api) -> bool:
    """
    Whether the form of an answer has to be asked for in the prompt.

    Anthropic refuses citations together with a schema, and schemas that cannot be closed or that hold
    themselves. OpenAI, and who copies it, wants an object.
    """
    if described.schema is None or api is Api.GEMINI:
        return False
    schema = described.schema.schema
    if api is Api.ANTHROPIC:
        return described.citations or closed(schema, ANTHROPIC) is None
    return not is_object(schema)


def spoken(described: Described, api: Api) -> Described:
    """The same request; a form that cannot be named stands behind the last words of the prompt."""
    if described.schema is None or not in_words(described, api):
        return described
    told = _ASKED % msgspec.json.encode(described.schema.schema).decode()
    *before, last = described.messages
    last = attrs.evolve(last, parts=(*last.parts, told))
    return attrs.evolve(described, messages=(*before, last), schema=None)
