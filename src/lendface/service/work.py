"""The tasks of a job, as its workers do them. Each may be done twice and leaves the same behind.

What a task makes is a file in the blob store whose key says what it was made from; a task that
finds its file there has nothing to do. So a retry, a second worker or a restart never repeats
finished work and never leaves two results.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..engine.enrol import Photo
from ..engine.types import Floats
from ..errors import (
    BlobChangedError,
    BlobMissingError,
    CancelledError,
    FetchError,
    InternalError,
    ScanFileError,
    SealBrokenError,
    StorageUnavailableError,
    UploadLostError,
    UploadMissingError,
    about,
)
from ..media import read_image
from ..net.datauri import is_data_uri, open_data_uri
from ..net.fetch import fetch
from ..pipeline import steps
from ..pipeline.detect import Detected, FoundFace, LookedAt, cut_out, describe_face, detect, xywh
from ..pipeline.limits import check_photo, check_target, told_as
from ..pipeline.parts import Parts, Progress, Watch
from ..pipeline.scans import Scan
from ..pipeline.steps import JobPlan, Rendition
from ..pipeline.targets import open_target
from ..pipeline.trackfile import load_scan
from ..pipeline.warming import COMPILE
from ..storage.blobs import BlobInfo
from ..storage.disk import opened, write_all
from ..storage.scratch import Scratch
from ..storage.tables import jobs, tasks, uploads
from ..trust.provenance import MANIFEST_TYPE, SIDECAR, sidecar_of
from ..trust.readings import GateNets
from ..trust.swaps import Signer
from . import audit, consents, deliveries, ledger, permission, sealed_files, swapping
from .house import left_by_all
from .intact import record_of
from .jobs import end, get_row, lock_job, lock_to_end, purge_files
from .judging import Judge
from .office import Office
from .people import number_people
from .prices import units_of
from .provenance import sign_result
from .refusals import naming_refusals
from .requests import (
    DetectJob,
    EnrolJob,
    FetchJob,
    JobRequest,
    PhotoRef,
    ScanJob,
    SwapJob,
    digest,
    load_request,
)
from .scans import frame_lines
from .states import FAILED, LIVE, QUEUED, RUNNING, SUCCEEDED
from .uploads import COPY, READY, arrive, mark_failed, new_place, note_hash, notice

log = logging.getLogger("lendface.work")

READ_BYTES = 1 << 20
TICK_MS = 500  # between two notes of progress, and two looks at whether the job is still wanted
STAGE = {"chunk": "render"}
DONE = "done"
# Of somebody whose best frame a damaged film does not give a second time.
NO_PICTURES: Mapping[str, None] = {"thumbnail_key": None, "portrait_key": None}
DAMAGED = (SealBrokenError, ScanFileError, BlobMissingError)  # of what can be made again

Row = Mapping[str, Any]


@dataclass(eq=False)
class JobWork:
    """Plays the role of ``jobs.work.Work``."""

    office: Office
    scratch: Scratch
    load_parts: Callable[[], Parts]  # the engine with its models, loaded when first needed
    signer: Signer | None  # of results; None where nothing is rendered
    nets: GateNets = field(default_factory=GateNets.load)  # each is loaded when it first reads

    @property
    def judge(self) -> Judge:
        return Judge(self.office, self.nets)

    # What the durable engine asks

    def claim(self, job_id: str, run: int, task: str, executor: str) -> int | None:
        now_ms = self.office.now_ms()
        with self.office.database.writing() as connection:
            job = lock_job(connection, job_id)
            if not is_wanted(job, run):
                return None
            changes: dict[str, Any] = {"stage": stage_of(task), "changed_ms": now_ms}
            if job["state"] == QUEUED:
                changes |= {"state": RUNNING.value, "started_ms": now_ms}
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(**changes))
            if job["state"] == QUEUED:
                deliveries.announce_start(connection, self.office, get_row(connection, job_id))
            return _count_attempt(connection, (job_id, run, task), executor, now_ms)

    def unclaim(self, job_id: str, run: int, task: str) -> None:
        self._note((job_id, run, task), attempts=tasks.c.attempts - 1, state="waiting")

    def perform(self, job_id: str, run: int, task: str, is_stopping: Callable[[], bool]) -> Any:
        with self.office.database.reading() as connection:
            job = get_row(connection, job_id)
        follow = Follow(self, job, task, is_stopping)
        request = load_request(job["request"])
        try:
            value = self._do(task, job, request, follow)
        finally:
            self._drop_if_deleted(job_id)
        self._note(follow.key, state=DONE, finished_ms=self.office.now_ms())
        return value

    def fail(self, job_id: str, run: int, code: str, message: str) -> None:
        with self.office.database.writing() as connection:
            job = lock_to_end(connection, job_id)
            if is_wanted(job, run):
                end(
                    connection,
                    self.office,
                    job,
                    FAILED,
                    error_code=code,
                    error_message=message,
                )

    def deliver(self, delivery_id: str, round_number: int, attempt: int, postponed: int) -> None:
        deliveries.attempt(self.office, delivery_id, round_number, attempt, postponed)

    # What the worker asks beside that

    def tidy(self) -> None:
        """Drop copies of what was deleted and erased, and those that nobody uses any more; and what
        workers left on this machine that were killed."""
        self.scratch.clear_abandoned()
        self.scratch.forget_idle()
        if keys := self.scratch.kept():
            with self.office.database.reading() as connection:
                self.scratch.forget(left_by_all(connection, keys))

    def close(self) -> None:
        """Nothing of anybody stays in this worker's own folder."""
        self.scratch.close()

    # The tasks

    def _do(self, task: str, job: Row, request: JobRequest, follow: Follow) -> Any:
        name, _, number = task.partition("/")
        match name:
            case "fetch":
                return self._fetch(request, follow)
            case "finish":
                return self._finish(job)
        if isinstance(request, FetchJob):
            return None
        with self._files(request, follow) as files:
            match name:
                case "probe" if isinstance(request, DetectJob):
                    return self._detect(job, request, files, follow)
                case "probe" if isinstance(request, EnrolJob):
                    return self._enrol(request, files)
                case "probe":
                    self._probe(job, request, files)
                    return True
                case "scan":
                    request = swapping.settle_end(request, job["facts"])
                    return self._scan(job, request, files, follow)
        if not isinstance(request, SwapJob):
            return None
        request = swapping.settle_end(request, job["facts"])
        with told_as(request.target_name):  # its photos have been read before
            match name:
                case "chunk":
                    return self._render(job, request, int(number), follow)
                case "join":
                    return self._join(job, request, follow)
        raise ValueError(f"no such task: {task}")

    def _fetch(self, request: JobRequest, follow: Follow) -> bool:
        """Every file is there afterwards. Returns whether anything is left to do."""
        targets = _targets_of(request)
        for upload_id in request.uploads:
            with about(request.name_of(upload_id)):
                self._bring(upload_id, is_target=upload_id in targets, follow=follow)
        return not isinstance(request, FetchJob)

    def _bring(self, upload_id: str, *, is_target: bool, follow: Follow) -> None:
        row = self._upload(upload_id)
        if row["state"] == READY:
            return
        if row["url"] is None:
            if notice(self.office, row, wait=True)["state"] != READY:
                raise UploadMissingError
            return
        rules = self.office.rules
        limit = rules.limits.max_bytes if is_target else rules.max_photo_bytes
        try:
            kept = self._download(row, limit, follow)
        except FetchError as error:
            mark_failed(self.office, upload_id, error.code)
            raise
        if arrive(self.office, row, kept)["state"] != READY:  # deleted meanwhile
            raise UploadMissingError

    def _download(self, row: Row, limit: int | None, follow: Follow) -> BlobInfo:
        """Where it lies now, under a key of its own: another task may bring the same file."""
        office, place = self.office, new_place(row)
        policy = replace(office.rules.fetch, max_bytes=limit) if limit else office.rules.fetch
        if row["url"].startswith(COPY):
            chunks = office.blobs.read(row["url"].removeprefix(COPY))
            return office.blobs.put(place, follow.through(chunks), max_bytes=policy.max_bytes)
        if is_data_uri(row["url"]):  # an earlier version wrote it down
            pieces = open_data_uri(row["url"], policy.max_bytes).pieces
            return office.blobs.put(place, pieces, max_bytes=policy.max_bytes)
        with fetch(row["url"], policy) as got:
            return office.blobs.put(place, follow.through(got.chunks), max_bytes=policy.max_bytes)

    def _probe(self, job: Row, request: ScanJob | SwapJob, files: Files) -> None:
        """Refuse what is too large or no film; set aside what it will cost."""
        rules = self.office.rules
        limits = swapping.limits_for(request.limits, rules.limits)
        photo_limits = rules.photo_limits
        if isinstance(request, SwapJob):
            photo_limits = swapping.limits_for(request.photo_limits, photo_limits)
        facts = check_target(files.path(request.target), limits, name=request.target_name)
        found: dict[str, Any] = {"target": facts.as_dict()}
        if isinstance(request, SwapJob):
            for photo in _photos_of(request):
                check_photo(files.path(photo.upload), photo_limits, name=photo.name)
            found["suffix"] = swapping.suffix_of(request.output, facts, request.target_name)
            found["label"] = swapping.settle_label(request, rules.label)
        units, frames = units_of(request, facts), swapping.frames_in(request, facts)
        with self.office.database.writing() as connection:
            if units:
                now_ms = self.office.now_ms()
                ledger.hold(connection, job["client_id"], job["id"], units, now_ms)
            self._keep_facts(connection, job, found, frames_total=frames, units=units)

    def _detect(self, job: Row, request: DetectJob, files: Files, follow: Follow) -> bool:
        """All there is to do for a look at some pictures."""
        limits = swapping.limits_for(request.limits, self.office.rules.limits)
        found: list[dict[str, Any]] = []
        seen: list[list[Floats]] = []  # embeddings, which are not kept
        for number, upload_id in enumerate(request.targets):
            follow.check()
            path, name = files.path(upload_id), request.name_of(upload_id)
            check_target(path, limits, name=name)
            with told_as(name):
                detected = detect(
                    path, self.load_parts(), request.frames, largest_only=request.largest_only
                )
            found.append(self._described(job, request, number, detected))
            seen += [[face.embedding for face in frame.faces] for frame in detected.frames]
        frames = [frame for target in found for frame in target["frames"]]
        for frame, people in zip(frames, number_people(seen), strict=True):
            for face, person in zip(frame["faces"], people, strict=True):
                face["person"] = person
        with self.office.database.writing() as connection:
            self._keep_facts(connection, job, {"result": {"targets": found}})
        return False

    def _enrol(self, request: EnrolJob, files: Files) -> bool:
        """All there is to do for a consent: the face of its photo."""
        photo = request.photo
        path = files.path(photo.upload)
        check_photo(path, self.office.rules.photo_limits, name=photo.name)
        shown = Photo(photo.name, read_image(path)[0], photo.face_number, photo.face_at)
        face = self.load_parts().enroller.portrait(shown)
        consents.keep_face(self.office, request.consent, face.embedding, hash_of(path))
        return False

    def _described(
        self, job: Row, request: DetectJob, number: int, detected: Detected
    ) -> dict[str, Any]:
        """Plain values; pictures of the faces become results of the job where wanted."""

        def described(place: str, frame: LookedAt, face: FoundFace) -> dict[str, Any]:
            facts = describe_face(face)
            if request.crops:
                room, data = cut_out(frame.picture, face.box, request.crop_margin)
                key = f"results/{job['id']}/{place}.jpg"
                kept = self.office.blobs.put(key, [data], content_type="image/jpeg")
                facts |= {"crop_key": key, "crop_xywh": xywh(room), "crop": record_of(kept)}
            return facts

        return {
            "kind": detected.kind,
            "size_wh": list(detected.size_wh),
            "frames": [
                {
                    "index": frame.index,
                    "time_s": None if frame.time is None else round(float(frame.time), 3),
                    "faces": [
                        described(f"face-{number}-{frame.index}-{place}", frame, face)
                        for place, face in enumerate(frame.faces)
                    ],
                }
                for frame in detected.frames
            ],
        }

    def _scan(
        self, job: Row, request: ScanJob | SwapJob, files: Files, follow: Follow
    ) -> list[str]:
        """Who is in the target, and who gets whose face. Returns the tasks that follow."""
        place = self._scan_place(job, request)
        with self.office.database.writing() as connection:  # so that it stays while it is used
            self._keep_facts(connection, job, {"scan": place}, scan_key=place)
        cast = self._find_cast(place)
        is_fresh = cast is None
        if cast is None:
            cast = self._scan_afresh(request, files, place, follow)
        facts: dict[str, Any] = {"scan": place}
        names: list[str] = []
        rests_on: list[str] = []
        if isinstance(request, SwapJob):
            try:
                planned, rests_on = self._plan(job, request, place, files, follow)
            except DAMAGED:  # as by another secret: what was kept is made anew, once
                if is_fresh:
                    raise
                log.warning("a kept scan cannot be opened and is made again")
                cast = self._scan_afresh(request, files, place, follow)
                planned, rests_on = self._plan(job, request, place, files, follow)
            facts |= planned
            names = [f"chunk/{number}" for number in range(len(facts["chunks"]))]
        facts["cast"] = cast
        with self.office.database.writing() as connection:
            self._keep_facts(connection, job, facts, frames_total=cast["frames"])
            if rests_on:
                permission.rest_on(connection, self.office, job, rests_on)
        return names

    def _plan(
        self, job: Row, request: SwapJob, place: str, files: Files, follow: Follow
    ) -> tuple[dict[str, Any], list[str]]:
        """Who gets whose face, and on which consents that rests. Raises RefusedError."""
        rests_on: list[str] = []

        def permit(found: Scan, made: JobPlan) -> None:
            people = {track: found.tracks.get_person(track) for track in made.pair_by_track}
            faces = {track: person.embedding for track, person in people.items()}
            rules = self.office.rules
            with naming_refusals(request, made.pair_by_track, tells_rule=rules.tell_refusals):
                consented = permission.match_faces(self.office, job, request, made.sources, faces)
                rests_on.extend(consented)
                trim = swapping.trim_of(request)
                target = open_target(files.path(request.target), trim).as_target()
                self.judge.check(place, target, found.tracks, made, follow.check)

        with (
            audit.telling_refusals(self.office, job["client_id"], job["id"]),
            told_as(request.target_name),
            self._tracks(place) as tracks,
        ):
            planned = swapping.plan(
                request,
                files.path,
                tracks,
                self.load_parts(),
                self.office.rules.chunk_s,
                permit,
                job["facts"]["suffix"],
            )
        return planned | {"lowered_guards": dict(self.office.rules.lowered_guards)}, rests_on

    def _find_cast(self, place: str) -> dict[str, Any] | None:
        """What was found when the film was scanned; None unless all of it is there and whole."""
        blobs = self.office.blobs
        try:
            cast = read_cast(b"".join(blobs.read(cast_key(place))))
        except BlobMissingError:
            return None
        kept = cast.get("kept", {}) if cast else {}
        if cast and all(self.office.intact.is_as(blobs, f"{place}/{n}", kept[n]) for n in kept):
            return cast
        log.warning("a kept scan is not whole and is made again")
        return None

    def _scan_afresh(
        self, request: ScanJob | SwapJob, files: Files, place: str, follow: Follow
    ) -> dict[str, Any]:
        path, blobs, trim = files.path(request.target), self.office.blobs, swapping.trim_of(request)
        look = self.judge.new_look()
        with told_as(request.target_name), self.scratch.nameless_file() as tracks:
            cast = steps.scan_file_to(path, trim, self.load_parts(), follow.watch, tracks, look)
            found = load_scan(tracks)
            self.judge.keep(place, look, found.tracks)
            kept: dict[str, BlobInfo] = {}
            for person in steps.read_pictures(path, trim, found):
                kept |= self._keep_pictures(place, person)
            kept["frames.ndjson"] = blobs.put(f"{place}/frames.ndjson", frame_lines(found))
            kept["tracks"] = self._seal_tracks(place, tracks)
        for person in cast["people"]:
            name = f"face-{person['face']}"
            has_pictures = f"{name}.png" in kept
            person |= keys_of_pictures(place, name) if has_pictures else NO_PICTURES
        cast["tracks_key"] = f"{place}/frames.ndjson"
        cast["kept"] = {name: record_of(info) for name, info in kept.items()}
        blobs.put(cast_key(place), [write_cast(cast)])  # last: now it is whole
        return cast

    def _keep_pictures(self, place: str, person: steps.PersonPictures) -> dict[str, BlobInfo]:
        return {
            name: self.office.blobs.put(f"{place}/{name}", [data], content_type=content_type)
            for name, data, content_type in (
                (f"face-{person.face}.jpg", person.thumbnail, "image/jpeg"),
                (f"face-{person.face}.png", person.portrait, "image/png"),
            )
        }

    def _render(self, job: Row, request: SwapJob, number: int, follow: Follow) -> str:
        """A chunk's key, which also says what its bytes are."""
        facts = job["facts"]
        if found := self._find_chunk(job, number):
            return found
        suffix = swapping.part_suffix(facts, number)
        with (
            self._rendition(job, request, follow) as rendition,
            self.scratch.new_file(suffix) as made,
        ):
            warnings = swapping.render(
                rendition, facts, number, self.load_parts(), follow.watch, made
            )
            key = f"{chunk_place(job, number)}-{hash_of(made)}{suffix}"
            self.office.blobs.put_file(key, made)
        if warnings:
            with self.office.database.writing() as connection:
                self._keep_facts(connection, job, {f"warnings/{number}": warnings})
        return key

    def _find_chunk(self, job: Row, number: int) -> str | None:
        place = chunk_place(job, number)
        keys = (blob.key for blob in self.office.blobs.list(f"work/{job['id']}"))
        return next((key for key in keys if key.startswith(f"{place}-")), None)

    @contextmanager
    def _chunk(self, job: Row, request: SwapJob, number: int, follow: Follow) -> Iterator[Path]:
        """A chunk as a file; one that is missing or damaged is rendered again, once."""
        with ExitStack() as opened:
            for _ in range(2):
                key = self._render(job, request, number, follow)
                path = opened.enter_context(self._local(key))
                if hash_of(path) in key:
                    break
                log.warning("a chunk is not what was rendered and is made again")
                self.office.blobs.delete(key)
            else:
                raise StorageUnavailableError
            yield path

    def _join(self, job: Row, request: SwapJob, follow: Follow) -> None:
        """One signed result. To sign twice makes two files that differ, so each has a name of its
        own; the first that is written down counts, and the others go."""
        facts = job["facts"]
        parts = [chunk_place(job, number) for number in range(len(facts["chunks"]))]
        if self.signer is None:
            raise InternalError
        made_of = digest([parts, self.signer.provenance is not None])
        kept = found = facts.get("result", {})
        if found.get("made_of") != made_of or not self._is_whole(found):
            made = self._join_afresh(job, request, follow, self.signer)
            kept = self._keep_result(job, found, made | {"made_of": made_of})
        mine = {kept["blob_key"], kept["manifest_key"]}
        keys = [blob.key for blob in self.office.blobs.list(f"results/{job['id']}")]
        self.office.blobs.delete_many([key for key in keys if key not in mine])

    def _is_whole(self, result: Row) -> bool:
        blobs, check = self.office.blobs, self.office.intact.is_as
        manifest = result["manifest_key"]
        is_manifest_whole = not manifest or check(blobs, manifest, result.get("manifest") or {})
        return is_manifest_whole and check(blobs, result["blob_key"], result)

    def _join_afresh(
        self, job: Row, request: SwapJob, follow: Follow, signer: Signer
    ) -> dict[str, Any]:
        facts, blobs = job["facts"], self.office.blobs
        with ExitStack() as opened:
            rendition = opened.enter_context(self._rendition(job, request, follow))
            rendered = [
                opened.enter_context(self._chunk(job, request, number, follow))
                for number in range(len(facts["chunks"]))
            ]
            made = opened.enter_context(self.scratch.new_file(facts["suffix"]))
            beside = sidecar_of(made)
            opened.callback(beside.unlink, missing_ok=True)

            def sign(path: Path) -> list[str]:
                return sign_result(signer, self.office, job, rendition, path)

            result = swapping.join(rendition, facts, rendered, follow.watch, made, sign)
            key = f"results/{job['id']}/result-{result['sha256'][:16]}{facts['suffix']}"
            manifest_key = f"{key}{SIDECAR}" if beside.exists() else None
            manifest = None
            if manifest_key:  # first: what belongs to a result is there when it is
                manifest = record_of(
                    blobs.put_file(manifest_key, beside, content_type=MANIFEST_TYPE)
                )
            kept = blobs.put_file(key, made, content_type=result["content_type"])
        if kept.sha256 != result["sha256"]:
            raise StorageUnavailableError
        told = {"blob_key": key, "manifest_key": manifest_key, "manifest": manifest}
        return {**told, **result, "etag": kept.etag}

    def _keep_result(self, job: Row, found: Row, made: dict[str, Any]) -> dict[str, Any]:
        """The one that counts, and that is the first where somebody else did the same meanwhile:
        ``found`` is what was there before."""
        with self.office.database.writing() as connection:
            now = lock_job(connection, job["id"])["facts"].get("result", {})
            if now != found and now["made_of"] == made["made_of"]:
                return now
            self._keep_facts(connection, job, {"result": made})
        return made

    @contextmanager
    def _rendition(self, job: Row, request: SwapJob, follow: Follow) -> Iterator[Rendition]:
        """All that decides how the job's result looks, as files of this machine."""
        place = job["facts"]["scan"]
        with ExitStack() as opened:
            files = opened.enter_context(self._files(request, follow))
            try:
                tracks = opened.enter_context(self._tracks(place))
            except DAMAGED:
                self._scan_again(job, request, files, follow)
                tracks = opened.enter_context(self._tracks(place))
            yield swapping.rendition(request, job["facts"], files.path, tracks)

    def _scan_again(self, job: Row, request: SwapJob, files: Files, follow: Follow) -> None:
        """For a job that was planned already: what it was planned by is gone.

        Judged like the first time, and it must come to the same plan, of which parts may be
        rendered. Raises ScanFileError, and what ``_plan`` raises.
        """
        facts = job["facts"]
        log.warning("a kept scan cannot be opened and is made again")
        self._scan_afresh(request, files, facts["scan"], follow)
        planned, _ = self._plan(job, request, facts["scan"], files, follow)
        if any(digest(planned[name]) != digest(facts[name]) for name in ("plan", "chunks")):
            raise ScanFileError("made anew, it came to another plan")

    def _finish(self, job: Row) -> None:
        with self.office.database.writing() as connection:
            now = lock_to_end(connection, job["id"])
            if not is_wanted(now, job["run"]):
                return
            end(connection, self.office, now, SUCCEEDED, result=result_of(now))

    # Around them

    def _note(self, key: tuple[str, int, str], **changes: Any) -> None:
        with self.office.database.writing() as connection:
            connection.execute(tasks.update().where(_is(key)).values(**changes))

    def _drop_if_deleted(self, job_id: str) -> None:
        """Whoever deleted the job may have looked for its files before this task made one."""
        with self.office.database.reading() as connection:
            job = get_row(connection, job_id)
        if job["deleted_ms"] is not None:
            purge_files(self.office, job)

    def _keep_facts(
        self, connection: sa.Connection, job: Row, facts: Mapping[str, Any], **changes: Any
    ) -> None:
        row = lock_job(connection, job["id"])
        if not is_wanted(row, job["run"]):
            raise CancelledError
        changes |= {"facts": {**row["facts"], **facts}, "changed_ms": self.office.now_ms()}
        connection.execute(jobs.update().where(jobs.c.id == job["id"]).values(**changes))

    def _upload(self, upload_id: str) -> Row:
        with self.office.database.reading() as connection:
            query = sa.select(uploads).where(uploads.c.id == upload_id)
            row = connection.execute(query).mappings().first()
        if row is None or row["state"] not in ("waiting", READY):
            raise UploadMissingError
        return row

    def _scan_place(self, job: Row, request: ScanJob | SwapJob) -> str:
        """Where the scan of this very film lies, for this client: the same film is scanned once."""
        row = self._upload(request.target)  # whose hash is known: it is open
        what = [row["sha256"], request.start_s, request.end_s, steps.SCAN_VERSION]
        return f"scans/{job['client_id']}/{digest(what)[:32]}"

    @contextmanager
    def _local(self, key: str) -> Iterator[Path]:
        with self.office.blobs.local(key, self.scratch) as path:
            yield path

    @contextmanager
    def _opened_upload(self, upload_id: str) -> Iterator[Path]:
        """Its bytes as they were when it was ready, and no others. Raises UploadLostError."""
        row = self._upload(upload_id)
        with self._pinned(row) as path:
            if row["sha256"] is None:
                note_hash(self.office, row, hash_of(path), row["etag"])
            yield path

    @contextmanager
    def _pinned(self, row: Row) -> Iterator[Path]:
        blobs, key = self.office.blobs, row["blob_key"]
        with ExitStack() as opened:
            try:
                path = opened.enter_context(blobs.local(key, self.scratch, etag=row["etag"]))
            except BlobChangedError:  # as after files were brought elsewhere: their hash tells
                path = opened.enter_context(self._local(key))
                if row["sha256"] != hash_of(path):
                    raise UploadLostError from None
                info = blobs.info(key)
                note_hash(self.office, row, row["sha256"], info.etag if info else None)
            except BlobMissingError:
                raise UploadLostError from None
            yield path

    def _seal_tracks(self, place: str, path: Path) -> BlobInfo:
        """Landmarks and embeddings are biometric data: they never lie open where they are kept."""
        key = tracks_key(place)
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(READ_BYTES), b"")
            return self.office.blobs.put(key, sealed_files.sealed(self.office.sealer, chunks, key))

    @contextmanager
    def _tracks(self, place: str) -> Iterator[Path]:
        """The scan's file, opened for this task alone, in a file without a name."""
        key = tracks_key(place)
        with self._local(key) as kept, self.scratch.nameless_file() as path:
            with kept.open("rb") as file, opened(path, os.O_WRONLY) as descriptor:
                chunks = iter(lambda: file.read(READ_BYTES), b"")
                for piece in sealed_files.unsealed(self.office.sealer, chunks, key):
                    write_all(descriptor, piece)
            yield path

    @contextmanager
    def _files(self, request: JobRequest, follow: Follow) -> Iterator[Files]:
        """The request's files as paths of this machine."""
        with ExitStack() as opened:
            paths: dict[str, Path] = {}
            for upload_id in request.uploads:
                with about(request.name_of(upload_id)):
                    paths[upload_id] = opened.enter_context(self._opened_upload(upload_id))
            follow.check()
            yield Files(paths)


