"""A typed client of a lendface server.

>>> from lendface.client import Client
>>> client = Client("https://swap.example.org", "KEY")  # doctest: +SKIP
>>> job = client.wait(client.swap(source="me.jpg", target="clip.mp4"))  # doctest: +SKIP
>>> client.download(job, "out.mp4")  # doctest: +SKIP
"""

from __future__ import annotations

from ..errors import (
    ApiError,
    DownloadDamagedError,
    JobEndedError,
    ServerUnreachableError,
    WaitTimeoutError,
)
from .aclient import AsyncClient
from .client import Client
from .orders import Label, Output, Pair, Photo, ScanFace, Style
from .shapes import Consent, Face, Job, Result, Upload, Usage

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Consent",
    "DownloadDamagedError",
    "Face",
    "Job",
    "JobEndedError",
    "Label",
    "Output",
    "Pair",
    "Photo",
    "Result",
    "ScanFace",
    "ServerUnreachableError",
    "Style",
    "Upload",
    "Usage",
    "WaitTimeoutError",
]
