"""What users plug in for one batch, resolved: no names of code any more, only code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from reconciler.config import Settings
from reconciler.model.content import Content
from reconciler.model.extraction import Extraction, Think
from reconciler.model.outcome import ErrorClass
from reconciler.model.policy import ECHO, Policy, Typed
from reconciler.processors.base import RESULTS, VERSIONS, OutputProcessor, Processor
from reconciler.processors.transform import Transform
from reconciler.providers.base import Provider


@attrs.frozen
class Hooks:
    """
    What works on one batch.

    Attributes:
        output: The output processor.
        content: What answers are read as.
        error: A custom error processor, None for the built-in summary.
        transforms: What changes failed requests before they are sent again, by error class.
        providers: Who can be asked in this process, by name.
        keyless: Who only lacks a key, by name, and where it is looked for.
        extraction: What answers are held to.
        extraction_chosen: Some setting says so, or says that they are held to nothing.
        think: Whether a `<think>` block is searched for JSON too.
        asked: Who is asked, by the settings; empty for nobody.
        typed: What this call was given, as a person types it.
        worker: The worker of the embedded provider, by name.
        worker_chosen: The user chose it.
    """

    output: OutputProcessor = RESULTS
    content: Content = Content.TEXT
    error: Processor | None = None
    transforms: Mapping[ErrorClass, Transform] = attrs.field(factory=dict)
    providers: Mapping[str, Provider] = attrs.field(factory=dict)
    keyless: Mapping[str, str] = attrs.field(factory=dict)
    extraction: Extraction | None = None
    extraction_chosen: bool = False
    think: Think = Think.SKIP
    asked: str = ""
    typed: Typed = attrs.field(factory=Typed)
    worker: str = ECHO
    worker_chosen: bool = False

    @property
    def identity(self) -> str:
        """The output processor's name and version, and what it reads answers as."""
        if isinstance(self.output, Processor):
            identity = self.output.identity
        else:
            identity = f"{self.output}/{VERSIONS[self.output]}"
        return identity if self.content is Content.TEXT else f"{identity}+{self.content.value}"

    @property
    def is_built_in(self) -> bool:
        """Whether the output processor is no user code."""
        return not isinstance(self.output, Processor)

    @property
    def noted(self) -> dict[str, str]:
        """The output processor as receipts know it."""
        named = self.output.named if isinstance(self.output, Processor) else ""
        return {"processor": self.identity, **({"named": named} if named else {})}

    @property
    def plain(self) -> bool:
        """Whether answers are published as they are, by the built-in `results`."""
        return self.output == RESULTS and self.content is Content.TEXT

    @property
    def may_fail(self) -> bool:
        """Whether an answer may turn out to be more than the output processor can handle."""
        return isinstance(self.output, Processor) or self.content is not Content.TEXT

    def applied_to(self, policy: Policy) -> Policy:
        """*policy* with what the planner has to know of these hooks."""
        return attrs.evolve(
            policy,
            reachable=frozenset(self.providers),
            keyless=dict(self.keyless),
            stoppable=frozenset(
                name for name, each in self.providers.items() if getattr(each, "cancels", False)
            ),
            worker=self.worker,
            worker_chosen=self.worker_chosen,
            processor=self.identity,
            processor_may_fail=self.may_fail,
            processor_chosen=policy.processor_chosen or not self.plain,
            processor_named=policy.processor_named or self.output != RESULTS,
            error_processor=None if self.error is None else self.error.identity,
            transforms={each: code.identity for each, code in self.transforms.items()},
            extraction=self.extraction,
            extraction_chosen=self.extraction_chosen,
            typed=self.typed,
        )


BUILT_IN = Hooks()


@attrs.frozen
class Plugged:
    """
    What users have plugged into one call.

    Attributes:
        hooks_of: What works on a batch, by its name.
    """

    hooks_of: Callable[[str], Hooks] = lambda _name: BUILT_IN

    def policy_of(self, name: str, settings: Settings) -> Policy:
        """What the planner may decide for the batch *name*."""
        return self.hooks_of(name).applied_to(settings.of_batch(name).policy())


NOTHING_PLUGGED = Plugged()
