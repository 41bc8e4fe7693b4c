"""
The layers of settings, put together.

Low to high: built-in, user file, workspace file, environment, flag. `[[batch]]` tables refine the file that
they stand in for the batches that they name. An unknown section or key is an error, with the nearest known
name; variables of other programs that happen to begin with RECONCILER_ are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from operator import is_
from typing import Any

import attrs

from reconciler.config.extraction import as_text, one_kind
from reconciler.config.layers import BatchTable, Layer, from_environment, layer_of
from reconciler.config.table import (
    BUILT_IN,
    BY_NAME,
    CLASSES,
    SETTINGS,
    THIS_CALL,
    WORDS,
    checked,
)
from reconciler.model.outcome import ClassPolicy, ErrorClass
from reconciler.model.policy import FailurePolicy, InDoubtPolicy, Policy, RetainPolicy, SubmitPolicy
from reconciler.pricing.book import Book
from reconciler.pricing.money import NO_CAP, Cap, floor

CAP = "budget.max_cost_usd"


@attrs.frozen
class Settings:
    """
    Every value, with its origin.

    Attributes:
        values: By `section.key`.
        origins: Where each value came from, by `section.key`.
        layers: The sources, lowest first.
    """

    values: Mapping[str, Any]
    origins: Mapping[str, str]
    layers: tuple[Layer, ...] = ()

    def __getitem__(self, name: str) -> Any:
        """The value of `section.key`."""
        return self.values[name]

    @property
    def differ(self) -> bool:
        """Whether some batches have settings of their own."""
        return any(layer.tables for layer in self.layers)

    def of_batch(self, name: str) -> Settings:
        """The settings of one batch: what its `[[batch]]` tables say counts as if its file said so."""
        return self._with(lambda table: table.speaks_of(name)) if self.differ else self

    def by_table(self) -> Iterator[Settings]:
        """For each `[[batch]]` table, the settings of a batch that it alone speaks of."""
        for layer in self.layers:
            for each in layer.tables:
                yield self._with(partial(is_, each))

    def _with(self, counts: Callable[[BatchTable], bool]) -> Settings:
        """The settings when the tables that *counts* picks are part of their layers."""
        layers = []
        for layer in self.layers:
            values = dict(layer.values)
            for table in filter(counts, layer.tables):
                values |= table.values
            layers.append(attrs.evolve(layer, values=values, tables=()))
        return _resolved(tuple(layers))

    def code_named_in(self, origin: str) -> Iterator[tuple[str, str]]:
        """Setting and value of whatever names code in the layer *origin*, obeyed or overridden."""
        for layer in self.layers:
            if layer.origin == origin:
                for values in (layer.values, *(table.values for table in layer.tables)):
                    for name, value in values.items():
                        known = BY_NAME[name].known
                        if known and value not in known:
                            yield name, value

    def addresses_named_in(self, origin: str) -> Iterator[tuple[str, str]]:
        """Setting and value of whatever says where keys go in the layer *origin*, obeyed or overridden."""
        for layer in self.layers:
            if layer.origin == origin:
                for values in (layer.values, *(table.values for table in layer.tables)):
                    yield from (
                        (name, value) for name, value in values.items() if BY_NAME[name].address and value
                    )

    def commands_named_in(self, origin: str) -> Iterator[tuple[str, str]]:
        """Setting and value of whatever names a program in the layer *origin*, obeyed or overridden."""
        for layer in self.layers:
            if layer.origin == origin:
                yield from (
                    (name, value) for name, value in layer.values.items() if BY_NAME[name].command and value
                )

    @property
    def cap(self) -> Cap:
        """The lowest limit of cost of all levels; whoever comes later may lower it, but not lift it."""
        found = NO_CAP
        for layer in self.layers:
            if layer.values.get(CAP, math.inf) < math.inf:
                found = found.lower(Cap(floor(layer.values[CAP]), layer.origin))
        return found

    @property
    def prices(self) -> Book:
        """What requests cost: the kept list, and what the settings files say."""
        return Book(tuple(each for layer in self.layers for each in layer.prices))

    def _names(self, name: str) -> bool:
        """Whether the user says anything of a setting."""
        return self.origins[name] != BUILT_IN

    def _word(self, each: ErrorClass) -> ClassPolicy:
        """What is done about failures of a class as they are: nothing, where code is to change them first."""
        word = self[f"{CLASSES}.{each}"]
        return ClassPolicy(word) if word in WORDS else ClassPolicy.NEVER

    def of_provider(self, name: str, key: str) -> Any:
        """
        What `[provider] key` says of the provider *name*: nothing, where it was written for another.

        A level that only names another provider must not send that one's key to an address of the first.
        """
        setting = BY_NAME[f"provider.{key}"]
        named, value = BY_NAME["provider.name"].default, setting.default
        for layer in self.layers:
            named = layer.values.get("provider.name", named)
            if setting.name in layer.values:
                found = layer.values[setting.name]
                value = found if named in (name, BY_NAME["provider.name"].default) else setting.default
        return value

    def policy(self, reachable: frozenset[str] = frozenset()) -> Policy:
        """What the planner may decide, given the providers that this process has clients for."""
        return attrs.evolve(self._policy, reachable=reachable) if reachable else self._policy

    @cached_property
    def _policy(self) -> Policy:
        return Policy(
            provider=self["provider.name"],
            submit=SubmitPolicy(self["policy.submit"]),
            max_attempts=self["policy.max_attempts"],
            probe_batches=self["policy.probe_batches"],
            max_in_flight=self["policy.max_in_flight"],
            max_enqueued_tokens=self["policy.max_enqueued_tokens"],
            classes={each: self._word(each) for each in ErrorClass},
            failed=FailurePolicy(self["policy.failed"]),
            settle_seconds=self["policy.settle_seconds"],
            poll_seconds=self["provider.poll_seconds"],
            on_failure=FailurePolicy(self["output.on_failure"]),
            in_doubt=InDoubtPolicy(self["policy.in_doubt"]),
            in_doubt_grace_seconds=self["policy.in_doubt_grace_seconds"],
            rescue_after_seconds=self["policy.rescue_after_seconds"],
            retain=RetainPolicy(self["retain.jsonl"]),
            retain_seconds=86_400.0 * self["retain.after_days"],
            processor_chosen=self._names("output.processor") or self._names("output.content"),
            processor_named=self._names("output.processor"),
            error_named=self._names("output.error_processor"),
            classes_named=frozenset(each for each in ErrorClass if self._names(f"{CLASSES}.{each}")),
        )


def settle(
    files: Sequence[tuple[str, str]] = (),
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    own: str = "",
) -> Settings:
    """
    Put the layers together.

    Args:
        files: Origin and TOML text of each settings file, lowest first.
        environment: Environment variables; those that begin with RECONCILER_ and a section are read.
        flags: Values given on the command line or in a call, by `section.key`; None means not given.
        own: The origin of the workspace's own file, whose prices make nothing cheaper.

    Raises:
        ConfigError: A key is unknown, a value is of the wrong kind, or a text is not TOML.
    """
    layers = [layer_of(origin, text) for origin, text in files]
    layers += [
        Layer(variable, as_text(variable, from_environment(variable, text)))
        for variable, text in sorted((environment or {}).items())
    ]
    layers = [_raising(layer) if layer.origin == own else layer for layer in layers]
    given = as_text(THIS_CALL, {key: value for key, value in (flags or {}).items() if value is not None})
    layers.append(Layer(THIS_CALL, given))
    layers = [layer for layer in layers if layer.values or layer.tables or layer.prices]
    for layer in layers:
        for values in (layer.values, *(table.values for table in layer.tables)):
            for name, value in values.items():
                checked(layer.origin, name, value)
            one_kind(layer.origin, values)
    return _resolved(tuple(layers))


def _raising(layer: Layer) -> Layer:
    """A layer whose prices make nothing cheaper."""
    return attrs.evolve(layer, prices=tuple(attrs.evolve(each, raises_only=True) for each in layer.prices))


def _resolved(layers: tuple[Layer, ...]) -> Settings:
    """The layers as one, the higher ones counting."""
    values: dict[str, Any] = {setting.name: setting.default for setting in SETTINGS}
    origins = dict.fromkeys(values, BUILT_IN)
    for layer in layers:
        for name, value in layer.values.items():
            values[name] = checked(layer.origin, name, value)
            origins[name] = layer.origin
    return Settings(values, origins, layers)
