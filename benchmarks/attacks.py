"""What an attacker can do to a server, measured: memory, others' waiting, what stays behind.

    python -m benchmarks.attacks [NAME...]

Each attack starts a real ``lendface serve`` with a data folder of its own, does harm for a minute
or two from loopback addresses, and tells what others saw meanwhile. The server is reached by its
command and by HTTP only, so that an older version can be measured too: ``PYTHONPATH=OLDER/src``.
A time that ended with the attack and not with an answer is printed as ``> 120 s``. All people and
films are made up.

The last column is an aim and is not checked: times depend on the machine, and on who else uses it,
so this is no test. Where ``strace`` is missing, connections are not measured.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import httpx2
import numpy as np

import lendface
from lendface.demo.people import get_photo

from .clips import Clip, get_clip
from .hostile import (
    Background,
    Caller,
    Server,
    Tally,
    clean_environment,
    cpu_s,
    declare,
    drip,
    dripping,
    forget_peak,
    free_port,
    hang,
    listen,
    peak_mb,
    probing,
    serve,
    taking,
    until,
    upload,
)
from .traces import Trace, known_of, search

CAP_S = 120.0
LONG_S = 400.0  # for work that nobody disturbs, on a machine that others use
MB = 1_000_000
SOURCE, OTHER = "P010", "P003"
ATTACKERS = tuple(f"127.0.0.{number}" for number in range(2, 13))
ENDED = ("succeeded", "failed", "cancelled")


class Row(NamedTuple):
    """A line of the table."""

    attack: str
    what: str
    value: str
    aim: str = ""


Attack = Callable[[Path], Iterator[Row]]


# Memory and others' waiting


def data_uris(folder: Path) -> Iterator[Row]:
    """Pictures written into the request as base64."""
    with Server(folder / "data") as server:
        caller = server.add_client("a")
        yield Row("data URI", "memory of the API before", f"{peak_mb(server.pid):.0f} MB")
        for size in (8, 16):
            forget_peak(server.pid)
            with probing(server.url) as probe:
                status = submit_picture(server, caller, size * MB)
            peak = peak_mb(server.pid)
            yield Row("data URI", f"peak at {size} MB, answered {status}", f"{peak:.0f} MB")
            yield Row("data URI", f"/healthz meanwhile, {size} MB", str(probe))


def submit_picture(server: Server, caller: Caller, chars: int) -> int:
    """The status; the picture has so many characters of base64."""
    text = base64.b64encode(b"\x89PNG\r\n\x1a\n" + os.urandom(chars * 3 // 4 - 8)).decode()
    face = [{"path": "https://example.org/face.png", "opts": "1,1:2,2:3,3:4,4"}]
    body = {
        "modifyImage": f"data:image/png;base64,{text}",
        "targetImage": face,
        "sourceImage": face,
    }
    with server.client(caller, CAP_S) as client:
        answer = client.post("/api/open/v3/faceswap/highquality/specifyimage", json=body)
    return answer.status_code


def slow_uploads(folder: Path) -> Iterator[Row]:
    """Seventy uploads of one key, each a byte every ten seconds."""
    with Server(folder / "data") as server, Background() as background:
        bad, good, tally = server.add_client("bad"), server.add_client("good"), Tally()
        yield Row(
            "slow uploads", "1 MB of another client, alone", told(lambda: send_file(server, good))
        )
        with server.client(bad) as client:
            for _ in range(70):
                link = declare(client, "video/mp4", 1000)["upload"]
                head = head_of("PUT", link["url"], link["headers"])
                background.start(drip(server.port, ATTACKERS[0], head, 10, tally))
        time.sleep(3)
        took = told(lambda: send_file(server, good))
        yield Row("slow uploads", "1 MB of another client beside 70", took, "< 1 s")
        yield Row("slow uploads", "slow ones open then", f"{tally.open}, ended {dict(tally.ended)}")


def send_file(server: Server, caller: Caller) -> None:
    with server.client(caller, CAP_S) as client:
        upload(client, "video/mp4", bytes(MB))


def open_headers(folder: Path) -> Iterator[Row]:
    """More requests than the server may open files, whose headers never end."""
    for addresses in (ATTACKERS[:1], ATTACKERS):
        place = folder / str(len(addresses))
        place.mkdir()
        with Server(place / "data", files=1024) as server:
            yield from headers_from(server, addresses)


def headers_from(server: Server, addresses: tuple[str, ...]) -> Iterator[Row]:
    name, tally = f"headers of {len(addresses)} addresses", Tally()
    head = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: "
    with Background() as background:
        for number in range(1100):
            address = addresses[number % len(addresses)]
            background.start(drip(server.port, address, head, 5, tally))
        time.sleep(5)
        before = server.log.stat().st_size
        with probing(server.url) as probe:
            time.sleep(60)
        grown = server.log.stat().st_size - before
        open_then = tally.open
    yield Row(name, "/healthz, median", str(probe), "< 1 s")
    yield Row(name, "log in a minute", f"{grown / MB:.2f} MB", "< 1 MB")
    yield Row(name, "of 1,100 open at the end", f"{open_then}")


def hanging_receivers(folder: Path) -> Iterator[Row]:
    """Forty messages of one client to receivers that never answer."""
    with Server(folder / "data", workers=1) as server, Background() as background:
        bad, good = server.add_client("bad"), server.add_client("good")
        port, arrived = free_port(), threading.Event()
        hosts = [f"127.0.1.{number}" for number in range(1, 41)]
        background.start(serve(port, hosts, hang))
        background.start(serve(port, ["127.0.0.1"], taking(arrived)))

        def be_told() -> None:
            arrived.clear()
            end_job(server, good, f"http://127.0.0.1:{port}/")
            if not arrived.wait(CAP_S):
                raise TimeoutError

        yield Row("hanging receivers", "a message alone", told(be_told))
        for host in hosts:
            end_job(server, bad, f"http://{host}:{port}/")
        time.sleep(2)
        yield Row("hanging receivers", "another client's behind 40", told(be_told), "< 10 s")


def end_job(server: Server, caller: Caller, webhook_url: str) -> None:
    """A job that is called off at once: its end is told."""
    with server.client(caller) as client:
        target = {"upload_id": upload(client, "video/mp4", b"no film")}
        body = {"target": target, "webhook_url": webhook_url}
        job = client.post("/v1/scans", json=body).raise_for_status().json()["id"]
        client.post(f"/v1/jobs/{job}/cancel")


def dripping_urls(folder: Path) -> Iterator[Row]:
    """Two keys, each with sixteen films from a server that sends a byte every three seconds."""
    film = get_clip(folder, Clip("360p", 1, 15)).read_bytes()
    with Server(folder / "data", workers=1) as server, Background() as background:
        good, port, tally = server.add_client("good"), free_port(), Tally()
        background.start(serve(port, ["127.0.0.1"], dripping(3, tally)))
        yield Row(
            "dripping URLs", "a scan alone, the first", told(lambda: scan(server, good, film))
        )
        for name in ("bad", "worse"):
            with server.client(server.add_client(name)) as client:
                for number in range(16):
                    target = {"url": f"http://127.0.0.1:{port}/{name}-{number}.mp4"}
                    client.post("/v1/scans", json={"target": target}).raise_for_status()
        with suppress(TimeoutError):
            until(lambda: tally.open >= 32, 60)
        yield Row("dripping URLs", "dripping at the same time", f"{tally.open}")
        other = get_clip(folder, Clip("360p", 1, 16)).read_bytes()
        took = told(lambda: scan(server, good, other))
        yield Row("dripping URLs", "another client's scan beside two keys", took, "as alone")


def scan(server: Server, caller: Caller, film: bytes) -> None:
    with server.client(caller, CAP_S) as client:
        body = {"target": {"upload_id": upload(client, "video/mp4", film)}}
        job = client.post("/v1/scans", json=body).raise_for_status().json()["id"]
        wait_for_job(client, job)


def wait_for_job(client: httpx2.Client, job: str, limit_s: float = CAP_S) -> None:
    """Raises TimeoutError, RuntimeError where it did not succeed."""

    def ended() -> Mapping[str, Any] | None:
        facts = client.get(f"/v1/jobs/{job}").raise_for_status().json()
        return facts if facts["state"] in ENDED else None

    facts = until(ended, limit_s, 0.2)
    if facts["state"] != "succeeded":
        raise RuntimeError(f"the job {facts['state']}: {facts['error']}")


def event_streams(folder: Path) -> Iterator[Row]:
    """Five hundred streams of the events of one job that waits."""
    with Server(folder / "data") as server, Background() as background:
        caller, tally = server.add_client("a"), Tally()
        with server.client(caller) as client:
            body = {"target": {"upload_id": upload(client, "video/mp4", b"no film")}}
            job = client.post("/v1/scans", json=body).raise_for_status().json()["id"]
        head = head_of("GET", f"{server.url}/v1/jobs/{job}/events", caller.headers)
        for number in range(500):
            background.start(listen(server.port, ATTACKERS[number % 11], head, tally))
        time.sleep(15)
        began, used = time.monotonic(), cpu_s(server.pid)
        with probing(server.url, 1) as probe:
            time.sleep(30)
        share = (cpu_s(server.pid) - used) / (time.monotonic() - began)
        refused = dict(tally.ended)
        yield Row(
            "event streams", f"of a core, {tally.open} open, refused {refused}", f"{share:.0%}"
        )
        yield Row("event streams", "/healthz meanwhile, median", str(probe))


# What stays behind, and what goes out


def remains(folder: Path) -> Iterator[Row]:
    """Faces as numbers in a server's data folder: after a swap, an erasure, and a clean exit."""
    film, photo = get_clip(folder, Clip("360p", 1, 15)), get_photo(SOURCE)
    known = known_of(photo, film)
    with Server(folder / "data", workers=1) as server:
        caller = server.add_client("a")
        swap(server, caller, photo, film)
        yield from found_rows("after a swap", search(server.folder, known))
        server.lendface("erase", "--client", caller.id, "--yes")
        yield from found_rows("after its client was erased", search(server.folder, known))
        server.stop()
        yield from found_rows("after a clean exit", search(server.folder, known), "0")


