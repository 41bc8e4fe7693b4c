"""
Settings: which there are, where each value came from, and what is refused.

Pure: it is handed the text of the files and the environment. Low to high: built-in, user file, workspace
file, environment, flag. An unknown section or key is an error, with the nearest known name; variables of
other programs that happen to begin with RECONCILER_ are left alone.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from reconciler.errors import ConfigError
from reconciler.model.policy import FailurePolicy, Policy, SubmitPolicy

PROVIDERS: Final = ("none", "openai", "azure", "anthropic", "gemini", "mistral", "local")
LEVELS: Final = ("debug", "info", "warning", "error")
BUILT_IN: Final = "built-in"


@attrs.frozen
class Setting:
    """
    One key.

    Attributes:
        section: Its table in the TOML file.
        key: Its name there.
        default: The built-in value; its type is the type of the setting.
        meaning: One line for people.
        choices: The values that are allowed, when they can be listed.
        least: The smallest number that is allowed.
    """

    section: str
    key: str
    default: str | int | float
    meaning: str
    choices: tuple[str, ...] = ()
    least: float = 0

    @property
    def name(self) -> str:
        """`policy.submit`."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """`RECONCILER_POLICY_SUBMIT`."""
        return f"RECONCILER_{self.section}_{self.key}".upper()


SETTINGS: Final = (
    Setting("provider", "name", "none", "who answers; none sends nothing", PROVIDERS),
    Setting("provider", "poll_seconds", 60.0, "time between two looks at a remote batch", least=1),
    Setting("policy", "submit", "auto", "whether batches are sent by themselves", ("auto", "manual")),
    Setting("policy", "max_attempts", 3, "sends of one request, the first included", least=1),
    Setting(
        "policy", "failed", "settle", "what failures for good do to their batch", ("settle", "attention")
    ),
    Setting("policy", "settle_seconds", 2.0, "an input younger than this may still be being written"),
    Setting("output", "content", "text", "what answers are read as", ("text",)),
    Setting("output", "processor", "results", "what publishes the answers", ("results",)),
    Setting("limits", "line_bytes", 64 << 20, "a longer line is refused", least=1024),
    Setting("log", "level", "info", "what is worth a line in logs/", LEVELS),
)
_HUGE: Final = 1 << 53
"""No number in a settings file is as large as this on purpose."""

_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
_SECTIONS: Final = {setting.section for setting in SETTINGS}


@attrs.frozen
class Settings:
    """
    Every value, with its origin.

    Attributes:
        values: By `section.key`.
        origins: Where each value came from, by `section.key`.
    """

    values: Mapping[str, Any]
    origins: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        """The value of `section.key`."""
        return self.values[name]

    def policy(self, reachable: frozenset[str] = frozenset()) -> Policy:
        """What the planner may decide, given the providers that this process has clients for."""
        return Policy(
            provider=self["provider.name"],
            reachable=reachable,
            submit=SubmitPolicy(self["policy.submit"]),
            max_attempts=self["policy.max_attempts"],
            failed=FailurePolicy(self["policy.failed"]),
            settle_seconds=self["policy.settle_seconds"],
            poll_seconds=self["provider.poll_seconds"],
        )


def settle(
    files: Sequence[tuple[str, str]] = (),
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """
    Put the layers together.

    Args:
        files: Origin and TOML text of each settings file, lowest first.
        environment: Environment variables; those that begin with RECONCILER_ and a section are read.
        flags: Values given on the command line or in a call, by `section.key`; None means not given.

    Raises:
        ConfigError: A key is unknown, a value is of the wrong kind, or a text is not TOML.
    """
    values: dict[str, Any] = {setting.name: setting.default for setting in SETTINGS}
    origins = dict.fromkeys(values, BUILT_IN)
    layers = [(origin, _read(origin, text)) for origin, text in files]
    layers += [_from_environment(variable, text) for variable, text in sorted((environment or {}).items())]
    layers.append(
        ("the command line", {key: value for key, value in (flags or {}).items() if value is not None})
    )
    for origin, layer in layers:
        for name, value in layer.items():
            values[name] = _checked(origin, name, value)
            origins[name] = origin
    return Settings(values, origins)


def _read(origin: str, text: str) -> dict[str, Any]:
    """A TOML text as `section.key` to value."""
    try:
        tables = tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{origin}: {str(error)[:200]}", hint="mend the file; its syntax is TOML"
        ) from error
    found: dict[str, Any] = {}
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{origin}: {section} stands outside a section", hint=_nearest(section, _BY_NAME)
            )
        if section not in _SECTIONS:
            raise ConfigError(f"{origin}: unknown section [{section}]", hint=_nearest(section, _SECTIONS))
        found |= {f"{section}.{key}": value for key, value in table.items()}
    return found


def _from_environment(variable: str, text: str) -> tuple[str, dict[str, Any]]:
    """An environment variable as a layer; empty when it is not ours."""
    prefix, _, rest = variable.partition("_")
    section, _, key = rest.lower().partition("_")
    if prefix != "RECONCILER" or section not in _SECTIONS:
        return variable, {}
    setting = _BY_NAME.get(f"{section}.{key}")
    value: Any = text
    if setting is not None and not isinstance(setting.default, str):
        try:
            value = type(setting.default)(text)
        except ValueError:
            value = text
    return variable, {f"{section}.{key}": value}


def _checked(origin: str, name: str, value: Any) -> Any:
    """*value*, if the setting exists and takes it."""
    setting = _BY_NAME.get(name)
    if setting is None:
        raise ConfigError(f"{origin}: unknown setting {name}", hint=_nearest(name, _BY_NAME))
    kind = type(setting.default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < _HUGE:
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = {str: "a string", int: "a whole number", float: "a number"}[kind]
        raise ConfigError(f"{origin}: {name} is {value!r:.60}, expected {wanted}")
    if setting.choices and value not in setting.choices:
        hint = f"this version knows: {', '.join(setting.choices)}"
        raise ConfigError(f"{origin}: {name} is {value!r:.60}", hint=hint)
    if not isinstance(value, str) and not setting.least <= value < _HUGE:
        raise ConfigError(f"{origin}: {name} is {value}, expected at least {setting.least:g}")
    return value


def _nearest(word: str, known: Mapping[str, object] | set[str]) -> str:
    """A hint that names what was probably meant."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
