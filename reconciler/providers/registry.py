"""
From a provider's name, the settings and the environment to its client.

Pure: nothing is connected and nothing is read. A key that is missing is a value, so that the batches of
other providers go on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from reconciler.errors import ConfigError
from reconciler.model.exchange import Dialect
from reconciler.model.remote import Limits
from reconciler.providers import anthropic, azure, gemini, mistral, openai, openrouter
from reconciler.providers.anthropic import Anthropic
from reconciler.providers.base import Remote
from reconciler.providers.calls import Origin
from reconciler.providers.gemini import Gemini
from reconciler.providers.keys import (
    BEARER,
    NO_KEY,
    KeyMissing,
    ProviderOptions,
    account_of,
    base_url,
    find_key,
    plain,
    proof,
    told,
)
from reconciler.providers.mistral import Mistral
from reconciler.providers.openai import OpenAI, Switches
from reconciler.providers.openrouter import OpenRouter
from reconciler.providers.presets import PRESETS, Preset

SETTING: Final = "provider.base_url"
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,39}", re.ASCII)


def make(name: str, options: ProviderOptions, environment: Mapping[str, str]) -> Remote | KeyMissing:
    """
    The client of the provider *name*.

    Args:
        name: As the settings say it.
        options: What else they say.
        environment: Environment variables, by the names that the official clients use.

    Raises:
        ConfigError: There is no such provider, or its settings cannot be obeyed.
    """
    match name:
        case "anthropic":
            return _anthropic(options, environment)
        case "azure":
            return _azure(options, environment)
        case "gemini":
            return _gemini(options, environment)
        case "mistral":
            return _mistral(options, environment)
        case "openrouter":
            return _openrouter(options, environment)
        case _ if name in PRESETS:
            return _openai(name, PRESETS[name], options, environment)
    raise ConfigError(f"there is no client for a provider {name!r:.60}", hint=f"known: {', '.join(NAMES)}")


NAMES: Final = (*PRESETS, "azure", "anthropic", "gemini", "mistral", "openrouter")
"""The providers that there are clients for."""


def takes(name: str) -> tuple[Limits, frozenset[Dialect]]:
    """
    How large a batch the provider *name* takes, and lines of which shapes; needs no key.

    Raises:
        ConfigError: There is no such provider.
    """
    match name:
        case "anthropic":
            return anthropic.LIMITS, frozenset({Dialect.ANTHROPIC})
        case "azure":
            return azure.LIMITS, frozenset({Dialect.OPENAI})
        case "gemini":
            return gemini.LIMITS, frozenset({Dialect.GEMINI})
        case "mistral":
            return mistral.LIMITS, frozenset({Dialect.MISTRAL})
        case _ if name in PRESETS:
            switches = PRESETS[name].switches
            bare = {Dialect.MISTRAL} if switches.bare else set()
            return switches.limits, frozenset({Dialect.OPENAI} | bare)
    raise ConfigError(f"there is no client for a provider {name!r:.60}", hint=f"known: {', '.join(NAMES)}")


def _openai(
    name: str, preset: Preset, options: ProviderOptions, environment: Mapping[str, str]
) -> Remote | KeyMissing:
    """OpenAI, or one of those that speak its API."""
    base = _base(options, environment, preset.base_variable, preset.base_url)
    if not base:
        hint = f"set base_url under [provider], or {preset.base_variable}"
        raise ConfigError(f"provider.name is {name!r}, and nothing says where that is", hint=hint)
    key = find_key(name, environment, preset.keys)
    if isinstance(key, KeyMissing):
        if preset.needs_key or key.problem:
            return key
        key = NO_KEY
    organization, project = options.organization, options.project
    if name == "openai":
        organization = organization or told(environment, "OPENAI_ORG_ID")
        project = project or told(environment, "OPENAI_PROJECT_ID")
    headers = {
        "OpenAI-Organization": plain("provider.organization", organization),
        "OpenAI-Project": plain("provider.project", project),
    }
    headers = {header: value for header, value in headers.items() if value}
    origin = Origin(name, base, headers, proof(options.auth or BEARER, key))
    account = account_of(origin, key, organization, project)
    return OpenAI(origin, account, _switched(preset.switches, options), options.endpoint or openai.CHAT)


def _azure(options: ProviderOptions, environment: Mapping[str, str]) -> Remote | KeyMissing:
    """Azure OpenAI."""
    base = _base(options, environment, "AZURE_OPENAI_ENDPOINT", "")
    if not base:
        hint = "set AZURE_OPENAI_ENDPOINT, or base_url under [provider], to https://NAME.openai.azure.com"
        raise ConfigError("provider.name is 'azure', and nothing says where the resource is", hint=hint)
    version = _version(options.api_version or told(environment, "OPENAI_API_VERSION"))
    key = find_key("azure", environment, azure.KEYS)
    if isinstance(key, KeyMissing):
        return key
    auth = options.auth or (BEARER if key.variable == azure.TOKEN else azure.HEADER)
    origin = Origin("azure", azure.base_of(base, version), secret=proof(auth, key))
    switches = _switched(azure.switches_of(version), options)
    return OpenAI(origin, account_of(origin, key), switches, options.endpoint or openai.CHAT)


def _anthropic(options: ProviderOptions, environment: Mapping[str, str]) -> Remote | KeyMissing:
    """Anthropic."""
    base = _base(options, environment, "ANTHROPIC_BASE_URL", anthropic.BASE_URL).removesuffix("/v1")
    key = find_key("anthropic", environment, anthropic.KEYS)
    if isinstance(key, KeyMissing):
        return key
    version = plain("provider.anthropic_version", options.anthropic_version) or anthropic.VERSION
    auth = options.auth or (BEARER if key.variable == anthropic.TOKEN else anthropic.HEADER)
    origin = Origin("anthropic", base, {"anthropic-version": version}, proof(auth, key))
    return Anthropic(origin, account_of(origin, key))


def _gemini(options: ProviderOptions, environment: Mapping[str, str]) -> Remote | KeyMissing:
    """Gemini."""
    version = _version(options.api_version or told(environment, "GOOGLE_GENAI_API_VERSION"))
    version = version or gemini.VERSION
    base = _base(options, environment, "GEMINI_BASE_URL", gemini.BASE_URL).removesuffix(f"/{version}")
    if options.endpoint not in {"", gemini.GENERATE, gemini.EMBED}:
        hint = f"{gemini.GENERATE}, the default, or {gemini.EMBED}"
        raise ConfigError(f"provider.endpoint is {options.endpoint!r:.60}, for gemini", hint=hint)
    key = find_key("gemini", environment, gemini.KEYS)
    if isinstance(key, KeyMissing):
        return key
    origin = Origin("gemini", base, secret=proof(options.auth or gemini.HEADER, key))
    return Gemini(origin, account_of(origin, key), options.model or None, options.endpoint, version)


def _mistral(options: ProviderOptions, environment: Mapping[str, str]) -> Remote | KeyMissing:
    """Mistral."""
    base = _base(options, environment, "MISTRAL_BASE_URL", mistral.BASE_URL).removesuffix("/v1")
    hours = mistral.hours_of(options.completion_window)
    key = find_key("mistral", environment, ("MISTRAL_API_KEY",))
    if isinstance(key, KeyMissing):
        return key
    origin = Origin("mistral", base, secret=proof(options.auth or BEARER, key))
    endpoint = options.endpoint or mistral.CHAT
    return Mistral(origin, account_of(origin, key), options.model or None, endpoint, hours)


def _openrouter(options: ProviderOptions, environment: Mapping[str, str]) -> Remote | KeyMissing:
    """OpenRouter, or a service that copies its API."""
    base = _base(options, environment, "OPENROUTER_BASE_URL", openrouter.BASE_URL)
    key = find_key("openrouter", environment, ("OPENROUTER_API_KEY",))
    if isinstance(key, KeyMissing):
        return key
    origin = Origin("openrouter", base, secret=proof(options.auth or BEARER, key))
    endpoint = options.endpoint or openrouter.CHAT
    return OpenRouter(origin, account_of(origin, key), options.model or None, endpoint)


def _base(options: ProviderOptions, environment: Mapping[str, str], variable: str, otherwise: str) -> str:
    """Where the provider is: by our setting, by the variable of its official client, or by default."""
    if options.base_url:
        return base_url(SETTING, options.base_url)
    named = told(environment, variable)
    return base_url(variable, named) if named else otherwise


def _version(value: str) -> str:
    """
    The version of an API, which is part of an address; empty for none.

    Raises:
        ConfigError: It is nothing of the kind.
    """
    if value and not _VERSION.fullmatch(value):
        raise ConfigError(f"provider.api_version is {value!r:.60}", hint="such as v1beta, or 2024-10-21")
    return value


def _switched(switches: Switches, options: ProviderOptions) -> Switches:
    """The switches, with what the settings say of them."""
    window = plain("provider.completion_window", options.completion_window) or switches.window
    return attrs.evolve(switches, window=window, expires_after=options.expires_after)