def found_rows(when: str, found: Trace, aim: str = "") -> Iterator[Row]:
    where = f" in {', '.join(sorted(found.places))}" if found.places else ""
    yield Row("remains", f"bytes of embeddings {when}", f"{found.embedding_bytes}{where}", aim)
    yield Row("remains", f"bytes of landmarks {when}", f"{found.landmark_bytes}", aim)


def swap(server: Server, caller: Caller, photo: Path, film: Path) -> None:
    with server.client(caller, CAP_S) as client:
        source = upload(client, "image/jpeg", photo.read_bytes())
        target = upload(client, "video/mp4", film.read_bytes())
        body = {"target": {"upload_id": target}, "pairs": [{"source": {"upload_ids": [source]}}]}
        job = client.post("/v1/swaps", json=body).raise_for_status().json()["id"]
        wait_for_job(client, job, LONG_S)


def connections(folder: Path) -> Iterator[Row]:
    """Whom the command, and a server with its workers, connect to outside of this machine."""
    if not shutil.which("strace"):
        yield Row("connections", "to the outside", "not measured: strace is missing")
        return
    film, photo = get_clip(folder, Clip("360p", 1, 15)), get_photo(SOURCE)
    with homeless(folder) as home:
        log = folder / "command.strace"
        words = ["swap", str(photo), str(film), "-o", str(folder / "out.mp4")]
        run_command([*traced(log), sys.executable, "-m", "lendface", *words], home)
        yield from outside_rows("the command", log, home)
    with homeless(folder) as home:
        log = folder / "server.strace"
        variables = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        with Server(folder / "data", 1, before=traced(log), variables=variables) as server:
            swap(server, server.add_client("a"), photo, film)
            end_traced(server)
        yield from outside_rows("a server and its workers", log, home)


