"""What the answers of a batch have used and cost, read from their own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs
import msgspec

from reconciler.codec.jsonl import Line
from reconciler.codec.result import decode_result
from reconciler.errors import BadLine
from reconciler.executor.context import View
from reconciler.executor.reading import Lines
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.outcome import Outcome
from reconciler.pricing.book import Book
from reconciler.pricing.money import nano
from reconciler.pricing.price import Price
from reconciler.pricing.tokens import Tokens, tokens_of


class _Body(msgspec.Struct, gc=False):
    """Of a body in the shape of OpenAI, Mistral or Anthropic."""

    usage: dict[str, Any] | None = None
    model: str | None = None


class _Response(msgspec.Struct, gc=False):
    """Of an envelope, or of an answer of Gemini."""

    body: _Body | None = None
    status_code: int | None = None
    usage: dict[str, Any] | None = msgspec.field(default=None, name="usageMetadata")
    model: str | None = msgspec.field(default=None, name="modelVersion")


class _Result(msgspec.Struct, gc=False):
    """Of a result of Anthropic."""

    type: str = ""
    message: _Body | None = None


class _Line(msgspec.Struct, gc=False):
    """An answer line of any provider; members that nobody asks for are passed over."""

    response: _Response | None = None
    result: _Result | None = None


_DECODER = msgspec.json.Decoder(_Line)
_SUCCESS = range(200, 300)


@attrs.frozen
class Used:
    """
    What answers have used.

    Attributes:
        by_model: Nano-dollars by `provider/model`; None where there is no price.
        tokens: Tokens by the same: input, output, cached, written, written for long.
        silent: Answers for which no usage is reported, or none of any token.
    """

    by_model: Mapping[str, int | None]
    tokens: Mapping[str, list[int]]
    silent: int

    @property
    def nano(self) -> int | None:
        """All of it in nano-dollars; None where a part is not known."""
        found = self.by_model.values()
        return None if None in found else sum(each for each in found if each is not None)


def used_by(  # noqa: PLR0913 - what an answer costs hangs on
    view: View,
    book: Book,
    provider: str,
    asked: Sequence[str],
    files: Mapping[Role, FileFact],
    *,
    live: bool,
) -> Used:
    """
    Sum what the answers of a batch say that they have used.

    Args:
        view: Rooms and settings.
        book: The prices.
        provider: Who was asked, where *asked* does not say.
        asked: The models that were asked, as `provider/model`; one alone counts whatever answers call theirs.
        files: The answers.
        live: Whether they were asked live.
    """
    one = asked[0] if len(asked) == 1 else None
    payee = asked[0].partition("/")[0] if asked else provider
    cost: dict[str, Decimal | None] = {}
    tokens: dict[str, Tokens] = {}
    prices: dict[str, Price | None] = {}
    silent = 0
    for role in ANSWERS:
        for line in Lines(view, files[role]) if role in files else ():
            found, answered, model = _look(line, files[role].path)
            if found is None or (answered and found == Tokens()):
                # Nothing is answered with nothing: who reports no tokens at all does not count them.
                silent += answered
                continue
            name = one or f"{payee}/{model or ''}"
            if name not in prices:
                prices[name] = book.price_of(*name.split("/", 1))
            price = prices[name]
            tokens[name] = tokens.get(name, Tokens()) + found
            if price is None:
                cost[name] = None
                continue
            before = cost.get(name, Decimal(0))
            cost[name] = None if before is None else before + price.of(found, live=live)
    by_model = {name: None if each is None else nano(each) for name, each in cost.items()}
    return Used(by_model, {name: list(attrs.astuple(each)) for name, each in tokens.items()}, silent)


def _look(line: Line, path: str) -> tuple[Tokens | None, bool, str | None]:
    """The tokens of one answer line, whether it is an answer, and the model that it names."""
    try:
        found = _DECODER.decode(line.data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _whole(line, path)
    if found.result is not None and found.result.message is not None:
        message = found.result.message
        return tokens_of(message.usage), found.result.type == "succeeded", message.model
    if found.response is not None:
        response = found.response
        if response.body is not None:
            good = response.status_code is None or response.status_code in _SUCCESS
            return tokens_of(response.body.usage), good, response.body.model
        if response.status_code is None:
            return tokens_of(response.usage), True, response.model
    return None, False, None


def _whole(line: Line, path: str) -> tuple[Tokens | None, bool, str | None]:
    """The same, where a line is in no common shape."""
    try:
        result = decode_result(line, path)
    except BadLine:
        return None, True, None
    return tokens_of(result.usage), result.outcome is Outcome.ANSWERED, result.model
