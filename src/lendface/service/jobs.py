"""Jobs: made, looked at, cancelled, tried again, deleted. What workers do to them is in work.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ..errors import ClientRevokedError, IdempotencyMismatchError, NotFoundError, ServerBusyError
from ..storage.database import lock_row
from ..storage.tables import clients, job_uploads, jobs, tasks
from ..trust.audit import SERVER
from . import audit, ledger, permission
from . import deliveries as letters
from .clients import check_not_revoked
from .office import Office, new_id
from .requests import JobRequest, SwapJob, digest, dump_request, load_request
from .states import CANCELLED, LIVE, QUEUED, RUNNING, SUCCEEDED, check_move
from .uploads import after_a_look, are_elsewhere, check_usable

Row = Mapping[str, Any]
# Among a job's notes: how long its client may go without asking after it, and when it last did.
WINDOW_NOTE, ASKED_NOTE = "window_ms", "asked_ms"
SHORT = ("detect", "fetch", "consent")  # kinds that are over in a moment
FAR = 1000  # places
MIDDLE = 50  # priority of a job that asks for none

NEW: Row = {column.name: None for column in jobs.columns}

# Statements of every submission, made once: to make one takes longer than to carry it out.
_is_own = jobs.c.client_id == sa.bindparam("client_id")
_is_long = jobs.c.kind.not_in(SHORT)
_is_meant = jobs.c.id == sa.bindparam("job_id")
_at_the_door = sa.select(jobs.c.id, jobs.c.run, jobs.c.priority, jobs.c.client_id, jobs.c.request)
REPEATED = sa.select(jobs).where(_is_own, jobs.c.idempotency_key == sa.bindparam("key"))
COUNT_WAITING = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state == QUEUED)
COUNT_BUSY = (
    sa.select(sa.func.count())
    .select_from(jobs)
    .where(_is_own, _is_long, jobs.c.state.in_(LIVE), jobs.c.admitted_ms.is_not(None))
)
NEXT = (
    _at_the_door.where(_is_own, _is_long, jobs.c.state == QUEUED, jobs.c.admitted_ms.is_(None))
    .order_by(jobs.c.priority, jobs.c.created_ms)
    .limit(sa.bindparam("free"))
)
ADD_UPLOADS = job_uploads.insert()
WAITING = _at_the_door.where(_is_meant)
ADMIT = jobs.update().where(_is_meant).values(admitted_ms=sa.bindparam("now_ms"))


@dataclass(frozen=True)
class Wish:
    """How a client wants its job treated."""

    api: str = "native"
    alias: str | None = None
    webhook_url: str | None = None
    idempotency_key: str | None = None
    priority: int = MIDDLE
    notes: Mapping[str, Any] = field(default_factory=dict)
    keep_ms: int | None = None  # None: as long as the server keeps files
    units: int = 0  # set aside from the start; the job's own price when its file was looked at


def submit(office: Office, client_id: str, request: JobRequest, wish: Wish = Wish()) -> Row:
    """A job, written down and queued in one transaction, or none of both.

    The same idempotency key gives the same job again. Raises NotFoundError, UploadMissingError,
    IdempotencyMismatchError, ServerBusyError, and QuotaExceededError for a wish with units.
    """
    request_hash = digest(dump_request(request))

    def write() -> Row:
        with office.database.writing() as connection:
            client = lock_client(connection, client_id)
            if earlier := find_repeated(connection, client_id, wish.idempotency_key, request_hash):
                return earlier
            return add_job(connection, office, client, request, wish, request_hash)

    with audit.telling_refusals(office, client_id):
        return after_a_look(office, client_id, request.uploads, write)


def lock_client(connection: sa.Connection, client_id: str) -> sa.Row[Any]:
    """Raises NotFoundError."""
    client = lock_row(connection, clients, client_id)
    if client is None:
        raise NotFoundError("client")
    return client


def add_job(
    connection: sa.Connection,
    office: Office,
    client: sa.Row[Any],
    request: JobRequest,
    wish: Wish,
    request_hash: str,
) -> Row:
    """A new job of a client who is locked. ``request_hash`` is of the request as it came.

    Raises ClientRevokedError, and what ``submit`` does.
    """
    client_id = client.id
    if client.revoked_ms is not None:  # while this request was on its way
        raise ClientRevokedError
    check_usable(connection, office, client_id, request.uploads, request.name_of)
    if isinstance(request, SwapJob):
        permission.check_submission(connection, office, client, request)
    _check_room(connection, office)
    now_ms = office.now_ms()
    row = NEW | {
        "id": new_id(now_ms),
        "client_id": client_id,
        "api": wish.api,
        "kind": request.kind,
        "alias": wish.alias,
        "state": QUEUED.value,
        "stage": QUEUED.value,
        "run": 1,
        "request": dump_request(request),
        "notes": dict(wish.notes),
        "priority": wish.priority,
        "idempotency_key": wish.idempotency_key,
        "request_hash": request_hash,
        "webhook_url": wish.webhook_url,
        "facts": {},
        "created_ms": now_ms,
        "changed_ms": now_ms,
        "expires_ms": now_ms + (wish.keep_ms or office.rules.keep_ms),
        "attestation_id": client.attestation_id,
    }
    connection.execute(jobs.insert(), row)
    made_of = [{"job_id": row["id"], "upload_id": upload} for upload in request.uploads]
    connection.execute(ADD_UPLOADS, made_of)
    if wish.units:
        ledger.hold(connection, client_id, row["id"], wish.units, now_ms)
    if row["id"] in _admit_new(connection, office, client, row):
        row["admitted_ms"] = now_ms
    if isinstance(request, SwapJob) and request.consents:
        permission.rest_on(connection, office, row, request.consents)
    audit.record(connection, "job.submitted", row["id"], client_id, {"kind": request.kind}, now_ms)
    return row


def find_repeated(
    connection: sa.Connection, client_id: str, key: str | None, request_hash: str
) -> Row | None:
    """The job an idempotency key was used for. Raises IdempotencyMismatchError."""
    if key is None:
        return None
    row = connection.execute(REPEATED, {"client_id": client_id, "key": key}).mappings().first()
    if row is not None and row["request_hash"] != request_hash:
        raise IdempotencyMismatchError
    return row


def _check_room(connection: sa.Connection, office: Office) -> None:
    def count_free() -> int:
        return office.rules.max_queued - connection.execute(COUNT_WAITING).scalar_one()

    if not office.crowd.take(office.now_ms(), count_free):
        raise ServerBusyError


def admit(connection: sa.Connection, office: Office, client_id: str) -> int:
    """Give a client's next waiting jobs to the queue, as many as it may have running.

    Short looks at files take nobody's place and need none, since somebody waits for them. Whoever
    ends a job calls this in the same transaction, so a place never stays empty. Returns how many.
    """
    return len(_admit(connection, office, lock_client(connection, client_id)))


def _admit(connection: sa.Connection, office: Office, client: sa.Row[Any]) -> set[str]:
    limit = client.max_running or office.rules.max_running
    whose = {"client_id": client.id}
    free = limit - connection.execute(COUNT_BUSY, whose).scalar_one()
    if free <= 0:  # which is so for nearly every job of a crowd
        return set()
    waiting = connection.execute(NEXT, whose | {"free": free}).all()
    for job in waiting:
        _give(connection, office, job)
    return {job.id for job in waiting}


def find_admissible(connection: sa.Connection, office: Office) -> list[str]:
    """Clients who have a job that waits, and a place for it."""
    is_theirs = (jobs.c.client_id == clients.c.id) & _is_long
    waits = sa.exists().where(is_theirs, jobs.c.state == QUEUED, jobs.c.admitted_ms.is_(None))
    busy = (
        sa.select(sa.func.count())
        .select_from(jobs)
        .where(is_theirs, jobs.c.state.in_(LIVE), jobs.c.admitted_ms.is_not(None))
        .scalar_subquery()
    )
    limit = sa.func.coalesce(clients.c.max_running, office.rules.max_running)
    return list(connection.execute(sa.select(clients.c.id).where(waits, busy < limit)).scalars())


def admit_new(connection: sa.Connection, office: Office, job: Row) -> None:
    """A job that has come to wait again."""
    _admit_new(connection, office, lock_client(connection, job["client_id"]), job)


def _admit_new(
    connection: sa.Connection, office: Office, client: sa.Row[Any], job: Row
) -> set[str]:
    """The ids of those that were given to the queue."""
    if job["kind"] not in SHORT:
        return _admit(connection, office, client)
    _give(connection, office, connection.execute(WAITING, {"job_id": job["id"]}).one())
    return {job["id"]}


def _give(connection: sa.Connection, office: Office, job: sa.Row[Any]) -> None:
    """To the queue, by way of whoever fetches where a file of it lies elsewhere."""
    connection.execute(ADMIT, {"job_id": job.id, "now_ms": office.now_ms()})
    office.queue.submit(
        connection,
        job.id,
        job.run,
        priority=job.priority,
        render_queue=office.rules.render_queue,
        client_id=job.client_id,
        fetches=are_elsewhere(connection, load_request(job.request).uploads),
    )


# Looking


def get_row(connection: sa.Connection, job_id: str) -> Row:
    """Raises NotFoundError."""
    row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().first()
    if row is None:
        raise NotFoundError("job")
    return row


def get_job(office: Office, client_id: str, job_id: str) -> Row:
    """A client's own job. Raises NotFoundError, also for deleted ones."""
    return find_job(office, client_id, jobs.c.id == job_id)


