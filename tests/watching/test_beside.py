"""Watchers, and passes by hand beside them, on one workspace: seen from outside, as if there were one."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from reconciler.check import check
from reconciler.testing import FakeProvider
from tests.cli.calling import COMMAND, WAIT, environment, spawn
from tests.workspaces import ledger, leftovers, put, request, results, scratch, settings


def begin(root: Path, reach: dict[str, str]) -> subprocess.Popen[bytes]:
    """A watcher."""
    return subprocess.Popen(
        [*COMMAND, "watch", str(root), "-q"],
        env=environment(**reach),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_watchers_and_passes_by_hand_race(fake_provider: FakeProvider) -> None:
    """Two watchers, killed again and again, beside passes by hand: each input has one batch, and results."""
    chance = random.Random(3)
    reach = {
        "OPENAI_API_KEY": fake_provider.key,
        "OPENAI_BASE_URL": fake_provider.url("openai"),
        "RECONCILER_PROVIDER_NAME": "openai",
        "RECONCILER_PROVIDER_POLL_SECONDS": "1",
        "RECONCILER_PROVIDER_PER_BATCH_DELAY": "0",
        "RECONCILER_POLICY_SETTLE_SECONDS": "0.2",
        "RECONCILER_POLICY_IN_DOUBT_GRACE_SECONDS": "1",
        "RECONCILER_POLICY_IN_DOUBT": "resubmit",
    }
    codes: set[int] = set()
    with scratch() as folder:
        root = folder / "w"
        (root / "workdir").mkdir(parents=True)
        watchers = [begin(root, reach) for _ in range(2)]
        try:
            for n in range(12):
                put(root, str(n), input=[request(k) | {"custom_id": f"q-{n}-{k}"} for k in range(2)])
                codes.add(spawn(root, cwd=None, **reach).code)
                if chance.random() < 0.7:
                    at = chance.randrange(2)
                    watchers[at].send_signal(signal.SIGKILL)
                    watchers[at].wait(WAIT)
                    watchers[at] = begin(root, reach)
            ends = time.monotonic() + WAIT
            while len(list((root / "done").glob("*"))) < 12 and time.monotonic() < ends:
                os.sched_yield()
        finally:
            for watcher in watchers:
                watcher.terminate()
            ended = [watcher.wait(WAIT) for watcher in watchers]

        # One that has only just begun listens to no signal yet.
        assert set(ended) <= {0, -signal.SIGTERM}
        assert codes <= {0, 1, 4, 75}
        assert check(str(root), settings()).findings == []
        assert leftovers(root) == []
        assert len(fake_provider.batches) == 12
        assert set(
            Counter(each["batch"] for each in ledger(root) if each["event"] == "batch.settled").values()
        ) == {1}
        for n in range(12):
            assert [row["custom_id"] for row in results(root, str(n))] == [f"q-{n}-0", f"q-{n}-1"]
