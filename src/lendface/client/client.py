"""The client for programs without asyncio."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar, Unpack

import httpx2

from . import calls, files
from .calls import OnBytes, OnJob, id_of
from .events import EventReader, wait_to_go_on
from .flows import Answer, Broken, Flow, Pause, Send, Sink
from .http import TIMEOUTS, Address, answer_of, open_sink, read_file
from .orders import FileLike, Label, Output, Pair, Source, Style, Terms, Who, Wishes
from .shapes import Consent, Job, Upload, Usage

T = TypeVar("T")


class Client:
    """A server and a key for it. Close it, or use it in a ``with``.

    Every call raises ApiError with the server's ``code`` and ``status``, or ServerUnreachableError,
    after as many tries as make sense. ``transport``, ``pause`` and ``clock_s`` are for tests.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        transport: httpx2.BaseTransport | None = None,
        pause: Callable[[float], object] = time.sleep,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = Address(base_url, key)
        self._http = httpx2.Client(timeout=TIMEOUTS, follow_redirects=True, transport=transport)
        self._pause, self._clock_s = pause, clock_s

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def upload(
        self,
        path: str | Path,
        *,
        content_type: str | None = None,
        on_progress: OnBytes | None = None,
    ) -> Upload:
        """Send a file. A line that breaks is gone on with where it broke."""
        return self._run(files.upload(Path(path), content_type, on_progress))

    def swap(
        self,
        *,
        target: FileLike,
        source: Source | None = None,
        who: Who = "most_present",
        source_face: int | None = None,
        pairs: Sequence[Pair] = (),
        output: Output | None = None,
        style: Style | None = None,
        label: bool | Label = False,
        consents: Sequence[str] = (),
        idempotency_key: str | None = None,
        on_upload: OnBytes | None = None,
        **wishes: Unpack[Wishes],
    ) -> Job:
        """Put a source's face into a target. Files of this machine are uploaded first.

        Several files as ``source`` are photos of one person; for several people give ``pairs``.
        ``label`` writes into the picture that a face was replaced.
        """
        wanted = pairs if source is None else [Pair(source, who, source_face), *pairs]
        return self._run(
            calls.swap(
                wanted, target, output, style, label, consents, idempotency_key, on_upload, wishes
            )
        )

    def scan(
        self,
        target: FileLike,
        *,
        idempotency_key: str | None = None,
        on_upload: OnBytes | None = None,
        **wishes: Unpack[Wishes],
    ) -> Job:
        """Ask who is in a target; wait for it and look at its ``faces``."""
        return self._run(calls.scan(target, idempotency_key, on_upload, wishes))

    def wait(
        self,
        job: Job | str,
        *,
        on_progress: OnJob | None = None,
        timeout_s: float | None = None,
    ) -> Job:
        """The job when it has succeeded. Raises JobEndedError, WaitTimeoutError."""
        return self._run(calls.wait(job, on_progress, timeout_s, self._clock_s))

    def events(self, job: Job | str) -> Iterator[Job]:
        """The job each time that something is new, until it has ended."""
        reader, failures = EventReader(), 0
        while not reader.is_ended:
            before = reader.last_id
            yield from self._listen(job, reader)
            if reader.is_ended:
                return
            failures = failures + 1 if reader.last_id == before else 0
            self._pause(wait_to_go_on(reader.outcome, failures))

    def download(
        self, job: Job | str, path: str | Path, *, on_progress: OnBytes | None = None
    ) -> Path:
        """The result of a swap, whole or not at all; what came of it is gone on with next time.

        A file that cannot hold its signed manifest gets it beside it, in ``<path>.c2pa``.

        Raises DownloadDamagedError.
        """
        return self._run(calls.download(job, path, on_progress))

    def get_job(self, job: Job | str) -> Job:
        """As it stands now, with its result or its cast."""
        return self._run(calls.get_job(job))

    def list_jobs(self, *, states: Sequence[str] = (), kind: str | None = None) -> list[Job]:
        """All of them, newest first."""
        return self._run(calls.list_jobs(states, kind))

    def cancel(self, job: Job | str) -> Job:
        return self._run(calls.change(job, "cancel"))

    def retry(self, job: Job | str) -> Job:
        """Try a failed or cancelled job again."""
        return self._run(calls.change(job, "retry"))

    def delete_job(self, job: Job | str) -> None:
        """Stop it if it runs, and delete its result."""
        self._run(calls.delete(f"/v1/jobs/{id_of(job)}"))

    def get_upload(self, upload_id: str) -> Upload:
        return self._run(calls.get_upload(upload_id))

    def delete_upload(self, upload_id: str) -> None:
        self._run(calls.delete(f"/v1/uploads/{upload_id}"))

    def add_consent(
        self,
        photo: str | Path | Upload,
        *,
        label: str,
        face: int | None = None,
        **terms: Unpack[Terms],
    ) -> Consent:
        """Put on record who lends you their face; ``pending`` until a worker found it."""
        return self._run(calls.add_consent(photo, label, face, terms))

    def get_consent(self, consent: Consent | str) -> Consent:
        return self._run(calls.get_consent(consent))

    def list_consents(self) -> list[Consent]:
        """Your own, newest first."""
        return self._run(calls.list_consents())

    def withdraw_consent(self, consent: Consent | str, *, purge: bool = False) -> Consent:
        """It counts no more, and jobs that rest on it stop; ``purge`` deletes results too."""
        return self._run(calls.withdraw_consent(consent, purge))

    def attest(self) -> None:
        """State, once, that you hold the consent of everybody whose face you submit."""
        self._run(calls.attest())

    def get_usage(self) -> Usage:
        """Units used and left."""
        return self._run(calls.get_usage())

    # Doing what a flow asks for

    def _run(self, flow: Flow[T]) -> T:
        outcome: Answer | Broken | None = None
        while True:
            try:
                effect = flow.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = None
            if isinstance(effect, Pause):
                self._pause(effect.seconds)
            else:
                outcome = self._send(effect)

    def _send(self, send: Send) -> Answer | Broken:
        request = self._request(send)
        try:
            response = self._http.send(request, stream=True)
            try:
                return self._receive(response, send.into)
            finally:
                response.close()
        except httpx2.TransportError as fault:
            return self._address.broken(send, fault)

    def _receive(self, response: httpx2.Response, into: Sink | None) -> Answer:
        if into is None or response.status_code not in (200, 206):
            return answer_of(response, response.read())
        with open_sink(into, response.status_code) as file:
            for piece in response.iter_raw():
                file.write(piece)
                into.on_bytes(file.tell())
        return answer_of(response, b"")

    def _listen(self, job: Job | str, reader: EventReader) -> Iterator[Job]:
        """What one connection tells; ``reader.outcome`` is how it ended."""
        send = Send("GET", f"/v1/jobs/{id_of(job)}/events", headers=reader.headers)
        try:
            response = self._http.send(self._request(send), stream=True)
            try:
                if response.status_code != 200:
                    reader.finish(answer_of(response, response.read()))
                    return
                for line in response.iter_lines():
                    if told := reader.feed(line):
                        yield told
                reader.finish(answer_of(response, b""))
            finally:
                response.close()
        except httpx2.TransportError as fault:
            reader.finish(self._address.broken(send, fault))

    def _request(self, send: Send) -> httpx2.Request:
        return self._http.build_request(
            send.method,
            self._address.url_of(send),
            headers=self._address.headers_of(send),
            json=send.json,
            content=read_file(send.file) if send.file else None,
        )
