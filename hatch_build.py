"""
The build hook: the C code of `reconciler/native/` is compiled where that can be done; nothing needs it.

A wheel gets it, and a tag that says so; an editable install has it beside its source, made anew each time.
Where it cannot be compiled, or `RECONCILER_NATIVE=0` is in the environment, the build goes on without it and
says why on stderr, and the wheel is pure; with `RECONCILER_NATIVE=1` that is an error instead.

Builds are isolated, so this may import hatchling and the standard library only. Building a wheel must leave
the checkout as it is. `make native` runs this file for the checkout alone.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilder, WheelBuilderConfig

FOLDER: Final = Path("reconciler", "native")
MODULE: Final = "_native.abi3.so"
TAG: Final = "cp311-abi3"  # Py_LIMITED_API in module.c: one build serves every CPython from 3.11 on
FLAGS: Final = ("-O2", "-std=c11", "-fvisibility=hidden", "-fPIC")
SWITCH: Final = "RECONCILER_NATIVE"


class NotCompiled(Exception):
    """Why there is no C code in this build, in one line; notes tell the rest."""


class NativeHook(BuildHookInterface[WheelBuilderConfig]):
    """What hatchling calls around each build."""

    _scratch: TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile for a wheel, or in place for an editable install; a source distribution has the source."""
        builder = self.build_config.builder
        if not isinstance(builder, WheelBuilder):
            return
        root = Path(self.root)
        if version == "editable":
            compiled(root, root / FOLDER / MODULE)
            return
        self._scratch = TemporaryDirectory()
        target = Path(self._scratch.name, MODULE)
        if compiled(root, target):
            platform = builder.get_best_matching_tag().rpartition("-")[2]
            build_data["force_include"][str(target)] = (FOLDER / MODULE).as_posix()
            build_data["pure_python"] = False
            build_data["tag"] = f"{TAG}-{platform}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - given
        """Remove what was packed."""
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None


def compiled(root: Path, target: Path) -> bool:
    """
    Compile the C code of *root* into *target*, whole or not at all, and tell whether it is there.

    A program that runs with an earlier build keeps that one. Where there is none now, no earlier one is left.
    """
    try:
        _refuse()
        # Beside its place, so that one rename brings it there.
        with TemporaryDirectory(dir=target.parent) as scratch:
            made = Path(scratch, MODULE)
            _compile(root, made)
            made.replace(target)
    except (NotCompiled, OSError, ValueError) as why:  # ValueError: a variable with an odd quote
        if os.environ.get(SWITCH) == "1":
            raise
        # On a read-only file system this fails where nothing is there, too.
        with contextlib.suppress(OSError):
            target.unlink()
        left = f"; remove {target}, which an earlier build has left" if os.path.lexists(target) else ""
        sys.stderr.write(f"reconciler: built without its C code; all works, but slower: {why}{left}\n")
        return False
    return True


def _refuse() -> None:
    """Raise where there is no sense in trying."""
    if os.environ.get(SWITCH) == "0":
        raise NotCompiled(f"{SWITCH}=0 is in the environment")
    if sys.implementation.name != "cpython":
        raise NotCompiled(f"it is for CPython, and this is {sys.implementation.name}")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise NotCompiled("this Python is free-threaded, and has no stable ABI")


def _compile(root: Path, made: Path) -> None:
    """Run the compiler once, over all sources, from *root*: where the checkout lies changes nothing."""
    includes = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
    sources = sorted(path.relative_to(root).as_posix() for path in (root / FOLDER).glob("*.c"))
    command = [
        *_linking(),
        *FLAGS,
        *_words("CPPFLAGS"),
        *_words("CFLAGS"),
        *(f"-I{include}" for include in sorted(includes)),
        *sources,
        "-o",
        str(made),
        *_words("LDFLAGS"),
    ]
    done = subprocess.run(  # noqa: S603 - the compiler that this Python or the environment names
        command,
        cwd=root,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0 or not made.is_file():
        said = done.stdout.strip().splitlines()
        first = next((line for line in said if "error" in line), said[-1] if said else "it said nothing")
        error = NotCompiled(f"{command[0]} ended with {done.returncode}: {first}")
        error.add_note(f"{shlex.join(command)}\n{done.stdout}")
        raise error


def _linking() -> list[str]:
    """The words that make a module with the compiler that CC names, or else this Python was built with."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "")
    linking = shlex.split(sysconfig.get_config_var("LDSHARED") or "")
    if not compiler or not linking:
        raise NotCompiled("this Python knows of no C compiler")
    # LDSHARED begins with CC, as a rule word for word.
    rest = linking[len(compiler) if linking[: len(compiler)] == compiler else 1 :]
    architectures = _words("ARCHFLAGS") if sys.platform == "darwin" else []
    return [*(_words("CC") or compiler), *rest, *architectures]


def _words(variable: str) -> list[str]:
    """The words of a variable of the environment."""
    return shlex.split(os.environ.get(variable, ""))


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    compiled(here, here / FOLDER / MODULE)
