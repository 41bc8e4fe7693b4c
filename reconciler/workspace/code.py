"""
The code that a setting names: which file holds it, and what that file holds.

Nothing is imported here, not even a package above the module: what is not trusted yet must not run.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.machinery import PathFinder
from typing import Final

import attrs

from reconciler.errors import ConfigError
from reconciler.model.facts import Kind
from reconciler.workspace.reading import Reading, locate

GROUPS: Final = {
    "provider.name": "reconciler.providers",
    "output.processor": "reconciler.output_processors",
    "output.error_processor": "reconciler.error_processors",
    "local.worker": "reconciler.workers",
}
"""Where installed packages register code by name, for each setting that may name it."""


@attrs.frozen
class Reference:
    """
    Code by name.

    Attributes:
        name: As the setting says it.
        path: The file that holds it.
        above: The files of the packages that it lies in, which run first.
        module: The module, empty for a file of its own.
        attribute: What in it is meant.
    """

    name: str
    path: str
    above: tuple[str, ...]
    module: str
    attribute: str


def refer(setting: str, name: str, folder: str) -> Reference:
    """
    Find the code that *name* stands for.

    Args:
        setting: The setting that says so.
        name: `module:function`, `path/to/file.py:function`, or the name of an entry point.
        folder: Where a relative path begins.

    Raises:
        ConfigError: There is no such code, or its name cannot be written down.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        # Metadata, receipts and history name the code that has run.
        raise ConfigError(
            f"{setting} names {name!r:.200}, which is no UTF-8", hint="give that file another name"
        ) from None
    target, colon, attribute = name.rpartition(":")
    if not colon:
        target, attribute = _entry_point(setting, name)
    if not target or not attribute:
        raise ConfigError(f"{setting} is {name!r:.200}", hint="write module:function, or file.py:function")
    if target.endswith(".py"):
        path, kind = locate(target if target.startswith("/") else f"{folder}/{target}")
        if kind is not Kind.FILE:
            raise ConfigError(f"{setting} names {target}, and there is no such file ({path})")
        return Reference(name, path, (), "", attribute)
    *above, path = _files_of_module(setting, target)
    return Reference(name, path, tuple(above), target, attribute)


def whole_name(name: str, folder: str) -> str:
    """The name of code as it can be typed anywhere: a file with its whole path, anything else as it is."""
    target, _, attribute = name.rpartition(":")
    if not target.endswith(".py") or target.startswith("/"):
        return name
    whole = f"{locate(f'{folder}/{target}')[0]}:{attribute}"
    # A folder above may be called by bytes that are no UTF-8.
    return whole if whole.isprintable() else name


def short_name(name: str) -> str:
    """The name of code wherever it lies: a file without its folders, anything else as it is."""
    target, _, attribute = name.rpartition(":")
    return f"{target.rpartition('/')[2]}:{attribute}" if target.endswith(".py") else name


def read_code(path: str) -> tuple[bytes, str]:
    """
    The source of a file that holds code, and its SHA-256; installed files may be links, and are followed.

    Raises:
        ConfigError: It cannot be read.
    """
    folder, _, leaf = locate(path)[0].rpartition("/")
    look = Reading(folder or "/")
    try:
        source = look.read(leaf)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    finally:
        look.close()
    return source, hashlib.sha256(source).hexdigest()


def digest_of(reference: Reference) -> str:
    """SHA-256 of what importing *reference* is known to run: its file, and the packages above it."""
    digests = [read_code(path)[1] for path in (*reference.above, reference.path)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def installed(setting: str) -> frozenset[str]:
    """The names that installed packages register for a setting; none of them is imported."""
    from importlib import metadata  # noqa: PLC0415 - most settings name what is built in

    return frozenset(each.name for each in metadata.entry_points(group=GROUPS[setting]))


def _entry_point(setting: str, name: str) -> tuple[str, str]:
    """Module and attribute of an entry point."""
    from importlib import metadata  # noqa: PLC0415 - most settings name what is built in

    group = GROUPS[setting]
    # Read by hand: the library's own reading raises on a value that is none.
    values = (
        each.value.partition("[")[0].partition(":") for each in metadata.entry_points(group=group, name=name)
    )
    found = {(module.strip(), attribute.strip()) for module, _, attribute in values}
    if len(found) > 1:
        told = " and ".join(sorted(f"{module}:{attribute}" for module, attribute in found))
        hint = "say which one: write module:function, or uninstall the other package"
        raise ConfigError(f"{setting} is {name!r:.200}, which is registered twice: {told}", hint=hint)
    for module, attribute in found:
        return module, attribute
    registered = ", ".join(sorted(installed(setting))) or "none"
    raise ConfigError(
        f"{setting} is {name!r:.200}, which is neither built in nor an entry point",
        hint=f"write module:function or file.py:function; entry points in {group}: {registered}",
    )


def search_path() -> list[str]:
    """Where modules that settings name are looked for: not in the current folder, which may be anybody's."""
    here = locate(".")[0]
    return [each for each in sys.path if each and locate(each)[0] != here]


def _files_of_module(setting: str, module: str) -> list[str]:
    """The files of an installed module and of the packages above it, found without importing any of them."""
    path = search_path()
    parts = module.split(".")
    files: list[str] = []
    for count in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:count]), path)
        except KeyError:
            # A package without a file, inside another one, would have that one imported: by its own name.
            spec = PathFinder.find_spec(parts[count - 1], path)
        if spec is None:
            files = []
            break
        path = list(spec.submodule_search_locations or [])
        if spec.origin and spec.has_location:
            files.append(spec.origin)
    if not files:
        hint = "install it into the environment of reconcile, or name a file: path/to/file.py:function"
        raise ConfigError(f"{setting} names the module {module!r:.100}, which is not installed", hint=hint)
    return files
