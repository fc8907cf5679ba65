"""The client for programs with asyncio."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar, Unpack

import anyio
import httpx2

from . import calls, files
from .calls import OnBytes, OnJob, id_of
from .events import EventReader, wait_to_go_on
from .flows import Answer, Broken, Flow, Pause, Send, Sink
from .http import TIMEOUTS, Address, answer_of, open_sink, read_file_async
from .orders import FileLike, Label, Output, Pair, Source, Style, Terms, Who, Wishes
from .shapes import Consent, Job, Upload, Usage

T = TypeVar("T")


class AsyncClient:
    """A server and a key for it. Close it, or use it in an ``async with``.

    Every call raises ApiError with the server's ``code`` and ``status``, or ServerUnreachableError,
    after as many tries as make sense. ``transport``, ``pause`` and ``clock_s`` are for tests.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[object]] = anyio.sleep,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = Address(base_url, key)
        self._http = httpx2.AsyncClient(
            timeout=TIMEOUTS, follow_redirects=True, transport=transport
        )
        self._pause, self._clock_s = pause, clock_s

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def upload(
        self,
        path: str | Path,
        *,
        content_type: str | None = None,
        on_progress: OnBytes | None = None,
    ) -> Upload:
        """Send a file. A line that breaks is gone on with where it broke."""
        return await self._run(files.upload(Path(path), content_type, on_progress))

    async def swap(
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
        return await self._run(
            calls.swap(
                wanted, target, output, style, label, consents, idempotency_key, on_upload, wishes
            )
        )

    async def scan(
        self,
        target: FileLike,
        *,
        idempotency_key: str | None = None,
        on_upload: OnBytes | None = None,
        **wishes: Unpack[Wishes],
    ) -> Job:
        """Ask who is in a target; wait for it and look at its ``faces``."""
        return await self._run(calls.scan(target, idempotency_key, on_upload, wishes))

    async def wait(
        self,
        job: Job | str,
        *,
        on_progress: OnJob | None = None,
        timeout_s: float | None = None,
    ) -> Job:
        """The job when it has succeeded. Raises JobEndedError, WaitTimeoutError."""
        return await self._run(calls.wait(job, on_progress, timeout_s, self._clock_s))

    async def events(self, job: Job | str) -> AsyncIterator[Job]:
        """The job each time that something is new, until it has ended."""
        reader, failures = EventReader(), 0
        while not reader.is_ended:
            before = reader.last_id
            async for told in self._listen(job, reader):
                yield told
            if reader.is_ended:
                return
            failures = failures + 1 if reader.last_id == before else 0
            await self._pause(wait_to_go_on(reader.outcome, failures))

    async def download(
        self, job: Job | str, path: str | Path, *, on_progress: OnBytes | None = None
    ) -> Path:
        """The result of a swap, whole or not at all; what came of it is gone on with next time.

        A file that cannot hold its signed manifest gets it beside it, in ``<path>.c2pa``.

        Raises DownloadDamagedError.
        """
        return await self._run(calls.download(job, path, on_progress))

    async def get_job(self, job: Job | str) -> Job:
        """As it stands now, with its result or its cast."""
        return await self._run(calls.get_job(job))

    async def list_jobs(self, *, states: Sequence[str] = (), kind: str | None = None) -> list[Job]:
        """All of them, newest first."""
        return await self._run(calls.list_jobs(states, kind))

    async def cancel(self, job: Job | str) -> Job:
        return await self._run(calls.change(job, "cancel"))

    async def retry(self, job: Job | str) -> Job:
        """Try a failed or cancelled job again."""
        return await self._run(calls.change(job, "retry"))

    async def delete_job(self, job: Job | str) -> None:
        """Stop it if it runs, and delete its result."""
        await self._run(calls.delete(f"/v1/jobs/{id_of(job)}"))

    async def get_upload(self, upload_id: str) -> Upload:
        return await self._run(calls.get_upload(upload_id))

    async def delete_upload(self, upload_id: str) -> None:
        await self._run(calls.delete(f"/v1/uploads/{upload_id}"))

    async def add_consent(
        self,
        photo: str | Path | Upload,
        *,
        label: str,
        face: int | None = None,
        **terms: Unpack[Terms],
    ) -> Consent:
        """Put on record who lends you their face; ``pending`` until a worker found it."""
        return await self._run(calls.add_consent(photo, label, face, terms))

    async def get_consent(self, consent: Consent | str) -> Consent:
        return await self._run(calls.get_consent(consent))

    async def list_consents(self) -> list[Consent]:
        """Your own, newest first."""
        return await self._run(calls.list_consents())

    async def withdraw_consent(self, consent: Consent | str, *, purge: bool = False) -> Consent:
        """It counts no more, and jobs that rest on it stop; ``purge`` deletes results too."""
        return await self._run(calls.withdraw_consent(consent, purge))

    async def attest(self) -> None:
        """State, once, that you hold the consent of everybody whose face you submit."""
        await self._run(calls.attest())

    async def get_usage(self) -> Usage:
        """Units used and left."""
        return await self._run(calls.get_usage())

    # Doing what a flow asks for

    async def _run(self, flow: Flow[T]) -> T:
        outcome: Answer | Broken | None = None
        while True:
            try:
                effect = flow.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = None
            if isinstance(effect, Pause):
                await self._pause(effect.seconds)
            else:
                outcome = await self._send(effect)

    async def _send(self, send: Send) -> Answer | Broken:
        request = self._request(send)
        try:
            response = await self._http.send(request, stream=True)
            try:
                return await self._receive(response, send.into)
            finally:
                await response.aclose()
        except httpx2.TransportError as fault:
            return self._address.broken(send, fault)

    async def _receive(self, response: httpx2.Response, into: Sink | None) -> Answer:
        if into is None or response.status_code not in (200, 206):
            return answer_of(response, await response.aread())
        with open_sink(into, response.status_code) as file:
            async for piece in response.aiter_raw():
                file.write(piece)
                into.on_bytes(file.tell())
        return answer_of(response, b"")

    async def _listen(self, job: Job | str, reader: EventReader) -> AsyncIterator[Job]:
        """What one connection tells; ``reader.outcome`` is how it ended."""
        send = Send("GET", f"/v1/jobs/{id_of(job)}/events", headers=reader.headers)
        try:
            response = await self._http.send(self._request(send), stream=True)
            try:
                if response.status_code != 200:
                    reader.finish(answer_of(response, await response.aread()))
                    return
                async for line in response.aiter_lines():
                    if told := reader.feed(line):
                        yield told
                reader.finish(answer_of(response, b""))
            finally:
                await response.aclose()
        except httpx2.TransportError as fault:
            reader.finish(self._address.broken(send, fault))

    def _request(self, send: Send) -> httpx2.Request:
        return self._http.build_request(
            send.method,
            self._address.url_of(send),
            headers=self._address.headers_of(send),
            json=send.json,
            content=read_file_async(send.file) if send.file else None,
        )