def get_job_by_alias(office: Office, client_id: str, alias: str) -> Row:
    """By the id a foreign API gave it. Raises NotFoundError."""
    return find_job(office, client_id, jobs.c.alias == alias)


def find_job(office: Office, client_id: str, condition: sa.ColumnElement[bool]) -> Row:
    query = sa.select(jobs).where(
        condition, jobs.c.client_id == client_id, jobs.c.deleted_ms.is_(None)
    )
    with office.database.reading() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError("job")
    return row


def find_jobs(office: Office, client_id: str, api: str, job_ids: Sequence[str]) -> list[Row]:
    """Those of a client's jobs in one API that are known, each once, in the order of the ids."""
    query = sa.select(jobs).where(
        jobs.c.id.in_(set(job_ids)),
        jobs.c.client_id == client_id,
        jobs.c.api == api,
        jobs.c.deleted_ms.is_(None),
    )
    with office.database.reading() as connection:
        row_by_id = {row["id"]: row for row in connection.execute(query).mappings()}
    return [row_by_id[job_id] for job_id in dict.fromkeys(job_ids) if job_id in row_by_id]


def list_jobs(
    office: Office,
    client_id: str,
    *,
    limit: int = 50,
    before: tuple[int, str] | None = None,
    states: Sequence[str] = (),
    kind: str | None = None,
    api: str | None = None,
) -> list[Row]:
    """Newest first, from after ``before`` (created_ms, id)."""
    query = sa.select(jobs).where(jobs.c.client_id == client_id, jobs.c.deleted_ms.is_(None))
    if before:
        query = query.where(sa.tuple_(jobs.c.created_ms, jobs.c.id) < before)
    if states:
        query = query.where(jobs.c.state.in_(states))
    if kind:
        query = query.where(jobs.c.kind == kind)
    if api:
        query = query.where(jobs.c.api == api)
    query = query.order_by(jobs.c.created_ms.desc(), jobs.c.id.desc()).limit(limit)
    with office.database.reading() as connection:
        return list(connection.execute(query).mappings())


