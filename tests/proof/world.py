"""
A simulated world: a workspace that can lose its power, a provider, time, and chance from one seed.

The engine in it is the real one, with real files in memory and real calls over loopback. Time stands still
until somebody waits; tokens and every other number that would differ from run to run come from the seed. All
that happens is written down, so that two runs of one seed can be compared byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler import engine, waiting
from reconciler.check import check
from reconciler.errors import ReconcilerError, WorkspaceLocked
from reconciler.model.report import Report, State
from reconciler.providers.http import Http
from reconciler.session import Options
from reconciler.testing import FakeProvider
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import LOCK
from tests import workspaces
from tests.online import Online
from tests.proof.disk import Recorder
from tests.stopping import client_of
from tests.workspace.faults import Crash
from tests.workspaces import answered, jsonl, ledger, leftovers, scratch, tree

START: Final = 1_800_000_000.0
"""When every world begins, in Unix seconds."""

QUIET: Final = 5.0
"""`settle_seconds`: how long an input has to stand still before it is sent."""

DAYS: Final = 3 * 86400.0

_PORT: Final = re.compile(rb"127\.0\.0\.1:[0-9]+")


@attrs.define
class Moment(Recorder):
    """
    The tap and the syncs of a pass that may end at one of its effects.

    Attributes:
        stop: Which effect, counted from 1; 0 for none.
        failure: Makes what is raised there; None lets the process die, and the power go if *cut* says so.
        cut: Keeps track of what is not synced.
        seen: The effects.
    """

    stop: int = 0
    failure: Callable[[], BaseException] = Crash
    cut: bool = False
    seen: list[str] = attrs.field(factory=list)

    def __call__(self, change: str, path: str) -> None:
        """Note the effect; end here if this is the one."""
        if self.cut:
            self.catch_up()
        self.seen.append(f"{change} {path}")
        if len(self.seen) == self.stop:
            raise self.failure()

    def synced(self, opened: Sequence[int]) -> None:
        """Sync."""
        if self.cut:
            super().synced(opened)


@attrs.define
class Simulated(Online):
    """A workspace at a provider, whose passes draw their tokens and syncs from here."""

    syncs: Callable[[Sequence[int]], None] = lambda _opened: None
    token: Callable[[], str] = str
    room: Http | None = None

    @property
    def options(self) -> Options:
        """What a pass takes."""
        options: Options = Online.options.fget(self)  # type: ignore[attr-defined]
        room = self.room
        if room is None:
            return options
        room.tap = self.tap
        return attrs.evolve(options, syncs=self.syncs, token=self.token, wire=lambda: room)


class World:
    """
    One world; see `begin`.

    Args:
        root: Where the workspace is made.
        fake: The provider.
        room: Makes its calls.
        provider: Its name.
        seed: For tokens.
    """

    def __init__(self, root: Path, fake: FakeProvider, room: Http, provider: str, seed: int) -> None:
        self.fake = fake
        self.root = root
        self.provider = provider
        self.tokens = random.Random(f"tokens {seed}")
        self.inputs: dict[str, bytes] = {}
        self.growing: dict[str, bytes] = {}
        self.edited: dict[str, bytes] = {}
        self.report: Report | None = None
        self.log: list[str] = []
        (root / "workdir").mkdir(parents=True)
        self.online = Simulated(
            root,
            fake,
            client_of(provider, fake),
            flags={"settle_seconds": QUIET},
            room=room,
            token=lambda: self.tokens.randbytes(16).hex(),
        )

    # --- users ----------------------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        """The live input of a batch."""
        return self.root / "workdir" / f"batch_input_{name}.jsonl"

    def write(self, name: str, data: bytes) -> None:
        """Write a live input at this moment of virtual time."""
        self.path(name).write_bytes(data)
        os.utime(self.path(name), (self.fake.clock.now, self.fake.clock.now))

    def add(self, name: str, requests: int, *, half: bool = False) -> None:
        """A user puts an input there; *half* of it, to be grown later."""
        data = self.lines(name, requests)
        if half:
            self.growing[name] = data
            lines = data.splitlines(keepends=True)
            self.write(name, b"".join(lines[: max(1, len(lines) // 2)]))
        else:
            self.inputs[name] = data
            self.write(name, data)
        self.note(f"add {name} {requests} half={half}")

    def wait(self, seconds: float) -> None:
        """Time goes on, or back; whoever is copying a file goes on with it meanwhile."""
        self.go_on(seconds)
        self.note(f"time {seconds}")

    def go_on(self, seconds: float, _stopping: Callable[[], bool] = lambda: False) -> None:
        """The same, while a pass waits for something."""
        self.fake.clock.advance(seconds)
        for name in self.growing:
            self.write(name, self.path(name).read_bytes())

    def grow(self, name: str) -> None:
        """The copy of an input that is under way comes to its end."""
        self.inputs[name] = self.growing.pop(name)
        self.write(name, self.inputs[name])
        self.note(f"grow {name}")

    def delete(self, name: str) -> None:
        """A user removes an input that was never sent and never answered."""
        answers = self.path(name).with_name(f"batch_output_{name}.jsonl")
        if self.path(name).exists() and not self.known(name) and not answers.exists():
            self.path(name).unlink()
            self.inputs.pop(name, None)
            self.growing.pop(name, None)
            self.note(f"delete {name}")

    def edit(self, name: str) -> None:
        """A user changes an input that was sent, and puts it back as it was after a pass."""
        if self.path(name).exists() and self.known(name) and name in self.inputs:
            data = self.path(name).read_bytes()
            # As editors do: a new file under the old name. The old one may be linked in `done/` already.
            self.path(name).unlink()
            self.write(name, data + data.splitlines(keepends=True)[0].replace(b"hi", b"ho"))
            self.note(f"edit {name}")
            self.run()
            if self.path(name).exists():
                self.path(name).unlink()
                self.write(name, data)
            self.note(f"put {name} back")

    def answers(self, name: str, requests: int) -> None:
        """A user puts a whole triple of another provider's making there: nothing is asked."""
        data = jsonl([{**workspaces.request(n), "custom_id": f"{name}-{n}"} for n in range(requests)])
        self.inputs[name] = data
        self.write(name, data)
        found = jsonl([{**answered(n), "custom_id": f"{name}-{n}"} for n in reversed(range(requests))])
        (self.root / "workdir" / f"batch_output_{name}.jsonl").write_bytes(found)
        self.note(f"answers {name} {requests}")

    def known(self, name: str) -> bool:
        """Whether the product has begun with a batch."""
        return self.path(name).with_name(f"batch_metadata_{name}.jsonl").exists()

    def lines(self, name: str, requests: int) -> bytes:
        """An input in the provider's shape; each request says its own id, and so does its answer."""
        found: list[dict[str, Any]] = []
        for n in range(requests):
            key = f"{name}-{n}"
            asked = [{"role": "user", "content": f"hi {key}"}]
            match self.provider:
                case "anthropic":
                    params = {"model": "m", "max_tokens": 9, "messages": asked}
                    found.append({"custom_id": key, "params": params})
                case "gemini":
                    contents = [{"role": "user", "parts": [{"text": f"hi {key}"}]}]
                    found.append({"key": key, "request": {"contents": contents}})
                case "mistral":
                    found.append({"custom_id": key, "body": {"messages": asked}})
                case _:
                    body = {"model": "m", "messages": asked}
                    whole = {"method": "POST", "url": "/v1/chat/completions", "body": body}
                    found.append({"custom_id": key, **whole})
        return jsonl(found)

    # --- the machine ----------------------------------------------------------------------------------------

    def run(
        self, stop: int = 0, failure: Callable[[], BaseException] = Crash, cut: random.Random | None = None
    ) -> bool:
        """
        One pass.

        Args:
            stop: At which of its effects it is stopped; 0 for none.
            failure: By what.
            cut: The power goes too, and this chooses what is left; None leaves all of it.

        Returns:
            Whether it was stopped by the end of its process.
        """
        moment = Moment(self.root, stop=stop, failure=failure, cut=cut is not None)
        online = attrs.evolve(self.online, tap=moment, syncs=moment.synced)
        died = False
        try:
            options = attrs.evolve(online.options, pause=self.go_on)
            self.report = engine.reconcile(str(self.root), online.settings(), options)
        except Crash:
            died = True
        except (ReconcilerError, OSError) as error:
            self.note(f"ended by {type(error).__name__}")
        if died and cut is not None:
            state = cut.choice([*moment.states()])
            names = [*self.inputs, *self.growing]
            times = {name: path.stat().st_mtime for name in names if (path := self.path(name)).exists()}
            for each in self.root.iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
            state.build(self.root)
            for name, time in times.items():
                if self.path(name).exists():
                    os.utime(self.path(name), (time, time))
            self.note(f"cut: {state.how}")
        self.note(f"pass stop={stop} died={died}", moment.seen)
        return died

    def locked_out(self) -> None:
        """A second reconciler comes while another works: it says so, and changes nothing."""
        fx = Effects(str(self.root))
        try:
            with fx.lock(LOCK):
                before = workspaces.files(self.root)
                with suppress(WorkspaceLocked):
                    engine.reconcile(str(self.root), self.online.settings(), self.online.options)
                    raise AssertionError("two reconcilers at once")
                assert workspaces.files(self.root) == before
        finally:
            fx.close()
        self.note("locked out")

    # --- what holds -----------------------------------------------------------------------------------------

    def hold(self) -> None:
        """
        Hold the world to what is true at every moment.

        Raises:
            AssertionError: A promise is broken.
        """
        findings = check(str(self.root), workspaces.settings()).findings
        assert [each for each in findings if "torn" not in each.what] == [], findings
        for name, data in self.inputs.items():
            there = [*self.root.rglob(f"batch_input_{name}.jsonl")]
            assert there, f"the input of {name} is gone"
            assert {path.read_bytes() for path in there} == {data}, f"the input of {name} was changed"
        sent = Counter(each["intent"] for each in ledger(self.root) if each["event"] == "batch.creating")
        assert set(sent.values()) <= {1}, f"a create was sent twice: {sent}"
        paid = self.paid()
        assert all(count <= 1 for count in paid.values()), f"paid twice: {paid}"
        for path in (self.root / "target").glob("*.results.jsonl"):
            for line in path.read_bytes().splitlines():
                row = json.loads(line)
                text = json.dumps(row)
                own = row["custom_id"]
                assert f"hi {own}" in text or "hi " not in text, f"the answer of another request: {text}"

    def paid(self) -> Counter[str]:
        """How often each request was answered at the provider, or still may be."""
        found: Counter[str] = Counter()
        for batch in self.fake.batches:
            if not batch.ended:
                contents = [batch.source]
            else:
                contents = [batch.output.content] if batch.output is not None else []
            for content in contents:
                for _, line in content.lines():
                    found.update(key.decode() for key in set(re.findall(rb"hi ([a-z0-9]+-[0-9]+)", line)))
        return found

    def converge(self) -> None:
        """
        Let faults stop, and time pass: the world comes to rest, and a further pass does nothing.

        Raises:
            AssertionError: Something waits for ever, or a pass over what has settled changes something.
        """
        self.fake.faults.clear()
        for name in [*self.growing]:
            self.grow(name)
        for _ in range(3):
            self.report = waiting.reconcile_until_settled(
                str(self.root), self.online.settings(), self.online.options, DAYS
            )
            self.fake.clock.advance(3600.0)
        assert self.report is not None
        waits = [each for each in self.report.batches if each.state in (State.WAITING, State.FAILED)]
        assert waits == [], waits
        assert leftovers(self.root) == []
        self.hold()
        still = Moment(self.root)
        online = attrs.evolve(self.online, tap=still)
        engine.reconcile(str(self.root), online.settings(), online.options)
        changed = [each for each in still.seen if not each.startswith("GET")]
        assert changed == [], changed
        self.note("at rest", [f"{each.name} {each.state}" for each in self.report.batches])

    # --- what happened --------------------------------------------------------------------------------------

    def note(self, what: str, more: Sequence[str] = ()) -> None:
        """Write down what happened, and all that lies there now."""
        found = hashlib.sha256()
        for path, data in tree(self.root).items():
            found.update(path.encode() + b"\0" + _PORT.sub(b"", data) + b"\0")
        self.log.append("\n".join([f"{self.fake.clock.now:.3f} {what} {found.hexdigest()}", *more]))

    @property
    def digest(self) -> str:
        """Equal for equal worlds, from their first moment on."""
        return hashlib.sha256("\n".join(self.log).encode()).hexdigest()


@contextmanager
def begin(provider: str, seed: int, fake: FakeProvider) -> Iterator[World]:
    """A world in which nothing has happened yet; forgets all that the fake provider knew."""
    fake.reset()
    fake.clock.advance(START - fake.clock.now)
    chance = random.Random(f"calls {seed}")

    with scratch() as folder:
        worlds: list[World] = []
        room = Http(
            lambda seconds, _stopping: worlds[0].go_on(seconds),
            chance=chance.random,
            now=lambda: fake.clock.now,
            clock=lambda: fake.clock.now,
        )
        with room:
            worlds.append(World(folder / "w", fake, room, provider, seed))
            yield worlds[0]
