"""
How many tokens a request may take, told by its bytes: more rather than fewer, and never called exact.

Text: three letters or spaces are one token, each digit and each other sign is one, and of whatever is not
ASCII each two bytes are one. That is above what the tokenizers of the four providers make of ordinary text.
All of a body counts, its keys too, which stands for what a provider adds around messages.
Images and PDFs are counted by the providers' own rules (`pictures.py`). What no rule knows has no estimate,
nor has what lies at the provider and is only named. Where anything may be written to a cache, all of it may.
Output: the limit that the request sets, else the most that the model may answer, for each answer it asks for.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from reconciler.model.exchange import Dialect, Request
from reconciler.pricing import pictures
from reconciler.pricing.tokens import Tokens

_CHEAP: Final = (string.ascii_letters + " ").encode()
_LETTERS: Final = 3
"""Letters and spaces in a token."""
_WIDE: Final = 2
"""Bytes in a token, of characters that are not ASCII."""
_ASCII: Final = 0x80
_AROUND: Final = 16
"""Tokens that a provider may add to any request."""
_TOOLS: Final = 800
"""Tokens that a provider may add where tools are described (Anthropic adds up to about 700)."""

_LIMITS: Final = {
    Dialect.OPENAI: ("max_completion_tokens", "max_output_tokens", "max_tokens"),
    Dialect.ANTHROPIC: ("max_tokens",),
    Dialect.MISTRAL: ("max_tokens",),
}
_ABSURD: Final = 1 << 40
"""Tokens, and answers to one request, that nobody gives; more are counted as these."""
_NAMED: Final = {
    "cachedContent": "a cached prompt that the body only names",
    "cached_content": "a cached prompt that the body only names",
    "previous_response_id": "an earlier answer that the body only names",
    "conversation": "a conversation that the body only names",
}
"""What is read, and paid for, besides the body itself."""
_CACHED: Final = "cache_control"
_LONG: Final = "1h"
_NO_OUTPUT: Final = ("/embeddings", "/moderations")


@attrs.frozen
class Guess:
    """
    What one request may take.

    Attributes:
        tokens: An estimate of its tokens; what is not known is not in it.
        limited: Whether it sets a limit for its output; otherwise the most of its model is assumed.
        unknown: What there is no estimate for; empty where all of it is estimated.
    """

    tokens: Tokens
    limited: bool
    unknown: str = ""


def estimate(request: Request, most: int, model: str = "") -> Guess:
    """
    The tokens that a request may take.

    Args:
        request: The request.
        most: The most that its model may answer, for requests that set no limit.
        model: Its model, where another is asked than the one that it names.
    """
    found = _Found(request.dialect, model or request.model or "")
    found.walk(request.body)
    body = request.body
    read = found.read(_AROUND + (_TOOLS if body.get("tools") else 0))
    unknown = found.unknown or next((told for name, told in _NAMED.items() if body.get(name)), "")
    limit, answers = _limit(request.dialect, body), _answers(request.dialect, body)
    if (request.url or "").endswith(_NO_OUTPUT) or ("input" in body and most == 0):
        return Guess(read, limited=True, unknown=unknown)
    output = Tokens(output=(most if limit is None else limit) * answers)
    return Guess(read + output, limited=limit is not None, unknown=unknown)


def text_tokens(text: str) -> int:
    """The tokens that a text may have."""
    data = text.encode("utf-8", "surrogatepass")
    rest = data.translate(None, _CHEAP)
    signs = len(rest) if rest.isascii() else sum(byte < _ASCII for byte in rest)
    wide = len(rest) - signs
    return -(-(len(data) - len(rest)) // _LETTERS) + signs + -(-wide // _WIDE)


class _Found:
    """What a body holds: text, and files by the rules of whoever is asked."""

    def __init__(self, dialect: Dialect, model: str) -> None:
        self._dialect = dialect
        self._model = model
        self.tokens = 0
        self.unknown = ""
        self._written = self._written_long = False

    def read(self, more: int) -> Tokens:
        """What is read, with *more* around it, by the dearest way that it may be."""
        tokens = self.tokens + more
        if self._written_long:
            return Tokens(written_long=tokens)
        return Tokens(written=tokens) if self._written else Tokens(tokens)

    def walk(self, body: Any) -> None:
        """Count all that stands in a value."""
        left = [body]
        while left:
            value = left.pop()
            if isinstance(value, str):
                self.tokens += text_tokens(value)
            elif isinstance(value, Mapping):
                if isinstance(kept := value.get(_CACHED), Mapping):
                    self._written = True
                    self._written_long |= kept.get("ttl") == _LONG
                if not self._file(value):
                    self.tokens += sum(map(text_tokens, value))
                    left.extend(value.values())
            elif isinstance(value, Sequence):
                left.extend(value)
            elif value is not None:
                self.tokens += text_tokens(str(value))

    def _file(self, part: Mapping[str, Any]) -> bool:
        """Whether a part is a file, which is counted by a rule of its own."""
        for file in pictures.files_in(part):
            counted = pictures.tokens_of(file, self._dialect, self._model)
            if counted is None:
                self.unknown = self.unknown or file.told
            else:
                self.tokens += counted
            for each in _texts(part):
                self.tokens += text_tokens(each)
            return True
        return False


def _texts(part: Mapping[str, Any]) -> Iterator[str]:
    """Short texts beside a file: its title, its name."""
    short = 1000
    for key, value in part.items():
        yield key
        if isinstance(value, str) and len(value) < short:
            yield value


def _limit(dialect: Dialect, body: Mapping[str, Any]) -> int | None:
    """The limit that a request sets for its output."""
    if dialect is Dialect.GEMINI:
        config = body.get("generationConfig") or body.get("generation_config")
        config = config if isinstance(config, Mapping) else {}
        found = [config.get("maxOutputTokens"), config.get("max_output_tokens")]
    else:
        found = [body.get(name) for name in _LIMITS[dialect]]
    return max(_counts(found), default=None)


def _answers(dialect: Dialect, body: Mapping[str, Any]) -> int:
    """How many answers one request asks for, those included of which it is shown the best alone."""
    if dialect is Dialect.GEMINI:
        config = body.get("generationConfig") or body.get("generation_config")
        config = config if isinstance(config, Mapping) else {}
        return max(_counts([config.get("candidateCount"), config.get("candidate_count")]), default=1)
    prompts = body.get("prompt")
    several = isinstance(prompts, list) and any(isinstance(each, str | list) for each in prompts)
    each = max(_counts([body.get("n"), body.get("best_of")]), default=1)
    return each * len(prompts) if several and isinstance(prompts, list) else each


def _counts(found: Iterable[Any]) -> Iterator[int]:
    """Those that are a number of anything."""
    for each in found:
        if isinstance(each, int) and not isinstance(each, bool) and each > 0:
            yield min(each, _ABSURD)
