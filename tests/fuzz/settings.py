"""A settings file: what it says counts, and what cannot be obeyed is refused with its name."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import attrs

from reconciler.config.settings import Settings, settle
from reconciler.config.table import BATCH_KEYS, BY_NAME, SETTINGS
from reconciler.errors import ConfigError
from reconciler.model.policy import Policy
from tests.fuzz.oracle import expect, refused

FILE: Final = "/w/reconciler.toml"
_BAD: Final = (ConfigError,)


@attrs.frozen
class Readers:
    """The reader that is tried; a test puts a broken one in its place."""

    settle: Callable[..., Settings] = settle


READERS: Final = Readers()


def settings(data: bytes, readers: Readers = READERS) -> None:
    """The bytes of a settings file; what is no UTF-8 never comes this far."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    found = refused(partial(readers.settle, [(FILE, text)]), _BAD, where=FILE)
    for line in text.splitlines()[:3]:
        variable, _, value = line.partition("=")
        refused(partial(readers.settle, environment={variable.strip()[:200]: value.strip()}), _BAD)
    if found is None:
        return
    said = dict(_said(text))
    for setting in SETTINGS:
        value = found[setting.name]
        expect(type(value) is type(setting.default), "of another type", setting.name, value)
        expect(not setting.choices or value in setting.choices, "no choice", setting.name, value)
        wanted = said.get(setting.name, setting.default)
        if setting.name not in ("results.schema", "results.combined"):
            expect(value == wanted, "the file says something else", setting.name, value, wanted)
    expect(isinstance(found.policy(), Policy), "no policy")
    _batches(found)
    again = readers.settle([(FILE, _written(found.values))])
    expect(again.values == found.values, "written and read again")


def _said(text: str) -> Iterator[tuple[str, Any]]:
    """What a file says, by the name of the setting."""

    def walk(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, value in table.items():
            name = f"{prefix}{key}"
            if name in BY_NAME:
                yield name, value
            elif isinstance(value, dict):
                yield from walk(f"{name}.", value)

    yield from walk("", tomllib.loads(text.removeprefix("\ufeff")))


def _batches(found: Settings) -> None:
    """What tables of batches say counts for the batches that they name, and for no others."""
    tables = [table for layer in found.layers for table in layer.tables]
    for name in ("7", "invoices-1", "invoices-1.r2", *(table.match for table in tables[:4])):
        own = found.of_batch(name)
        speaking = [table for table in tables if table.speaks_of(name)]
        for key in BATCH_KEYS.values():
            said = [table.values[key] for table in speaking if key in table.values]
            expect(own[key] == (said[-1] if said else found[key]), "of a batch", name, key, own[key])
    for own in found.by_table():
        expect(isinstance(own.policy(), Policy), "no policy")


def _written(values: Mapping[str, Any]) -> str:
    """All values as a settings file."""
    lines = []
    for name, value in values.items():
        if isinstance(value, str):
            shown = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        elif isinstance(value, bool):
            shown = str(value).lower()
        else:
            shown = "inf" if value == math.inf else repr(value)
        # What chooses a kind of extraction is no default any more once it is written down.
        if value != BY_NAME[name].default:
            lines.append(f"{name} = {shown}")
    return "\n".join(lines)
