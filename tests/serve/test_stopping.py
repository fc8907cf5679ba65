"""A real server that is told to end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx2
import pytest

from serve.processes import PATIENCE_S, free_port, run, running, settings_in


@pytest.mark.services
def test_a_server_does_not_wait_for_those_who_watch_a_job(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_in(tmp_path, PORT=str(port), DRAIN_S="3600", FETCH_ALLOW="127.0.0.1")
    made = json.loads(run("keys", "create", "--name", "me", "--json", environment=settings))
    with (
        running("serve", "--no-workers", environment=settings) as server,
        httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {made['key']}"},
            timeout=PATIENCE_S,
        ) as client,
    ):
        server.wait_for("Uvicorn running on … (Press CTRL+C to quit)")
        film = {"target": {"url": f"http://127.0.0.1:{free_port()}/film.mp4"}}
        job_id = client.post("/v1/scans", json=film).raise_for_status().json()["id"]
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as events:
            lines = events.iter_lines()
            assert next(lines) == "event: progress"
            server.process.send_signal(signal.SIGTERM)
            list(lines)
        assert server.process.wait(PATIENCE_S) == 0
