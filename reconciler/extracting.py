"""
From settings to what answers are held to: the one place that reads a schema file, and sees that it is one.

It is read when a pass begins, so that a broken one stops the pass before anything is done.
"""

from __future__ import annotations

from typing import Any

import msgspec

from reconciler.config import Settings
from reconciler.config.extraction import SCHEMA, extraction_of, made
from reconciler.errors import ConfigError
from reconciler.model.content import Content
from reconciler.model.extraction import Extraction, Kind
from reconciler.workspace.sources import SCHEMA_BYTES, schema_file


def wanted(settings: Settings, own_file: str) -> tuple[Extraction | None, bool]:
    """
    What the answers of a batch are held to, and whether its settings say anything of it.

    Args:
        settings: Those of the batch.
        own_file: The workspace's settings file, a real path.

    Raises:
        ConfigError: The settings ask for two kinds at once, or for one that cannot be had.
    """
    kind, chosen = extraction_of(settings.values, settings.origins)
    if kind is None:
        return None, chosen
    if kind is Kind.TAGS:
        return made(kind, settings.values, settings.origins), chosen
    if settings["output.content"] == Content.JSONL.value:
        message = f'[output] content is "jsonl", and a {kind.value} is for an answer that is one JSON value'
        raise ConfigError(message, hint='content = "json", or extraction by tags')
    # Imported here for what they import: most passes hold answers to nothing.
    from reconciler.processors.repair import repair_version  # noqa: PLC0415

    schema = _schema(settings, own_file) if kind is Kind.SCHEMA else ""
    extraction = made(kind, settings.values, settings.origins, schema=schema, repair=repair_version())
    return extraction, chosen


def _schema(settings: Settings, own_file: str) -> str:
    """The schema that settings hold or name, as sorted JSON text."""
    from reconciler.processors.extraction import BadSchema, compile_schema  # noqa: PLC0415 - likewise

    value, origin = settings[SCHEMA].strip(), settings.origins[SCHEMA]
    if not value:
        hint = (
            "name a file by its path in the workspace, or write the schema itself: schema = '{\"type\": ...}'"
        )
        raise ConfigError(f"{origin}: {SCHEMA} is empty", hint=hint)
    inline = value.startswith("{")
    told = f"{origin}: {SCHEMA}" if inline else f"{value} (named by {origin})"
    data = value.encode(errors="replace") if inline else schema_file(own_file, origin, value)
    if len(data) > SCHEMA_BYTES:
        raise ConfigError(f"{told} has {len(data)} bytes; {SCHEMA_BYTES} are the most")
    try:
        decoded: Any = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
        return compile_schema(decoded)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ConfigError(f"{told} is not JSON: {str(error)[:120]}", hint="mend the schema") from error
    except BadSchema as error:
        raise ConfigError(f"{told} is no JSON Schema: {error}", hint="mend the schema") from error
