"""What a process of a server does not pass on: its secrets and its memory."""

from __future__ import annotations

import os
import resource

from ..settings import PREFIX

SECRET_SETTINGS = (
    "SECRET",
    "OLDER_SECRETS",
    "DATABASE_URL",
    "BLOBS_URL",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
)


def keep_secrets() -> None:
    """To be called once the settings have been read.

    No program that this process starts later finds a secret among its variables by accident, and
    none of its memory, faces and keys in it, is written to the disk when it crashes.
    """
    for name in SECRET_SETTINGS:
        os.environ.pop(PREFIX + name, None)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
