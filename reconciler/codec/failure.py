"""
Read an error member, whoever wrote it, and build the failed Result.

Shapes that occur: `{"code", "message"}` on OpenAI batch lines, `{"message", "type", "param", "code"}` in
OpenAI bodies, the same inside a second `error` (Anthropic, vLLM), `{"code": 429, "status":
"RESOURCE_EXHAUSTED"}` (Gemini), `{"detail": [{"msg"}]}` (Mistral's validation), a plain string (vLLM).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from reconciler.codec.classify import classify, is_success
from reconciler.model.exchange import Result
from reconciler.model.outcome import Outcome

_RPC_CODES: Final = dict(
    enumerate(
        "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED"
        " RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE"
        " DATA_LOSS UNAUTHENTICATED".split(),
        start=1,
    )
)
"""google.rpc.Code, which a Gemini status object carries as a bare number."""

_HTTP_STATUSES: Final = range(100, 600)


@attrs.frozen
class Failure:
    """
    What an error member says.

    Attributes:
        words: Codes and types, the most telling first.
        status: An HTTP status that stands among them.
        message: The provider's prose.
    """

    words: tuple[str, ...] = ()
    status: int | None = None
    message: str | None = None


def holds_error(value: object) -> bool:
    """Whether an error member reports one: null, an empty value and an object of nothing but nulls do not."""
    if isinstance(value, Mapping):
        return any(member is not None for member in value.values())
    return bool(value)


def read_failure(value: object) -> Failure:
    """
    Read an error member of any shape.

    Args:
        value: The decoded member.

    Returns:
        What it says; an empty Failure when it says nothing that is understood.
    """
    if isinstance(value, str):
        # A lone word is a code (`batch_expired`); a sentence is prose.
        return Failure(words=(value,) if value and " " not in value else (), message=value)
    if not isinstance(value, Mapping):
        return Failure()
    inner = value.get("error")
    if isinstance(inner, Mapping):
        value = inner
    code, innererror = value.get("code"), value.get("innererror")
    words = [code, value.get("type"), value.get("status")]
    if isinstance(innererror, Mapping):  # Azure's content filter puts its own word there
        words.append(innererror.get("code"))
    if isinstance(inner, str):
        words.append(inner)
    number = _small_number(code)
    if isinstance(code, int) and number in _RPC_CODES:
        words.append(_RPC_CODES[number])
    return Failure(
        words=tuple(word for word in words if isinstance(word, str) and word and " " not in word),
        status=number if number is not None and number in _HTTP_STATUSES else None,
        message=_prose(value.get("message")) or _prose(value.get("detail")) or _prose(inner),
    )


def failed(
    custom_id: str,
    found: Failure,
    *,
    because: str,
    status: int | None = None,
    body: Any = None,
) -> Result:
    """
    Build the Result of a request that failed.

    Args:
        custom_id: Whose it is.
        found: What the provider says.
        because: Our words, for when the provider has none.
        status: The HTTP status of the line.
        body: The response body, decoded.

    Returns:
        The failed Result.
    """
    decisive = status if status and not is_success(status) else found.status
    members = body if isinstance(body, Mapping) else {}
    return Result(
        custom_id=custom_id,
        outcome=Outcome.FAILED,
        usage=mapping_or_none(members.get("usage")),
        model=text_or_none(members.get("model")),
        status_code=found.status if status is None else status,
        error_class=classify(found.words, decisive, found.message),
        error_code=next(iter(found.words), None) or (str(found.status) if found.status else None),
        error_message=found.message or because,
        body=body,
    )


def text_or_none(value: object) -> str | None:
    """The value when it is a string."""
    return value if isinstance(value, str) else None


def mapping_or_none(value: object) -> Mapping[str, Any] | None:
    """The value when it is an object."""
    return value if isinstance(value, Mapping) else None


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; nothing when the value is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def joined(texts: list[str]) -> str | None:
    """The parts of a text as one, None when there are none."""
    return "".join(texts) if texts else None


def _small_number(code: object) -> int | None:
    """A code that is a number of at most three digits: a status or an RPC code."""
    if isinstance(code, str) and len(code) <= 3 and code.isascii() and code.isdigit():  # noqa: PLR2004 - HTTP statuses have three digits
        return int(code)
    if isinstance(code, int | float) and not isinstance(code, bool) and 0 < code < 1000:  # noqa: PLR2004 - HTTP statuses have three digits
        return int(code)
    return None


def _prose(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    parts = [item.get("msg") or item.get("message") for item in objects(value)]
    return "; ".join(part for part in parts if isinstance(part, str)) or None
