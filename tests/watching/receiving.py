"""A receiver of events on loopback, and a watched workspace whose hooks tell it what happens."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import Any

import attrs

from reconciler.choices import Prepared
from reconciler.watching.hooks import Hook
from reconciler.watching.posting import Posting
from reconciler.workspace.together import sync_now
from tests.watching.living import Living, Time
from tests.workspaces import answered, request

KEY = "a-key-for-signatures"


@attrs.define
class Receiver:
    """A web server that takes events, or is down; keeps what it took, twice where it came twice."""

    url: str = ""
    down: bool = False
    taken: list[Mapping[str, Any]] = attrs.field(factory=list)
    refused: int = 0

    def take(self, headers: Message, body: bytes) -> int:
        """One post: the status that it gets."""
        at, proof = (part.partition("=")[2] for part in headers["Reconciler-Signature"].split(","))
        wanted = hmac.new(KEY.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
        event = json.loads(body)
        if proof != wanted or headers["Reconciler-Event-Id"] != event["id"]:
            return 401
        if self.down:
            self.refused += 1
            return 503
        self.taken.append(event)
        return 204

    def names(self, batch: str) -> list[str]:
        """The events of one batch, in the order in which they came, without what came twice."""
        unique = {event["id"]: event for event in self.taken}
        return [event["event"] for event in unique.values() if event["batch"] == batch]


class Posted:
    """A watched workspace whose hooks are told as time passes, by processes that may die."""

    def __init__(self, root: Path, hooks: Sequence[Hook], clock: Any = None) -> None:
        self.hooks = hooks
        self.tap: Any = lambda _change, _path: None
        self.syncs: Any = sync_now
        (root / "workdir").mkdir(parents=True, exist_ok=True)
        self.living = Living(root, follower=self.follow, defer=True, clock=clock or Time())
        self.begin()
        self.live_for(1.0)

    def begin(self) -> None:
        """Another process takes over."""
        living = self.living
        self.posting = Posting(
            str(living.root),
            lambda _ready: self.hooks,
            living.told,
            living.now,
            tap=self.tapped,
            syncs=self.syncs,
        )
        living.begin()

    def follow(self, ready: Prepared) -> Posting | None:
        """Whoever posts now."""
        return self.posting.follow(ready)

    def tapped(self, change: str, path: str) -> None:
        """The outbox is about to change."""
        self.tap(change, path)

    def live_for(self, seconds: float) -> None:
        """Let so much time pass."""
        ends = self.living.now() + seconds
        while (due := min(self.living.watch.due(), self.posting.due())) <= ends:
            self.living.clock.advance(max(0.0, due - self.living.now()))
            self.living.watch.step()
            if self.posting.due() <= self.living.now():
                self.posting.step()
        self.living.clock.advance(max(0.0, ends - self.living.now()))


def batches(posted: Posted, *names: str) -> None:
    """Batches that settle."""
    for name in names:
        lines = [request(n) | {"custom_id": f"{name}-{n}"} for n in range(2)]
        answers = [answered(n) | {"custom_id": f"{name}-{n}"} for n in range(2)]
        posted.living.write(f"batch_input_{name}.jsonl", lines)
        posted.living.write(f"batch_output_{name}.jsonl", answers)
