"""
A provider of a user goes through the engine as any other, and may be wrong: nothing is paid for twice.

`tests/plugged_provider.py` is such a provider, over the real network to the fake one. Those here are made of
it, and err at one place; what errs in its create is in test_plugged_online_create.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import pytest

from reconciler.errors import NotThere
from reconciler.model.identity import Role
from reconciler.model.record import Counts
from reconciler.model.remote import Limits, Order, RemoteBatch
from reconciler.model.report import State
from reconciler.providers.base import Remote
from reconciler.providers.calls import Sink, Source, Wire
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.own import BatchProvider
from reconciler.providers.plugged import plug
from reconciler.testing import FakeProvider
from tests.erring_plugs import own
from tests.online import put_input
from tests.plugged_provider import Acme
from tests.stopping import CREATES, PLUGGED, begun, crash, kill, lines_of, settled
from tests.stopping import mended as mend
from tests.test_crash_online import all_of, around_the_create, some_behind, some_inside, stop_at
from tests.workspaces import answered, results

DAYS: Final = 2 * 86400.0


# --- stopped anywhere ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("create", ["succeeds", "is-lost"])
def test_stopped_before_an_effect(create: str, fake_provider: FakeProvider) -> None:
    """Stopped anywhere, no batch is made twice, no request is lost, and the end is that of a run without."""
    stop_at(PLUGGED, create, fake_provider, crash, some_inside)


def test_stopped_behind_the_id(fake_provider: FakeProvider) -> None:
    """The same while it is asked for, fetched and settled."""
    stop_at(PLUGGED, "succeeds", fake_provider, crash, some_behind)


def test_killed_around_the_create(fake_provider: FakeProvider) -> None:
    """The same when the process is killed for good, just before the create and just after its reply."""
    stop_at(PLUGGED, "succeeds", fake_provider, kill, around_the_create)


@pytest.mark.slow
@pytest.mark.parametrize("create", CREATES)
def test_stopped_before_every_effect(create: str, fake_provider: FakeProvider) -> None:
    """The same at every effect."""
    stop_at(PLUGGED, create, fake_provider, crash, all_of)


# --- by means of its own ------------------------------------------------------------------------------------


class Shelf(BatchProvider):
    """A service without HTTP, as behind somebody's own client: it takes lines, and gives one stream back."""

    account = "shelf"
    one_stream = True

    def __init__(self) -> None:
        self.there: dict[str, tuple[str, bytes]] = {}
        self.loses = False

    def create(self, _wire: Wire, order: Order, source: Source, _file_id: str | None) -> RemoteBatch:
        """Keep the lines; the reply may be lost."""
        batch_id = f"shelf-{len(self.there) + 1}"
        self.there[batch_id] = order.intent, b"".join(source.read(0))
        if self.loses:
            raise ConnectionResetError("by peer")
        return RemoteBatch(batch_id, "in_progress", intent=order.intent)

    def status(self, _wire: Wire, batch_id: str) -> RemoteBatch:
        """It is done at once."""
        if batch_id not in self.there:
            raise NotThere(f"no batch {batch_id}", status=404)
        intent, lines = self.there[batch_id]
        total = len(lines.splitlines())
        return RemoteBatch(
            batch_id,
            "completed",
            counts=Counts(total, total, 0),
            intent=intent,
            files={Role.OUTPUT: batch_id},
        )

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:  # noqa: ARG002 - the protocol's
        """All of them."""
        for batch_id in self.there:
            yield self.status(wire, batch_id)

    def download(self, _wire: Wire, file_id: str, sink: Sink) -> int | None:
        """Every request is answered."""
        for line in self.there[file_id][1].splitlines():
            number = int(json.loads(line)["custom_id"].removeprefix("q-"))
            sink.write(json.dumps(answered(number)).encode() + b"\n")
        return None


@pytest.mark.parametrize("loses", [False, True], ids=["", "loses-its-reply"])
def test_a_client_of_its_own(fake_provider: FakeProvider, *, loses: bool) -> None:
    """A provider that never touches our wire is paid once all the same; its lost reply is looked for."""
    shelf = Shelf()
    shelf.loses = loses
    client = plug("shelf", lambda _options, _environment: shelf, ProviderOptions(), {})
    assert isinstance(client, Remote)
    with begun(PLUGGED, fake_provider) as online:
        online.client = client
        assert mend(online) is None
        assert [*shelf.there] == ["shelf-1"]
        assert {row["provider"] for row in results(online.root, "1")} == {"shelf"}
        assert online.heard.exchanges == []


# --- all else -----------------------------------------------------------------------------------------------


