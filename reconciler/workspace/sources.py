"""Where settings are read from: the user's own file and the workspace's."""

from __future__ import annotations

from typing import Final

from reconciler.errors import ConfigError, PermanentError
from reconciler.model.facts import Kind
from reconciler.workspace.layout import SETTINGS
from reconciler.workspace.reading import Reading, locate

SCHEMA_BYTES: Final = 1 << 18
"""The most that a JSON Schema may hold: it is kept with the account of every batch."""


def own_file(workspace: str) -> str:
    """The settings file of a workspace, a real path; it need not be there."""
    return f"{locate(workspace)[0]}/{SETTINGS}"


def user_file(named: str | None = None) -> str:
    """
    The user's own settings file, a real path; it need not be there unless it is named. Empty for none.

    Args:
        named: What RECONCILER_USER_CONFIG says; empty for none, None for the usual place.

    Raises:
        ConfigError: The file that was named is not there.
    """
    if named is None:
        import platformdirs  # noqa: PLC0415 - only where a command really runs

        return f"{platformdirs.user_config_dir('reconciler', appauthor=False)}/config.toml"
    if named and locate(named)[1] is not Kind.FILE:
        hint = "leave it out for the usual place, or set it to nothing for no file"
        raise ConfigError(f"RECONCILER_USER_CONFIG names {named}, and no file is there", hint=hint)
    return locate(named)[0] if named else ""


def settings_files(workspace: str, named: str | None = None) -> list[tuple[str, str]]:
    """
    Origin and text of each settings file that is there, lowest first.

    Args:
        workspace: The workspace.
        named: What RECONCILER_USER_CONFIG says; empty for none, None for the usual place.

    Raises:
        ConfigError: A file cannot be read, or is no text.
    """
    found = []
    for path in (user_file(named), own_file(workspace) if workspace else ""):
        folder, slash, leaf = path.rpartition("/")
        text = _text(folder or slash or ".", leaf) if leaf else None
        if text is not None:
            found.append((path, text))
    return found


def schema_file(settings_file: str, origin: str, path: str) -> bytes:
    """
    A JSON Schema that settings name.

    Args:
        settings_file: The workspace's settings file, which need not be there.
        origin: Who names it.
        path: Relative to the workspace.

    Raises:
        ConfigError: It is not there, too large, or outside of the workspace.
    """
    where = f"{origin}: results.schema is {path!r:.200}"
    hint = "name a file by its path in the workspace, or write the schema itself: schema = '{\"type\": ...}'"
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"{where}, which is no path below the workspace", hint=hint)
    look = Reading(settings_file.rpartition("/")[0] or "/")
    try:
        fact = look.fact(path)
        if fact is None:
            raise ConfigError(f"{where}, and no file is there", hint=hint)
        if fact.size > SCHEMA_BYTES:
            raise ConfigError(f"{where}, which has {fact.size} bytes; {SCHEMA_BYTES} are the most")
        return look.read(path)
    except (PermanentError, OSError) as error:
        told = getattr(error, "strerror", None) or error
        raise ConfigError(f"{where}, which cannot be read: {told}", hint=hint) from error
    finally:
        look.close()


def _text(folder: str, leaf: str) -> str | None:
    """The text of a settings file, None when there is none."""
    root, kind = locate(folder)
    if kind is not Kind.FOLDER:
        return None
    look = Reading(root)
    try:
        if look.kind(leaf) is None:
            return None
        return look.read(leaf).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{folder}/{leaf}: not UTF-8 ({error})", hint="save it as UTF-8") from error
    except PermanentError as error:
        raise ConfigError(f"{folder}/{leaf} cannot be read: {error}") from error
    except OSError as error:
        hint = "look at its permissions, or run as the user whose workspace it is"
        raise ConfigError(f"{folder}/{leaf} cannot be read: {error.strerror or error}", hint=hint) from error
    finally:
        look.close()
