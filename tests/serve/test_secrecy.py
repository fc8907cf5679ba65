"""What a process of a server passes on to programs that it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lendface.serve.secrecy import SECRET_SETTINGS
from lendface.serve.server import environment_of
from lendface.settings import Settings

LOOK = (
    "import json, os, resource, subprocess, sys\n"
    "from lendface.serve.secrecy import keep_secrets\n"
    "keep_secrets()\n"
    "told = subprocess.run([sys.executable, '-c', 'import json, os; "
    "print(json.dumps(dict(os.environ)))'], capture_output=True, check=True).stdout\n"
    "print(json.dumps([json.loads(told), resource.getrlimit(resource.RLIMIT_CORE)]))"
)


def test_programs_that_it_starts_find_no_secret_and_no_core_is_written() -> None:
    secrets = {f"LENDFACE_{name}": f"hidden-{name}" for name in SECRET_SETTINGS}
    plain = {"LENDFACE_PORT": "8081"}
    command = [sys.executable, "-c", LOOK]
    done = subprocess.run(
        command, env={**os.environ, **secrets, **plain}, capture_output=True, check=True
    )
    told, core = json.loads(done.stdout)
    assert "hidden-" not in json.dumps(told)
    assert told["LENDFACE_PORT"] == "8081"
    assert core == [0, 0]


def test_every_secret_of_the_settings_is_one_of_them() -> None:
    fields = Settings.model_fields.items()
    secret = {name.upper() for name, field in fields if "SecretStr" in str(field.annotation)}
    assert secret | {"DATABASE_URL", "BLOBS_URL"} == {*SECRET_SETTINGS}


def test_its_own_workers_are_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENDFACE_DATABASE_URL", "postgresql://me:pw@db/x")
    settings = Settings()
    monkeypatch.delenv("LENDFACE_DATABASE_URL")
    assert environment_of(settings)["LENDFACE_DATABASE_URL"] == "postgresql://me:pw@db/x"
