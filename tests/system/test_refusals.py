"""What the operator forbids, on a real server with real workers, and as each API tells it.

The operator is stricter than any: everybody has to look like forty. P003, whose photo is the
source, does not; P005, who is in the film, does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facades.akool.bodies import V3_VIDEO, ref, video
from facades.akool.receiver import Receiver as AkoolReceiver
from facades.akool.receiver import decrypt
from facades.youcam.customers import VIDEO, Customer
from lendface import cli
from lendface.service.audit import read, verify
from people import read_person, write_photo
from system.backstage import Backstage, backstage
from system.receivers import Receiver
from system.servers import DONE_S, Server, serving, until
from system.visitors import Visitor, new_visitor

pytestmark = pytest.mark.services

STRICT = "40"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("strict") / "data"
    with serving(folder, gate_age_both=STRICT) as server:
        yield server


@pytest.fixture(scope="module")
def elder(films: Path) -> Path:
    """P005 in another photo than the film's."""
    return write_photo(films / "p005.jpg", read_person("P005", "amateur_selfie"))


def reason(back: Backstage, job_id: str) -> dict[str, object]:
    """What the operator reads of it."""
    database = back.built.office.database
    assert verify(database).holds
    told = {entry.action: entry.detail for entry in read(database) if entry.subject == job_id}
    assert set(told) == {"job.submitted", "job.refused", "job.ended"}
    return dict(told["job.refused"])


def test_native(
    visitor: Visitor, back: Backstage, film: Path, photo: Path, elder: Path, receiver: Receiver
) -> None:
    job_id = visitor.swap(film, photo, webhook_url=f"{receiver.url}/told")["id"]
    assert visitor.failed(job_id) == "content_refused"
    assert reason(back, job_id) == {"code": "content_refused", "rule": "minor_source", "face": 1}
    [letter] = receiver.until_told()
    told = json.loads(letter.body)
    assert (told["type"], told["data"]["error"]["code"]) == ("swap.failed", "content_refused")
    assert told["data"]["error"]["message"] == (
        "pairs.0.source.upload_ids.0 is refused: the face in it looks like a minor's (rule: minors)"
    )
    assert b"years" not in letter.body
    assert (back.charges(job_id), back.results(job_id)) == ([], [])
    [line] = [line for line in back.server.lines() if line.get("rule")]
    assert (line["job_id"], line["rule"]) == (job_id, "minor_source")
    visitor.succeeded(visitor.swap(film, elder)["id"])


def test_akool(visitor: Visitor, back: Backstage, film: Path, photo: Path) -> None:
    target, source = (
        f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
        for kind, path in (("video/mp4", film), ("image/png", photo))
    )
    refs = {"targetImage": [ref(target)], "sourceImage": [ref(source)]}
    with AkoolReceiver() as receiver:
        body = video(**refs, modifyVideo=target, webhookUrl=receiver.url)
        made = visitor.post(V3_VIDEO, body)["data"]
        ended = receiver.wait_for(lambda calls: len(calls) >= 2, DONE_S)[-1]
    client = visitor.client
    told = decrypt(client.client_id, client.key, ended.body)
    assert (told["_id"], told["status"], told["url"]) == (made["_id"], 4, "")
    path = f"/api/open/v3/faceswap/result/listbyids?_ids={made['_id']}"
    [item] = visitor.get(path)["data"]["result"]
    assert (item["faceswap_status"], item["error_code"]) == (4, 1009)
    assert item["error_msg"] == told["error_msg"]
    assert reason(back, made["_id"])["rule"] == "minor_source"


def test_youcam(visitor: Visitor, back: Backstage, film: Path, photo: Path) -> None:
    customer = Customer(visitor.http)
    target = customer.upload(film.read_bytes(), "video/mp4")
    source = customer.upload(photo.read_bytes(), "image/png")
    task_id = customer.begin_video(src_file_id=target, ref_file_id=source)

    def ended() -> dict[str, object] | None:
        status = customer.status(task_id, VIDEO)
        return status if status["task_status"] != "running" else None

    status = until(ended, DONE_S, back.server.story, 0.1)
    assert (status["task_status"], status["error"]) == ("error", "error_nsfw_content_detected")
    assert status["error_message"] == (
        "ref_file_id is refused: the face in it looks like a minor's (rule: minors)"
    )


def test_who_is_protected_while_the_server_runs_is_refused_from_the_next_job_on(
    visitor: Visitor, back: Backstage, film: Path, elder: Path
) -> None:
    before = visitor.succeeded(visitor.swap(film, elder)["id"])
    words = ["protect", "add", str(elder), "--reason", "asked for it", "--json"]
    made = CliRunner().invoke(cli.app, [*words, "--data", str(back.server.folder)])
    entry = json.loads(made.stdout)["id"]
    refused = visitor.swap(film, elder)["id"]
    assert visitor.failed(refused) == "protected_face"
    assert reason(back, refused) == {"code": "protected_face", "entry": entry}
    assert visitor.get(f"/v1/swaps/{before['id']}")["state"] == "succeeded"


def test_what_was_scanned_while_the_gate_was_off_is_judged_when_it_is_on_again(
    tmp_path: Path, film: Path, photo: Path
) -> None:
    """By the server's own settings, which nobody who asks can change; each change is on record."""
    reason = "paintings of nudes, for a museum"
    off = {"LENDFACE_GATE": "off", "LENDFACE_GATE_OFF_REASON": reason}
    server = Server(tmp_path / "data", off)
    try:
        server.start()
        assert server.told(
            "LENDFACE_GATE is off: nobody looks for nudity and minors before a job is rendered; "
            f"declared: {reason}"
        )
        with backstage(server) as back:
            visitor = new_visitor(server, back.settings)
            visitor.succeeded(visitor.swap(film, photo)["id"])
            assert server.stop() == 0
            server.settings = {"LENDFACE_GATE_AGE_BOTH": STRICT}
            server.start()
            assert visitor.failed(visitor.swap(film, photo)["id"]) == "content_refused"
            visitor.close()
            changes = [
                entry.detail["before"].get("gate")
                for entry in read(back.built.office.database)
                if entry.action == "settings.changed"
            ]
        assert changes == [None, "off"]
        assert server.stop() == 0
    finally:
        server.close()
