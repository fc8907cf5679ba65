"""What the one who starts a server is told."""

from __future__ import annotations

from pathlib import Path

from lendface.serve.building import build_office, prepare
from lendface.serve.server import first_words
from lendface.service.clients import find_client
from lendface.settings import load_settings


def test_the_client_id_stands_beside_the_first_key(tmp_path: Path) -> None:
    """Webhooks of one vendor are read with it, and it is shown nowhere else."""
    built = build_office(load_settings(data=tmp_path, secret="c2VjcmV0" * 8))
    try:
        prepare(built)
        told = dict(line.split(": ", 1) for line in first_words(built) if ": " in line)
        client = find_client(built.office, told["first key, shown once"])
        assert told["its client id"] == client.id
        assert not any("key" in line for line in first_words(built))  # there is one by now
    finally:
        built.close()
