"""Runs of targets: guided by coverage where atheris is there, blind anywhere."""

from __future__ import annotations

import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any, Final

import attrs

from tests.fuzz.oracle import Found, bounded, shrunk, tried, wind
from tests.fuzz.targets import TARGETS, Target

ROOT: Final = Path(__file__).resolve().parents[2]
_TRIED: Final = re.compile(r"stat::number_of_executed_units: ([0-9]+)")


@attrs.frozen
class Ran:
    """
    What came of a run.

    Attributes:
        inputs: How many inputs were tried.
        found: The violations, one of each kind, shrunk.
        corpus: Inputs that each reached something new; empty of a blind run.
    """

    inputs: int
    found: tuple[Found, ...]
    corpus: tuple[bytes, ...] = ()


def has_atheris() -> bool:
    """Whether runs can be guided here."""
    return importlib.util.find_spec("atheris") is not None


def replay(target: Target, inputs: Iterable[bytes]) -> Ran:
    """Hand inputs to a target as they are."""
    found: dict[str, Found] = {}
    count = 0
    with bounded():
        for data in inputs:
            wind()
            _keep(found, tried(target.check, data))
            count += 1
    return Ran(count, tuple(found.values()))


def blind(target: Target, runs: int, seed: int) -> Ran:
    """Hand damaged documents to a target, the same ones for the same seed."""
    chance = Random(seed)
    pool = [*target.seeds(), *target.corpus()]
    return replay(target, (target.mutated(chance.choice(pool), chance, pool) for _ in range(runs)))


def guided(target: Target, runs: int, seed: int) -> tuple[int, list[Found], list[bytes]]:
    """
    Let atheris look for inputs that reach something new.

    Returns:
        How many it tried, those that showed a violation, and those that reached something new.

    Raises:
        RuntimeError: It ended otherwise than by itself.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [sys.executable, "-m", "tests.fuzz.guided", target.name, str(runs), str(seed), name]
        with (folder / "told").open("w+") as told:
            ended = subprocess.run(words, cwd=ROOT, stdout=told, stderr=told, check=False)
        text = (folder / "told").read_text("utf-8", "replace")
        counted = _TRIED.search(text)
        if ended.returncode or counted is None:
            left = "".join(f"\n{path.name}: {path.read_bytes()[:2000]!r}" for path in folder.glob("*-*"))
            raise RuntimeError(f"{target.name} ended with {ended.returncode}: {text[-2000:]}{left}")
        corpus = [path.read_bytes() for path in sorted((folder / "corpus").iterdir())]
        suspects = [
            Found(path.read_bytes(), path.with_suffix(".why").read_text("utf-8"), "")
            for path in sorted((folder / "found").iterdir())
            if not path.suffix
        ]
    return int(counted[1]), suspects, corpus


def _seen_again(target: Target, inputs: int, suspects: list[Found], corpus: list[bytes]) -> Ran:
    """What atheris found, looked at here."""
    found = list(replay(target, (each.data for each in suspects)).found)
    if suspects and not found:
        # One that does not show itself again is no less a violation: it hangs on what was tried before it.
        found = [Found(each.data, f"seen once, and not again: {each.kind}", "") for each in suspects]
    return Ran(inputs, tuple(found), tuple(corpus))


def run(names: Iterable[str], runs: int, seed: int, *, without_atheris: bool = False) -> Mapping[str, Ran]:
    """
    Runs of several targets, which share the inputs by their weights.

    Args:
        names: Which.
        runs: Inputs in all.
        seed: Where chance begins.
        without_atheris: Do not let coverage guide.
    """
    chosen = [TARGETS[name] for name in names]
    whole = sum(target.weight for target in chosen)
    parts = [-(-runs * target.weight // whole) for target in chosen]
    if without_atheris:
        return {target.name: blind(target, part, seed) for target, part in zip(chosen, parts, strict=True)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ran = list(pool.map(partial(guided, seed=seed), chosen, parts))
    return {target.name: _seen_again(target, *each) for target, each in zip(chosen, ran, strict=True)}


def proof(inputs: int) -> str:
    """
    Every target, with so many inputs in all.

    Raises:
        AssertionError: Something was found.
    """
    blindly = not has_atheris()
    seed = random.SystemRandom().randrange(1, 1 << 31)
    ran = run(TARGETS, inputs, seed, without_atheris=blindly)
    found = [
        f"{name}: {each.kind}, {each.data[:400]!r}" for name, every in ran.items() for each in every.found
    ]
    if found:
        raise AssertionError("\n".join(found))
    told = f"{len(ran)} targets, {sum(each.inputs for each in ran.values())} inputs, seed {seed}"
    return f"{told}, not guided" if blindly else told


def _keep(found: dict[str, Found], each: Found | None) -> None:
    """The smallest input of each kind."""
    if each is not None and (each.kind not in found or len(found[each.kind].data) > len(each.data)):
        found[each.kind] = each


def smaller(target: Target, found: Found) -> Found:
    """The same violation, shown by as little as possible."""
    again = tried(target.check, shrunk(target.check, found))
    return again or found


def spread(check: Callable[[bytes], None], inputs: Iterable[bytes]) -> list[bytes]:
    """Of many inputs the smallest that together reach every step in the product that all of them reach."""
    kept, reached = [], set[Any]()
    for data in sorted(set(inputs), key=lambda each: (len(each), each)):
        steps = _steps(check, data)
        if steps - reached:
            reached |= steps
            kept.append(data)
    return kept


def _steps(check: Callable[[bytes], None], data: bytes) -> set[tuple[CodeType, int, int]]:
    """From which line to which line the product goes with an input."""
    steps: set[tuple[CodeType, int, int]] = set()
    last: dict[FrameType, int] = {}

    def line(frame: FrameType, event: str, _told: Any) -> Any:
        if event == "line":
            steps.add((frame.f_code, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        elif event == "return":
            last.pop(frame, None)
        return line

    def call(frame: FrameType, _event: str, _told: Any) -> Any:
        return line if "/reconciler/" in frame.f_code.co_filename.replace("/tests/", "/") else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        tried(check, data)
    finally:
        sys.settrace(before)
    return steps