@dataclass(frozen=True)
class Files:
    """Local paths by upload id."""

    paths: Mapping[str, Path]

    def path(self, upload_id: str) -> Path:
        return self.paths[upload_id]


@dataclass(eq=False)
class Follow:
    """Notes a task's progress and looks whether it is still wanted, twice a second."""

    work: JobWork
    job: Row
    task: str
    is_stopping: Callable[[], bool]
    next_ms: dict[str, int] = field(default_factory=dict)
    is_unwanted: bool = False

    @property
    def key(self) -> tuple[str, int, str]:
        return self.job["id"], self.job["run"], self.task

    @property
    def watch(self) -> Watch:
        return Watch(self._on_progress, self._is_cancelled)

    def through(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same bytes; ends with CancelledError where nobody wants them any more."""
        for chunk in chunks:
            self.check()
            yield chunk

    def check(self) -> None:
        if self._is_cancelled():
            raise CancelledError

    def _is_cancelled(self) -> bool:
        if not self.is_unwanted and self._is_due("look"):
            with self.work.office.database.reading() as connection:
                job = get_row(connection, self.job["id"])
            self.is_unwanted = not is_wanted(job, self.job["run"])
        return self.is_unwanted or self.is_stopping()

    def _on_progress(self, progress: Progress) -> None:
        if progress.stage == COMPILE:  # no frames
            if progress.done == 0:
                log.info("compiling, once", extra={"count": progress.total})
            return
        is_last = progress.done == progress.total
        if self._is_due("note") or is_last:
            self.work._note(self.key, frames_done=progress.done, frames_total=progress.total)

    def _is_due(self, what: str) -> bool:
        now_ms = self.work.office.now_ms()
        if now_ms < self.next_ms.get(what, 0):
            return False
        self.next_ms[what] = now_ms + TICK_MS
        return True


def _targets_of(request: JobRequest) -> tuple[str, ...]:
    """Which of its files may be as large as a film."""
    match request:
        case DetectJob(targets=targets):
            return targets
        case EnrolJob():
            return ()
    return (request.target,)


def _photos_of(request: SwapJob) -> Iterator[PhotoRef]:
    """Those to be looked at as photos: a film may show who is meant, but lends nobody's face."""
    lent = {photo.upload for pair in request.pairs for photo in pair.photos}
    seen: set[str] = set()
    for photo in request.photos:
        is_target = photo.upload == request.target and photo.upload not in lent
        if photo.upload not in seen and not is_target:
            seen.add(photo.upload)
            yield photo


def is_wanted(job: Row, run: int) -> bool:
    """Whether this run of a job is to go on."""
    return job["run"] == run and job["state"] in LIVE and job["deleted_ms"] is None


def stage_of(task: str) -> str:
    name = task.split("/")[0]
    return STAGE.get(name, name)


def hash_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tracks_key(place: str) -> str:
    return f"{place}/tracks"


def keys_of_pictures(place: str, name: str) -> dict[str, str]:
    return {"thumbnail_key": f"{place}/{name}.jpg", "portrait_key": f"{place}/{name}.png"}


def cast_key(place: str) -> str:
    return f"{place}/cast.json"


def write_cast(cast: Row) -> bytes:
    cast = json.loads(json.dumps(cast))  # as it is read back, so that its hash is the same
    return json.dumps({"cast": cast, "sha256": digest(cast)}).encode()


def read_cast(data: bytes) -> dict[str, Any] | None:
    """None for what is not whole. An earlier version wrote the cast alone."""
    try:
        found = json.loads(data)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    if "people" in found:
        return found
    cast = found.get("cast")
    return cast if cast and digest(cast) == found.get("sha256") else None


def chunk_place(job: Row, number: int) -> str:
    """How a chunk's key begins: by all that decides how it looks."""
    facts = job["facts"]
    what = [job["request"], facts["plan"], facts["chunks"][number], facts["scan"]]
    if facts.get("label"):  # of the request or of the operator
        what.append(facts["label"])
    return f"work/{job['id']}/{number}-{digest(what)[:16]}"


def result_of(job: Row) -> dict[str, Any] | None:
    """What a job's client gets, of all that its tasks found."""
    facts = job["facts"]
    if job["kind"] == "scan":
        return facts["cast"]
    if job["kind"] != "swap":
        return facts.get("result")
    return facts["result"] | {"warnings": swapping.all_warnings(facts)}


def _is(key: tuple[str, int, str]) -> sa.ColumnElement[bool]:
    return sa.and_(tasks.c.job_id == key[0], tasks.c.run == key[1], tasks.c.name == key[2])


def _count_attempt(
    connection: sa.Connection, key: tuple[str, int, str], executor: str, now_ms: int
) -> int:
    """The job's row is locked, so nobody else counts at the same time."""
    row = connection.execute(sa.select(tasks.c.attempts, tasks.c.state).where(_is(key))).first()
    changes = {"executor": executor, "started_ms": now_ms, "state": "running"}
    if row is None:
        connection.execute(
            tasks.insert().values(
                job_id=key[0],
                run=key[1],
                name=key[2],
                attempts=1,
                frames_done=0,
                created_ms=now_ms,
                **changes,
            )
        )
        return 1
    # One that was done did not end its worker: that one died before the engine was told.
    attempts = row.attempts + (row.state != DONE)
    connection.execute(tasks.update().where(_is(key)).values(attempts=attempts, **changes))
    return attempts
