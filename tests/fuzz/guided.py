"""
One target under atheris, which keeps what reaches new branches of the product and damages that further.

    python -m tests.fuzz.guided NAME RUNS SEED FOLDER

Started by `tests.fuzz` as a process of its own: atheris has to see the product's modules being imported.
What it found is in FOLDER: `corpus/`, and in `found/` the smallest input for each kind of violation.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

PLAIN: Final = 0.15
"""How often libFuzzer's own mutations are taken instead of ours, which know tokens."""


def main(words: list[str]) -> None:
    """Run one target."""
    name, runs, seed, folder = words[0], int(words[1]), int(words[2]), Path(words[3])
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["reconciler"]):
        targets = importlib.import_module("tests.fuzz.targets")
    oracle: Any = importlib.import_module("tests.fuzz.oracle")
    target = targets.TARGETS[name]
    others = [*target.seeds(), *target.corpus()]
    (folder / "corpus").mkdir(exist_ok=True)
    (folder / "found").mkdir(exist_ok=True)
    for data in others:
        (folder / "corpus" / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        chance = Random(number)
        if chance.random() < PLAIN:
            found: bytes = atheris.Mutate(data, most)
            return found
        return bytes(target.mutated(bytes(data), chance, others)[:most])

    options = [
        *(f"-runs={runs}", f"-seed={seed}", f"-max_len={target.largest}", "-len_control=0", "-timeout=60"),
        *("-rss_limit_mb=0", "-print_final_stats=1", f"-artifact_prefix={folder}/", str(folder / "corpus")),
    ]
    atheris.Setup(
        [sys.argv[0], *options], _looking(target.check, folder / "found", oracle), custom_mutator=mutate
    )
    with oracle.bounded():
        atheris.Fuzz()


def _looking(check: Callable[[bytes], None], folder: Path, oracle: Any) -> Callable[[bytes], None]:
    """What atheris calls: looks for violations, keeps the smallest of each kind, and goes on."""

    def look(data: bytes) -> None:
        oracle.wind()
        found = oracle.tried(check, data)
        if found is not None:
            path = folder / hashlib.sha256(found.kind.encode()).hexdigest()[:16]
            if not path.exists() or path.stat().st_size > len(data):
                path.write_bytes(data)
                path.with_suffix(".why").write_text(f"{found.kind}\n{found.told}", "utf-8")

    return look


if __name__ == "__main__":
    main(sys.argv[1:])