@dataclass(frozen=True)
class JobProgress:
    """How far a job is."""

    stage: str
    frames_done: int  # in this stage
    frames_total: int | None
    share: float  # 0..1 of the whole job
    eta_s: float | None  # a guess from the pace so far
    queue_position: int | None  # 1 is next; None once it runs


SCAN_SHARE = 0.25  # of a swap's time, roughly, on a processor
AFTER_SCAN = ("render", "join", "finish")
DONE_OF = (
    sa.select(jobs.c.id, tasks.c.name, tasks.c.frames_done)
    .join(jobs, (jobs.c.id == tasks.c.job_id) & (jobs.c.run == tasks.c.run))
    .where(tasks.c.job_id.in_(sa.bindparam("job_ids", expanding=True)))
)
_place = [jobs.c[name] for name in ("priority", "created_ms", "id")]
_is_ahead = sa.tuple_(*_place) < sa.tuple_(*(sa.bindparam(c.name, type_=c.type) for c in _place))
_ahead = sa.select(sa.literal(1)).where(jobs.c.state == QUEUED, _is_ahead).limit(FAR)
COUNT_AHEAD = sa.select(sa.func.count()).select_from(_ahead.subquery())
FIRST_IN_LINE = sa.select(jobs.c.id).where(jobs.c.state == QUEUED).order_by(*_place).limit(FAR)


