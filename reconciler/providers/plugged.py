"""
From a user's factory to a provider that the engine may use.

Pure. What a provider says of itself is read here, once, and held to what it has to be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.errors import ConfigError
from reconciler.model.exchange import Dialect
from reconciler.model.remote import Limits
from reconciler.model.words import words_of
from reconciler.providers import stating
from reconciler.providers.base import Remote, is_async
from reconciler.providers.guarded import Guarded
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.own import BatchProvider, Factory
from reconciler.providers.stating import Nonsense, seen

_METHODS: Final = (
    *("upload", "is_ready", "create", "status", "batches", "download", "cancel", "files", "delete_file"),
)
_ALWAYS: Final = ("create", "status", "batches", "download")
_SWITCHES: Final = ("takes_file", "tags", "numbers_ids", "one_stream", "one_model", "cancels")
_FACTS: Final = ("account", "limits", "dialects", "model", "endpoint")
_SHORTEST: Final = 8
"""What is shorter is no key."""

_HINT: Final = "docs/own-provider.md says what it has to be"


class Read(Mapping[str, str]):
    """Environment variables, and what of them was looked at: it may be a key."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._values: set[str] = set()

    def __getitem__(self, name: str) -> str:
        value = self._environment[name]
        self._values |= {each for each in (value, value.strip()) if len(each) >= _SHORTEST}
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)

    def hide(self, told: str) -> str:
        """*told* without any of it."""
        for value in sorted(self._values, key=len, reverse=True):
            told = told.replace(value, "***")
        return told


def plug(
    name: str, factory: Factory, options: ProviderOptions, environment: Mapping[str, str]
) -> Remote | KeyMissing:
    """
    The provider that a user's *factory* makes, held to its word.

    Args:
        name: What settings call it.
        factory: The user's code.
        options: What else they say.
        environment: Environment variables.

    Raises:
        ConfigError: It cannot be made, or is no provider.
    """
    read = Read(environment)
    where = f"provider.name is {name!r:.200}"
    try:
        return _held(name, factory(options, read), read.hide)
    except ConfigError as error:
        hint = getattr(error, "hint", "")
        raise ConfigError(f"{where}: {read.hide(words_of(error))}", hint=read.hide(str(hint))) from error
    except Nonsense as error:
        raise ConfigError(f"{where}, and what was made of it is no provider: {error}", hint=_HINT) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        told = read.hide(f"{type(error).__name__}: {words_of(error)}")
        raise ConfigError(f"{where}, and making it raised {told}", hint=_HINT) from error


def _held(name: str, own: Any, hide: stating.Hide) -> Remote | KeyMissing:
    """
    What a factory gave.

    Raises:
        Nonsense: It is neither of what it may be.
    """
    if isinstance(own, KeyMissing):
        variables = tuple(stating.text("a variable", each) for each in own.variables)
        if not variables:
            raise Nonsense("a KeyMissing that names no variable")
        return KeyMissing(name, variables, stating.words(own.problem, hide))
    said: dict[str, Any] = {each: getattr(own, each, None) for each in (*_SWITCHES, *_FACTS)}
    for each in _SWITCHES:
        if type(said[each]) is not bool:
            raise Nonsense(f"{seen(own)}, whose {each} is {seen(said[each])}, expected True or False")
    if said["numbers_ids"]:
        raise Nonsense("one whose numbers_ids is True, which is for built-in ones alone")
    _refuse_partial(own, said)
    return Guarded(
        own,
        name,
        _account(name, said["account"]),
        _limits(said["limits"]),
        _dialects(said["dialects"]),
        **{each: said[each] for each in _SWITCHES},
        model=stating.maybe("its model", said["model"]),
        endpoint=stating.text("its endpoint", said["endpoint"], empty=True),
        hide=hide,
    )


def _refuse_partial(own: Any, said: Mapping[str, Any]) -> None:
    """
    Hold a provider to having what it will be asked for.

    Raises:
        Nonsense: It has not.
    """
    needed = {*_ALWAYS, *["upload"] * said["takes_file"], *["cancel"] * said["cancels"]}
    for each in _METHODS:
        method = getattr(own, each, None)
        unwritten = getattr(type(own), each, None) is getattr(BatchProvider, each)
        if not callable(method) or (each in needed and unwritten):
            raise Nonsense(f"{seen(own)} without {each}()")
        if is_async(method):
            raise Nonsense(f"{seen(own)} whose {each}() is async")


def _account(name: str, told: Any) -> str:
    """A fingerprint of whose batches these are: what was told may hold a key, and this stands in metadata."""
    if not isinstance(told, str) or not told:
        raise Nonsense(f"its account is {seen(told)}, expected a text that tells whose batches these are")
    return hashlib.sha256(f"{name}\n{told}".encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _limits(told: Any) -> Limits:
    """How large one batch may be."""
    if not isinstance(told, Limits) or type(told.size) is not int or told.size < 1:
        raise Nonsense(f"its limits is {seen(told)}, expected Limits(requests, size)")
    requests = stating.count("its limits.requests", told.requests)
    return Limits(requests, told.size)


def _dialects(told: Any) -> frozenset[Dialect]:
    """The shapes of input lines that it takes."""
    if not isinstance(told, frozenset | set) or not told or not told <= set(Dialect):
        raise Nonsense(f"its dialects is {seen(told)}, expected a set of Dialect")
    return frozenset(Dialect(each) for each in told)
