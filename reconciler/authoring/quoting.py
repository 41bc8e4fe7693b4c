"""What described requests may cost, by the code that prices inputs that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.authoring.parting import Part
from reconciler.codec.jsonl import Line
from reconciler.codec.request import decode_request
from reconciler.model.policy import LOCAL
from reconciler.pricing.book import Book
from reconciler.pricing.quote import Quote

_WHERE: Final = "a request"


def quotes_of(parts: Sequence[Part], book: Book) -> Iterator[tuple[str, Quote]]:
    """
    What each batch may cost that was, or would be, made; a name, or a number, and an estimate.

    What is answered on this machine has no price here: whom its worker asks is known when a pass begins.
    """
    for at, part in enumerate(parts, 1):
        if part.provider != LOCAL:
            yield part.name or f"batch {at}", quote_of(part, book)


def quote_of(part: Part, book: Book) -> Quote:
    """What one batch may cost; its files are read again, like when its input is written."""
    quote = Quote(book)
    for custom_id, item in part.items:
        request = decode_request(Line(0, 0, item.line(custom_id).rstrip(b"\n")), _WHERE)
        quote.add(part.provider, request.model or part.model, request)
    return quote
