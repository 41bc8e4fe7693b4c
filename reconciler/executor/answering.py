"""
Answer a batch on this machine, each request durable as soon as it has ended.

Kill it at any point: the next pass goes on with what has not ended. Only when every request has, output and
error file are published, like a download: their digests stand in metadata before the first of them appears.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from reconciler.codec.answer import encode_failure
from reconciler.codec.jsonl import Line
from reconciler.codec.request import decode_request
from reconciler.codec.result import decode_result
from reconciler.errors import Interrupted, Later, PermanentError
from reconciler.executor import charging
from reconciler.executor.answer_lines import judged
from reconciler.executor.asked import Asked
from reconciler.executor.context import Context, Run
from reconciler.executor.inputs import check_input, refuse_copy
from reconciler.executor.limiting import TOLD, code_of
from reconciler.executor.reading import Lines
from reconciler.executor.who_answers import RUNNING, noted, unmixed, worker_of
from reconciler.model.exchange import Request
from reconciler.model.extraction import Extraction
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, Role, file_name
from reconciler.model.operation import AnswerHere
from reconciler.model.outcome import ErrorClass, Outcome, retryable_classes
from reconciler.model.policy import LOCAL
from reconciler.model.receipt import Receipt
from reconciler.model.record import Counts, InputFact, Record
from reconciler.model.standing import Standing
from reconciler.model.words import many
from reconciler.processors.extraction import held_to
from reconciler.providers.base import Embedded
from reconciler.providers.ends import Rules
from reconciler.providers.local import Local
from reconciler.providers.many import answer_all
from reconciler.workspace import ledger, live

_AT_ONCE: Final = 1000
"""Requests whose ends are kept together, where nobody waits for any of them."""

COMPLETED: Final = "completed"


def answer_here(step: AnswerHere, run: Run) -> Receipt:
    """
    Answer what is unanswered, then publish the answers as a normal triple.

    Raises:
        BadLine: The input cannot be read; nothing was called.
        PermanentError: Its progress is gone, or belongs to another input; nothing was called.
        Interrupted: Someone asked for an end; what has ended is kept.
        CostLimitExceeded: It may cost more than what is left; nothing was called.
    """
    ctx, fact = run.ctx, step.expects.files[Role.INPUT]
    provider = _provider(ctx, step)
    record = unmixed(step, run, ctx.record(step.name) or Record(step.name), over=_is_over(ctx, step))
    asked = _checked_input(ctx, fact, record)
    live.refuse_links(ctx.fx)
    if record.status is not None and not live.has_progress(ctx.fx, step.name):
        message = f"{live.path_of(step.name)} is gone, and with it what was answered here of {step.name}"
        hint = f"restore it; or move {ctx.record_path(step.name)} away: every request is then called again"
        raise PermanentError(message, hint=hint)
    if record.status is None and record.parent is None:
        refuse_copy(ctx, step.name, asked.digest)
    if record.status is None:
        _reserve(step, run, provider, record, asked)
        # Answers must not outlive their questions in a power cut; who wrote these need not have synced them.
        ctx.fx.sync_files([fact.path])
    progress = live.Live(ctx.fx, step.name, asked.digest.sha256, begun=record.status is not None)
    try:
        resumed = record.status is not None
        if record.status is None:
            record = _begin(step, run, record, asked)
        finished = _finished(progress, record, asked)
        before = ended = len(finished)
        if before < asked.requests and not _is_over(ctx, step):
            if resumed:
                # What has ended is published, limit or not; what has not is held to the one of today.
                _reserve(step, run, provider, record, asked)
                record = noted(step, run, record)
            _answer(step, run, provider, progress, record, finished=finished)
            ended = len(progress.finished())
        called = ended - before
        if ended < asked.requests and _is_over(ctx, step) and not ctx.stopping():
            _end_by_limit(ctx, fact, progress)
            # Nothing of it is asked again by itself, whatever a clock says later.
            record = attrs.evolve(record, online=attrs.evolve(record.online, limited=True))
            ended = asked.requests
        if ended < asked.requests:
            told = f"{ended} of {many(asked.requests, 'request')} have an end; the next pass goes on there"
            raise Interrupted(told) if ctx.stopping() else Later(told, 0.0)
        hooks = ctx.plugged.hooks_of(step.name)
        held = hooks.extraction if hooks.extraction_chosen else record.held_to
        record = attrs.evolve(record, attempt=max(record.attempt, _most_sends(progress, held)))
        counts = _publish(run, record, progress)
        progress.forget()
    finally:
        progress.close()
    live.remove(ctx.fx, step.name)
    told = f"{many(counts[Role.OUTPUT], 'answer')}, {many(counts[Role.ERROR], 'failure')}"
    again = f"; {before} of them at an earlier pass" if before else ""
    facts = {"requests": asked.requests, "called": called, "failed": counts[Role.ERROR]}
    return Receipt(step.name, step.verb, f"{told}{again}", facts)


def _begin(step: AnswerHere, run: Run, record: Record, asked: InputFact) -> Record:
    """Write down that the run begins, and with which worker, before anybody is asked."""
    ctx = run.ctx
    facts = {"provider": LOCAL, "input": asked.digest.sha256, "requests": asked.requests}
    ledger.append_once(ctx.fx, ctx.history, "batch.begun", step.name, **facts)
    # A later pass without a worker of its own must not fill the gaps with echoes.
    online = attrs.evolve(record.online, worker=worker_of(step, run))
    return run.publish(attrs.evolve(record, provider=LOCAL, input=asked, status=RUNNING, online=online))


def _finished(progress: live.Live, record: Record, asked: InputFact) -> set[int]:
    """
    The input lines whose requests have ended.

    Raises:
        PermanentError: Metadata knows that all of them had: this is an older copy.
    """
    finished = progress.finished()
    if record.status == COMPLETED and len(finished) < asked.requests:
        told = f"{progress.path} holds {len(finished)} of the {many(asked.requests, 'end')} that it had"
        raise PermanentError(f"{told}; nothing was called", hint=live.LOST)
    return finished


def _is_over(ctx: Context, step: AnswerHere) -> bool:
    """Whether the time of the batch is over."""
    return step.until is not None and ctx.fx.now() >= step.until


def _end_by_limit(ctx: Context, fact: FileFact, progress: live.Live) -> None:
    """Keep an end for each request that has none: its time is over."""
    code, told = code_of(ErrorClass.TIME_LIMIT), TOLD[ErrorClass.TIME_LIMIT]
    for lines in _batched(Lines(ctx, fact, passed=progress.finished()), _AT_ONCE):
        ends = []
        for line in lines:
            failure = encode_failure(decode_request(line, fact.path), code, told, line.number)
            ends.append((line.number, Role.ERROR, failure))
        progress.keep(ends)


def _batched(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    """The lines, so many at a time."""
    rest = iter(lines)
    while block := list(itertools.islice(rest, size)):
        yield block


def _reserve(step: AnswerHere, run: Run, provider: Embedded, record: Record, asked: InputFact) -> None:
    """
    Have written down what a run may cost, where somebody is paid for it.

    Raises:
        CostLimitExceeded: It is more than what is left.
    """
    ctx, fact = run.ctx, step.expects.files[Role.INPUT]
    quoting = charging.Quoting(ctx.prices, provider, step.max_attempts)
    if quoting.is_priced:
        check_input(ctx, fact, lambda request, _line: quoting.take(request))
        key = charging.live_key(attrs.evolve(record, input=asked))
        # What was begun may have been paid for, whatever has become of its metadata since.
        begun = record.status is not None or step.name in ctx.history.payers(ctx.fx, asked.digest.sha256)
        if begun and not live.has_progress(ctx.fx, step.name):
            charging.forgotten(ctx, step.name, key)
        charging.reserve(ctx, step.name, quoting.quote, key, unsent=not begun)


def _provider(ctx: Context, step: AnswerHere) -> Embedded:
    """The embedded provider of a batch."""
    found = ctx.plugged.hooks_of(step.name).providers.get(LOCAL)
    if not isinstance(found, Local):
        raise PermanentError(f"{step.name}: no worker was given for the provider {LOCAL!r}")
    return found


def _checked_input(ctx: Context, fact: FileFact, record: Record) -> InputFact:
    """
    The input, each line of it looked at before anybody is asked, in this pass or in the one that began.

    Raises:
        BadLine: The input cannot be read.
        PermanentError: It is another one than metadata knows.
    """
    known = record.input if record.status is not None else None
    if known is None or known.digest.size != fact.size:
        found = Asked(ctx, fact)
        # Whoever finds nothing wrong need not take every line apart.
        asked = check_input(ctx, fact) if found.bad else InputFact(found.digest, len(found.positions))
    else:
        lines = Lines(ctx, fact, digest=True)
        for _block, _end in lines.blocks():
            pass
        asked = InputFact(lines.digest, known.requests)
    if record.input is not None and record.input != asked:
        raise PermanentError(f"{fact.path} is not the input that its metadata knows; nothing was called")
    return asked


def _answer(  # noqa: PLR0913 - what one run is made of
    step: AnswerHere,
    run: Run,
    provider: Embedded,
    progress: live.Live,
    record: Record,
    *,
    finished: set[int],
) -> None:
    """Call the worker for every request that has not ended yet, again where that may help."""
    ctx, fact = run.ctx, step.expects.files[Role.INPUT]
    # Whoever asks for an end must not lose what is under way: reading goes on, calling stops.
    patient = attrs.evolve(ctx, stopping=lambda: False)

    def unfinished() -> Iterator[tuple[int, Request]]:
        for line in Lines(patient, fact, passed=finished):
            yield line.number, decode_request(line, fact.path)

    def ends() -> bool:
        return ctx.stopping() or _is_over(ctx, step)

    def again(failed: ErrorClass, sends: int) -> bool:
        return failed in retryable_classes(sends, step.max_attempts, step.classes)

    def heard(standing: Standing) -> None:
        requests = 0 if record.input is None else record.input.requests
        told = attrs.evolve(standing, requests=requests, before=len(finished))
        ctx.progress.answering(step.name, told)

    before, sent = record.attempt - 1, progress.sends()
    rules = Rules(
        judge=lambda end: judged(end, ctx.line_limit),
        again=again,
        sends=lambda number: sent.get(number, before),
        missed=progress.missed,
        heard=heard,
        chance=random.random,
    )
    progress.reserve()
    try:
        ctx.calls.wait(answer_all(provider, unfinished(), progress.keep, ends, rules))
    finally:
        # A run that is stopped, or over for now, again and again must not send without an end.
        progress.keep_missed()


def _most_sends(progress: live.Live, held: Extraction | None) -> int:
    """
    How often that request was sent which failed after most sends; 0 where none was sent twice.

    An answer that does not hold what is asked of answers has failed as well, and may be asked again.
    """
    most = 0
    for number, role, sends, line in progress.sent_again():
        if role is Role.OUTPUT and held is not None:
            result = held_to(decode_result(Line(number, 0, line), "the worker's answer"), held)
            role = Role.ERROR if result.outcome is Outcome.FAILED else role  # noqa: PLW2901 - as it counts
        if role is Role.ERROR:
            most = max(most, sends)
    return most


def _publish(run: Run, record: Record, progress: live.Live) -> Mapping[Role, int]:
    """Both files whole under temporary names, their digests into metadata, then their names."""
    ctx = run.ctx
    counts = {role: progress.count(role) for role in ANSWERS}
    paths = {role: ctx.layout.live_path(file_name(role, record.name)) for role in ANSWERS if counts[role]}
    staged = {role: ctx.fx.stage(path, progress.lines(role)) for role, path in paths.items()}
    roles = {role: staged.get(role) for role in ANSWERS}
    if record.status != COMPLETED or record.roles != roles:
        told: dict[str, Any] = {"total": sum(counts.values()), "completed": counts[Role.OUTPUT]}
        spoken = Counts(**told, failed=counts[Role.ERROR])
        run.publish(attrs.evolve(record, status=COMPLETED, counts=spoken, roles=roles))
    for role, digest in staged.items():
        ctx.fx.reveal(paths[role], digest)
    ctx.fx.sync_folder(ctx.layout.live)
    return counts
