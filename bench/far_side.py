"""
The fake provider in a process of its own, which cuts connections on purpose.

Prints the base URL of the dialect that is asked for, serves until its stdin ends, then prints the calls that
it got as one JSON document.
"""

from __future__ import annotations

import json
import sys

import attrs

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.exchange import Exchange
from reconciler.testing.faults import Cut
from reconciler.testing.world import World


@attrs.frozen
class CutUpload:
    """The connection is reset after *after* bytes of the request."""

    after: int

    async def play(self, exchange: Exchange, world: World) -> None:  # noqa: ARG002 - the protocol
        """Read that much, then hang up."""
        while exchange.call.received < self.after:
            if (await exchange.take())["type"] != "http.request":
                break
        await exchange.reset()


def main(cut: int, dialect: str) -> None:
    """Serve; of a *cut* other than 0, so many bytes of an upload or of a download pass before it is cut."""
    with FakeProvider() as fake:
        fake.default(Fate(polls=0))
        if cut:
            fake.fault("upload", CutUpload(cut), times=2)
            fake.fault("download", Cut(cut), times=2)
        print(fake.url(dialect), flush=True)
        sys.stdin.read()
        told = [
            {"kind": each.kind, "status": each.status, "received": each.received, "fault": each.fault}
            | {"range": each.headers.get("range", "")}
            for each in fake.calls
        ]
        print(json.dumps({"calls": told, "creates": len(fake.batches)}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