def progress_of(office: Office, job: Row) -> JobProgress:
    """From the notes its workers make."""
    with office.database.reading() as connection:
        return progress_in(connection, office, job)


def progress_of_all(office: Office, rows: Sequence[Row]) -> list[JobProgress]:
    """``progress_of`` of each, by as many statements as for one."""
    waiting = [job for job in rows if job["state"] == QUEUED]
    begun = [job["id"] for job in rows if job["state"] != QUEUED]
    places: dict[str, int] = {}
    done: dict[str, list[tuple[str, int]]] = {}
    with office.database.reading() as connection:
        if waiting:
            first = connection.execute(FIRST_IN_LINE).scalars()
            places = {job_id: place for place, job_id in enumerate(first, 1)}
        if begun:
            for job_id, name, frames in connection.execute(DONE_OF, {"job_ids": begun}):
                done.setdefault(job_id, []).append((name, frames))
    return [
        _queued(job, places.get(job["id"], FAR + 1))
        if job["state"] == QUEUED
        else _begun(office, job, done.get(job["id"], []))
        for job in rows
    ]


def progress_in(connection: sa.Connection, office: Office, job: Row) -> JobProgress:
    """``progress_of`` in the caller's transaction."""
    if job["state"] == QUEUED:  # the first task that begins makes it run
        return _queued(job, _position(connection, job))
    rows = connection.execute(DONE_OF, {"job_ids": [job["id"]]}).all()
    return _begun(office, job, [(name, frames) for _, name, frames in rows])


def _queued(job: Row, position: int) -> JobProgress:
    return JobProgress(job["stage"], 0, job["frames_total"], 0.0, None, position)


def _begun(office: Office, job: Row, done: Sequence[tuple[str, int]]) -> JobProgress:
    """``done``: frames of each of its tasks, by name."""
    stage = job["stage"]
    total = job["frames_total"]
    scanned = sum(frames for name, frames in done if name == "scan")
    if stage in AFTER_SCAN:  # also where an earlier job's scan was taken
        scanned = total or 0
    rendered = sum(frames for name, frames in done if name.startswith("chunk"))
    share = 1.0 if job["state"] == SUCCEEDED else _share(job["kind"], scanned, rendered, total)
    return JobProgress(
        stage=stage,
        frames_done={"scan": scanned, "render": rendered}.get(stage, 0),
        frames_total=total,
        share=share,
        eta_s=_eta_s(office, job, share),
        queue_position=None,
    )


