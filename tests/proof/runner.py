"""
Whole lives of live runs, each drawn from one seed: kills, full disks, hanging workers, clocks that jump.

Every pass is a process of its own, so that a kill is one (SIGKILL) and a full disk too (a limit that the
kernel holds). Its loop jumps over all waiting. What a pass did is read from outside: the calls that its
worker wrote down before it answered, and what is on disk once the process is gone.

    python -m tests.proof.runner 4711            the life of that seed, step by step
    python -m tests.proof.runner --seeds 1000    the seeds from 1 on, until one fails
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler import engine
from reconciler.check import check
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.exchange import Request
from reconciler.model.identity import Role
from reconciler.model.policy import LOCAL
from reconciler.providers.local import Local
from reconciler.providers.pacing import Pace
from reconciler.session import Options
from tests.proof.trials import Call, Ended, Machine, Trial, played, trial
from tests.workers import kept_lines, note, progress
from tests.workspace.faults import in_child
from tests.workspaces import jsonl, leftovers, scratch, settings

STEPS: Final = 7
ATTEMPTS: Final = 3


@attrs.define
class Life:
    """
    A workspace, its batches, and what their requests meet.

    Attributes:
        root: The workspace.
        chance: Draws everything.
        fates: What becomes of the sends of each request, in order; afterwards it is answered.
        pace: How fast sends may go.
        concurrency: How many at once.
        passes: Every pass so far.
        log: What happened, for whoever looks into a failure.
    """

    root: Path
    chance: random.Random
    fates: dict[str, list[str]] = attrs.field(factory=dict)
    pace: Pace = attrs.field(factory=Pace)
    concurrency: int = 3
    passes: list[Ended] = attrs.field(factory=list)
    log: list[str] = attrs.field(factory=list)
    batches: dict[str, list[str]] = attrs.field(factory=dict)

    @property
    def calls(self) -> Path:
        """Where calls are written down."""
        return self.root.parent / "calls"

    @property
    def told(self) -> Path:
        """Where a pass says how each batch stands."""
        return self.root.parent / "told"

    def add(self, name: str, count: int) -> None:
        """An input of so many requests, each with its fates."""
        self.batches[name] = keys = [f"{name}-{n}" for n in range(count)]
        lines = [{"custom_id": key, "body": {"model": "m", "messages": []}} for key in keys]
        lines = [{"method": "POST", "url": "/v1/chat/completions", **line} for line in lines]
        live = self.root / "workdir"
        live.mkdir(parents=True, exist_ok=True)
        (live / f"batch_input_{name}.jsonl").write_bytes(jsonl(lines))
        for key in keys:
            words = self.chance.choices(
                ["fails", "later 40", "hangs", "odd", "never", "large", "slow"], [3, 1, 1, 1, 1, 3, 2], k=4
            )
            self.fates[key] = words[: self.chance.choice([0, 0, 1, 1, 2, 4])]
        self.log.append(f"add {name} {[(key, self.fates[key]) for key in keys]}")

    def run(self, trial: Trial) -> Ended:
        """One pass in a process of its own, held to what is true of every pass."""
        loaded()
        before = self._written()
        kept = self.kept()
        self.told.unlink(missing_ok=True)
        code = in_child(lambda: self._pass(trial))
        ended = Ended(code, self._written()[len(before) :], self.kept())
        told = ", ".join(f"{each.at:.1f} {each.key} {each.fate}" for each in ended.calls)
        self.log.append(f"{trial}\n  ended with {code}, {len(ended.kept)} kept; {told}")
        if self.told.exists():
            self.log.append(self.told.read_text("utf-8").rstrip())
        self._hold(kept, ended, trial)
        self.passes.append(ended)
        return ended

    def kept(self) -> dict[str, bytes]:
        """The answer line of each request that has an end, wherever it stands; two ends are a fault."""
        found: dict[str, bytes] = {}
        lines = [line for name in self.batches for line in kept_lines(progress(self.root, name))]
        for path in sorted(self.root.rglob("batch_*.jsonl")):
            if path.name.startswith(("batch_output_", "batch_error_")):
                lines += path.read_bytes().splitlines()
        for line in lines:
            key = json.loads(line)["custom_id"]
            assert found.setdefault(key, line) == line, f"{key} has two ends"
        return found

    def converge(self) -> None:
        """
        Let faults stop: the batches settle, every answer is its request's own, and nothing is called again.

        Raises:
            AssertionError: A promise is broken.
        """
        codes = [self.run(Trial()).code for _ in range(3)]
        assert codes[-1] == 0, codes
        assert not self.passes[-1].calls, "something was called in a workspace at rest"
        assert sorted(path.name for path in (self.root / "done").iterdir()) == sorted(self.batches)
        for name, keys in self.batches.items():
            answers = self._lines(name, Role.OUTPUT)
            errors = self._lines(name, Role.ERROR)
            assert sorted(answers + errors) == sorted(keys), f"{name} has lost or doubled an end"
            assert answers == [key for key in keys if key in set(answers)], f"{name} is out of order"
            target = self.root / "target" / f"{name}.results.jsonl"
            rows = [json.loads(line) for line in target.read_bytes().splitlines()]
            assert [row["custom_id"] for row in rows] == keys
            for row in rows:
                mine = f"answer to {row['custom_id']}."
                assert (row["text"] or mine).startswith(mine), f"the answer of another: {row}"
                assert (row["text"] is None) == (row["custom_id"] in errors)
        assert check(str(self.root), settings()).findings == []
        assert leftovers(self.root) == []

    # Within

    def _lines(self, name: str, role: Role) -> list[str]:
        path = self.root / "done" / name / f"batch_{role.value}_{name}.jsonl"
        found = path.read_bytes().splitlines() if path.exists() else []
        return [json.loads(line)["custom_id"] for line in found]

    def _written(self) -> list[Call]:
        """Every call of every pass."""
        text = self.calls.read_text("utf-8") if self.calls.exists() else ""
        rows = [line.split(" ", 2) for line in text.splitlines()]
        return [Call(float(at), key, fate) for at, key, fate in rows]

    def _hold(self, before: Mapping[str, bytes], ended: Ended, trial: Trial) -> None:
        """
        What is true of every pass, whatever ended it.

        Raises:
            AssertionError: It is not.
        """
        assert ended.kept.items() >= before.items(), "an end that was on disk is gone"
        called = Counter(each.key for each in ended.calls)
        again = called.keys() & before.keys()
        assert not again, f"called again though it had an end: {again}"
        for keys in self.batches.values():
            lost = called.keys() & set(keys) - ended.kept.keys()
            assert len(lost) <= self.concurrency, f"{lost} were called and have no end"
        assert all(count <= ATTEMPTS for count in called.values()), f"too many sends: {called}"
        if not trial.room and not trial.full and not trial.kill and not trial.call:
            assert ended.tidy, f"nothing went wrong, and it ended with {ended.code}"
        tidy = Counter(each.key for run in [*self.passes, ended] if run.tidy for each in run.calls)
        assert all(count <= ATTEMPTS for count in tidy.values()), f"sends are not carried over: {tidy}"
        self._hold_pace(ended.calls)

    def _hold_pace(self, calls: Sequence[Call]) -> None:
        """The rate holds for sends of all kinds, and nobody is asked before the time that was named."""
        times = [each.at for each in calls]
        rate = self.pace.requests_per_minute
        for at in times:
            seen = sum(1 for each in times if at <= each < at + 60)
            assert not rate or seen <= rate, f"{seen} sends in a minute, allowed are {rate}"
        for each in calls:
            word, _, seconds = each.fate.partition(" ")
            early = [other for other in times if each.at < other < each.at + float(seconds or 0) - 1e-6]
            assert word != "later" or not early, f"{each.key} was told to come later, and {early} came"

    def _pass(self, trial: Trial) -> int:
        """One pass, in the process that this is."""
        machine = Machine(trial)
        sends = Counter(each.key for each in self._written())

        async def worker(request: Request) -> Any:
            key = request.custom_id
            fates = self.fates[key]
            fate = fates[sends[key]] if sends[key] < len(fates) else "answers"
            sends[key] += 1
            note(self.calls, f"{machine.loops[-1].time():.3f} {key} {fate}")
            machine.called()
            return await played(fate, key)

        if trial.room:
            resource.setrlimit(resource.RLIMIT_FSIZE, (trial.room, resource.RLIM_INFINITY))
        pace = attrs.evolve(self.pace, run_seconds=trial.seconds)
        hooks = Hooks(providers={LOCAL: Local(worker, self.concurrency, pace)})
        options = Options(
            tap=machine.tap,
            plugged=Plugged(lambda _name: hooks),
            stopping=lambda: 0 < trial.stop <= machine.calls,
            clock=lambda: machine.wall,
            pause=lambda _seconds, _stopping: None,
            loop=machine.loop,
        )
        chosen = settings(provider=LOCAL, settle_seconds=0, max_attempts=ATTEMPTS)
        report = engine.reconcile(str(self.root), chosen, options)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for each in report.batches:
            note(self.told, f"{each.name} {each.state}: {each.because}")
        return report.exit_code


@cache
def loaded() -> None:
    """Load once, in this process, what a pass would load in each of its own."""
    with scratch() as folder:
        life = Life(folder / "w", random.Random(1))
        life.add("b", 1)
        life._pass(Trial())  # noqa: SLF001 - of this module


def live(seed: int) -> Counter[str]:
    """
    The life of one seed; how often a pass ended in which way.

    Raises:
        AssertionError: A promise was broken; the message names the seed and how to see its life.
    """
    chance = random.Random(seed)
    with scratch() as folder:
        pace = Pace(chance.choice([0.0, 30.0]), request_seconds=30.0, retry_seconds=chance.choice([0.0, 2.0]))
        life = Life(folder / "w", chance, pace=pace, concurrency=chance.randint(1, 4))
        try:
            for number in range(STEPS):
                if number == 0 or chance.random() < 0.3:
                    life.add(f"b{number}", chance.randint(3, 9))
                life.run(trial(chance))
            life.converge()
        except Exception as error:
            told = "\n".join(life.log)
            where = f"seed {seed}: python -m tests.proof.runner {seed}"
            raise AssertionError(
                f"{where}\n{life.pace}, {life.concurrency} at once\n{told}\n{error!r}"
            ) from error
        return Counter(str(each.code) for each in life.passes)


def main(words: list[str]) -> int:
    """Live one seed and show it, or many and count them."""
    if words[:1] == ["--seeds"]:
        began, total = time.monotonic(), Counter[str]()
        for seed in range(1, int(words[1]) + 1):
            total += live(seed)
        print(f"{words[1]} seeds, no promise broken, {time.monotonic() - began:.0f} s, ends: {dict(total)}")  # noqa: T201 - its result
        return 0
    for word in words:
        print(dict(live(int(word))))  # noqa: T201 - its result
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