def test_what_a_call_raises_is_told_without_the_key(fake_provider: FakeProvider) -> None:
    """An unknown error is a call that failed, with the provider's name; a key in it stands in no file."""
    secret = fake_provider.key

    class Telling(Acme):
        def status(self, wire: Wire, batch_id: str) -> RemoteBatch:  # noqa: ARG002 - the protocol's
            raise RuntimeError(f"GET {batch_id}: no answer to {secret}")

    with begun(PLUGGED, fake_provider) as online:
        online.client = own(fake_provider, Telling)
        told = online.wait(3600.0).batch("1").because
        assert "acme: its status raised RuntimeError" in told
        assert "no answer to ***" in told
        files = [path for path in online.root.rglob("*") if path.is_file()]
        assert [path for path in files if secret in path.read_text("utf-8")] == []


def test_what_it_takes_is_held_to(fake_provider: FakeProvider) -> None:
    """Its limits and line shapes hold as those of any provider: nothing is sent that it does not take."""

    class Small(Acme):
        limits = Limits(requests=2, size=1 << 20)

    with begun(PLUGGED, fake_provider) as online:
        online.client = own(fake_provider, Small)
        put_input(online.root, lines_of("anthropic"), "2")
        fake_provider.clock.advance(60.0)
        report = online.run()
        assert "acme takes 2 in one batch" in report.batch("1").because
        assert "acme takes lines of openai" in report.batch("2").because
        assert online.heard.exchanges == []


def test_a_file_that_is_larger_than_it_takes_is_not_sent(fake_provider: FakeProvider) -> None:
    """Few requests may be many bytes: how many, what would go, and what to do is told, and nothing sent."""

    class Small(Acme):
        limits = Limits(requests=None, size=100)

    with begun(PLUGGED, fake_provider) as online:
        online.client = own(fake_provider, Small)
        size = (online.root / "workdir/batch_input_1.jsonl").stat().st_size
        found = online.run().batch("1")
        assert found.because == (
            f"workdir/batch_input_1.jsonl has {size} bytes; acme takes 100 in one batch; nothing was sent"
        )
        assert found.hint == "make several inputs of it"
        assert online.heard.exchanges == []


def test_an_upload_may_go_on_anywhere(fake_provider: FakeProvider) -> None:
    """Of what is sent, every end is what is left of the whole; blank lines are no part of it."""
    seen: list[bytes] = []

    class Resuming(Acme):
        def upload(self, wire: Wire, source: Source, name: str) -> str:
            seen.extend(b"".join(source.read(offset)) for offset in range(source.size + 1))
            return super().upload(wire, source, name)

    with begun(PLUGGED, fake_provider) as online:
        online.client = own(fake_provider, Resuming)
        path = online.root / "workdir/batch_input_1.jsonl"
        whole = path.read_bytes()
        path.write_bytes(b"\xef\xbb\xbf" + whole.replace(b"\n", b"\n\n").rstrip())
        fake_provider.clock.advance(60.0)
        assert online.wait(DAYS).batch("1").state is State.SETTLED
        assert seen == [whole[offset:] for offset in range(len(whole) + 1)]


def test_an_upload_that_is_not_ready_is_waited_for(fake_provider: FakeProvider) -> None:
    """It is asked less and less often, given once, and made a batch of once it is ready."""
    asked: list[float] = []

    class Slow(Acme):
        def is_ready(self, wire: Wire, file_id: str) -> bool:  # noqa: ARG002 - the protocol's
            asked.append(fake_provider.clock.now)
            return len(asked) > 3

    with begun(PLUGGED, fake_provider) as online:
        online.client = own(fake_provider, Slow)
        found = online.run().batch("1")
        assert (found.state, found.because) == (State.WAITING, "acme is still processing the upload")
        assert online.wait(DAYS).batch("1").state is State.SETTLED
        waits = [later - before for before, later in pairwise(asked)]
        assert waits == sorted(waits)
        assert waits[-1] > waits[0]
        assert fake_provider.calls.count("upload") == fake_provider.calls.count("create") == 1


def test_a_list_with_overlapping_pages_cancels_nothing(fake_provider: FakeProvider) -> None:
    """A batch that a list names twice is one batch: it is adopted, and no twin of it is cancelled."""

    class Twice(Acme):
        def batches(self, wire: Wire, since: float | None = None) -> Any:
            for each in super().batches(wire, since):
                yield from (each, each)

    with begun(PLUGGED, fake_provider, "is-lost") as online:
        online.client = own(fake_provider, Twice)
        online.wait(DAYS)
        settled(online, "named twice")
        assert fake_provider.calls.count("cancel") == 0


def test_the_account_is_no_key(fake_provider: FakeProvider) -> None:
    """An author who gives the key itself as account shows it to nobody: a digest stands in metadata."""

    class Open(Acme):
        def __init__(self, origin: Any, _account: str) -> None:
            super().__init__(origin, fake_provider.key)

    client = own(fake_provider, Open)
    assert fake_provider.key not in client.account
    assert client.account == own(fake_provider, Open).account
