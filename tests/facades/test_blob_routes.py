"""Files by signed links."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import anyio
import pytest
import sqlalchemy as sa
from anyio import to_thread
from fastapi import FastAPI
from starlette.testclient import TestClient

from facades.belongings import FILM, finish_swap, send_upload, submit_swap
from lendface.service.clients import find_client, revoke_client
from lendface.service.office import Office
from lendface.storage.tables import uploads
from service.offices import BASE_URL, Clock, change_job

SHA256 = hashlib.sha256(FILM).hexdigest()
DIGEST = f"sha-256=:{base64.b64encode(bytes.fromhex(SHA256)).decode()}:"


def declare(me: TestClient, size: int = len(FILM), content_type: str = "video/mp4") -> dict:
    body = {"name": "a film.mp4", "content_type": content_type, "size": size}
    return me.post("/v1/uploads", json=body).raise_for_status().json()


def put_part(nobody: TestClient, link: dict, data: bytes, part: str) -> tuple[int, str | None]:
    headers = {"Content-Type": link["headers"]["Content-Type"], "Content-Range": part}
    answer = nobody.put(link["url"], content=data, headers=headers)
    return answer.status_code, answer.headers.get("Upload-Offset")


def test_a_file_is_sent_and_then_ready(me: TestClient, nobody: TestClient) -> None:
    made = declare(me)
    assert made["state"] == "waiting"
    answer = nobody.put(made["upload"]["url"], content=FILM, headers=made["upload"]["headers"])
    assert (answer.status_code, answer.content) == (200, b"")  # as a bucket answers
    assert answer.headers["upload-offset"] == str(len(FILM))
    assert answer.headers["repr-digest"] == DIGEST
    upload = me.get(f"/v1/uploads/{made['id']}").json()
    assert (upload["state"], upload["size"], upload["sha256"]) == ("ready", len(FILM), SHA256)


def test_a_file_comes_in_parts_and_says_where_to_go_on(me: TestClient, nobody: TestClient) -> None:
    made = declare(me)
    link, total = made["upload"], len(FILM)
    assert put_part(nobody, link, b"", f"bytes */{total}") == (202, "0")
    assert put_part(nobody, link, FILM[:100], f"bytes 0-99/{total}") == (202, "100")
    assert put_part(nobody, link, b"", f"bytes */{total}") == (202, "100")
    assert put_part(nobody, link, FILM[:50], f"bytes 0-49/{total}") == (409, "100")
    assert put_part(nobody, link, FILM[200:], f"bytes 200-{total - 1}/{total}") == (409, "100")
    assert me.get(f"/v1/uploads/{made['id']}").json()["state"] == "waiting"
    rest = put_part(nobody, link, FILM[100:], f"bytes 100-{total - 1}/{total}")
    assert rest == (200, str(total))
    assert put_part(nobody, link, b"", f"bytes */{total}") == (200, str(total))
    assert me.get(f"/v1/uploads/{made['id']}").json()["sha256"] == SHA256


def test_a_part_of_a_finished_file_changes_nothing(
    me: TestClient, nobody: TestClient, office: Office
) -> None:
    made = declare(me)
    link, total = made["upload"], len(FILM)
    nobody.put(link["url"], content=FILM, headers=link["headers"]).raise_for_status()
    assert put_part(nobody, link, b"x" * 10, f"bytes 0-9/{total}") == (409, str(total))
    assert me.get(f"/v1/uploads/{made['id']}").json()["sha256"] == SHA256


def test_after_a_part_the_whole_file_can_be_sent(me: TestClient, nobody: TestClient) -> None:
    made = declare(me)
    link = made["upload"]
    put_part(nobody, link, b"x" * 10, f"bytes 0-9/{len(FILM)}")
    answer = nobody.put(link["url"], content=FILM, headers=link["headers"])
    assert answer.headers["repr-digest"] == DIGEST


def test_the_same_file_may_be_sent_twice_and_another_may_not(
    me: TestClient, nobody: TestClient, office: Office
) -> None:
    made = declare(me)
    link = made["upload"]
    for _ in range(2):
        answer = nobody.put(link["url"], content=FILM, headers=link["headers"])
        assert (answer.status_code, answer.headers["repr-digest"]) == (200, DIGEST)
    answer = nobody.put(link["url"], content=FILM[::-1], headers=link["headers"])
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_done")
    assert me.get(f"/v1/uploads/{made['id']}").json()["sha256"] == SHA256


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (FILM + b"more", "video/mp4"),
        (FILM[:-1], "video/mp4"),
        (FILM, "image/png"),
        (FILM, None),
    ],
    ids=["longer", "shorter", "another type", "no type"],
)
def test_only_what_was_declared_may_be_sent(
    me: TestClient, nobody: TestClient, data: bytes, content_type: str | None
) -> None:
    made = declare(me)
    headers = {"Content-Type": content_type} if content_type else {}
    answer = nobody.put(made["upload"]["url"], content=data, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")
    assert me.get(f"/v1/uploads/{made['id']}").json()["state"] == "waiting"


def test_a_part_that_is_not_as_long_as_it_says_is_refused(
    me: TestClient, nobody: TestClient
) -> None:
    link = declare(me)["upload"]
    headers = {"Content-Type": "video/mp4", "Content-Range": f"bytes 0-99/{len(FILM)}"}
    answer = nobody.put(link["url"], content=FILM[:50], headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "upload_mismatch")

    def chunks() -> Iterator[bytes]:  # sent chunked, without a length
        yield FILM[:150]

    answer = nobody.put(link["url"], content=chunks(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "upload_mismatch")


@pytest.mark.parametrize("part", ["bytes 5-4/100", "bytes 0-100/100", "0-9/10", "bytes 0-9/*", ""])
def test_a_part_without_sense_is_refused(me: TestClient, nobody: TestClient, part: str) -> None:
    link = declare(me, 100)["upload"]
    assert put_part(nobody, link, b"x" * 10, part) == (422, None)


def test_forged_and_expired_links_open_nothing(
    me: TestClient, nobody: TestClient, clock: Clock
) -> None:
    link = declare(me)["upload"]
    for url in (link["url"][:-1], link["url"] + "A", link["url"].replace("blobs/e", "blobs/f")):
        answer = nobody.put(url, content=FILM, headers=link["headers"])
        assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")
    assert nobody.get(link["url"]).status_code == 403
    clock.pass_s(7200)
    answer = nobody.put(link["url"], content=FILM, headers=link["headers"])
    assert (answer.status_code, answer.json()["code"]) == (403, "signature_expired")


def test_nothing_can_be_sent_to_what_was_deleted(
    me: TestClient, nobody: TestClient, office: Office
) -> None:
    made = declare(me)
    me.delete(f"/v1/uploads/{made['id']}").raise_for_status()
    link = made["upload"]
    answer = nobody.put(link["url"], content=FILM, headers=link["headers"])
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert list(office.blobs.list("uploads")) == []


@pytest.fixture
def result_link(me: TestClient, office: Office) -> str:
    job = submit_swap(me, send_upload(me))
    finish_swap(office, job)
    key = f"results/{job}/result.mp4"
    return office.links.presign_get(key, 60, office.now_s, "Zoë's film.mp4", "video/mp4")


def test_a_file_is_handed_out_with_its_name_and_never_as_our_page(
    nobody: TestClient, result_link: str
) -> None:
    answer = nobody.get(result_link)
    assert (answer.status_code, answer.content) == (200, FILM)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"Zo_'s film.mp4\"; filename*=UTF-8''Zo%C3%AB%27s%20film.mp4"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_head_tells_what_get_would(nobody: TestClient, result_link: str) -> None:
    head, get = nobody.head(result_link), nobody.get(result_link)
    assert head.content == b""
    told = {name: value for name, value in head.headers.items() if name != "x-request-id"}
    assert told.items() <= get.headers.items()
    assert head.headers["content-length"] == str(len(FILM))


@pytest.mark.parametrize(
    ("asked", "status", "wanted"),
    [
        ("bytes=0-9", 206, FILM[:10]),
        ("bytes=10-", 206, FILM[10:]),
        ("bytes=-5", 206, FILM[-5:]),
        (f"bytes={len(FILM)}-", 416, None),
        ("bytes=0-1,5-6", 200, FILM),
        ("lines=1-2", 200, FILM),
    ],
)
def test_a_part_is_handed_out(
    nobody: TestClient, result_link: str, asked: str, status: int, wanted: bytes | None
) -> None:
    answer = nobody.get(result_link, headers={"Range": asked})
    assert answer.status_code == status
    if wanted is None:
        assert answer.headers["content-range"] == f"bytes */{len(FILM)}"
        assert answer.json()["code"] == "range_not_satisfiable"
    else:
        assert answer.content == wanted


def test_a_part_is_handed_out_only_of_the_same_bytes(nobody: TestClient, result_link: str) -> None:
    etag = nobody.head(result_link).headers["etag"]
    headers = {"Range": "bytes=0-9", "If-Range": etag}
    assert nobody.get(result_link, headers=headers).status_code == 206
    assert nobody.get(result_link, headers=headers | {"If-Range": '"other"'}).content == FILM
    assert nobody.get(result_link, headers={"If-None-Match": etag}).status_code == 304


def test_a_file_that_is_gone_is_not_found(
    nobody: TestClient, result_link: str, office: Office
) -> None:
    for blob in list(office.blobs.list("results")):
        office.blobs.delete(blob.key)
    answer = nobody.get(result_link)
    assert (answer.status_code, answer.json()["code"]) == (404, "blob_missing")


OTHER_SPELLINGS = (
    "{path}%0a", "{path}%0A", "{path}%0d", "{path}%09", "{path}%00", "{path}%20", "{path}%3Fx",
    "{path}%23x", "{path}%2e", "{path}?x=1", "{path}/", "{path}%2f", "/{path}", "%0a{path}",
    "/blobs/%0a{token}", "/blobs%2F{token}", "/blobs//{token}", "/./blobs/{token}",
    "/blobs/x/../{token}", "/blobs/%09{token}", "/blobs/{dotless}", "/BLOBS/{token}",
)  # fmt: skip


@pytest.mark.parametrize("form", OTHER_SPELLINGS)
def test_a_link_has_one_spelling(me: TestClient, app: FastAPI, form: str) -> None:
    """By the bytes of the request line, which a client library would tidy."""
    path = declare(me)["upload"]["url"].removeprefix(BASE_URL)
    token = path.removeprefix("/blobs/")
    raw = form.format(path=path, token=token, dotless=token.replace(".", "%2E"))
    statuses = [send_raw(app, method, raw) for method in ("PUT", "GET")]
    assert all(status in (403, 404, 405) for status in statuses), statuses
    assert send_raw(app, "PUT", path) == 200


def send_raw(
    app: FastAPI, method: str, target: str, halfway: Callable[[], None] = lambda: None
) -> int:
    """The status of an answer to just this target, as a server hands it on.

    ``halfway`` is called when half of the body is on its way.
    """
    raw, _, query = target.encode().partition(b"?")
    headers = [(b"content-type", b"video/mp4"), (b"content-length", b"%d" % len(FILM))]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(raw.decode()), "raw_path": raw, "query_string": query,
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("a.test", 80),
    }  # fmt: skip
    statuses: list[int] = []
    halves = [FILM[:100], FILM[100:]]

    async def receive() -> dict:
        if len(halves) == 1:
            await to_thread.run_sync(halfway)
        return {"type": "http.request", "body": halves.pop(0), "more_body": bool(halves)}

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    anyio.run(app, scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/jobs", "/healthz", "/v1/openapi.json"])
@pytest.mark.parametrize("more", ["%0a", "%0A", "%00", "%2f", "%7F"])
def test_no_address_works_with_something_after_it(me: TestClient, path: str, more: str) -> None:
    assert me.get(path).status_code == 200
    answer = me.get(f"{path}{more}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


# Links of a client that was revoked


def revoke(office: Office, me: TestClient) -> str:
    client = find_client(office, me.headers["Authorization"].removeprefix("Bearer "))
    revoke_client(office, client.id)
    return client.id


def test_links_end_with_their_client(
    me: TestClient, other: TestClient, nobody: TestClient, office: Office
) -> None:
    waiting, begun, others = declare(me), declare(me), declare(other)
    assert put_part(nobody, begun["upload"], FILM[:10], f"bytes 0-9/{len(FILM)}") == (202, "10")
    sent = send_upload(me)
    job = submit_swap(me, sent)
    finish_swap(office, job)
    got = [key_link(office, key_of(office, sent)), key_link(office, f"results/{job}/result.mp4")]
    assert [nobody.get(link).status_code for link in got] == [200, 200]
    revoke(office, me)
    for link in got:
        for method in ("GET", "HEAD"):
            answer = nobody.request(method, link)
            assert answer.status_code == 403
        assert nobody.get(link).json()["code"] == "link_revoked"
    for made in (waiting, begun):
        link = made["upload"]
        answer = nobody.put(link["url"], content=FILM, headers=link["headers"])
        assert (answer.status_code, answer.json()["code"]) == (403, "link_revoked")
        assert put_part(nobody, link, b"", f"bytes */{len(FILM)}") == (403, None)
        rest = put_part(nobody, link, FILM[10:], f"bytes 10-{len(FILM) - 1}/{len(FILM)}")
        assert rest == (403, None)
    link = others["upload"]
    assert nobody.put(link["url"], content=FILM, headers=link["headers"]).status_code == 200


def key_of(office: Office, upload_id: str) -> str:
    with office.database.reading() as connection:
        query = sa.select(uploads.c.blob_key).where(uploads.c.id == upload_id)
        return connection.execute(query).scalar_one()


def key_link(office: Office, key: str) -> str:
    return office.links.presign_get(key, 60, office.now_s)


def test_pictures_of_a_scan_may_be_seen_while_one_of_its_clients_stays(
    me: TestClient, other: TestClient, nobody: TestClient, office: Office
) -> None:
    for client in (me, other):
        job = client.post("/v1/scans", json={"target": {"upload_id": send_upload(client)}}).json()
        change_job(office, job["id"], scan_key="scans/ab/cd")
    office.blobs.put("scans/ab/cd/face-1.jpg", [b"a picture"])
    link = key_link(office, "scans/ab/cd/face-1.jpg")
    revoke(office, me)
    assert nobody.get(link).content == b"a picture"
    revoke(office, other)
    assert (nobody.get(link).status_code, nobody.get(link).json()["code"]) == (403, "link_revoked")


def test_a_file_that_was_on_its_way_when_its_client_was_revoked_is_not_kept(
    me: TestClient, app: FastAPI, office: Office
) -> None:
    made = declare(me)
    path = made["upload"]["url"].removeprefix(BASE_URL)

    def revoke_now() -> None:
        revoke(office, me)

    assert send_raw(app, "PUT", path, halfway=revoke_now) == 403
    with office.database.reading() as connection:
        row = connection.execute(sa.select(uploads).where(uploads.c.id == made["id"])).one()
    assert row.state == "waiting"
    assert list(office.blobs.list()) == []
