"""Files: declared here, then sent to the link that is answered."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any

from ...service import uploads
from ...service.office import Office
from .envelope import invalid
from .schemas import NewFile, NewFileOfOld
from .terms import LINK_S, Terms


def new_file_id() -> str:
    """64 characters of standard base64, which are not safe in an address; so is the vendor's."""
    return base64.b64encode(secrets.token_bytes(48)).decode()


def declare_files(
    office: Office, client_id: str, terms: Terms, files: Sequence[NewFile | NewFileOfOld]
) -> list[dict[str, Any]]:
    """All or none. Raises Refusal."""
    for number, file in enumerate(files):
        check_size(office, terms, file, f"files[{number}].file_size")
    return [declare_file(office, client_id, terms, file) for file in files]


def check_size(office: Office, terms: Terms, file: NewFile | NewFileOfOld, field: str) -> None:
    most = terms.max_bytes(office, file.content_type)
    if file.file_size is not None and file.file_size > most:
        raise invalid(f"{field} is out of range: the allowed maximum is {most}.")


def declare_file(
    office: Office, client_id: str, terms: Terms, file: NewFile | NewFileOfOld
) -> dict[str, Any]:
    declared = uploads.Declared(file.file_name, file.content_type, file.file_size)
    row, request = uploads.declare(
        office,
        client_id,
        declared,
        new_file_id(),
        keep_ms=terms.keep_ms,
        link_s=LINK_S,
        max_size=terms.max_bytes(office, file.content_type),
    )
    return {
        "content_type": file.content_type,
        "file_name": file.file_name,
        "file_id": row["id"],
        "requests": [
            {"method": request.method, "url": request.url, "headers": dict(request.headers)}
        ],
    }
