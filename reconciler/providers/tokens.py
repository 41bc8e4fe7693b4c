"""How many tokens a request may take, and how many one has taken, whatever its provider's words for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from reconciler.model.exchange import Request

BYTES_EACH: Final = 4
"""About as many bytes of English JSON as make a token; providers give the same rule of thumb."""

_HUGE: Final = 1 << 53
_OUT: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_TOTAL: Final = ("total_tokens", "totalTokenCount")
_OBJECT: Final = (dict, Mapping)  # nearly every one is a dict, and that is soon seen
_PARTS: Final = ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens")


def thought(request: Request) -> float:
    """About how many tokens a request will take: its bytes, and what it allows the answer to be."""
    size = len(msgspec.json.encode(request.body)) / BYTES_EACH
    return size + max((_count(request.body.get(name)) for name in _OUT), default=0)


def taken(body: Any) -> int:
    """How many tokens an answer says that it took, in and out; 0 where it does not say."""
    if not isinstance(body, _OBJECT):
        return 0
    usage = body.get("usage") or body.get("usageMetadata")
    if not isinstance(usage, _OBJECT):
        return 0
    for name in _TOTAL:
        total = _count(usage.get(name))
        if total:
            return total
    return sum(_count(usage.get(name)) for name in _PARTS)


def _count(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _HUGE else 0
