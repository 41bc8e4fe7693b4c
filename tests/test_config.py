"""Settings: their layers and origins, and everything that is refused."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config import SETTINGS, Setting, Settings, settle
from reconciler.errors import ConfigError
from reconciler.model.policy import FailurePolicy, Policy, SubmitPolicy

FILE = "ws/reconciler.toml"


def refusal(
    text: str = "", environment: dict[str, str] | None = None, flags: dict[str, Any] | None = None
) -> ConfigError:
    """The error that these settings end in."""
    with pytest.raises(ConfigError) as caught:
        settle([(FILE, text)], environment, flags)
    return caught.value


def test_without_any_layer_everything_is_built_in() -> None:
    """Every setting has a value before anybody says anything, and nothing is sent."""
    settings = settle()
    assert settings.values == {setting.name: setting.default for setting in SETTINGS}
    assert set(settings.origins.values()) == {"built-in"}
    assert settings.policy() == Policy()
    assert not settings.policy().configured


@pytest.mark.parametrize(
    ("layers", "value", "origin"),
    [
        pytest.param("", 3, "built-in", id="built-in"),
        pytest.param("user", 4, "user.toml", id="user-file"),
        pytest.param("workspace", 5, FILE, id="workspace-file"),
        pytest.param("environment", 6, "RECONCILER_POLICY_MAX_ATTEMPTS", id="environment"),
        pytest.param("flag", 7, "the command line", id="flag"),
        pytest.param("user workspace", 5, FILE, id="workspace-over-user"),
        pytest.param(
            "user workspace environment", 6, "RECONCILER_POLICY_MAX_ATTEMPTS", id="environment-over-files"
        ),
        pytest.param("user workspace environment flag", 7, "the command line", id="flag-over-all"),
        pytest.param("user flag", 7, "the command line", id="flag-over-user"),
    ],
)
def test_the_highest_layer_holds(layers: str, value: int, origin: str) -> None:
    """Built-in, user file, workspace file, environment, flag: the last that speaks is obeyed and named."""
    files = [("user.toml", "[policy]\nmax_attempts = 4")] if "user" in layers else []
    files += [(FILE, "[policy]\nmax_attempts = 5")] if "workspace" in layers else []
    environment = {"RECONCILER_POLICY_MAX_ATTEMPTS": "6"} if "environment" in layers else {}
    flags = {"policy.max_attempts": 7 if "flag" in layers else None}
    settings = settle(files, environment, flags)
    assert (settings["policy.max_attempts"], settings.origins["policy.max_attempts"]) == (value, origin)


def test_layers_do_not_hide_each_other() -> None:
    """A higher layer replaces single settings, not whole sections."""
    files = [
        ("user.toml", '[policy]\nsubmit = "manual"\nmax_attempts = 4'),
        (FILE, "[policy]\nmax_attempts = 5"),
    ]
    settings = settle(files)
    assert (settings["policy.submit"], settings["policy.max_attempts"]) == ("manual", 5)
    assert settings.origins["policy.submit"] == "user.toml"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param(
            "[policy]\nmax_atempts = 4",
            f"{FILE}: unknown setting policy.max_atempts",
            "did you mean policy.max_attempts?",
            id="key",
        ),
        pytest.param(
            '[provder]\nname = "openai"',
            f"{FILE}: unknown section [provder]",
            "did you mean provider?",
            id="section",
        ),
        pytest.param(
            "[zzz]\nx = 1",
            f"{FILE}: unknown section [zzz]",
            "known: batch, budget, limits, local, log, output, policy, prices, provider, results, "
            "retain, watch",
            id="nothing-near",
        ),
        pytest.param(
            "max_attempts = 4",
            f"{FILE}: max_attempts stands outside a section",
            "did you mean policy.max_attempts?",
            id="outside-a-section",
        ),
    ],
)
def test_what_is_unknown_is_refused(text: str, message: str, hint: str) -> None:
    """A setting that nobody reads is a wish that is not granted: an error, with the nearest name."""
    error = refusal(text)
    assert (error.message, error.hint, error.exit_code) == (message, hint, 78)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            '[policy]\nmax_attempts = "3"', "policy.max_attempts is '3', expected a whole number", id="text"
        ),
        pytest.param(
            "[policy]\nmax_attempts = true",
            "policy.max_attempts is True, expected a whole number",
            id="bool-int",
        ),
        pytest.param(
            "[policy]\nmax_attempts = 3.0",
            "policy.max_attempts is 3.0, expected a whole number",
            id="float-int",
        ),
        pytest.param(
            "[policy]\nsettle_seconds = false",
            "policy.settle_seconds is False, expected a number",
            id="bool-float",
        ),
        pytest.param(
            '[policy]\nsettle_seconds = "2"',
            "policy.settle_seconds is '2', expected a number",
            id="text-float",
        ),
        pytest.param("[policy]\nsubmit = true", "policy.submit is True, expected a string", id="bool-text"),
        pytest.param("[provider]\nname = 7", "provider.name is 7, expected a string", id="number-text"),
        pytest.param(
            '[provider]\nname = ["openai"]', "provider.name is ['openai'], expected a string", id="list-text"
        ),
        pytest.param(
            "[policy.submit]\nx = 1", "policy.submit is {'x': 1}, expected a string", id="table-for-a-value"
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(text: str, message: str) -> None:
    """A value is never bent into the kind that a setting has; yes and no are no numbers."""
    assert refusal(text).message == f"{FILE}: {message}"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param(
            '[policy]\nsubmit = "sometimes"',
            "policy.submit is 'sometimes'",
            "this version knows: auto, manual",
            id="submit",
        ),
        pytest.param(
            '[policy]\nfailed = "ignore"',
            "policy.failed is 'ignore'",
            "this version knows: settle, attention",
            id="failed",
        ),
        pytest.param(
            '[output]\ncontent = "JSON"',
            "output.content is 'JSON'",
            "this version knows: text, json, jsonl",
            id="case-matters",
        ),
        pytest.param(
            '[provider]\nname = ""',
            "provider.name is empty",
            "built in: none, openai, azure, anthropic, gemini, mistral, local,"
            " openrouter, groq, together, deepinfra, doubleword, litellm, compatible",
            id="no-provider",
        ),
        pytest.param(
            "[policy]\nmax_attempts = 0", "policy.max_attempts is 0, expected at least 1", "", id="zero"
        ),
        pytest.param(
            "[policy]\nsettle_seconds = -1",
            "policy.settle_seconds is -1.0, expected at least 0",
            "",
            id="negative",
        ),
        pytest.param(
            "[policy]\nsettle_seconds = nan",
            "policy.settle_seconds is nan, expected at least 0",
            "",
            id="nan",
        ),
        pytest.param(
            "[provider]\npoll_seconds = inf",
            "provider.poll_seconds is inf, expected at least 1",
            "",
            id="infinite",
        ),
        pytest.param(
            "[limits]\nline_bytes = 10", "limits.line_bytes is 10, expected at least 1024", "", id="too-small"
        ),
    ],
)
def test_a_value_out_of_range_is_refused(text: str, message: str, hint: str) -> None:
    """A choice that does not exist, or a number that cannot be obeyed, is named with what can."""
    error = refusal(text)
    assert (error.message, error.hint) == (f"{FILE}: {message}", hint)


@pytest.mark.parametrize(
    "text", ["[policy", "max_attempts =", "[policy]\nsubmit = auto", "a = 1\na = 2", "\x00"]
)
def test_what_is_no_toml_is_refused(text: str) -> None:
    """A file that cannot be read stops the program before anything is done by half of it."""
    error = refusal(text)
    assert error.message.startswith(f"{FILE}: ")
    assert error.hint == "mend the file; its syntax is TOML"
    assert error.exit_code == 78


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    """Windows editors put one in front of a file."""
    assert settle([(FILE, "\ufeff[policy]\nmax_attempts = 5")])["policy.max_attempts"] == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[policy]\nsettle_seconds = 3", 3.0, id="whole"),
        pytest.param("[policy]\nsettle_seconds = 3.5", 3.5, id="broken"),
        pytest.param("[policy]\nsettle_seconds = 0", 0.0, id="zero"),
    ],
)
def test_a_whole_number_is_a_number(text: str, expected: float) -> None:
    """Where a number is expected, a whole one will do, and becomes a float."""
    value = settle([(FILE, text)])["policy.settle_seconds"]
    assert (value, type(value)) == (expected, float)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_has_an_environment_name(setting: Setting) -> None:
    """RECONCILER_<SECTION>_<KEY> sets the key, in the kind that the setting has."""
    variable = f"RECONCILER_{setting.section}_{setting.key}".upper().replace(".", "_").replace("-", "_")
    settings = settle(environment={variable: str(setting.default)})
    value = settings[setting.name]
    assert (setting.variable, value, type(value)) == (variable, setting.default, type(setting.default))
    assert settings.origins[setting.name] == variable


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        pytest.param(
            "RECONCILER_POLICY_MAX_ATTEMPTS",
            "many",
            "RECONCILER_POLICY_MAX_ATTEMPTS: policy.max_attempts is 'many', expected a whole number",
            id="no-number",
        ),
        pytest.param(
            "RECONCILER_POLICY_MAX_ATEMPTS",
            "3",
            "RECONCILER_POLICY_MAX_ATEMPTS: unknown setting policy.max_atempts",
            id="unknown-key",
        ),
        pytest.param(
            "RECONCILER_PROVIDER_POLL_SECONDS",
            "nan",
            "RECONCILER_PROVIDER_POLL_SECONDS: provider.poll_seconds is nan, expected at least 1",
            id="nan",
        ),
    ],
)
def test_the_environment_is_checked_like_a_file(variable: str, text: str, message: str) -> None:
    """A variable of ours that cannot be obeyed is an error that names it."""
    assert refusal(environment={variable: text}).message == message


@pytest.mark.parametrize(
    "variable", ["PATH", "RECONCILER", "RECONCILER_HOME", "OPENAI_API_KEY", "XRECONCILER_POLICY_SUBMIT"]
)
def test_other_variables_are_left_alone(variable: str) -> None:
    """Only RECONCILER_ and a section make a variable ours."""
    assert settle(environment={variable: "anything"}) == settle()


def test_flags_are_checked_like_a_file() -> None:
    """A flag of the wrong kind, or of no setting, names the command line."""
    assert refusal(flags={"policy.max_attempts": True}).message.startswith("the command line: ")
    assert refusal(flags={"policy.nope": 1}).message == "the command line: unknown setting policy.nope"


def test_settings_become_a_policy() -> None:
    """Everything that the planner may decide by comes from settings, but for the clients at hand."""
    text = """\
