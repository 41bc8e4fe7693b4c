"""Faults of live runs: of what is kept, of what is asked again, and of the pace."""

from __future__ import annotations

from typing import Final

from tests.proof.planted import Planted

RUNNER: Final = ("tests/proof/test_runner.py", "-k", "lives or effects or room")
AGAIN: Final = ("tests/providers/test_many_again.py",)

RUNS: Final = (
    Planted(
        "an end counts before it is on disk",
        "providers/many.py",
        "                await self._handed_over(ends)\n            except BaseException",
        "                asyncio.ensure_future(self._handed_over(ends))\n            except BaseException",
        (*AGAIN, "-k", "stands_still or kept"),
    ),
    Planted(
        "a lane does not wait until its end is kept",
        "providers/many.py",
        "        await following\n\n    async def _keep",
        "\n    async def _keep",
        AGAIN,
    ),
    Planted(
        "Retry-After holds back nobody else",
        "providers/many.py",
        "                self._gate.hold(now + end.after)",
        "                pass",
        RUNNER,
    ),
    Planted(
        "repeated sends obey no rate",
        "providers/many.py",
        "        while await self._turn(tokens):",
        "        while sends > self.rules.sends(number) or await self._turn(tokens):",
        AGAIN,
    ),
    Planted(
        "a send that hangs is waited for",
        "providers/many.py",
        "asyncio.timeout(self.provider.pace.request_seconds or None)",
        "asyncio.timeout(None)",
        RUNNER,
    ),
    Planted(
        "a run goes on when its time is up",
        "providers/many.py",
        "now >= until):",
        "now >= until + 1e9):",
        AGAIN,
    ),
    Planted(
        "what was under way counts as done",
        "executor/answering.py",
        "Lines(patient, fact, passed=finished):",
        "Lines(patient, fact, passed=finished | set(sent)):",
        RUNNER,
    ),
    Planted(
        "progress goes before the answers are published",
        "executor/answering.py",
        "        counts = _publish(run, record, progress)\n",
        "        live.remove(ctx.fx, step.name)\n        counts = _publish(run, record, progress)\n",
        RUNNER,
    ),
    Planted(
        "a commit of progress is not synced",
        "workspace/live.py",
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous = OFF",
        ("tests/workspace/test_live.py",),
    ),
    Planted(
        "progress that was removed may come back",
        "workspace/live.py",
        "    if there:\n        fx.sync_folder(FOLDER)\n",
        "",
        ("tests/workspace/test_live.py",),
    ),
    Planted(
        "attempts are not carried over a restart",
        "executor/answering.py",
        "sends=lambda number: sent.get(number, before)",
        "sends=lambda _number: before",
        ("tests/test_local.py", "-k", "sends"),
    ),
    Planted(
        "sends of a run that is stopped are forgotten",
        "executor/answering.py",
        "        progress.keep_missed()",
        "        pass",
        ("tests/test_local.py", "-k", "sends"),
    ),
    Planted(
        "nobody looks whether there is room for answers",
        "executor/answering.py",
        "    progress.reserve()\n",
        "",
        ("tests/proof/test_runner.py", "-k", "really_full or room"),
    ),
    Planted(
        "a second end takes the place of the first",
        "workspace/live.py",
        "INSERT OR IGNORE INTO ended",
        "INSERT OR REPLACE INTO ended",
        ("tests/workspace/test_live.py",),
    ),
)
