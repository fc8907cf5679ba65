"""What commands about clients share: which client, which server's data, and its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .service.clients import SmallDesk

ClientArgument = Annotated[str, typer.Argument(metavar="CLIENT", help="The id of a client.")]
DataOption = Annotated[
    Path | None, typer.Option(help="Folder of the server, as it was given to serve.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object; errors as JSON too.")
]


@contextmanager
def open_desk(data: Path | None) -> Iterator[SmallDesk]:
    """The server's database, with its tables, and its secret."""
    import time

    from .service.clients import open_desk as opened
    from .settings import load_settings
    from .storage.disk import private_files

    settings = load_settings(data=data)
    with (
        private_files(),
        opened(
            settings.database, settings.secret_ring, lambda: time.time_ns() // 1_000_000
        ) as desk,
    ):
        yield desk
