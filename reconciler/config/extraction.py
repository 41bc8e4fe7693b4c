"""What `[results]` says of extraction: of which kind, and whether that is said soundly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from reconciler.config.table import BUILT_IN
from reconciler.errors import ConfigError
from reconciler.model.extraction import Extraction, Kind, Think

COMBINED: Final = "results.combined"
COMBINED_FILE: Final = "combined_results.csv"
"""What the file over all finished batches is called, in `target/`, unless it is named."""

AUTO: Final = "auto"
NONE: Final = "none"
EXTRACT: Final = "results.extract"
SCHEMA: Final = "results.schema"

_NAMED_BY: Final = {
    "results.tag_prefix": Kind.TAGS,
    "results.tag_suffix": Kind.TAGS,
    "results.pointer": Kind.POINTER,
    SCHEMA: Kind.SCHEMA,
}
"""The settings that name a kind by being there."""

KEYS: Final = (EXTRACT, *_NAMED_BY, "results.think")
"""Every setting of extraction."""

# RFC 6901, section 3: tokens behind slashes, in which ~ stands before 0 or 1 only.
_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)*")


def as_text(origin: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """
    The values of one place: a schema that is a table as JSON text, `combined = true` as the usual name.

    Raises:
        ConfigError: The table holds what JSON has not, such as a date.
    """
    found = dict(values)
    schema = found.get(SCHEMA)
    if isinstance(schema, Mapping):
        try:
            # Dates would become strings, and the schema another one.
            text = msgspec.json.encode(schema, order="sorted").decode()
            same = msgspec.json.decode(text) == schema
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(f"{origin}: {SCHEMA} is no JSON Schema: {str(error)[:100]}") from error
        if not same:
            raise ConfigError(f"{origin}: {SCHEMA} is no JSON Schema: it holds what JSON has not")
        found[SCHEMA] = text
    # Flags and variables are texts; no file that is called like this has an end that says what it is.
    combined = found.get(COMBINED)
    said = str(combined).lower() if isinstance(combined, str | bool) else ""
    if said in ("true", "false"):
        found[COMBINED] = COMBINED_FILE if said == "true" else ""
    return found


def one_kind(origin: str, values: Mapping[str, Any]) -> None:
    """
    See that one place does not ask for two kinds at once, of which one would be passed over in silence.

    Raises:
        ConfigError: It does.
    """
    named = {name: kind for name, kind in _NAMED_BY.items() if name in values}
    kinds = set(named.values())
    said = values.get(EXTRACT, AUTO)
    if said not in (AUTO, NONE):
        kinds.add(Kind(said))
        named = {EXTRACT: Kind(said), **named}
    if len(kinds) > 1:
        raise _two(", ".join(named), origin)


def extraction_of(values: Mapping[str, Any], origins: Mapping[str, str]) -> tuple[Kind | None, bool]:
    """
    The kind of extraction that settings come to, and whether they say anything of it.

    Args:
        values: By `section.key`.
        origins: Where each value came from.

    Raises:
        ConfigError: Different places name different kinds, and none says which counts.
    """
    named = {name: kind for name, kind in _NAMED_BY.items() if origins[name] != BUILT_IN}
    said = values[EXTRACT]
    if said != AUTO:
        return (None if said == NONE else Kind(said)), True
    kinds = set(named.values())
    if len(kinds) > 1:
        raise _two(", ".join(f"{name} (from {origins[name]})" for name in named))
    return (kinds.pop() if kinds else None), bool(named)


def made(
    kind: Kind, values: Mapping[str, Any], origins: Mapping[str, str], *, schema: str = "", repair: str = ""
) -> Extraction:
    """
    The extraction of one kind.

    Args:
        kind: Which.
        values: Settings, by `section.key`.
        origins: Where each came from.
        schema: The JSON Schema, of kind SCHEMA.
        repair: The version of what repairs broken JSON.

    Raises:
        ConfigError: A tag is empty or lacks the other, or a pointer is not well written.
    """
    think = Think(values["results.think"])
    if kind is Kind.TAGS:
        tags = ("results.tag_prefix", "results.tag_suffix")
        own = [name for name in tags if origins[name] != BUILT_IN]
        if len(own) == 1:
            other = tags[1] if own == [tags[0]] else tags[0]
            raise ConfigError(
                f"{origins[own[0]]}: {own[0]} is set and {other} is not", hint=f"set {other} too"
            )
        for name in tags:
            _see_a_tag(origins[name], name, values[name])
        return Extraction(kind, values[tags[0]], values[tags[1]], think=think)
    if kind is Kind.SCHEMA:
        return Extraction(kind, schema=schema, think=think, repair=repair)
    pointer, origin = values["results.pointer"], origins["results.pointer"]
    if not _POINTER.fullmatch(pointer):
        hint = 'it begins with /, and ~ is written ~0, / inside of a name ~1: pointer = "/answer/0"'
        raise ConfigError(f"{origin}: results.pointer is {pointer!r:.60}, no JSON pointer", hint=hint)
    return Extraction(kind, pointer=pointer, think=think, repair=repair)


def _see_a_tag(origin: str, name: str, tag: str) -> None:
    """A tag is something that can stand in a text."""
    if not tag:
        raise ConfigError(f"{origin}: {name} is empty, and would be found everywhere")
    try:
        tag.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{origin}: {name} is not UTF-8") from error


def _two(told: str, origin: str = "") -> ConfigError:
    """Two kinds at once."""
    where = f"{origin}: " if origin else ""
    hint = 'leave one out, or say which counts: extract = "tags", "pointer", "schema" or "none"'
    return ConfigError(f"{where}two kinds of extraction at once: {told}", hint=hint)
