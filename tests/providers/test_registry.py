"""From settings and environment to a client: whose key, in which header, to which origin."""

from __future__ import annotations

import pytest

from reconciler.providers.base import Remote
from reconciler.providers.openai import Expiry, OpenAI
from reconciler.providers.registry import NAMES
from tests.providers.environments import ALL_KEYS, AT_AZURE, RESOURCE, Client, made
from tests.wires import Script, source_of

PROXY = "https://proxy.example/v1"


def proofs(client: Client) -> dict[str, str]:
    """The headers that hold its key."""
    return {name: secret.reveal() for name, secret in client.origin.secret.items()}


@pytest.mark.parametrize(
    ("name", "environment", "options", "base", "proof", "headers"),
    [
        pytest.param(
            "openai",
            {"OPENAI_API_KEY": "k"},
            {},
            "https://api.openai.com/v1",
            {"Authorization": "Bearer k"},
            {},
            id="openai",
        ),
        pytest.param(
            "openai",
            {
                "OPENAI_API_KEY": "k",
                "OPENAI_BASE_URL": f"{PROXY}/",
                "OPENAI_ORG_ID": "org",
                "OPENAI_PROJECT_ID": "proj",
            },
            {},
            PROXY,
            {"Authorization": "Bearer k"},
            {"OpenAI-Organization": "org", "OpenAI-Project": "proj"},
            id="openai-from-the-environment",
        ),
        pytest.param(
            "openai",
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": PROXY, "OPENAI_ORG_ID": "org"},
            {"base_url": "http://localhost:8000/v1", "organization": "mine", "auth": "api-key"},
            "http://localhost:8000/v1",
            {"api-key": "k"},
            {"OpenAI-Organization": "mine"},
            id="settings-over-the-official-client's-variables",
        ),
        pytest.param(
            "openai",
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "", "OPENAI_ORG_ID": ""},
            {},
            "https://api.openai.com/v1",
            {"Authorization": "Bearer k"},
            {},
            id="empty-is-absent",
        ),
        pytest.param(
            "azure",
            AT_AZURE | {"AZURE_OPENAI_API_KEY": "k"},
            {},
            f"{RESOURCE}/openai/v1",
            {"api-key": "k"},
            {},
            id="azure",
        ),
        pytest.param(
            "azure",
            {
                "AZURE_OPENAI_ENDPOINT": f"{RESOURCE}/openai/v1/",
                "AZURE_OPENAI_API_KEY": "k",
                "AZURE_OPENAI_AD_TOKEN": "t",
                "OPENAI_API_VERSION": "2024-10-21",
            },
            {},
            f"{RESOURCE}/openai",
            {"Authorization": "Bearer t"},
            {},
            id="azure-older-surface-token-over-key",
        ),
        pytest.param(
            "azure",
            AT_AZURE | {"AZURE_OPENAI_API_KEY": "k", "OPENAI_API_VERSION": "2024-10-21"},
            {"api_version": "v1", "auth": "bearer"},
            f"{RESOURCE}/openai/v1",
            {"Authorization": "Bearer k"},
            {},
            id="azure-settings",
        ),
        pytest.param(
            "anthropic",
            {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t"},
            {},
            "https://api.anthropic.com",
            {"x-api-key": "k"},
            {"anthropic-version": "2023-06-01"},
            id="anthropic",
        ),
        pytest.param(
            "anthropic",
            {"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_BASE_URL": PROXY},
            {"anthropic_version": "2026-10-21"},
            "https://proxy.example",
            {"Authorization": "Bearer t"},
            {"anthropic-version": "2026-10-21"},
            id="anthropic-token",
        ),
        pytest.param(
            "anthropic",
            {"ANTHROPIC_API_KEY": "k"},
            {"auth": "bearer"},
            "https://api.anthropic.com",
            {"Authorization": "Bearer k"},
            {"anthropic-version": "2023-06-01"},
            id="anthropic-key-as-bearer",
        ),
        pytest.param(
            "gemini",
            {"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "g"},
            {},
            "https://generativelanguage.googleapis.com",
            {"x-goog-api-key": "g"},
            {},
            id="gemini-google's-name-wins",
        ),
        pytest.param(
            "gemini",
            {"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "", "GEMINI_BASE_URL": "https://proxy.example/v1beta"},
            {},
            "https://proxy.example",
            {"x-goog-api-key": "k"},
            {},
            id="gemini-base",
        ),
        pytest.param(
            "mistral",
            {"MISTRAL_API_KEY": "k", "MISTRAL_BASE_URL": "https://api.eu.mistral.ai/v1/"},
            {},
            "https://api.eu.mistral.ai",
            {"Authorization": "Bearer k"},
            {},
            id="mistral",
        ),
        pytest.param(
            "openrouter",
            {"OPENROUTER_API_KEY": "k", "OPENAI_BASE_URL": PROXY, "OPENAI_ORG_ID": "org"},
            {},
            "https://openrouter.ai/api/v1",
            {"Authorization": "Bearer k"},
            {},
            id="openrouter",
        ),
        pytest.param(
            "openrouter",
            {"OPENROUTER_API_KEY": "k", "OPENROUTER_BASE_URL": "https://openrouter.ai/api/beta/"},
            {},
            "https://openrouter.ai/api/beta",
            {"Authorization": "Bearer k"},
            {},
            id="openrouter-elsewhere",
        ),
        pytest.param(
            "deepinfra",
            {"DEEPINFRA_TOKEN": "t"},
            {},
            "https://api.deepinfra.com/v1/openai",
            {"Authorization": "Bearer t"},
            {},
            id="deepinfra-token",
        ),
        pytest.param(
            "groq",
            {"GROQ_API_KEY": "k", "OPENAI_BASE_URL": PROXY, "OPENAI_ORG_ID": "org"},
            {},
            "https://api.groq.com/openai/v1",
            {"Authorization": "Bearer k"},
            {},
            id="groq-and-nothing-of-openai's",
        ),
        pytest.param("litellm", {"OPENAI_BASE_URL": PROXY}, {}, PROXY, {}, {}, id="no-key-needed"),
        pytest.param(
            "compatible",
            {"OPENAI_API_KEY": "k"},
            {"base_url": "http://[::1]:8000/v1"},
            "http://[::1]:8000/v1",
            {"Authorization": "Bearer k"},
            {},
            id="a-server-of-one's-own",
        ),
    ],
)
def test_clients(  # noqa: PLR0913, PLR0917 - what a client is made of and what it becomes
    name: str,
    environment: dict[str, str],
    options: dict[str, str],
    base: str,
    proof: dict[str, str],
    headers: dict[str, str],
) -> None:
    """Each provider's key goes into its header and to its address, as settings and environment say."""
    client = made(name, environment, **options)

    assert client.name == client.origin.provider == name
    assert client.origin.base_url == base
    assert proofs(client) == proof
    assert dict(client.origin.headers) == headers


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_shown_nowhere(name: str) -> None:
    """Whatever is printed of a client holds no key, and its account is 16 digits that are not of it."""
    key = "sk-canary-0123456789"
    client = made(name, dict.fromkeys(ALL_KEYS, key) | AT_AZURE, base_url="https://host.example")

    assert key in "".join(proofs(client).values())
    assert "canary" not in f"{client!r} {client.origin!r} {client}"
    assert len(client.account) == 16
    assert set(client.account) <= set("0123456789abcdef")


@pytest.mark.parametrize("name", NAMES)
def test_a_client_is_what_the_engine_expects(name: str) -> None:
    """Every client has every property of the protocol, whatever else it is."""
    client: Remote = made(name, ALL_KEYS, base_url="https://host.example", model="m")

    assert client.limits.size > 0
    assert client.dialects
    assert client.endpoint.startswith("/") == (name not in {"anthropic", "gemini"})
    assert client.model == ("m" if name in {"gemini", "mistral", "openrouter"} else None)
    assert client.takes_file == (name not in {"anthropic", "openrouter"})
    assert client.one_stream == (name in {"anthropic", "gemini", "openrouter"})
    assert client.one_model == (name == "openrouter")
    assert client.cancels == (name != "openrouter")
    assert client.tags == (name not in {"anthropic", "together", "openrouter"})


def test_an_account_is_key_origin_and_project() -> None:
    """The fingerprint changes with provider, origin, organisation, project and key, and nothing else."""
    key = {"OPENAI_API_KEY": "k"}
    accounts = [
        made("openai", key).account,
        made("compatible", key, base_url="https://api.openai.com/v1").account,
        made("openai", {"OPENAI_API_KEY": "other"}).account,
        made("openai", key, base_url="https://api.openai.com:8443/v1").account,
        made("openai", key, base_url="http://localhost/v1").account,
        made("openai", key, organization="a").account,
        made("openai", key, project="a").account,
    ]
    assert len(set(accounts)) == len(accounts)
    for same in (
        made("openai", key),
        made("openai", key, base_url="https://api.openai.com/other"),
        made("openai", key, base_url="https://API.openai.com:443/v1"),
        made("openai", key, completion_window="7d", endpoint="/v1/embeddings"),
    ):
        assert same.account == accounts[0]


def test_azure_has_two_surfaces() -> None:
    """With a version, every call carries it; without one, none does. Files are waited for on both."""
    environment = AT_AZURE | {"AZURE_OPENAI_API_KEY": "k"}
    old, new = made("azure", environment, api_version="2024-10-21"), made("azure", environment)
    assert isinstance(old, OpenAI)
    assert isinstance(new, OpenAI)
    for client, params in ((old, {"api-version": "2024-10-21"}), (new, {})):
        wire = Script({"id": "f"}, {"status": "uploaded"}, {"value": []})
        client.upload(wire, source_of(b""), "a.jsonl")
        assert not client.is_ready(wire, "f")
        assert not list(client.batches(wire))
        assert [call.params for call in wire.calls] == [params, params, params | {"limit": 100}]
        assert client.limits.requests == 100_000
        assert client.switches.expiry is Expiry.DOTS


def test_presets_differ_as_their_services_do() -> None:
    """What a service is sent differently is in its switches."""
    together, groq = (
        made("together", ALL_KEYS),
        made("groq", ALL_KEYS, completion_window="7d", expires_after=3600),
    )
    assert isinstance(together, OpenAI)
    assert isinstance(groq, OpenAI)
    assert (together.switches.purpose, together.switches.metadata) == ("batch-api", False)
    assert (groq.switches.window, groq.switches.page, groq.switches.expires_after) == ("7d", 0, 3600)
