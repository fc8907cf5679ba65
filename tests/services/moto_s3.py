"""moto's S3 server in a thread: quick, and wide enough; it accepts every signature."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from .s3_server import S3Server


@pytest.fixture(scope="session")
def moto_s3() -> Iterator[S3Server]:
    from moto.server import ThreadedMotoServer  # slow to import, and few tests need it

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it would tell every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Server(f"http://{host}:{port}", "moto-access", "moto-secret-of-the-tests")
    server.stop()
