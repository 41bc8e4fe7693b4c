"""Faults of live runs: of what is kept, of what is asked again, and of the pace."""

from __future__ import annotations

from typing import Final

from tests.proof.planted import Planted

RUNNER: Final = ("tests/proof/test_runner.py", "-k", "lives or effects or room")
STAND_IN: Final = ("tests/test_stand_in.py",)
AGAIN: Final = ("tests/providers/test_many_again.py",)

RUNS: Final = (
    Planted(
        "an echo fills up what a worker began",
        "planner/rescuing.py",
        "    if record is None or began in",
        "    if record is None or began or began in",
        STAND_IN,
    ),
    Planted(
        "a worker goes on among echoes",
        "executor/who_answers.py",
        "    if not live.has_progress(run.ctx.fx, step.name):",
        "    if live.has_progress(run.ctx.fx, step.name):",
        STAND_IN,
    ),
    Planted(
        "nobody writes down who goes on with what an earlier version began",
        "executor/who_answers.py",
        "    if record.online.worker or worker == ECHO:",
        "    if record:",
        STAND_IN,
    ),
    Planted(
        "a child forgets who answered its parent",
        "executor/leftovers.py",
        "worker=record.online.worker)",
        'worker="")',
        STAND_IN,
    ),
    Planted(
        "failures of a settled batch forget who answered it",
        "executor/moving.py",
        "        worker=record.online.worker,\n",
        "",
        STAND_IN,
    ),
    Planted(
        "a progress with fewer ends than there were is gone on with",
        "executor/answering.py",
        "    if record.status == COMPLETED and len(finished) < asked.requests:",
        "    if False:",
        ("tests/test_local_stopped.py", "-k", "older_copy"),
    ),
    Planted(
        "each batch that is answered live has a pace of its own",
        "providers/sending.py",
        "        self._gate = provider.gate\n",
        "        self._gate = type(provider.gate)(provider.pace)\n",
        ("tests/proof/test_runner.py", "-k", "next_batch"),
    ),
    Planted(
        "an end counts before it is on disk",
        "providers/keeping.py",
        "        ends, self._unkept = self._unkept, []\n",
        "        ends, self._unkept = self._unkept, []\n        self._kept(len(ends))\n",
        (*AGAIN, "-k", "stands_still or kept"),
    ),
    Planted(
        "an end takes up no room until it is kept",
        "providers/many.py",
        "self._keeper.put(judged.kept)",
        "self._kept(self._keeper.put(judged.kept) or 1)",
        AGAIN,
    ),
    Planted(
        "Retry-After holds back nobody else",
        "providers/sending.py",
        "                self._gate.hold(now + end.after)",
        "                pass",
        RUNNER,
    ),
    Planted(
        "repeated sends obey no rate",
        "providers/sending.py",
        "        while self._begins(tokens) or await self._turn(tokens):",
        "        while sends > rules.sends(number) or self._begins(tokens) or await self._turn(tokens):",
        AGAIN,
    ),
    Planted(
        "a send that hangs is waited for",
        "providers/deadlines.py",
        "            task.cancel()\n",
        "",
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
        "    if there:\n        fx.sync_folder(LIVE)\n",
        "",
        ("tests/workspace/test_live.py",),
    ),
    Planted(
        "attempts are not carried over a restart",
        "executor/answering.py",
        "sends=lambda number: sent.get(number, before)",
        "sends=lambda _number: before",
        ("tests/test_local_stopped.py", "-k", "sends"),
    ),
    Planted(
        "sends of a run that is stopped are forgotten",
        "executor/answering.py",
        "        progress.keep_missed()",
        "        pass",
        ("tests/test_local_stopped.py", "-k", "sends"),
    ),
    Planted(
        "nobody looks whether there is room for answers",
        "executor/answering.py",
        "    progress.reserve()\n",
        "",
        ("tests/proof/test_runner.py", "-k", "really_full or room"),
    ),
    Planted(
        "a second end stands beside the first",
        "workspace/groups.py",
        "            if number != last:\n",
        "            if number != last or True:\n",
        ("tests/workspace/test_live.py",),
    ),
)
