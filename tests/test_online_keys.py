"""
Keys that are missing, refused or another's, and providers out of reach: one of them stands in no other's way.

Real HTTP against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import ReplyDropped, Reset
from tests.five import OTHER_KEY, SIX, client_of, lines_of, online, quick
from tests.online import Online, put_input
from tests.workspaces import live, record

provider = pytest.mark.parametrize("name", SIX)


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose clock is past the times of all files."""
    fake_provider.clock.advance(60)
    return fake_provider


def two(root: Path, fake: FakeProvider, name: str) -> tuple[Online, str]:
    """A batch of *name* called `1` and one of another provider called `2`, both in flight."""
    other = "mistral" if name != "mistral" else "openai"
    fake.script(Fate(seconds=600), Fate(seconds=600))
    asked = online(root, fake, name)
    asked.run()
    put_input(root, lines_of(other, 7), "2")
    asked.others = (client_of(other, fake),)
    asked.run(provider=other)
    assert asked.creates() == 2
    return asked, other


def metadata(root: Path) -> bytes:
    """What stands in the metadata of batch `1`."""
    return (live(root) / "batch_metadata_1.jsonl").read_bytes()


@provider
def test_a_refused_key(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """Exit 77; its batches are as they were, and those of another provider are served in the same pass."""
    root = tmp_path / "ws"
    asked, _ = two(root, fake, name)
    asked.run()
    before = metadata(root)
    asked.client = client_of(name, fake, "refused-key-000")
    report = asked.wait()

    assert report.exit_code == 77
    assert (report.batch("1").state, report.batch("2").state) == (State.HELD, State.SETTLED)
    assert metadata(root) == before
    asked.client = client_of(name, fake)
    assert asked.wait().exit_code == 0
    assert asked.creates() == 2


@provider
def test_a_refused_key_before_anything_was_sent(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """An input that could not be sent for its key is sent once the key is right, once."""
    root = tmp_path / "ws"
    asked = online(root, fake, name)
    asked.client = client_of(name, fake, "refused-key-000")
    assert asked.wait().exit_code == 77
    assert asked.creates() == 0
    asked.client = client_of(name, fake)

    assert asked.wait().exit_code == 0
    assert asked.creates() == 1


@provider
def test_a_missing_key(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """Exit 77, with where the key is looked for; nobody is called, and the other provider is served."""
    root = tmp_path / "ws"
    asked, other = two(root, fake, name)
    asked.run()
    before, calls = metadata(root), len(fake.calls.of(dialect=name))
    asked.keyless = {name: "set SOME_KEY"}
    report = asked.wait()

    assert report.exit_code == 77
    assert "set SOME_KEY" in report.batch("1").hint
    assert (report.batch("2").state, metadata(root)) == (State.SETTLED, before)
    assert len(fake.calls.of(dialect=name)) == calls
    assert other != name


@provider
@pytest.mark.parametrize("end", ["running", "done"])
def test_a_key_of_another_account(tmp_path: Path, fake: FakeProvider, name: str, end: str) -> None:
    """What this key cannot see belongs to another key; it is never called lost, and never sent again."""
    root = tmp_path / "ws"
    fake.script(Fate(polls=2 if end == "running" else 1))
    asked = online(root, fake, name)
    asked.run()
    asked.run()
    right, asked.client = asked.client, client_of(name, fake, OTHER_KEY)
    report = asked.wait(timeout=86_400)

    assert report.exit_code == 3
    assert "belongs to another key" in report.batch("1").because
    assert "resubmit" not in report.batch("1").hint
    asked.client = right
    assert asked.wait().exit_code == 0
    assert asked.creates() == 1


@provider
def test_a_key_of_another_account_with_a_create_in_doubt(
    tmp_path: Path, fake: FakeProvider, name: str
) -> None:
    """Another key's list says nothing of a create: nothing is sent again, and the right key finds it."""
    root = tmp_path / "ws"
    asked = online(root, fake, name)
    fake.fault("create", ReplyDropped(), times=1)
    fake.fault("list", Reset(), times=4)
    asked.run()
    assert record(root, "1")["state"] == "creating"
    right, asked.client = asked.client, client_of(name, fake, OTHER_KEY)
    fake.clock.advance(86_400)
    report = asked.run(in_doubt="resubmit")

    assert report.exit_code == 3
    assert "another key" in report.batch("1").because
    assert asked.creates() == 1
    fake.clock.advance(-86_400)
    asked.client = right
    assert asked.wait().exit_code == 0
    assert asked.creates() == 1


@provider
@pytest.mark.parametrize("how", ["reset", "refused"])
def test_out_of_reach(tmp_path: Path, fake: FakeProvider, name: str, how: str) -> None:
    """Exit 1; its batches are as they were, and those of another provider are served in the same pass."""
    root = tmp_path / "ws"
    asked, _ = two(root, fake, name)
    asked.run()
    before, right = metadata(root), asked.client
    with quick(fake) as http:
        asked.wire = lambda: http
        if how == "reset":
            fake.fault(None, Reset(), times=None, dialect=name)
        else:
            asked.client = client_of(name, fake, base_url="http://127.0.0.1:1/v1")
        asked.run()
        fake.clock.advance(600)
        report = asked.run()

        assert report.exit_code == 1
        assert (report.batch("1").state, metadata(root)) == (State.FAILED, before)
        assert (root / "done/2").exists()
        fake.faults.clear()
        asked.client = right
        assert asked.wait().exit_code == 0
    assert asked.creates() == 2


def test_gemini_may_forbid_what_is_not_yours(tmp_path: Path, fake: FakeProvider) -> None:
    """A 403 for another account's batch says nothing of the key itself: the batch stays as it is."""
    root = tmp_path / "ws"
    fake.gemini.switches.not_yours = 403
    asked = online(root, fake, "gemini")
    asked.run()
    asked.client = client_of("gemini", fake, OTHER_KEY)
    report = asked.run()

    assert report.exit_code == 3
    assert "another key" in report.batch("1").because
    assert asked.creates() == 1
