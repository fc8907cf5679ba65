"""``lendface work``: one worker process."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ..app import build, keep_kernels, open_signer
from ..engine.memory import own_process
from ..errors import BadOptionError
from ..facades.forms import FORMS
from ..jobs.work import CONTROL, QUICK, RENDER_QUEUES
from ..jobs.worker import WorkerOptions, run_worker
from ..media.inspection import protection
from ..models import RuntimeOptions
from ..pipeline.parts import Parts
from ..service.house import Housekeeping
from ..service.work import JobWork
from ..settings import Settings, executor_name
from ..trust.readings import GateNets
from .building import build_office, durable_engine, locks_of, prepare, scratch_of
from .checks import check_settings
from .guards import note_guards
from .logs import set_up_logs
from .secrecy import keep_secrets
from .telemetry import WatchedWork, open_tracer

log = logging.getLogger("lendface.worker")

WORDS = {"control": CONTROL} | {queue: (queue,) for queue in (QUICK, *RENDER_QUEUES)}


def queues_of(words: Sequence[str]) -> tuple[str, ...]:
    """Queues by the words of the command line; all that fits one machine where none is given.

    Raises BadOptionError.
    """
    unknown = [word for word in words if word not in WORDS]
    if unknown:
        raise BadOptionError(f"--queue {unknown[0]}: choose from {', '.join(WORDS)}")
    return tuple(queue for word in words for queue in WORDS[word])


def work(
    settings: Settings, words: Sequence[str], executor: str | None, *, is_supervised: bool = False
) -> None:
    """Does not return. Raises BadOptionError, ExecutorTakenError, ProviderUnavailableError."""
    own_process()
    set_up_logs(settings)
    keep_secrets()
    words = list(words) or ["control", QUICK, settings.render_queue]
    queues = queues_of(words)
    renders = any(queue in RENDER_QUEUES for queue in queues)
    keep_kernels(settings)
    doubts = check_settings(settings, signs=renders)
    for doubt in () if is_supervised else doubts:  # the server has told them
        log.warning(doubt)
    executor = executor or executor_name("-".join(words))
    built = build_office(settings, FORMS)
    prepare(built)
    if not is_supervised:  # the server has written its own, and its workers have the same
        note_guards(built.office, settings, executor)
    runtime = RuntimeOptions(provider=settings.provider, threads=settings.threads)

    @lru_cache(maxsize=1)
    def load_parts() -> Parts:
        return build(runtime)

    if renders:
        load_parts()  # a wrong provider is told now, not by the first job
    scratch = scratch_of(settings, executor)
    use_for_temporary_files(settings.scratch_folder)
    signer = open_signer(settings, must_last=True) if renders else None
    job_work = JobWork(built.office, scratch, load_parts, signer, GateNets.load(runtime))
    run_worker(
        WorkerOptions(
            executor=executor,
            queues=queues,
            polling_s=settings.polling_s,
            drain_s=settings.drain_s,
            is_supervised=is_supervised,
        ),
        durable_engine(built.office.database),
        built.durable,
        locks_of(settings, built.office.database),
        WatchedWork(
            job_work,
            open_tracer(settings, executor),
        ),
        Housekeeping(
            built.office, load_parts().provider if renders else "none", built.durable.is_at
        ),
        lambda: log.info(
            "worker is ready",
            extra={"executor": executor, "queues": queues, "sandbox": protection()},
        ),
        job_work.tidy,
        job_work.close,
    )


def use_for_temporary_files(folder: Path) -> None:
    """Those of libraries too, unless TMPDIR names another place: C2PA's keeps a whole film there
    while it signs it."""
    os.environ.setdefault("TMPDIR", str(folder))
    tempfile.tempdir = None  # as it was found before
