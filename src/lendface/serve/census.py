"""What the database says of jobs, queues and workers, as metrics.

Read when somebody asks, so it is right for any number of processes and machines, and every server
process says the same. Two kinds, and nothing in between:

- gauges say how things are now, by counting rows;
- counters and histograms say what ended since this process began, whichever process did it. They
  are kept in memory and only grow, also when rows are purged or a job is tried again; a restart
  begins them at zero, which Prometheus knows how to read.

Each server process counts everything, so over several of them take ``max``, not ``sum``.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..errors import DatabaseError
from ..jobs.depth import QUEUES, read_depths
from ..service.office import Office
from ..service.states import LIVE, QUEUED, RUNNING
from ..service.uploads import IS_NEEDED
from ..storage.tables import deliveries, jobs, tasks, uploads, workers
from ..version import __version__
from .follow import OVERLAP_MS, Follower

log = logging.getLogger("lendface.metrics")

OVERDUE_MS = 600_000
ALIVE_MS = 15_000  # a worker says so every two seconds
SECONDS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
STAGE = {"chunk": "render"}
Row = Any


class Census(Collector):
    """One for each process. ``folders`` are disks that may fill up, by what lies there."""

    def __init__(self, office: Office, folders: Mapping[str, Path] | None = None) -> None:
        self._office, self._folders = office, folders or {}
        self._lock = Lock()
        self._ended = Ended(office.now_ms())

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not read the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        with self._lock:  # what is new is new once
            found, is_up = self._read()
            yield gauge("lendface_database_up", "Whether the database answers.", is_up)
            yield from found
            yield from self._ended.collect()
            yield build_info()
            yield from self._disks()

    def _read(self) -> tuple[list[Metric], int]:
        try:
            with self._office.database.reading() as connection:
                now_ms = self._office.now_ms()
                fps = self._ended.look(connection, now_ms)
                return [*jobs_now(connection, now_ms), *work_now(connection, now_ms), fps], 1
        except DatabaseError:
            log.warning("the database is away; its metrics are left out")
            return [], 0

    def _disks(self) -> Iterator[Metric]:
        free = GaugeMetricFamily("lendface_disk_free_bytes", "Left on a disk.", labels=["place"])
        for place, folder in self._folders.items():
            if folder.exists():
                free.add_metric([place], shutil.disk_usage(folder).free)
        yield free


# How things are


def jobs_now(connection: sa.Connection, now_ms: int) -> Iterator[Metric]:
    """Two looks along indexes: one at what is kept, one at what lives."""
    metric = GaugeMetricFamily(
        "lendface_jobs",
        "Jobs whose files are still kept, and all that have not ended.",
        labels=["state", "kind", "api"],
    )
    kept = sa.or_(jobs.c.expires_ms > now_ms, jobs.c.state.in_(LIVE))
    names = (jobs.c.state, jobs.c.kind, jobs.c.api)
    for *labels, count in connection.execute(
        sa.select(*names, sa.func.count()).where(kept).group_by(*names)
    ):
        metric.add_metric(labels, count)
    yield metric
    held_back = sa.select(sa.func.count()).where(
        jobs.c.state == QUEUED, jobs.c.admitted_ms.is_(None)
    )
    yield gauge(
        "lendface_jobs_held_back",
        "Jobs that wait because their client has as many running as it may.",
        connection.execute(held_back).scalar_one(),
    )


def overdue_now(connection: sa.Connection, now_ms: int) -> Metric:
    """Housekeeping looks every minute: what is still there after some has been left undone."""
    metric = GaugeMetricFamily(
        "lendface_overdue_files",
        "Uploads and jobs whose files should have been deleted ten minutes ago or earlier.",
        labels=["kind"],
    )
    since_ms = now_ms - OVERDUE_MS
    of_uploads = (uploads.c.expires_ms < since_ms, uploads.c.purged_ms.is_(None), ~IS_NEEDED)
    of_jobs = (
        jobs.c.expires_ms < since_ms,
        jobs.c.purged_ms.is_(None),
        jobs.c.finished_ms.is_not(None),
    )
    for kind, table, is_overdue in (("upload", uploads, of_uploads), ("job", jobs, of_jobs)):
        query = sa.select(sa.func.count()).select_from(table).where(*is_overdue)
        metric.add_metric([kind], connection.execute(query).scalar_one())
    return metric


def work_now(connection: sa.Connection, now_ms: int) -> Iterator[Metric]:
    yield from queues_now(connection, now_ms)
    yield tasks_now(connection)
    yield overdue_now(connection, now_ms)
    yield workers_now(connection, now_ms)
    unsent = sa.select(sa.func.count()).where(deliveries.c.finished_ms.is_(None))
    yield gauge(
        "lendface_deliveries_waiting",
        "Webhooks that were neither taken nor given up.",
        connection.execute(unsent).scalar_one(),
    )


def queues_now(connection: sa.Connection, now_ms: int) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("lendface_queue_waiting", "Waits in a queue.", labels=["queue"])
    running = GaugeMetricFamily("lendface_queue_running", "Taken from it.", labels=["queue"])
    oldest = GaugeMetricFamily(
        "lendface_queue_oldest_seconds", "How long the first has waited.", labels=["queue"]
    )
    for queue, depth in read_depths(connection).items():
        waiting.add_metric([queue], depth.waiting)
        running.add_metric([queue], depth.running)
        since_ms = now_ms if depth.oldest_ms is None else depth.oldest_ms
        oldest.add_metric([queue], max(0, now_ms - since_ms) / 1000)
    yield from (waiting, running, oldest)


def tasks_now(connection: sa.Connection) -> Metric:
    """Of jobs that run: there are few of those, and an index finds them."""
    metric = GaugeMetricFamily("lendface_tasks_running", "Tasks in hand.", labels=["stage"])
    query = (
        sa.select(tasks.c.name, sa.func.count())
        .join(jobs, jobs.c.id == tasks.c.job_id)
        .where(jobs.c.state == RUNNING, tasks.c.run == jobs.c.run, tasks.c.state == "running")
        .group_by(tasks.c.name)
    )
    counts: dict[str, int] = {}
    for name, count in connection.execute(query):
        counts[stage_of(name)] = counts.get(stage_of(name), 0) + count
    for stage, count in sorted(counts.items()):
        metric.add_metric([stage], count)
    return metric


def workers_now(connection: sa.Connection, now_ms: int) -> Metric:
    """Every queue is there, so that an alert sees the one that nobody serves."""
    metric = GaugeMetricFamily(
        "lendface_workers", "Workers that live, by what they serve.", labels=["queue", "provider"]
    )
    query = sa.select(workers.c.queues, workers.c.provider)
    counts: dict[tuple[str, str], int] = {}
    for queues, provider in connection.execute(query.where(workers.c.seen_ms > now_ms - ALIVE_MS)):
        for queue in queues:
            counts[queue, provider] = counts.get((queue, provider), 0) + 1
    unserved = set(QUEUES) - {queue for queue, _ in counts}
    for labels, count in sorted({**counts, **{(queue, ""): 0 for queue in unserved}}.items()):
        metric.add_metric(labels, count)
    return metric


# What ended


class Ended:
    """Counters of what ended since this process began."""

    def __init__(self, began_ms: int) -> None:
        self._jobs = Follower(JOBS_ENDED, jobs.c.finished_ms, ("id", "finished_ms"), began_ms)
        self._tasks = Follower(
            TASKS_ENDED, tasks.c.finished_ms, ("job_id", "run", "name", "finished_ms"), began_ms
        )
        self._sent = Follower(SENT, deliveries.c.finished_ms, ("id", "finished_ms"), began_ms)
        self.jobs_ended = counter("jobs_ended", "Jobs that ended.", "state", "kind", "api", "code")
        self.wait_s = histogram("job_wait", "From a job's making to its start.", "kind")
        self.job_s = histogram("job", "From a job's start to its success.", "kind")
        self.task_s = histogram("task", "From a task's last start to its end.", "stage")
        self.retries = counter("task_retries", "Tasks begun again, for a worker died.", "stage")
        self.frames = counter("frames_rendered", "Frames of chunks that were rendered.")
        self.sent = counter("deliveries", "Webhooks that were taken or given up.", "state", "api")

    def look(self, connection: sa.Connection, now_ms: int) -> Metric:
        """Count what is new; how fast rendering was lately."""
        for row in self._jobs.look(connection, now_ms)[0]:
            self._count_job(row)
        fresh, lately = self._tasks.look(connection, now_ms)
        for row in fresh:
            self._count_task(row)
        for row in self._sent.look(connection, now_ms)[0]:
            self.sent.labels(row.state, row.api).inc()
        frames = sum(row.frames_done for row in lately if is_chunk(row))
        return gauge(
            "lendface_render_fps",
            "Frames a second of all chunks that ended in the last five minutes.",
            frames / (OVERLAP_MS / 1000),
        )

    def collect(self) -> Iterator[Metric]:
        for metric in (
            *(self.jobs_ended, self.wait_s, self.job_s, self.task_s),
            *(self.retries, self.frames, self.sent),
        ):
            yield from metric.collect()

    def _count_job(self, row: Row) -> None:
        self.jobs_ended.labels(row.state, row.kind, row.api, row.error_code or "").inc()
        if row.started_ms is None:
            return
        if row.run == 1:  # a later one waited for somebody to try again
            self.wait_s.labels(row.kind).observe(seconds(row.created_ms, row.started_ms))
        if row.state == "succeeded":
            self.job_s.labels(row.kind).observe(seconds(row.started_ms, row.finished_ms))

    def _count_task(self, row: Row) -> None:
        stage = stage_of(row.name)
        self.retries.labels(stage).inc(max(0, row.attempts - 1))
        if row.started_ms is not None:
            self.task_s.labels(stage).observe(seconds(row.started_ms, row.finished_ms))
        if is_chunk(row):
            self.frames.inc(row.frames_done)


JOBS_ENDED = sa.select(
    *(jobs.c.id, jobs.c.state, jobs.c.kind, jobs.c.api, jobs.c.error_code, jobs.c.run),
    *(jobs.c.created_ms, jobs.c.started_ms, jobs.c.finished_ms),
)
TASKS_ENDED = sa.select(
    *(tasks.c.job_id, tasks.c.run, tasks.c.name, tasks.c.attempts, tasks.c.frames_done),
    *(tasks.c.started_ms, tasks.c.finished_ms),
)
SENT = sa.select(deliveries.c.id, deliveries.c.state, deliveries.c.api, deliveries.c.finished_ms)


def stage_of(task: str) -> str:
    """
    >>> stage_of("chunk/12"), stage_of("scan")
    ('render', 'scan')
    """
    name = task.partition("/")[0]
    return STAGE.get(name, name)


def is_chunk(row: Row) -> bool:
    return stage_of(row.name) == "render"


def seconds(start_ms: int, end_ms: int) -> float:
    """Clocks of two machines may differ by more than a short task takes."""
    return max(0, end_ms - start_ms) / 1000


def gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def counter(name: str, what: str, *labels: str) -> Counter:
    return Counter(f"lendface_{name}", what, labels, registry=None)


def histogram(name: str, what: str, *labels: str) -> Histogram:
    return Histogram(f"lendface_{name}_seconds", what, labels, registry=None, buckets=SECONDS)


def build_info() -> Metric:
    metric = GaugeMetricFamily("lendface_build_info", "This process.", labels=["version"])
    metric.add_metric([__version__], 1)
    return metric
