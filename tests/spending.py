"""Batches with a price, at the fake provider: how much was reserved, spent, and truly used there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reconciler.pricing.book import price_of
from reconciler.pricing.tokens import tokens_of
from reconciler.providers.http import Http
from reconciler.testing import FakeProvider
from reconciler.workspace.ledger import History
from reconciler.workspace.reading import Reading
from reconciler.workspace.spending import Spending
from tests.stopping import Shared, client_of
from tests.workspaces import Line, put, scratch

MODEL: Final = "gpt-4o-mini"
OUTPUT: Final = 1000


def line(name: str, n: int, model: str = MODEL, **body: Any) -> Line:
    """A request with a limit for its output."""
    asked = [{"role": "user", "content": f"What of {name} and {n}?"}]
    limit = {} if "max_tokens" in body else {"max_completion_tokens": OUTPUT}
    return {
        "custom_id": f"{name}-{n}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": model, "messages": asked, **limit, **body},
    }


@contextmanager
def priced(fake: FakeProvider, sizes: dict[str, int], **flags: Any) -> Iterator[Shared]:
    """A workspace with batches of these many requests, that nobody has sent."""
    fake.clock.advance(60)
    with scratch() as folder, Http(lambda seconds, _stop: fake.clock.advance(seconds)) as room:
        root = folder / "w"
        for name, count in sizes.items():
            put(root, name, input=[line(name, n) for n in range(count)])
        yield Shared(root, fake, client_of("openai", fake), {"settle_seconds": 0, **flags}, room=room)


def spending(root: Path) -> Spending:
    """What the ledger tells, read anew."""
    look = Reading(str(root))
    try:
        return History().spending(look)
    finally:
        look.close()


def nano_for(requests: int, model: str = MODEL, output: int = OUTPUT) -> int:
    """The batch price of the output alone of so many requests, in nano-dollars."""
    price = price_of("openai", model)
    assert price is not None
    return int(price.rates.output * price.batch * output * requests * 1000)


def truly(root: Path) -> int:
    """What all answers here have cost, in nano-dollars, by the figures that stand in them."""
    total = 0
    for path in sorted(root.rglob("batch_output_*.jsonl")):
        for each in path.read_text("utf-8").splitlines():
            body = json.loads(each)["response"]["body"]
            price, tokens = price_of("openai", body["model"]), tokens_of(body["usage"])
            assert price is not None
            assert tokens is not None
            total += int(price.of(tokens) * 10**9)
    return total