def _share(kind: str, scanned: int, rendered: int, total: int | None) -> float:
    if not total:
        return 0.0
    weight = SCAN_SHARE if kind == "swap" else 1.0
    done = weight * min(1.0, scanned / total) + (1 - weight) * min(1.0, rendered / total)
    return min(0.99, done)


def _eta_s(office: Office, job: Row, share: float) -> float | None:
    if job["state"] != RUNNING or not job["started_ms"] or share < 0.02:
        return None
    spent_s = (office.now_ms() - job["started_ms"]) / 1000
    return round(spent_s / share * (1 - share), 1)


def _position(connection: sa.Connection, job: Row) -> int:
    """Its place in the queue; beyond ``FAR`` nobody counts."""
    place = {name: job[name] for name in ("priority", "created_ms", "id")}
    return connection.execute(COUNT_AHEAD, place).scalar_one() + 1


def chunk_facts(office: Office, job: Row) -> list[Row]:
    """Its tasks as they stand, for an operator."""
    query = sa.select(tasks).where(tasks.c.job_id == job["id"], tasks.c.run == job["run"])
    with office.database.reading() as connection:
        return list(connection.execute(query.order_by(tasks.c.created_ms)).mappings())


# Changing


def cancel(office: Office, client_id: str, job_id: str) -> Row:
    """Stop a job; what its workers are doing ends within a second. Cancelling twice is no error.

    Raises NotFoundError, WrongMoveError where it has ended otherwise.
    """
    job = get_job(office, client_id, job_id)
    with office.database.writing() as connection:
        row = lock_to_end(connection, job_id)
        if row["state"] != CANCELLED:
            check_move(row["state"], CANCELLED)
            end(connection, office, row, CANCELLED)
    office.queue.cancel(job["id"], job["run"])
    return get_job(office, client_id, job_id)


def retry(office: Office, client_id: str, job_id: str) -> Row:
    """Try a failed or cancelled job again; it resumes at the first chunk that is not there yet.

    Raises NotFoundError, WrongMoveError, UploadMissingError, ConsentWithdrawnError.
    """
    job = get_job(office, client_id, job_id)
    request = load_request(job["request"])

    def begin() -> None:
        _begin_again(office, client_id, job_id, request)

    after_a_look(office, client_id, request.uploads, begin)
    return get_job(office, client_id, job_id)


def _begin_again(office: Office, client_id: str, job_id: str, request: JobRequest) -> None:
    with office.database.writing() as connection:
        row = lock_to_end(connection, job_id)
        check_move(row["state"], QUEUED)
        check_not_revoked(connection, client_id)
        check_usable(connection, office, client_id, request.uploads, request.name_of)
        permission.check_again(connection, office, row)
        now_ms = office.now_ms()
        connection.execute(
            jobs.update()
            .where(jobs.c.id == job_id)
            .values(
                state=QUEUED.value,
                stage=QUEUED.value,
                run=row["run"] + 1,
                error_code=None,
                error_message=None,
                admitted_ms=None,
                started_ms=None,
                finished_ms=None,
                cleaned_ms=None,
                changed_ms=now_ms,
            )
        )
        admit_new(connection, office, row)
        audit.record(connection, "job.retried", job_id, client_id, {}, now_ms)


def delete(office: Office, client_id: str, job_id: str) -> None:
    """Stop it if it runs; its result goes at once, its row stays for the audit.

    Raises NotFoundError.
    """
    job = get_job(office, client_id, job_id)
    with office.database.writing() as connection:
        row = lock_to_end(connection, job_id)
        if row["state"] in LIVE:
            end(connection, office, row, CANCELLED)
        now_ms = office.now_ms()
        # Expired too, so that its files go later if this process ends before they went.
        changes = {"deleted_ms": now_ms, "expires_ms": now_ms, "changed_ms": now_ms}
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(**changes))
        audit.record(connection, "job.deleted", job_id, client_id, {}, now_ms)
    office.queue.cancel(job["id"], job["run"])
    purge_files(office, job)


