"""
Which workspaces may name code, and where keys go; and whose a workspace has to be.

A workspace can be cloned, mailed or mounted by anybody, so what its settings file names is refused until the
user has looked at it: code would run here, and a base URL would be sent the user's key. Trust stands in the
user's own configuration, and holds for one path, one content of the settings file and one content of each
file of code that it names; any change ends it. Who owns a workspace can put any request into it, so one of
somebody else's is refused as a whole until its owner is accepted, likewise in the user's own configuration.
"""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from reconciler.config import Settings
from reconciler.errors import ConfigError, UsageError
from reconciler.model.facts import Kind
from reconciler.workspace.code import digest_of, read_code, refer
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import PRIVATE
from reconciler.workspace.reading import Owned, Reading, locate, owned
from reconciler.workspace.sources import user_file

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
    known = _read(user_folder)["workspaces"].get(own_file)
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
    pinned = {each.key: each.sha256 for each in code}
    _keep(user_folder, "workspaces", own_file, {"settings": _digest(own_file), "code": pinned})
    return named


def require_own(workspace: str, named: str | None) -> None:
    """
    Refuse a workspace that somebody else owns, or that everybody may write to; nothing in it is read.

    Args:
        workspace: Its path; what is no folder is left to whoever looks for one.
        named: What RECONCILER_USER_CONFIG says; empty for none, None for the usual place.

    Raises:
        ConfigError: It is somebody else's, and the user has not accepted that.
    """
    root = locate(workspace)[0]
    strange = _strange(root)
    if not strange:
        return
    accepted = _read(user_file(named).rpartition("/")[0])["owners"].get(root, {})
    for folder, found in strange.items():
        if accepted.get(folder) != _pinned(found):
            raise ConfigError(
                f"{told_owner(folder, found)}; nothing was read or changed", hint=_ways(root, folder, found)
            )


def accept_owner(workspace: str, user_folder: str) -> dict[str, Owned]:
    """
    Accept that a workspace is somebody else's, or open to everybody, as it is now.

    Returns:
        What was accepted, by folder; empty when there is nothing to accept, and then nothing is written.

    Raises:
        UsageError: There is no place for the user's configuration.
    """
    root = locate(workspace)[0]
    strange = _strange(root)
    if strange:
        _keep(user_folder, "owners", root, {folder: _pinned(found) for folder, found in strange.items()})
    return strange


def told_owner(folder: str, found: Owned) -> str:
    """Whose a folder is, in words."""
    if found.uid == os.geteuid():
        return f"everybody may write to {folder}"
    also = ", and everybody may write to it" if found.open else ""
    return f"{folder} belongs to {user_name(found.uid)}, and this runs as {user_name(os.geteuid())}{also}"


def user_name(uid: int) -> str:
    """A user's name, with the number that it stands for."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _strange(root: str) -> dict[str, Owned]:
    """The folders of a workspace that decide whose it is, where they are not the user's alone."""
    seen = {folder: owned(folder) for folder in (root, f"{root}/{PRIVATE}")}
    return {
        folder: found
        for folder, found in seen.items()
        if found is not None and (found.uid != os.geteuid() or found.open)
    }


def _pinned(found: Owned) -> dict[str, Any]:
    """What is remembered of an owner that was accepted; any difference ends it."""
    return {"uid": found.uid, "open": found.open}


def _ways(root: str, folder: str, found: Owned) -> str:
    """What to type where a folder is not the user's alone, one way a line."""
    ways = []
    if found.uid != os.geteuid():
        try:
            ways.append(f"sudo -u {pwd.getpwuid(found.uid).pw_name} reconcile ...    to work as its owner")
        except KeyError:
            ways.append(f"run it as uid {found.uid}, its owner")
        ways.append(f"chown -R {os.geteuid()} {shlex.quote(root)}    to make it yours")
    else:
        ways.append(f"chmod o-w {shlex.quote(folder)}")
    ways.append("reconcile trust WORKSPACE --owner    to work in it all the same")
    return "\n".join(ways)


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


def _read(user_folder: str) -> dict[str, dict[str, dict[str, Any]]]:
    """What was trusted so far: `workspaces` by settings file, `owners` by workspace."""
    if not user_folder or locate(user_folder)[1] is None:
        return {"workspaces": {}, "owners": {}}
    look = Reading(user_folder)
    try:
        if look.fact(FILE) is None:
            return {"workspaces": {}, "owners": {}}
        found = msgspec.json.decode(look.read(FILE))
        if found["schema"] != SCHEMA:
            raise ConfigError(
                f"{user_folder}/{FILE} was written by another version (schema {found['schema']})"
            )
        return {
            "workspaces": {path: dict(each) for path, each in found["workspaces"].items()},
            "owners": {path: dict(each) for path, each in found.get("owners", {}).items()},
        }
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError) as error:
        hint = "move it away, then trust your workspaces again"
        raise ConfigError(f"{user_folder}/{FILE} cannot be read ({error})", hint=hint) from error
    finally:
        look.close()


def _keep(user_folder: str, part: str, path: str, what: dict[str, Any]) -> None:
    """
    Remember in one part of the user's trust what holds for *path*.

    Raises:
        UsageError: There is no place for the user's configuration.
    """
    if not user_folder:
        message = "RECONCILER_USER_CONFIG is empty, so there is nowhere to remember whom you trust"
        raise UsageError(message, hint="unset it, or let it name a file")
    known = _read(user_folder)
    known[part][path] = what
    document = {
        "schema": SCHEMA,
        **{name: dict(sorted(known[name].items())) for name in known if known[name]},
    }
    document.setdefault("workspaces", {})
    _make(user_folder)
    fx = Effects(user_folder)
    try:
        fx.publish(
            FILE, (msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n",), replace=True
        )
    finally:
        fx.close()


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
