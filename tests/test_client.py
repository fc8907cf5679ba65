"""Both clients against a real server, over lines that break."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from anyio.from_thread import BlockingPortal, start_blocking_portal

from facades.belongings import FILM, finish_scan, finish_swap
from facades.live import Live, run_live
from lendface.client import (
    ApiError,
    AsyncClient,
    Client,
    DownloadDamagedError,
    JobEndedError,
    Pair,
    Photo,
    ScanFace,
    ServerUnreachableError,
    WaitTimeoutError,
)
from lendface.errors import BadOptionError, EmptyFileError, FileMissingError
from lendface.service.clients import find_client
from lendface.service.jobs import get_job
from lendface.service.requests import SwapJob, load_request
from lendface.service.states import FAILED
from lendface.service.uploads import list_uploads
from lendface.storage.folder_blobs import FolderBlobs
from lendface.storage.tables import uploads
from service.offices import Clock, change_job, end_job, start_job

MIB = 1 << 20


@dataclass
class Line:
    """What is done to requests on their way; each fault once, in order."""

    cut_sending_at: list[int] = field(default_factory=list)  # bytes of the body of a PUT
    cut_receiving_at: list[int] = field(default_factory=list)  # bytes of a 200 or 206
    lose_answers: list[str] = field(default_factory=list)  # to requests of these methods
    cut_events: int = 0  # how many connections, each after its first piece
    answer_instead: list[httpx2.Response] = field(default_factory=list)
    before_sending: list[Callable[[], object]] = field(default_factory=list)  # a PUT
    seen: list[httpx2.Request] = field(default_factory=list)

    def asked(self, method: str, ending: str = "") -> list[httpx2.Request]:
        return [r for r in self.seen if r.method == method and r.url.path.endswith(ending)]


class CutStream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """Breaks after so many bytes; None: after the first piece."""

    def __init__(self, inner: Any, limit: int | None, fault: Exception) -> None:
        self._inner, self._left, self._fault = inner, limit, fault

    def _take(self, piece: bytes) -> bytes:
        piece = piece[: self._left]
        self._left = 0 if self._left is None else self._left - len(piece)
        return piece

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._inner:
            yield self._take(piece)
            if not self._left:
                raise self._fault

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            yield self._take(piece)
            if not self._left:
                raise self._fault

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()


def before(line: Line, request: httpx2.Request) -> httpx2.Response | None:
    line.seen.append(request)
    if line.answer_instead:
        return line.answer_instead.pop(0)
    if request.method == "PUT" and line.before_sending:
        line.before_sending.pop(0)()
    if request.method == "PUT" and line.cut_sending_at:
        fault = httpx2.WriteError("cut")
        request.stream = CutStream(request.stream, line.cut_sending_at.pop(0), fault)
    return None


def after(line: Line, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    if line.lose_answers and line.lose_answers[0] == request.method:
        line.lose_answers.pop(0)
        response.stream = CutStream(response.stream, 0, httpx2.ReadError("lost"))
    if line.cut_events and request.url.path.endswith("/events"):
        line.cut_events -= 1
        response.stream = CutStream(response.stream, None, httpx2.ReadError("cut"))
    is_file = request.method == "GET" and request.url.path.endswith("/result")
    if line.cut_receiving_at and is_file:
        fault = httpx2.ReadError("cut")
        response.stream = CutStream(response.stream, line.cut_receiving_at.pop(0), fault)
    return response


class Unsure(httpx2.HTTPTransport):
    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if early := before(self.line, request):
            return early
        return after(self.line, request, super().handle_request(request))


class AsyncUnsure(httpx2.AsyncHTTPTransport):
    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if early := before(self.line, request):
            return early
        return after(self.line, request, await super().handle_async_request(request))


class Blocking:
    """An AsyncClient, called as if it were the other."""

    def __init__(self, portal: BlockingPortal, client: AsyncClient) -> None:
        self._portal, self._client = portal, client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *args, **options: self._portal.call(lambda: method(*args, **options))

    def events(self, job: Any) -> Iterator[Any]:
        heard = self._client.events(job)
        while (now := self._portal.call(lambda: anext(heard, None))) is not None:
            yield now


@dataclass
class Pauses:
    """Instead of waiting: notes for how long, and lets something happen."""

    seconds: list[float] = field(default_factory=list)
    happenings: list[Callable[[], object]] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if self.happenings:
            self.happenings.pop(0)()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with run_live(tmp_path / "server", poll_s=0.01, heartbeat_s=0.05) as live:
        yield live


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, live: Live, line: Line, pauses: Pauses) -> Iterator[Any]:
    clock_s = lambda: sum(pauses.seconds)  # noqa: E731
    if request.param == "sync":
        with Client(
            live.url, live.key, transport=Unsure(line), pause=pauses, clock_s=clock_s
        ) as client:
            yield client
        return

    async def pause(seconds: float) -> None:
        pauses(seconds)

    with start_blocking_portal() as portal:
        made = AsyncClient(
            live.url, live.key, transport=AsyncUnsure(line), pause=pause, clock_s=clock_s
        )
        yield Blocking(portal, made)
        portal.call(made.close)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write(tmp_path / "film.mp4", bytes(range(256)) * (3 * MIB // 256))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write(tmp_path / "me.jpg", b"a face")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def stored(live: Live, client: Any, upload_id: str) -> bytes:
    with live.office.database.reading() as connection:
        query = sa.select(uploads.c.blob_key).where(uploads.c.id == upload_id)
        key = connection.execute(query).scalar_one()
    return b"".join(live.office.blobs.read(key))


def size_of_partial(live: Live) -> int:
    """How much has come of the one file that is on its way."""
    (request,) = uploads_of(live)
    assert isinstance(live.office.blobs, FolderBlobs)
    return live.office.blobs.partial_size(request["blob_key"])


def uploads_of(live: Live) -> list[Any]:
    return list_uploads(live.office, find_client(live.office, live.key).id, 10, None)


def until(is_so: Callable[[], bool]) -> None:
    """A real server notices a broken line a little later."""
    for _ in range(1000):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never became so")


def request_of(live: Live, job_id: str) -> SwapJob:
    row = get_job(live.office, find_client(live.office, live.key).id, job_id)
    request = load_request(row["request"])
    assert isinstance(request, SwapJob)
    return request


# Sending


def test_a_file_is_uploaded_with_word_of_how_far_it_is(client: Any, live: Live, film: Path) -> None:
    told: list[tuple[int, int]] = []
    upload = client.upload(film, on_progress=lambda done, size: told.append((done, size)))
    assert (upload.state, upload.name, upload.size) == ("ready", "film.mp4", 3 * MIB)
    assert upload.raw["content_type"] == "video/mp4"
    assert stored(live, client, upload.id) == film.read_bytes()
    assert told == sorted(told)
    assert told[-1] == (3 * MIB, 3 * MIB)


def test_a_line_that_breaks_is_gone_on_with_where_it_broke(
    client: Any, live: Live, line: Line, pauses: Pauses, film: Path
) -> None:
    line.cut_sending_at = [MIB, MIB // 2]
    pauses.happenings = [lambda: until(lambda: size_of_partial(live) > 0)]
    upload = client.upload(film)
    assert stored(live, client, upload.id) == film.read_bytes()
    parts = [r.headers.get("content-range") for r in line.asked("PUT")]
    begun = [int(p.split()[1].split("-")[0]) for p in parts if p and "*" not in p]
    assert parts[0] is None  # first all of it
    assert begun == sorted(begun)
    assert begun[0] > 0


def test_a_link_that_has_expired_is_asked_for_again(
    client: Any, live: Live, line: Line, photo: Path
) -> None:
    assert isinstance(live.office.now_ms, Clock)
    clock = live.office.now_ms
    line.before_sending = [lambda: clock.pass_s(2 * 3600)]
    upload = client.upload(photo)
    assert upload.state == "ready"
    assert len(line.asked("POST", "/link")) == 1


def test_a_link_that_stays_refused_is_not_asked_for_for_ever(
    client: Any, live: Live, line: Line, photo: Path
) -> None:
    assert isinstance(live.office.now_ms, Clock)
    clock = live.office.now_ms
    line.before_sending = [lambda: clock.pass_s(2 * 3600)] * 10
    with pytest.raises(ApiError) as caught:
        client.upload(photo)
    assert (caught.value.status, caught.value.code) == (403, "signature_expired")
    assert len(line.asked("POST", "/link")) == 1


def test_files_that_cannot_be_sent_are_told_before_anything_is(
    client: Any, line: Line, tmp_path: Path
) -> None:
    with pytest.raises(FileMissingError):
        client.upload(tmp_path / "nothing.mp4")
    with pytest.raises(EmptyFileError):
        client.upload(write(tmp_path / "empty.mp4", b""))
    assert line.seen == []


def test_the_key_goes_to_the_server_and_not_with_the_link(
    client: Any, live: Live, line: Line, photo: Path
) -> None:
    client.upload(photo)
    for request in line.seen:
        is_to_link = request.url.path.startswith("/blobs/")
        assert ("authorization" in request.headers) != is_to_link
        assert live.key not in str(request.url)


# Asking


def test_a_swap_uploads_each_file_once(
    client: Any, live: Live, line: Line, film: Path, photo: Path
) -> None:
    job = client.swap(
        source=[photo, str(photo)],
        target=film,
        who=Photo(photo, face=1),
        output={"container": "mkv"},
        start_s=0.5,
        notes={"order": 7},
    )
    assert (job.kind, job.state, job.notes) == ("swap", "queued", {"order": 7})
    assert len(line.asked("POST", "/uploads")) == 2
    request = request_of(live, job.id)
    (pair,) = request.pairs
    assert [p.upload for p in pair.photos] == [pair.photos[0].upload] * 2
    assert pair.who.photo is not None
    assert (pair.who.photo.upload, pair.who.photo.face_number) == (pair.photos[0].upload, 1)
    assert (request.output.container, request.start_s) == ("mkv", 0.5)


def test_urls_uploads_and_faces_of_scans_are_taken_as_they_are(
    client: Any, live: Live, line: Line, film: Path
) -> None:
    target = client.upload(film)
    scan = client.scan(target)
    finish_scan(live.office, scan.id)
    scan = client.wait(scan)
    assert [face.face for face in scan.faces] == [1]
    before_it = len(line.asked("POST", "/uploads"))
    job = client.swap(
        target=target,
        pairs=[
            Pair(ScanFace(scan, 1), who=[2, 3]),
            Pair("https://example.org/b.jpg", who="everyone", source_face=2),
        ],
    )
    assert len(line.asked("POST", "/uploads")) == before_it
    first, second = request_of(live, job.id).pairs
    assert (first.who.faces, second.who.kind) == ((2, 3), "everyone")
    assert second.photos[0].face_number == 2


def test_a_swap_of_nobody_is_refused_here(client: Any, line: Line, film: Path) -> None:
    with pytest.raises(BadOptionError):
        client.swap(target=film)
    with pytest.raises(BadOptionError):
        client.swap(target=film, source=["https://example.org/a.jpg", film])
    assert line.asked("POST") == []


def test_a_submit_whose_answer_was_lost_makes_one_job(client: Any, line: Line, film: Path) -> None:
    target = client.upload(film)
    line.lose_answers = ["POST"]
    job = client.swap(source=target, target=target)
    first, second = line.asked("POST", "/swaps")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert [each.id for each in client.list_jobs()] == [job.id]


def test_the_servers_word_on_when_to_come_again_counts(
    client: Any, line: Line, pauses: Pauses
) -> None:
    line.answer_instead = [
        httpx2.Response(429, headers={"Retry-After": "17"}),
        httpx2.Response(502, text="bad gateway"),
    ]
    assert client.get_usage().used == 0
    assert pauses.seconds[0] == 17
    assert 0 < pauses.seconds[1] <= 2


def test_a_retry_of_a_job_is_not_asked_for_twice(client: Any, line: Line, film: Path) -> None:
    target = client.upload(film)
    job = client.cancel(client.swap(source=target, target=target))
    line.lose_answers = ["POST"]
    with pytest.raises(ServerUnreachableError):
        client.retry(job)
    assert client.get_job(job).raw["run"] == 2


def test_errors_carry_code_and_status(client: Any) -> None:
    with pytest.raises(ApiError) as caught:
        client.get_job("nothing")
    error = caught.value
    assert (error.status, error.code, str(error)) == (404, "not_found", "there is no such job")
    assert len(error.request_id) == 36


def test_an_answer_that_is_no_problem_is_an_error_all_the_same(client: Any, line: Line) -> None:
    line.answer_instead = [httpx2.Response(418, text="<html>teapot</html>")]
    with pytest.raises(ApiError) as caught:
        client.get_usage()
    assert (caught.value.status, caught.value.code) == (418, "http_418")


def test_a_server_that_is_not_there_is_tried_a_few_times(pauses: Pauses) -> None:
    with (
        Client("http://127.0.0.1:9", "key", pause=pauses) as client,
        pytest.raises(ServerUnreachableError, match=r"127\.0\.0\.1:9"),
    ):
        client.get_usage()
    assert len(pauses.seconds) == 5


# Waiting


@pytest.fixture
def job(client: Any, film: Path) -> Any:
    target = client.upload(film)
    return client.swap(source=target, target=target)


def test_a_job_is_waited_for(client: Any, live: Live, job: Any, pauses: Pauses) -> None:
    pauses.happenings = [
        lambda: start_job(live.office, job.id),
        lambda: None,
        lambda: finish_swap(live.office, job.id),
    ]
    told: list[str] = []
    done = client.wait(job, on_progress=lambda now: told.append(now.state))
    assert told == ["queued", "running", "running", "succeeded"]
    assert done.result is not None
    assert (done.result.size, done.warnings) == (len(FILM), ("one", "two"))
    assert pauses.seconds == sorted(pauses.seconds)


def test_a_job_that_fails_is_an_error_with_its_code(client: Any, live: Live, job: Any) -> None:
    start_job(live.office, job.id)
    end_job(
        live.office, job.id, FAILED, error_code="no_face_in_target", error_message="nobody there"
    )
    with pytest.raises(JobEndedError, match="nobody there") as caught:
        client.wait(job)
    assert (caught.value.code, caught.value.state) == ("no_face_in_target", "failed")
    assert client.cancel(client.retry(job)).state == "cancelled"
    with pytest.raises(JobEndedError) as caught:
        client.wait(job.id)
    assert caught.value.code == "cancelled"


def test_nobody_waits_longer_than_they_want(client: Any, job: Any, pauses: Pauses) -> None:
    with pytest.raises(WaitTimeoutError):
        client.wait(job, timeout_s=20)
    assert 10 < sum(pauses.seconds) <= 20


def test_events_are_heard_to_the_end_over_broken_lines(
    client: Any, live: Live, job: Any, line: Line, pauses: Pauses
) -> None:
    line.answer_instead = [httpx2.Response(503, json={"code": "database_unavailable"})]
    line.cut_events = 1
    heard = client.events(job)
    assert next(heard).state == "queued"
    start_job(live.office, job.id, "scan")
    assert next(heard).stage == "scan"  # by another connection
    finish_swap(live.office, job.id)
    assert [now.state for now in heard][-1] == "succeeded"
    heard_before = ["last-event-id" in r.headers for r in line.asked("GET", "/events")]
    assert heard_before == [False, False, True]
    assert len(pauses.seconds) == 2


def test_events_of_no_job_are_an_error(client: Any) -> None:
    with pytest.raises(ApiError) as caught:
        list(client.events("nothing"))
    assert caught.value.status == 404


# Receiving


@pytest.fixture
def done(client: Any, live: Live, job: Any, film: Path) -> Any:
    finish_swap(live.office, job.id, film.read_bytes())
    return client.get_job(job)


def test_a_result_arrives_whole(client: Any, done: Any, film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "result.mp4"
    out.parent.mkdir()
    told: list[tuple[int, int]] = []
    path = client.download(done, out, on_progress=lambda here, size: told.append((here, size)))
    assert path == out
    assert out.read_bytes() == film.read_bytes()
    assert told[-1] == (3 * MIB, 3 * MIB)
    beside = out.with_name("result.mp4.c2pa")  # as of a film that cannot hold its manifest
    assert sorted(out.parent.iterdir()) == [out, beside]


def test_a_download_goes_on_where_it_broke(
    client: Any, done: Any, line: Line, film: Path, tmp_path: Path
) -> None:
    line.cut_receiving_at = [MIB, 1000]
    out = client.download(done.id, tmp_path / "result.mp4")
    assert out.read_bytes() == film.read_bytes()
    asked = [r.headers.get("range") for r in line.asked("GET", "/result")]
    assert asked == [None, f"bytes={MIB}-", f"bytes={MIB + 1000}-"]


def test_the_next_call_goes_on_as_well(
    client: Any, done: Any, line: Line, film: Path, tmp_path: Path
) -> None:
    out = write(tmp_path / "result.mp4", b"what was here before")
    line.cut_receiving_at = [MIB] + [0] * 6
    with pytest.raises(ServerUnreachableError):
        client.download(done, out)
    assert out.read_bytes() == b"what was here before"
    client.download(done, out)
    assert out.read_bytes() == film.read_bytes()
    assert line.asked("GET", "/result")[-1].headers["range"] == f"bytes={MIB}-"


def test_a_manifest_that_lies_beside_comes_with_the_result(
    client: Any, live: Live, done: Any, tmp_path: Path
) -> None:
    key = f"results/{done.id}/result.mp4.c2pa"
    live.office.blobs.put(key, [b"a signed manifest"])
    raw = {**done.result.raw, "blob_key": key.removesuffix(".c2pa"), "manifest_key": key}
    change_job(live.office, done.id, result=raw)
    (tmp_path / "out").mkdir()
    client.download(done.id, tmp_path / "out" / "film.mp4")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"film.mp4", "film.mp4.c2pa"}
    assert (tmp_path / "out" / "film.mp4.c2pa").read_bytes() == b"a signed manifest"


def test_a_result_that_is_not_what_was_told_is_thrown_away(
    client: Any, done: Any, tmp_path: Path
) -> None:
    other = replace(done, result=replace(done.result, sha256="0" * 64))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(DownloadDamagedError):
        client.download(other, folder / "result.mp4")
    assert list(folder.iterdir()) == []


def test_a_result_that_is_not_what_was_made_is_not_handed_out(
    client: Any, live: Live, done: Any, tmp_path: Path
) -> None:
    result = {**done.result.raw, "blob_key": f"results/{done.id}/result.mp4", "sha256": "0" * 64}
    change_job(live.office, done.id, result=result)
    with pytest.raises(ApiError) as caught:
        client.download(done.id, tmp_path / "result.mp4")
    assert caught.value.status == 410
    assert not (tmp_path / "result.mp4").exists()


def test_there_is_no_result_before_the_end(client: Any, job: Any, tmp_path: Path) -> None:
    with pytest.raises(ApiError) as caught:
        client.download(job, tmp_path / "result.mp4")
    assert caught.value.status == 409


def test_what_is_deleted_is_gone(client: Any, done: Any, photo: Path) -> None:
    client.delete_job(done)
    assert client.list_jobs() == []
    upload = client.upload(photo)
    assert client.get_upload(upload.id) == upload
    client.delete_upload(upload.id)
    with pytest.raises(ApiError):
        client.get_upload(upload.id)


def test_lists_are_read_to_their_end(client: Any, live: Live, film: Path) -> None:
    target = client.upload(film)
    scans = {client.scan(target).id for _ in range(3)}
    cancelled = client.cancel(client.swap(source=target, target=target)).id
    assert {job.id for job in client.list_jobs()} == scans | {cancelled}
    assert {job.id for job in client.list_jobs(kind="scan")} == scans
    assert [job.id for job in client.list_jobs(states=["cancelled", "failed"])] == [cancelled]


def test_both_clients_offer_the_same() -> None:
    def offered(kind: type) -> dict[str, str]:
        return {
            name: str(inspect.signature(method))
            .replace("AsyncIterator", "Iterator")
            .replace("AsyncClient", "Client")
            for name, method in vars(kind).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }

    assert offered(Client) == offered(AsyncClient)
