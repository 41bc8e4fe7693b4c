"""
The real command as a process of its own, and workspaces that it works on.

Nothing of it is reached from within: it is started, hurt and looked at as any program is. The provider is
the fake one, whose clock stands where the machine's does.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import attrs

from reconciler.testing import FakeProvider
from tests import crashing, stopping
from tests.crashing import asked, normal
from tests.scenarios import make_local, make_mixture
from tests.stopping import KEYS, Shared, begun, ending, in_doubt, mended, record_of, settled
from tests.workspaces import leftovers, scratch

TIMEOUT: Final = 120.0
"""Seconds after which a process counts as hung."""

ENDS: Final = frozenset({0, 3, 75})
"""What the command ends with where nothing went wrong: all is settled, a person is asked, something waits."""

PASSES: Final = 3
ORIGINS: Final = {"azure": "AZURE_OPENAI_ENDPOINT"}


@attrs.define
class Real:
    """
    A workspace, and the command that works on it.

    Attributes:
        root: The workspace.
        words: What is typed behind `reconcile run WORKSPACE`.
        variables: What the process finds in its environment.
        online: The provider that it asks; None when it asks nobody.
        before: How often each input stood in the workspace before anything was done.
    """

    root: Path
    words: tuple[str, ...]
    variables: Mapping[str, str]
    online: Shared | None
    before: Counter[str]

    @property
    def command(self) -> list[str]:
        """What is typed."""
        return [sys.executable, "-m", "reconciler", "run", str(self.root), *self.words]

    def start(
        self,
        wrapper: Sequence[str] = (),
        instead: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Begin a pass, with *wrapper* before the command, or by another line *instead* of it."""
        return subprocess.Popen(
            [*wrapper, *(instead or self.command)],
            env=dict(variables or self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(
        self,
        wrapper: Sequence[str] = (),
        instead: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """A pass from its beginning to its end: what it ended with, and what it said."""
        return self.end(self.start(wrapper, instead, variables))

    def end(self, process: subprocess.Popen[bytes]) -> tuple[int, str]:
        """Wait for a pass to end."""
        with process:
            try:
                said = process.communicate(timeout=TIMEOUT)[0]
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        self.catch_up()
        return process.returncode, said.decode("utf-8", "replace")

    def catch_up(self) -> None:
        """Let the provider finish whatever it was asked; its clock then stands where the machine's does."""
        if self.online is not None:
            quiet(self.online.fake)
            self.online.fake.clock.advance(max(0.0, time.time() - self.online.now()))


@attrs.frozen
class Case:
    """
    What is done to a workspace by one pass of the command.

    Attributes:
        make: The workspace, ready for it.
        sound: Raises where a promise is broken, now; told when that is.
        mend: Passes without faults, until nothing is left to do.
        end: What lies there in the end, but for times and the provider's numbers.
    """

    make: Callable[[FakeProvider], AbstractContextManager[Real]]
    sound: Callable[[Real, str], None]
    mend: Callable[[Real, str], None]
    end: Callable[[Real], object]


def quiet(fake: FakeProvider) -> None:
    """Wait until nothing that was sent to the provider is still on its way: a dead client's calls, too."""

    async def idle() -> None:
        still = 0
        while still < 25:
            await asyncio.sleep(0)
            busy = any("run_asgi" in repr(task.get_coro()) for task in asyncio.all_tasks())
            still = 0 if busy else still + 1

    loop = fake._loop  # noqa: SLF001 - no other way to know what it is still at
    assert loop is not None
    asyncio.run_coroutine_threadsafe(idle(), loop).result(TIMEOUT)


def environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """An environment in which every run is the same, and which holds no key but those of the fake."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    fixed = {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    return kept | fixed | dict(more)


@contextmanager
def at_provider(provider: str, fake: FakeProvider) -> Iterator[Real]:
    """An input that was never sent, and the command that sends it."""
    with begun(provider, fake, polls=0) as online:
        fake.clock.advance(time.time() - fake.clock.now)
        text = '[policy]\nsettle_seconds = 0\n[provider]\nmodel = "m"\npoll_seconds = 1\n'
        (online.root / "reconciler.toml").write_text(text, "utf-8")
        names = {
            **dict.fromkeys(KEYS, fake.key),
            ORIGINS.get(provider, f"{provider.upper()}_BASE_URL"): fake.url(provider),
        }
        variables = environment(online.root.parent, names)
        yield Real(online.root, ("--provider", provider), variables, online, asked(online.root))


@contextmanager
def sent(provider: str, fake: FakeProvider) -> Iterator[Real]:
    """A batch that has ended at its provider, and the command that fetches and settles it."""
    with at_provider(provider, fake) as real:
        assert real.online is not None
        fake.clock.advance(-3600.0)
        real.online.run()
        fake.clock.advance(3600.0)
        yield real


@contextmanager
def here(make: Callable[[Path], object], words: tuple[str, ...]) -> Iterator[Real]:
    """A workspace for which nobody is asked."""
    with scratch() as folder:
        root = folder / "w"
        make(root)
        (root / "reconciler.toml").write_text("[policy]\nsettle_seconds = 0\n", "utf-8")
        yield Real(root, words, environment(folder, {}), None, asked(root))


def _online(real: Real) -> Shared:
    assert real.online is not None
    return real.online


def _sound_online(real: Real, when: str) -> None:
    stopping.sound(_online(real), when)
    assert _online(real).creates() <= 1, when


def _mend_online(real: Real, when: str) -> None:
    """Settled, with one create; or held in doubt, where the create may have left and did not arrive."""
    online = _online(real)
    left = record_of(online)
    batch = mended(online)
    assert online.fake.calls.count("create") <= 1, when
    if (online.root / "done" / "1").is_dir():
        settled(online, when)
    else:
        assert left.get("state") == "creating", when
        assert batch is not None, when
        in_doubt(online, batch, when)


def _end_online(real: Real) -> object:
    """As if there were no fault; None where a person is asked about a create that nobody can be sure of."""
    online = _online(real)
    return ending(online) if (online.root / "done" / "1").is_dir() else None


def _sound_here(real: Real, when: str) -> None:
    crashing.sound(real.root, when)
    assert asked(real.root).items() >= real.before.items(), when


def _mend_here(real: Real, when: str) -> None:
    """At most three passes of the command itself."""
    for _ in range(PASSES):
        code, said = real.run()
        assert code in ENDS, f"{when}: a pass without faults ended with {code}: {said}"
        if code != 75:
            break
    assert leftovers(real.root) == [], when


CASES: Final[Mapping[str, Case]] = {
    **{
        f"{what}-{provider}": Case(
            lambda fake, provider=provider, begin=begin: begin(provider, fake),  # type: ignore[misc]
            _sound_online,
            _mend_online,
            _end_online,
        )
        for what, begin in (("send", at_provider), ("fetch", sent))
        for provider in stopping.PROVIDERS
    },
    "settle": Case(
        lambda _fake: here(make_mixture, ()), _sound_here, _mend_here, lambda real: normal(real.root)
    ),
    "local": Case(
        lambda _fake: here(make_local, ("--provider", "local", "--worker", "echo")),
        _sound_here,
        _mend_here,
        lambda real: normal(real.root),
    ),
}
"""By name: two passes at each provider, one over answers that came by hand, and one that answers here."""
