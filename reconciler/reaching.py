"""
Which providers can be asked for a batch: the embedded one, and every remote one that has a key.

Clients are made when the first of them is wanted, so that a pass over nothing loads none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs

from reconciler.config import Settings
from reconciler.config.table import PROVIDERS, nearest, shown
from reconciler.errors import ConfigError
from reconciler.model.policy import LOCAL, NO_PROVIDER
from reconciler.providers.base import Provider
from reconciler.workspace.code import installed

if TYPE_CHECKING:
    from reconciler.providers.keys import KeyMissing, ProviderOptions
    from reconciler.providers.local import Local

T = TypeVar("T")

Make: TypeAlias = "Callable[[ProviderOptions, Mapping[str, str]], Provider | KeyMissing]"
"""Makes a provider of settings and environment variables."""


@attrs.frozen
class Named:
    """
    A provider of a user where nothing may be imported: no more than its name is known.

    Attributes:
        name: What settings call it.
        cancels: Taken for granted, until it can be asked.
    """

    name: str
    cancels: bool = True


def refuse_unknown(settings: Settings) -> None:
    """
    Hold every level to naming providers that are there: built in, installed, or code by `module:function`.

    A slip is told before anything is said of trust; nothing is imported.

    Raises:
        ConfigError: One names another.
    """
    mine: frozenset[str] | None = None
    for layer in settings.layers:
        for values in (layer.values, *(table.values for table in layer.tables)):
            name = values.get("provider.name", NO_PROVIDER)
            if name in PROVIDERS or ":" in name:
                continue
            mine = installed("provider.name") if mine is None else mine
            if name in mine:
                continue
            hint = nearest(name, (*PROVIDERS, *mine))
            if "?" in hint:
                hint += f"\nknown: {', '.join(PROVIDERS)}"
            hint += f"\ninstalled as reconciler.providers: {', '.join(sorted(mine)) or 'none'}"
            told = f"{layer.origin}: provider.name is {shown(name)}, and there is no such provider"
            raise ConfigError(told, hint=hint)


class Reach:
    """
    The providers of batches that share their settings.

    Args:
        own: The settings of these batches.
        shared: The settings of the workspace: what `[provider]` says, it says of the provider that they name.
        environment: Where keys are looked for.
        local: Makes the embedded provider.
        plugged: What makes the providers of users, by the names that settings give them.

    Raises:
        ConfigError: The settings of the chosen provider cannot be obeyed.
    """

    def __init__(
        self,
        own: Settings,
        shared: Settings,
        environment: Mapping[str, str],
        local: Callable[[], Local],
        plugged: Mapping[str, Make] | None = None,
    ) -> None:
        self._own = own
        self._shared = shared
        self._environment = environment
        self._local = local
        self._plugged = plugged or {}
        if own["provider.name"] not in (NO_PROVIDER, LOCAL):
            # A fault in its settings has to stop the pass before it begins.
            _ = self._made

    @property
    def providers(self) -> Mapping[str, Provider]:
        """Who can be asked, by name."""
        return _Later(lambda: self._made[0])

    @property
    def keyless(self) -> Mapping[str, str]:
        """Who only lacks a key, and in words where it is looked for."""
        return _Later(lambda: self._made[1])

    @cached_property
    def _made(self) -> tuple[Mapping[str, Provider], Mapping[str, str]]:
        from reconciler.providers.keys import KeyMissing, ProviderOptions  # noqa: PLC0415 - see above
        from reconciler.providers.presets import PRESETS  # noqa: PLC0415 - likewise
        from reconciler.providers.registry import NAMES, make  # noqa: PLC0415 - likewise

        chosen = self._own["provider.name"]
        found: dict[str, Provider] = {LOCAL: self._local()}
        keyless: dict[str, str] = {}
        for name in (*NAMES, *self._plugged):
            if name in PRESETS and not PRESETS[name].base_url and name != chosen:
                # A server of one's own has no address but the one that is set for the chosen provider.
                continue
            options = ProviderOptions()
            if name == self._shared["provider.name"]:
                keys = [field.name for field in attrs.fields(ProviderOptions)]
                options = ProviderOptions(**{key: self._shared.of_provider(name, key) for key in keys})
            try:
                makes = self._plugged.get(name) or partial(make, name)
                made = makes(options, self._environment)
            except ConfigError:
                if name == chosen:
                    raise
                continue
            if isinstance(made, KeyMissing):
                wanted = f"set {' or '.join(made.variables)}"
                keyless[name] = f"{made.message}; {wanted}" if made.problem else wanted
            else:
                found[name] = made
        return found, keyless


class _Later(Mapping[str, T]):
    """A mapping that is made when it is first looked at."""

    def __init__(self, make: Callable[[], Mapping[str, T]]) -> None:
        self._make = make

    def __getitem__(self, name: str) -> T:
        return self._make()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make())

    def __len__(self) -> int:
        return len(self._make())
