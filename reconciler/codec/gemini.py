"""
Read the `response` of a Gemini batch line: a GenerateContentResponse, or an embedding.

Source: the Gemini API reference (GenerateContentResponse, Candidate, PromptFeedback) and its batch guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.codec.failure import (
    Failure,
    failed,
    holds_error,
    joined,
    mapping_or_none,
    objects,
    read_failure,
    text_or_none,
)
from reconciler.model.exchange import Result
from reconciler.model.outcome import Outcome


def is_answer(response: Mapping[str, Any]) -> bool:
    """Whether a `response` has a member that only Gemini writes."""
    return not response.keys().isdisjoint(("candidates", "promptFeedback", "embedding", "embeddings"))


def read_response(custom_id: str, response: Mapping[str, Any]) -> Result:
    """
    Read a Gemini answer.

    Args:
        custom_id: Whose it is.
        response: The `response` member.

    Returns:
        The answer; a blocked prompt and a response without candidates have failed.
    """
    if holds_error(response.get("error")):
        return failed(
            custom_id, read_failure(response["error"]), because="the response is an error", body=response
        )
    candidates = response.get("candidates")
    candidate = candidates[0] if isinstance(candidates, list) and candidates else None
    if isinstance(candidate, Mapping):
        return _read_candidate(custom_id, candidate, response)
    feedback = mapping_or_none(response.get("promptFeedback")) or {}
    reason = text_or_none(feedback.get("blockReason"))
    if reason:
        message = text_or_none(feedback.get("blockReasonMessage"))
        return failed(
            custom_id,
            Failure(words=(reason, "blocked"), message=message),
            because=f"the prompt was blocked: {reason}",
            body=response,
        )
    if response.get("embedding") or response.get("embeddings"):
        return Result(custom_id, Outcome.ANSWERED, body=response)
    return failed(custom_id, Failure(), because="the response has no candidates", body=response)


def _read_candidate(custom_id: str, candidate: Mapping[str, Any], response: Mapping[str, Any]) -> Result:
    content = mapping_or_none(candidate.get("content")) or {}
    # Parts marked as thoughts are the model talking to itself.
    parts = [part for part in objects(content.get("parts")) if not part.get("thought")]
    texts = [part.get("text") for part in parts]
    return Result(
        custom_id,
        Outcome.ANSWERED,
        text=joined([text for text in texts if isinstance(text, str)]),
        finish_reason=text_or_none(candidate.get("finishReason")),
        tool_calls=tuple(objects([part.get("functionCall") for part in parts])),
        usage=mapping_or_none(response.get("usageMetadata")),
        model=text_or_none(response.get("modelVersion")),
        body=response,
    )
