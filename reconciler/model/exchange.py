"""
One request line in, one result line out, whatever the provider's shape.

Pure values. `codec` builds them from bytes; processors and matching read them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import attrs

from reconciler.model.citation import Citation, Vouched
from reconciler.model.outcome import ErrorClass, Outcome


class Dialect(enum.StrEnum):
    """The family of line shapes that a line was written in, told by its keys."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    MISTRAL = "mistral"


@attrs.frozen
class Request:
    """
    One input line.

    Attributes:
        custom_id: The key that joins it with its result (`key` on Gemini lines).
        dialect: Which family of shapes the line follows.
        url: The endpoint that the line names, None where lines name none.
        body: The payload (`body`, `params` or `request`), decoded.
        model: The model that the payload names, None where it names none.
    """

    custom_id: str
    dialect: Dialect
    url: str | None
    body: Mapping[str, Any]
    model: str | None


@attrs.frozen
class Verdict:
    """The part of an answer line that matching needs: whose it is and what became of it."""

    custom_id: str
    outcome: Outcome
    error_class: ErrorClass | None


@attrs.frozen
class Result:
    """
    One answer line, normalised.

    Attributes:
        custom_id: The id of the request that it answers.
        outcome: Answered or failed, decided by status code and error member alike.
        text: The answer's text, parts joined; None when there is none (a refusal, tool calls).
        finish_reason: The provider's own word (`stop`, `end_turn`, `MAX_TOKENS`, ...).
        refusal: The model's refusal in its own words.
        tool_calls: Tool calls in the provider's shape.
        citations: The passages that it rests on (Anthropic).
        usage: Token counts in the provider's shape.
        model: The model that answered.
        status_code: The HTTP status of the line, where the shape has one.
        error_class: Why it failed; None when answered.
        error_code: The provider's own code or type.
        error_message: The provider's own words.
        body: The whole response body, decoded; None when the line has none.
        value: What `[results]` takes out of the text, or the text read as `[output] content` asks for.
        value_from: How the value was found in the text.
        citation_mappings: Which citations vouch for which value in `value`, by JSON pointer.
        problem: Why the text could not be read so; empty when it could, or nobody asked.
        batch: The batch that it belongs to; empty while nobody has said.
        attempt: How often the request had been sent.
        token: For a processor: equal whenever the same answer is handed over again.
        redelivery: For a processor: an earlier invocation may have seen this answer already.
        planned: For an error processor: what happens unless it says otherwise (`retry` or `give-up`).
    """

    custom_id: str
    outcome: Outcome
    text: str | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    tool_calls: tuple[Any, ...] = ()
    citations: tuple[Citation, ...] = ()
    usage: Mapping[str, Any] | None = None
    model: str | None = None
    status_code: int | None = None
    error_class: ErrorClass | None = None
    error_code: str | None = None
    error_message: str | None = None
    body: Any = None
    value: Any = None
    value_from: str = ""
    citation_mappings: Mapping[str, tuple[Vouched, ...]] = attrs.field(factory=dict)
    problem: str = ""
    batch: str = ""
    attempt: int = 1
    token: str = ""
    redelivery: bool = False
    planned: str | None = None
