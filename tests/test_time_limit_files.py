"""
What the answer files of a batch hold that its time limit has ended: all that came down, and ours behind it.

The real client and the real network against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs
import pytest

from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate, Outcome
from reconciler.testing.fates import http_error
from reconciler.testing.faults import Refuse, Reply
from tests.test_time_limit import HOUR, STUCK, ends, limited, sound
from tests.workspace.faults import Crash
from tests.workspaces import files, leftovers

TORN: Final = b'{"custom_id": "q-0", "half": \n'


def second_fails(custom_id: str) -> Outcome | None:
    """The second request fails for good, under its own id or that of the wire."""
    return http_error(400) if custom_id.endswith("-1") else None


HALF: Final = attrs.evolve(STUCK, choose=second_fails)
"""It never ends by itself, and was halfway when it is stopped: one answer, one failure."""


@pytest.mark.parametrize("provider", ["openai", "mistral", "anthropic"])
@pytest.mark.parametrize("lost", ["output", "error"])
def test_a_harvested_file_that_is_lost_comes_again(
    provider: str, lost: str, tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """The one that is there stays as it is, the other has the same bytes as before, and nothing is sent."""
    fake_provider.default(HALF)
    online = limited(tmp_path / "w", fake_provider, provider)

    def before_the_move(change: str, path: str) -> None:
        if (change, path) == ("mkdir", "done"):
            raise Crash

    with suppress(Crash):
        attrs.evolve(online, tap=before_the_move).wait()
    before = {
        role: (online.root / f"workdir/batch_{role}_1.jsonl").read_bytes() for role in ("output", "error")
    }
    (online.root / f"workdir/batch_{lost}_1.jsonl").unlink()
    assert online.wait().batch("1").state is State.SETTLED
    assert {role: (online.root / f"done/1/batch_{role}_1.jsonl").read_bytes() for role in before} == before
    found = sorted(ends(online.root).values())
    assert found == ["answered", "invalid-request", "time-limit", "time-limit"]
    assert online.creates() == 1
    sound(online.root)


@pytest.mark.parametrize(("download", "role"), [(1, "output"), (2, "error")])
def test_a_harvested_line_that_cannot_be_read_is_kept(
    download: int, role: str, tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """It stays where it came, byte for byte; the batch is set aside, and the reason names file and line."""
    fake_provider.default(attrs.evolve(HALF, counts={"completed": 1, "failed": 0}))
    online = limited(tmp_path / "w", fake_provider)
    fake_provider.fault("download", Reply(200, TORN), nth=download)
    report = online.wait()
    assert report.batch("1").state is State.ATTENTION
    assert (
        f"1 line that cannot be read: workdir/batch_{role}_1.jsonl:1: not JSON" in report.batch("1").because
    )
    kept = (online.root / f"quarantine/1.1/batch_{role}_1.jsonl").read_bytes()
    assert kept.startswith(TORN)
    ours = (online.root / "quarantine/1.1/batch_error_1.jsonl").read_bytes()
    assert b'"q-3"' in ours
    assert b"time_limit" in ours
    assert leftovers(online.root) == []
    assert online.creates() == 1


def test_an_input_that_was_changed_meanwhile_is_not_ended(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """Its time is over, and it is not the input that was uploaded: none of its requests is said to fail."""
    fake_provider.default(Fate())
    online = limited(tmp_path / "w", fake_provider)
    fake_provider.fault("create", Refuse(429, "slow down"), times=60)
    online.run()
    path = online.root / "workdir/batch_input_1.jsonl"
    path.write_bytes(path.read_bytes().replace(b"question", b"Question"))
    fake_provider.clock.advance(2 * HOUR)
    before = files(online.root)
    report = online.run()
    assert report.batch("1").state is State.ATTENTION
    told = "workdir/batch_input_1.jsonl is not the input that its metadata knows; nothing was ended"
    assert report.batch("1").because == told
    assert "put the original file back" in report.batch("1").hint
    assert files(online.root) == before
    path.write_bytes(path.read_bytes().replace(b"Question", b"question"))
    assert online.run().exit_code == 0
    assert set(ends(online.root).values()) == {"time-limit"}