def traced(log: Path) -> list[str]:
    calls = "connect,sendto,sendmsg,sendmmsg"
    return ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={calls}", "-o", str(log)]


def end_traced(server: Server) -> None:
    """strace does not pass a signal on to what it follows."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), 15)
    assert server.process is not None
    server.process.wait(60)


@contextmanager
def homeless(folder: Path) -> Iterator[Path]:
    """An empty home, so that what a library keeps of its user is seen."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        yield Path(home)


def run_command(words: list[str], home: Path) -> None:
    own = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment = clean_environment() | own | {"LENDFACE_DATA": str(home / "data")}
    subprocess.run(words, env=environment, check=True, capture_output=True, timeout=LONG_S)


def outside_rows(who: str, log: Path, home: Path) -> Iterator[Row]:
    """Addresses of any network but this machine's own; a name server counts."""
    pattern = re.compile(r'(?:inet_addr|inet_pton)\((?:AF_INET6, )?"([0-9a-f.:]+)"')
    named = {found for line in log.read_text().splitlines() for found in pattern.findall(line)}
    away = sorted(name for name in named if not name.startswith("127.") and name != "::1")
    yield Row("connections", f"{who}: addresses outside", f"{len(away)} {' '.join(away)}", "0")
    kept = [path for path in home.rglob("*") if path.is_file() and "data" not in path.parts]
    names = " ".join(sorted(str(path.relative_to(home)) for path in kept)[:4])
    yield Row("connections", f"{who}: files in the user's home", f"{len(kept)} {names}")