[provider]
name = "openai"
poll_seconds = 5
[policy]
submit = "manual"
max_attempts = 2
failed = "attention"
settle_seconds = 0.5
"""
    assert settle([(FILE, text)]).policy(frozenset({"openai"})) == Policy(
        provider="openai",
        reachable=frozenset({"openai"}),
        submit=SubmitPolicy.MANUAL,
        max_attempts=2,
        failed=FailurePolicy.ATTENTION,
        settle_seconds=0.5,
        poll_seconds=5.0,
    )


@given(st.text(max_size=60), st.dictionaries(st.text(max_size=30), st.text(max_size=10), max_size=3))
def test_any_text_gives_settings_or_a_config_error(text: str, environment: dict[str, str]) -> None:
    """No file and no environment ends in anything but settings or a ConfigError."""
    with contextlib.suppress(ConfigError):
        assert isinstance(settle([(FILE, text)], environment), Settings)


@pytest.mark.parametrize(
    ("texts", "environment", "nano", "origin"),
    [
        pytest.param(["", ""], {}, None, "", id="nobody"),
        pytest.param(["[budget]\nmax_cost_usd = 5", ""], {}, 5 * 10**9, "a", id="user"),
        pytest.param(
            ["[budget]\nmax_cost_usd = 0", "[budget]\nmax_cost_usd = inf"], {}, 0, "a", id="not-lifted"
        ),
        pytest.param(
            ["[budget]\nmax_cost_usd = 5", "[budget]\nmax_cost_usd = 0.1"], {}, 10**8, "b", id="lowered"
        ),
        pytest.param(
            ["[budget]\nmax_cost_usd = 5", "[budget]\nmax_cost_usd = 9"],
            {"RECONCILER_BUDGET_MAX_COST_USD": "7"},
            5 * 10**9,
            "a",
            id="not-raised",
        ),
        pytest.param(
            ["", ""],
            {"RECONCILER_BUDGET_MAX_COST_USD": "5"},
            5 * 10**9,
            "RECONCILER_BUDGET_MAX_COST_USD",
            id="environment",
        ),
        pytest.param(["", "[budget]\nmax_cost_usd = inf"], {}, None, "", id="none-in-words"),
    ],
)
def test_the_lowest_limit_of_cost_holds(
    texts: list[str], environment: dict[str, str], nano: int | None, origin: str
) -> None:
    """A limit that one layer sets is lowered by another and never raised, and who set it is known."""
    cap = settle(list(zip("ab", texts, strict=True)), environment).cap

    assert (cap.nano, cap.origin) == (nano, origin)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[policy]\nmax_attempts = 0x" + "f" * 5000, id="digits"),
        pytest.param("[results]\ncombined = 0x" + "f" * 5000, id="digits-of-a-name"),
        pytest.param("[policy]\nsubmit = " + "[" * 450 + "]" * 450, id="depth"),
        pytest.param("[policy]\nsubmit." + "a." * 50 + "a = 1", id="tables"),
        pytest.param("[policy]\nsubmit." + "a." * 2000 + "a = 1", id="many-tables"),
        pytest.param("[policy]\n" + "x" * 5000 + " = 1", id="key"),
        pytest.param("x" * 5000 + " = 1", id="section"),
        pytest.param('[[batch]]\nmatch = "7"\n' + "x" * 5000 + " = 1", id="batch-key"),
        pytest.param("[policy.classes]\n" + "x" * 5000 + ' = "retry"', id="class"),
    ],
)
def test_what_is_beyond_all_bounds_is_refused_in_few_words(text: str) -> None:
    """However large or deep what somebody wrote is, the message is short, and says where."""
    error = refusal(text)
    assert error.message.startswith(f"{FILE}: ")
    assert len(error.message) < 300


@pytest.mark.parametrize("part", ["a", '"a b"', "'.'", "a "])
@pytest.mark.parametrize("around", ["[{}]", "{} = 1", "[[{}]]"])
def test_a_key_without_an_end_costs_nothing(part: str, around: str) -> None:
    """A key of 40,000 parts, for which TOML's reader needs gigabytes, is refused unread."""
    assert "a key of many parts" in refusal(around.format(".".join([part] * 40_000))).message


@pytest.mark.parametrize("dots", ["...", "1.2.3.4", "a. b. c.", ".x" * 40])
def test_dots_in_a_text_are_no_key(dots: str) -> None:
    """Texts may hold dots."""
    assert (
        settle([(FILE, f"[results]\ntag_prefix = '{dots}'\ntag_suffix = 'x'")])["results.tag_prefix"] == dots
    )
