"""Tokens of a request, as any provider counts them in the `usage` of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class Tokens:
    """
    Tokens by what they cost.

    Attributes:
        input: Read at the full price.
        output: Made, thoughts included.
        cached: Read from a cache.
        written: Written to a cache that is kept for a short time.
        written_long: Written to one that is kept for a long time.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0
    written_long: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        """Both together."""
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.written + other.written,
            self.written_long + other.written_long,
        )

    @property
    def read(self) -> int:
        """All that was read, however it was paid for."""
        return self.input + self.cached + self.written + self.written_long


def tokens_of(usage: Mapping[str, Any] | None) -> Tokens | None:
    """The tokens that a provider reports, in whichever of the four shapes; None where it reports none."""
    if not usage:
        return None
    if "promptTokenCount" in usage or "candidatesTokenCount" in usage or "thoughtsTokenCount" in usage:
        cached = _count(usage, "cachedContentTokenCount")
        read = _count(usage, "promptTokenCount") + _count(usage, "toolUsePromptTokenCount")
        made = _count(usage, "candidatesTokenCount") + _count(usage, "thoughtsTokenCount")
        return Tokens(max(read - cached, 0), made, cached)
    if "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage:
        by_time = usage.get("cache_creation")
        written = _count(usage, "cache_creation_input_tokens")
        long = min(_count(by_time, "ephemeral_1h_input_tokens"), written)
        return Tokens(
            _count(usage, "input_tokens"),
            _count(usage, "output_tokens"),
            _count(usage, "cache_read_input_tokens"),
            written - long,
            long,
        )
    if "input_tokens" in usage or "output_tokens" in usage:
        cached = _cached(usage.get("input_tokens_details"))
        read, made = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    elif "prompt_tokens" in usage or "completion_tokens" in usage:
        cached = _cached(usage.get("prompt_tokens_details"))
        read, made = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    else:
        return None
    return Tokens(max(read - cached, 0), made, min(cached, read))


def _cached(details: Any) -> int:
    return _count(details, "cached_tokens")


def _count(members: Any, name: str) -> int:
    """A count of tokens; anything else than a whole number above zero counts as nothing."""
    value = members.get(name) if isinstance(members, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
