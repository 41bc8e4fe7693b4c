"""Every setting there is, and which values it takes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import attrs

from reconciler.errors import ConfigError
from reconciler.model.extraction import TAG_PREFIX, TAG_SUFFIX
from reconciler.model.outcome import DEFAULT_CLASSES, ClassPolicy, ErrorClass

PROVIDERS: Final = (
    *("none", "openai", "azure", "anthropic", "gemini", "mistral", "local"),
    *("openrouter", "groq", "together", "deepinfra", "doubleword", "litellm", "compatible"),
)
SERVICES: Final = (
    *("", "openai", "openrouter", "mistral", "anthropic", "gemini"),
    *("ollama", "vllm", "llamacpp", "lmstudio", "compatible"),
)
LEVELS: Final = ("debug", "info", "warning", "error")
BUILT_IN: Final = "built-in"
THIS_CALL: Final = "the command line"
"""The origin of what flags and the arguments of a call say."""

CLASSES: Final = "policy.classes"
"""The table that says what is done about failures, one key for each error class."""

WORDS: Final = tuple(word.value for word in ClassPolicy)
"""What a key of it may say that names no code."""

UNCHANGEABLE: Final = frozenset({ErrorClass.MISSING})
"""Classes of which nothing has failed that code could look at."""

_IN_VARIABLES: Final = str.maketrans(".-", "__")
HUGE: Final = 1 << 53
"""No number in a settings file is as large as this on purpose."""


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
        known: Of a setting that may name code: the words that name none.
        address: Whether it says where keys or events are sent; empty: the provider's own address, or nowhere.
        command: Whether it names a program and its arguments; empty is none.
    """

    section: str
    key: str
    default: str | int | float
    meaning: str
    choices: tuple[str, ...] = ()
    least: float = 0
    known: tuple[str, ...] = ()
    address: bool = False
    command: bool = False

    @property
    def name(self) -> str:
        """`policy.submit`."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """`RECONCILER_POLICY_SUBMIT`."""
        return f"RECONCILER_{self.section}_{self.key}".upper().translate(_IN_VARIABLES)


SETTINGS: Final = (
    Setting("provider", "name", "none", "who answers; none sends nothing", known=PROVIDERS),
    Setting("provider", "base_url", "", "where its API is", address=True),
    Setting("provider", "model", "", "the model for whole batches, where the provider wants one"),
    Setting("provider", "endpoint", "", "the API path of lines that name none"),
    Setting("provider", "organization", "", "whose key it is, at OpenAI"),
    Setting("provider", "project", "", "whose key it is, at OpenAI"),
    Setting("provider", "api_version", "", "the version of the API, at Azure and Gemini"),
    Setting("provider", "anthropic_version", "", "the version of the API, at Anthropic"),
    Setting("provider", "auth", "", "bearer, or the name of the header that holds the key"),
    Setting("provider", "completion_window", "", "how long a remote batch may take"),
    Setting("provider", "expires_after", 0, "seconds until files vanish there; 0: the provider's own choice"),
    Setting("provider", "poll_seconds", 60.0, "time between two looks at a remote batch", least=1),
    Setting("provider", "per_batch_delay", 2.0, "time between two questions how batches are doing"),
    Setting("provider", "max_retries", 3, "tries more of a call that failed; a create is sent once"),
    Setting("policy", "submit", "auto", "whether batches are sent by themselves", ("auto", "manual")),
    Setting(
        "policy", "probe_batches", 0, "batches that go ahead until one of them is answered; 0: any number"
    ),
    Setting("policy", "max_in_flight", 0, "batches at one provider at once; 0: any number"),
    Setting(
        "policy", "max_enqueued_tokens", 0, "tokens, about, at one provider for one model; 0: any number"
    ),
    Setting("policy", "min_items_per_batch", 1, "requests below which `add` warns of a tiny batch", least=1),
    Setting("policy", "max_attempts", 3, "sends of one request, the first included", least=1),
    Setting(
        "policy", "failed", "settle", "what failures for good do to their batch", ("settle", "attention")
    ),
    Setting(
        "policy",
        "in_doubt",
        "hold",
        "what happens when a create may have left and is not found",
        ("hold", "resubmit"),
    ),
    Setting("policy", "in_doubt_grace_seconds", 600.0, "how long such a create is waited for"),
    Setting(
        "policy",
        "rescue_after_seconds",
        0.0,
        "how long after its sending a batch without answers is cancelled and its rest asked live; 0: never",
    ),
    Setting("policy", "settle_seconds", 2.0, "an input younger than this may still be being written"),
    *(
        Setting(
            CLASSES,
            each.value,
            DEFAULT_CLASSES[each].value,
            "what is done about failures of this class",
            choices=WORDS if each in UNCHANGEABLE else (),
            known=() if each in UNCHANGEABLE else WORDS,
        )
        for each in ErrorClass
    ),
    Setting(
        "budget",
        "max_cost_usd",
        math.inf,
        "the most that may be spent, in all; the lowest of all levels holds",
    ),
    Setting("output", "content", "text", "what answers are read as", ("text", "json", "jsonl")),
    Setting("output", "processor", "results", "what publishes the answers", known=("results", "files")),
    Setting("output", "error_processor", "summary", "what looks at the failures", known=("summary",)),
    Setting(
        "output",
        "on_failure",
        "attention",
        "what answers that the processor could not handle do to their batch",
        ("attention", "settle"),
    ),
    Setting(
        "results",
        "extract",
        "auto",
        "what is taken out of answers, which have to hold it; auto: what the keys below name",
        ("auto", "none", "tags", "pointer", "schema"),
    ),
    Setting("results", "tag_prefix", TAG_PREFIX, "what stands before it"),
    Setting("results", "tag_suffix", TAG_SUFFIX, "what stands behind it"),
    Setting("results", "pointer", "", "a JSON pointer into the answer"),
    Setting("results", "schema", "", "a JSON Schema for the answer: a file in the workspace, or the schema"),
    Setting("results", "think", "skip", "whether a <think> block is searched too", ("skip", "search")),
    Setting("retain", "jsonl", "keep", "what becomes of the JSONL of settled batches", ("keep", "remove")),
    Setting("retain", "after_days", 0.0, "days after settling for which it is kept all the same"),
    Setting("results", "csv", False, "whether target/<name>.results.csv is published too"),  # noqa: FBT003 - its default
    Setting("results", "combined", "", "the one file over all finished batches that is kept; empty: none"),
    Setting("results", "registry", False, "whether target/jobs_registry.csv is kept"),  # noqa: FBT003 - its default
    Setting("local", "worker", "echo", "what the embedded provider runs", known=("echo", "http")),
    Setting(
        "local",
        "service",
        "",
        "whom the worker http asks; empty: whoever speaks the shape of the line",
        SERVICES,
    ),
    Setting("local", "base_url", "", "where that service is", address=True),
    Setting("local", "model", "", "the model of requests that the worker http sends"),
    Setting("local", "concurrency", 32, "requests that the embedded provider works on at once", least=1),
    Setting("local", "requests_per_minute", 0.0, "how many of them may begin in a minute; 0: any number"),
    Setting("local", "tokens_per_minute", 0.0, "tokens that they may take in a minute; 0: any number"),
    Setting("local", "request_seconds", 600.0, "how long one try of a request may take; 0: any time"),
    Setting("local", "retry_seconds", 1.0, "about how long to wait before a request is sent again"),
    Setting("local", "run_seconds", 0.0, "how long a pass begins new requests of a batch; 0: any time"),
    Setting("limits", "line_bytes", 64 << 20, "a longer line is refused", least=1024),
    Setting(
        "limits",
        "jobs",
        0,
        "cores that large workspaces are settled on; 1: a single process; 0: all",
    ),
    Setting("watch", "quiet_seconds", 0.2, "how long a folder has to be quiet before a watcher looks"),
    Setting(
        "watch", "scan_seconds", 300.0, "time between two looks of a watcher that nothing asks for", least=1
    ),
    Setting(
        "watch",
        "observer",
        "auto",
        "who tells that files come: the kernel, or a look every few seconds",
        ("auto", "events", "polling"),
    ),
    Setting("watch", "run", "", "a program that is run for each event of a watcher", command=True),
    Setting("watch", "post", "", "where each event of a watcher is posted to", address=True),
    Setting("watch", "polling_seconds", 2.0, "time between two such looks", least=0.1),
    Setting("log", "level", "info", "what is worth a line in logs/", LEVELS),
)

BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
BY_VARIABLE: Final = {setting.variable: setting for setting in SETTINGS}
SECTIONS: Final = {setting.section for setting in SETTINGS}

BATCH_KEYS: Final = {
    "provider": "provider.name",
    "content": "output.content",
    "processor": "output.processor",
    "error_processor": "output.error_processor",
    "on_failure": "output.on_failure",
    "worker": "local.worker",
    "extract": "results.extract",
    "tag_prefix": "results.tag_prefix",
    "tag_suffix": "results.tag_suffix",
    "pointer": "results.pointer",
    "schema": "results.schema",
    "think": "results.think",
}
"""What a `[[batch]]` table may say for the batches that its `match` names."""


def checked(origin: str, name: str, value: Any) -> Any:
    """
    *value*, if there is a setting *name* and it takes it.

    Raises:
        ConfigError: There is none, or it does not.
    """
    setting = BY_NAME.get(name)
    if setting is None:
        section, _, key = name.rpartition(".")
        own = [each.key for each in SETTINGS if each.section == section]
        if section == CLASSES:
            raise ConfigError(f"{origin}: [{section}] knows no error class {key:.60}", hint=nearest(key, own))
        raise ConfigError(f"{origin}: unknown setting {name:.60}", hint=nearest(name, BY_NAME))
    kind = type(setting.default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < HUGE:
        value = float(value)
    if type(value) is not kind:
        wanted = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise ConfigError(f"{origin}: {name} is {shown(value)}, expected {wanted}")
    if setting.section == CLASSES and value not in WORDS and (setting.choices or ":" not in str(value)):
        # A slip must not be taken for the name of code: that has a colon in it.
        raise ConfigError(f"{origin}: {name} is {shown(value)}", hint=nearest(str(value), WORDS))
    if setting.choices and value not in setting.choices:
        hint = f"this version knows: {', '.join(filter(None, setting.choices))}"
        raise ConfigError(f"{origin}: {name} is {shown(value)}", hint=hint)
    if setting.known and not str(value).strip():
        raise ConfigError(f"{origin}: {name} is empty", hint=f"built in: {', '.join(setting.known)}")
    if not isinstance(value, str | bool) and value != setting.default and not setting.least <= value < HUGE:
        raise ConfigError(f"{origin}: {name} is {shown(value)}, expected at least {setting.least:g}")
    return value


def shown(value: Any) -> str:
    """A value for messages, whatever somebody has written."""
    try:
        return f"{value!r:.60}"
    except (ValueError, RecursionError):  # more digits, or more tables in tables, than Python writes
        return "beyond all bounds"


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names what was probably meant."""
    import difflib  # noqa: PLC0415 - for mistakes alone

    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(words)}"
