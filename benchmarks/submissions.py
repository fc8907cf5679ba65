"""Submissions a second: a real server under an open load, and every job accounted for.

    python -m benchmarks.submissions [--rate 200] [--seconds 30] [--workers N]

Open load: a request is sent when its time has come, whether or not earlier ones were answered, so
a slow server cannot make the load lighter. Latency counts from when a request was due. Where others
use the machine, ``server_cpu_ms`` tells more than the latencies: what one request costs the
server's own process, without its workers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2

CONNECTIONS = 64
PORT = 8642
BASE = f"http://127.0.0.1:{PORT}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "LENDFACE_DATA": folder,
            "LENDFACE_PORT": str(PORT),
            "LENDFACE_LOG_LEVEL": "warning",
        }
        key = make_key(environment)
        server = start_server(environment, asked.workers)
        try:
            report = measure(server.pid, key, asked.rate, asked.seconds)
        finally:
            server.terminate()
            server.wait()
    print(json.dumps(report | {"workers": asked.workers, "load_average": os.getloadavg()[0]}))


def make_key(environment: dict[str, str]) -> str:
    words = ["keys", "create", "--name", "load", "--rate", "1000000", "--json"]
    made = subprocess.run(
        [sys.executable, "-m", "lendface", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(made.stdout)["key"]


def start_server(environment: dict[str, str], workers: int) -> subprocess.Popen[bytes]:
    how = ["--workers", str(workers)] if workers else ["--no-workers"]
    server = subprocess.Popen([sys.executable, "-m", "lendface", "serve", *how], env=environment)
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        try:
            if httpx2.get(f"{BASE}/readyz").status_code == 200:
                return server
        except httpx2.TransportError:
            time.sleep(0.1)
    server.kill()
    raise SystemExit("the server did not start")


def measure(server: int, key: str, rate: float, seconds: float) -> dict[str, Any]:
    """``server`` is the process's number."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=BASE, headers=headers, timeout=60) as client:
        source, target = upload(client, "image/png"), upload(client, "video/mp4")
        body = {
            "target": {"upload_id": target},
            "pairs": [{"source": {"upload_ids": [source]}}],
        }
        before_s = cpu_s(server)
        answers = asyncio.run(load(headers, json.dumps(body).encode(), rate, seconds))
        spent_s = cpu_s(server) - before_s
        known = count_jobs(client)
    late_ms = sorted(ms for _, ms, _ in answers)
    accepted = {job for status, _, job in answers if status == 202}
    return {
        "sent": len(answers),
        "statuses": dict(Counter(status for status, _, _ in answers)),
        "p50_ms": round(statistics.median(late_ms), 1),
        "p95_ms": round(late_ms[int(0.95 * len(late_ms))], 1),
        "p99_ms": round(late_ms[int(0.99 * len(late_ms))], 1),
        "max_ms": round(late_ms[-1], 1),
        "server_cpu_ms": round(1000 * spent_s / len(answers), 2),
        "accepted": len(accepted),
        "accounted_for": len(accepted & known),
    }


def cpu_s(process: int) -> float:
    """Processor time it has taken until now, its own and the kernel's for it (Linux)."""
    facts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")


def upload(client: httpx2.Client, content_type: str) -> str:
    """Four bytes: what is in them does not matter for what is measured."""
    declared = {"name": "a", "content_type": content_type, "size": 4}
    made = client.post("/v1/uploads", json=declared).raise_for_status().json()
    request = made["upload"]
    httpx2.put(request["url"], content=b"data", headers=request["headers"]).raise_for_status()
    return made["id"]


async def load(
    headers: dict[str, str], body: bytes, rate: float, seconds: float
) -> list[tuple[int, float, str]]:
    """(status, milliseconds since it was due, job id) of every request."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = (
        f"POST /v1/swaps HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\n{head}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    lines: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        lines.put_nowait(await asyncio.open_connection("127.0.0.1", PORT))
    began = asyncio.get_running_loop().time() + 0.1

    async def one(number: int) -> tuple[int, float, str]:
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        reader, writer = await lines.get()
        writer.write(request)
        status, told = await answer_of(reader)
        lines.put_nowait((reader, writer))
        late_ms = 1000 * (asyncio.get_running_loop().time() - due)
        return status, late_ms, told.get("id", "")

    return await asyncio.gather(*(one(number) for number in range(round(rate * seconds))))


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


def count_jobs(client: httpx2.Client) -> set[str]:
    """The ids of all jobs the server tells of."""
    found: set[str] = set()
    cursor: str | None = None
    while True:
        params = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/jobs", params=params).raise_for_status().json()
        found |= {job["id"] for job in page["items"]}
        cursor = page["next"]
        if not cursor:
            return found


if __name__ == "__main__":
    main()
