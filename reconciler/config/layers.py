"""One source of settings, read: a TOML text or an environment variable, as values by `section.key`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import attrs

from reconciler.config.extraction import as_text
from reconciler.config.prices import SECTION, read_prices
from reconciler.config.table import BATCH_KEYS, BY_NAME, BY_VARIABLE, CLASSES, SECTIONS, nearest
from reconciler.errors import ConfigError
from reconciler.model.identity import lineage_root
from reconciler.pricing.book import Told

# What the reader of TOML needs for a key grows with the square of its parts: gigabytes for a file of 80 KB.
_ENDLESS_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""")


@attrs.frozen
class BatchTable:
    """
    One `[[batch]]` table.

    Attributes:
        match: A batch name, or a pattern with `*`, `?` and `[...]`.
        values: By `section.key`.
    """

    match: str
    values: Mapping[str, Any]

    def speaks_of(self, name: str) -> bool:
        """Whether it names the batch *name*, or the batch whose retry child that is."""
        return fnmatchcase(name, self.match) or fnmatchcase(lineage_root(name), self.match)


@attrs.frozen
class Layer:
    """
    One source of settings.

    Attributes:
        origin: Where it came from, for people.
        values: By `section.key`.
        tables: Its `[[batch]]` tables, in order.
        prices: What its `[prices]` says.
    """

    origin: str
    values: Mapping[str, Any]
    tables: tuple[BatchTable, ...] = ()
    prices: tuple[Told, ...] = ()


def layer_of(origin: str, text: str) -> Layer:
    """
    A TOML text as a layer.

    Raises:
        ConfigError: It is no TOML, or says what no setting is called.
    """
    import tomllib  # noqa: PLC0415 - where somebody has settings

    if _ENDLESS_KEY.search(text):
        raise ConfigError(f"{origin}: a key of many parts, which no setting has", hint="mend the file")
    try:
        tables = tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{origin}: {str(error)[:200]}", hint="mend the file; its syntax is TOML"
        ) from error
    found: dict[str, Any] = {}
    special, prices = tables.pop("batch", []), read_prices(origin, tables.pop(SECTION, {}))
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{origin}: {section:.60} stands outside a section", hint=nearest(section, BY_NAME)
            )
        if section not in SECTIONS:
            raise ConfigError(
                f"{origin}: unknown section [{section:.60}]",
                hint=nearest(section, {*(each for each in SECTIONS if "." not in each), "batch", SECTION}),
            )
        found |= _flat(section, table)
    if not isinstance(special, list) or not all(isinstance(each, dict) for each in special):
        raise ConfigError(f"{origin}: batch is no list of tables", hint="write [[batch]], in double brackets")
    found = as_text(origin, found)
    return Layer(origin, found, tuple(_batch_table(origin, each) for each in special), prices)


def _flat(section: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a section by `section.key`, and those of the tables in it."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{section}.{key}"
        found |= _flat(name, value) if isinstance(value, dict) and name in SECTIONS else {name: value}
    return found


def _batch_table(origin: str, table: dict[str, Any]) -> BatchTable:
    """One `[[batch]]` table."""
    match, classes = table.pop("match", None), table.pop("classes", {})
    if not isinstance(match, str) or not match:
        raise ConfigError(
            f"{origin}: a [[batch]] table without match", hint='match = "invoices-*" names its batches'
        )
    for key in table:
        if key not in BATCH_KEYS:
            raise ConfigError(
                f"{origin}: [[batch]] {match!r:.60}: unknown key {key:.60}", hint=nearest(key, BATCH_KEYS)
            )
    values = {BATCH_KEYS[key]: value for key, value in table.items()}
    if not isinstance(classes, dict):
        hint = "write a table: [batch.classes]"
        raise ConfigError(f"{origin}: [[batch]] {match!r:.60}: classes is no table", hint=hint)
    return BatchTable(match, as_text(origin, values) | _flat(CLASSES, classes))


def from_environment(variable: str, text: str) -> dict[str, Any]:
    """An environment variable as values; empty when it is not ours."""
    prefix, _, rest = variable.partition("_")
    section, _, key = rest.lower().partition("_")
    if prefix != "RECONCILER" or section not in SECTIONS:
        return {}
    setting = BY_VARIABLE.get(variable.upper())
    name = f"{section}.{key}" if setting is None else setting.name
    value: Any = text
    if setting is not None and not isinstance(setting.default, str):
        try:
            kind = type(setting.default)
            value = {"true": True, "false": False}.get(text.lower(), text) if kind is bool else kind(text)
        except ValueError:
            value = text
    return {name: value}