def purge_files(office: Office, job: Row, actor: str | None = None) -> None:
    """Delete what a job made, and what its row tells of faces. Harmless when done again.

    Where an ``actor`` is named it is written into the audit log.
    """
    places = [f"results/{job['id']}", f"work/{job['id']}", *_scan_of_its_own(office, job)]
    for place in places:
        office.blobs.delete_many([blob.key for blob in office.blobs.list(place)])
    with office.database.writing() as connection:
        now_ms = office.now_ms()
        changes: dict[str, Any] = {"purged_ms": now_ms, "cleaned_ms": now_ms, "facts": {}}
        if job["kind"] != "swap":  # boxes and landmarks of people
            changes["result"] = sa.null()
        connection.execute(jobs.update().where(jobs.c.id == job["id"]).values(**changes))
        if actor is not None:
            audit.record(connection, "job.purged", job["id"], job["client_id"], {}, now_ms, actor)


def _scan_of_its_own(office: Office, job: Row) -> list[str]:
    """Where its scan lies, unless another job that is kept is made of it too."""
    query = sa.select(jobs.c.scan_key).where(jobs.c.id == job["id"])
    with office.database.reading() as connection:
        key = connection.execute(query).scalar()
        is_shared = key is None or scans_in_use(connection, [key], but_for=job["id"])
    return [] if is_shared else [key]


def scans_in_use(
    connection: sa.Connection, keys: Collection[str], but_for: str | None = None
) -> set[str]:
    """Those of which jobs are made whose files are kept."""
    query = sa.select(jobs.c.scan_key).where(
        jobs.c.scan_key.in_(keys), jobs.c.purged_ms.is_(None), jobs.c.deleted_ms.is_(None)
    )
    if but_for is not None:
        query = query.where(jobs.c.id != but_for)
    return set(connection.execute(query.distinct()).scalars())


def lock_to_end(connection: sa.Connection, job_id: str) -> Row:
    """``lock_job`` for whoever may end the job: the client is held too.

    Always the client first, since the end of a job gives the client's next jobs to the queue: two
    that took their locks in different orders would wait for each other.
    """
    client_id = get_row(connection, job_id)["client_id"]
    lock_row(connection, clients, client_id)
    return lock_job(connection, job_id)


def lock_job(connection: sa.Connection, job_id: str) -> Row:
    """The row, nobody else's until the transaction ends. Raises NotFoundError."""
    row = lock_row(connection, jobs, job_id)
    if row is None:
        raise NotFoundError("job")
    return row._mapping


def is_lost(job: Row, now_ms: int) -> bool:
    """Whether it ran for longer than its client may go without asking: nobody has it any more."""
    window_ms = job["notes"].get(WINDOW_NOTE)
    if window_ms is None:
        return False
    asked_ms = job["notes"].get(ASKED_NOTE, job["created_ms"])
    return (job["finished_ms"] or now_ms) - asked_ms > window_ms


def end(
    connection: sa.Connection,
    office: Office,
    job: Row,
    state: str,
    **changes: Any,
) -> None:
    """The end of a job, all of it in one transaction: state, units, messages, the next job's turn.

    ``job`` is locked (``lock_to_end``) and may go to ``state``.
    """
    now_ms = office.now_ms()
    changes |= {"state": str(state), "finished_ms": now_ms, "changed_ms": now_ms}
    connection.execute(jobs.update().where(jobs.c.id == job["id"]).values(**changes))
    if state == SUCCEEDED and not is_lost(job, now_ms):
        ledger.charge(connection, job["id"], now_ms)
    else:
        ledger.release(connection, job["id"])
    ended = get_row(connection, job["id"])
    letters.announce(connection, office, ended)
    admit(connection, office, job["client_id"])
    detail = {"state": str(state), "code": ended["error_code"]}
    actor = None if state == CANCELLED else SERVER
    audit.record(connection, "job.ended", job["id"], job["client_id"], detail, now_ms, actor)
