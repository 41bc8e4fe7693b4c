"""
Which workspaces may name code, and where keys go.

A workspace can be cloned, mailed or mounted by anybody, so what its settings file names is refused until the
user has looked at it: code would run here, and a base URL would be sent the user's key. Trust stands in the
user's own configuration, and holds for one path, one content of the settings file and one content of each
file of code that it names; any change ends it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from reconciler.config import Settings
from reconciler.errors import ConfigError, UsageError
from reconciler.model.operation import Kind
from reconciler.workspace.code import digest_of, read_code, refer
from reconciler.workspace.effects import Effects
from reconciler.workspace.reading import Reading, locate

FILE: Final = "trust.json"
SCHEMA: Final = 1
POST: Final = "watch.post"


@attrs.frozen
class Named:
    """
    Code that a workspace names, or an address that keys go to.

    Attributes:
        setting: The setting that names it.
        name: As the setting says it.
        path: The file that holds it; empty for an address.
        sha256: What that file holds; empty for an address.
    """

    setting: str
    name: str
    path: str = ""
    sha256: str = ""

    @property
    def key(self) -> str:
        """What tells it from the same name for another setting."""
        return f"{self.setting} = {self.name}"


def require(settings: Settings, own_file: str, user_folder: str) -> Mapping[str, str]:
    """
    Hold a workspace to what its user has trusted; nothing is imported.

    Args:
        settings: Every setting.
        own_file: The workspace's settings file, a real path.
        user_folder: Where the user's own configuration lies; empty for nowhere.

    Returns:
        What the code that it names has to hold, by `setting = name`; whoever loads it checks again.

    Raises:
        ConfigError: The workspace names code or an address and is not trusted to, or something has changed
            since.
    """
    code = sorted(set(settings.code_named_in(own_file)))
    addresses = sorted(set(settings.addresses_named_in(own_file)))
    commands = sorted(set(settings.commands_named_in(own_file)))
    if not code and not addresses and not commands:
        return {}
    keys = [each for each in addresses if each[0] != POST]
    events = [each for each in addresses if each[0] == POST]
    named_here = (
        *(("code", code), ("programs", commands)),
        *(("where keys go", keys), ("where events go", events)),
    )
    told = " and ".join(_told(what, names) for what, names in named_here if names)
    hint = f"look at {'that code and at ' if code else ''}reconciler.toml, then: reconcile trust WORKSPACE"
    known = _read(user_folder).get(own_file)
    if known is None:
        raise ConfigError(f"{own_file} names {told}, and this workspace is not trusted", hint=hint)
    if known.get("settings") != _digest(own_file):
        raise ConfigError(f"{own_file} has changed since it was trusted; it names {told}", hint=hint)
    pinned: dict[str, str] = known.get("code", {})
    if not isinstance(pinned, dict):
        raise ConfigError(f"{user_folder}/{FILE} cannot be read", hint="move it away, then trust again")
    for named in (*_named(settings, own_file), *_scripts(settings, own_file)):
        if pinned.get(named.key) != named.sha256:
            raise ConfigError(f"{named.path} has changed since {own_file} was trusted to name it", hint=hint)
    return pinned


def grant(settings: Settings, own_file: str, user_folder: str) -> list[Named]:
    """
    Trust a workspace, as it is now.

    Returns:
        What it may name from here on; empty when it names nothing of the kind, and then nothing is written.

    Raises:
        ConfigError: Code that it names is not there.
        UsageError: There is no place for the user's configuration.
    """
    code = [*_named(settings, own_file), *_scripts(settings, own_file)]
    commands = [Named(*each) for each in sorted(set(settings.commands_named_in(own_file)))]
    addresses = [Named(*each) for each in sorted(set(settings.addresses_named_in(own_file)))]
    named = code + commands + addresses
    if not named:
        return []
    if not user_folder:
        message = "RECONCILER_USER_CONFIG is empty, so there is nowhere to remember whom you trust"
        raise UsageError(message, hint="unset it, or let it name a file")
    known = _read(user_folder)
    pinned = {each.key: each.sha256 for each in code}
    known[own_file] = {"settings": _digest(own_file), "code": pinned}
    document = {"schema": SCHEMA, "workspaces": dict(sorted(known.items()))}
    _make(user_folder)
    fx = Effects(user_folder)
    try:
        fx.publish(
            FILE, (msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n",), replace=True
        )
    finally:
        fx.close()
    return named


def _told(what: str, names: list[tuple[str, str]]) -> str:
    """What is named, in words."""
    return f"{what} ({', '.join(f'{setting} = {name!r:.80}' for setting, name in names)})"


def _named(settings: Settings, own_file: str) -> list[Named]:
    """All the code that a workspace names, with its digests."""
    folder = own_file.rpartition("/")[0]
    found = []
    for setting, name in sorted(set(settings.code_named_in(own_file))):
        reference = refer(setting, name, folder)
        found.append(Named(setting, name, reference.path, digest_of(reference)))
    return found


def _scripts(settings: Settings, own_file: str) -> list[Named]:
    """Files of the workspace itself that its commands name: they are code, as a module is."""
    folder = own_file.rpartition("/")[0]
    found = []
    for setting, command in sorted(set(settings.commands_named_in(own_file))):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"{own_file}: {setting} cannot be read: {error}") from error
        for word in words:
            path, kind = locate(word)
            if word.startswith("/") and kind is Kind.FILE and path.startswith(f"{folder}/"):
                found.append(Named(setting, word, path, _digest(path)))
    return found


def _digest(path: str) -> str:
    """What a file holds."""
    return read_code(path)[1]


def _read(user_folder: str) -> dict[str, Any]:
    """What was trusted so far, by settings file."""
    if not user_folder or locate(user_folder)[1] is None:
        return {}
    look = Reading(user_folder)
    try:
        if look.fact(FILE) is None:
            return {}
        found = msgspec.json.decode(look.read(FILE))
        if found["schema"] != SCHEMA:
            raise ConfigError(
                f"{user_folder}/{FILE} was written by another version (schema {found['schema']})"
            )
        return {path: dict(each) for path, each in found["workspaces"].items()}
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError) as error:
        hint = "move it away, then trust your workspaces again"
        raise ConfigError(f"{user_folder}/{FILE} cannot be read ({error})", hint=hint) from error
    finally:
        look.close()


def _make(folder: str) -> None:
    """Make the folder of the user's configuration, and those above it."""
    above = folder
    while locate(above)[1] is None:
        above = above.rpartition("/")[0] or "/"
    if above == folder:
        return
    fx = Effects(above)
    try:
        fx.make_folder(folder.removeprefix(above).strip("/"))
    finally:
        fx.close()