def large_target(folder: Path) -> Iterator[Row]:
    """A photo of 48 megapixels as the target of the command."""
    photo = folder / "large.jpg"
    face = cv2.imread(str(get_photo(OTHER)))
    side = min(face.shape[:2])
    picture = np.full((6000, 8000, 3), 128, np.uint8)
    picture[1000:5000, 2000:6000] = cv2.resize(face[:side, :side], (4000, 4000))
    cv2.imwrite(str(photo), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    small = folder / "small.jpg"
    cv2.imwrite(str(small), cv2.resize(picture, (800, 600), interpolation=cv2.INTER_AREA))
    with homeless(folder) as home:
        for name, target in (("0.5 MP", small), ("48 MP", photo)):
            words = ["swap", str(get_photo(SOURCE)), str(target), "-o", str(folder / f"{name}.png")]
            peak = peak_of([sys.executable, "-m", "lendface", *words], home)
            yield Row("large target", f"peak of the command at {name}", f"{peak:.0f} MB")


def peak_of(words: list[str], home: Path) -> float:
    environment = clean_environment() | {"HOME": str(home), "LENDFACE_DATA": str(home / "data")}
    command = subprocess.Popen(
        words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    peak = 0.0
    while command.poll() is None:
        with suppress(FileNotFoundError, ProcessLookupError):  # it ends just now
            peak = max(peak, peak_mb(command.pid))
        time.sleep(0.02)
    if command.returncode:
        assert command.stderr is not None
        raise RuntimeError(command.stderr.read().decode()[-500:])
    return peak


# The table


def head_of(method: str, url: str, headers: Mapping[str, str]) -> bytes:
    path = httpx2.URL(url).raw_path.decode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        *(f"{n}: {v}" for n, v in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def told(act: Callable[[], None]) -> str:
    """How long it took, and ``> N s`` where the time was over first."""
    began = time.monotonic()
    try:
        act()
    except (TimeoutError, httpx2.TimeoutException):
        return f"> {time.monotonic() - began:.0f} s"
    except httpx2.HTTPError as fault:
        return f"refused after {time.monotonic() - began:.2f} s: {type(fault).__name__}"
    return f"{time.monotonic() - began:.2f} s"


ATTACKS: Mapping[str, Attack] = {
    "data_uris": data_uris,
    "slow_uploads": slow_uploads,
    "open_headers": open_headers,
    "hanging_receivers": hanging_receivers,
    "dripping_urls": dripping_urls,
    "event_streams": event_streams,
    "remains": remains,
    "connections": connections,
    "large_target": large_target,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ATTACKS)}")
    names = parser.parse_args().names or list(ATTACKS)
    if unknown := set(names) - set(ATTACKS):
        raise SystemExit(f"there is no attack {', '.join(sorted(unknown))}")
    print(f"lendface {lendface.__version__} of {Path(lendface.__file__).parent}", flush=True)
    for name in names:
        with ExitStack() as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            try:
                for row in ATTACKS[name](folder):
                    print(
                        f"{row.attack:24} {row.what:56} {row.value:30} {row.aim}".rstrip(),
                        flush=True,
                    )
            except Exception as fault:
                print(
                    f"{name:24} could not be measured: {type(fault).__name__}: {fault}", flush=True
                )


if __name__ == "__main__":
    main()
