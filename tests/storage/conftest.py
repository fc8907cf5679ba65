"""Every store that plays ``Blobs``, each empty at first."""

from __future__ import annotations

from pathlib import Path

import pytest

from lendface.storage.blobs import Blobs, open_blobs
from lendface.storage.scratch import Scratch
from services.s3_server import S3Server

BUCKETS = ["moto_s3", pytest.param("rgw", marks=pytest.mark.services)]


@pytest.fixture(params=["folder", *BUCKETS])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return open_blobs(str(tmp_path / "kept"))
    server: S3Server = request.getfixturevalue(request.param)
    return open_blobs(server.url(server.new_bucket()), **server.keys)


@pytest.fixture(params=BUCKETS)
def s3(request: pytest.FixtureRequest) -> S3Server:
    return request.getfixturevalue(request.param)


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path / "scratch", 100 << 20)
