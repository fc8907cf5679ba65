"""The command line of a server: serve, work, config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .cli_errors import print_json, reporting

HostOption = Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all.")]
PortOption = Annotated[int | None, typer.Option(min=0, max=65535)]
DataOption = Annotated[Path | None, typer.Option(help="Folder for everything of this machine.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=0, help="Render processes; by the number of cores if not given.")
]
NoWorkersOption = Annotated[
    bool, typer.Option("--no-workers", help="Only the API; workers run elsewhere.")
]
QueueOption = Annotated[
    list[str] | None,
    typer.Option(
        "--queue", help="control, quick, cpu or gpu; may be given again. Default: all it can."
    ),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(help="This worker's name: the same after a restart, and no other's."),
]


def serve(
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
    workers: WorkersOption = None,
    no_workers: NoWorkersOption = False,
) -> None:
    """Serve the API, and render beside it."""
    with reporting(False):
        from .serve.server import serve as run
        from .settings import load_settings
        from .storage.disk import private_files

        with private_files():
            settings = load_settings(host=host, port=port, data=data, workers=workers)
            run(settings, with_workers=not no_workers, say=lambda line: print(line, flush=True))


def work(
    queue: QueueOption = None,
    executor: ExecutorOption = None,
    data: DataOption = None,
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
) -> None:
    """Run one worker for a server on this or another machine."""
    with reporting(False):
        from .serve.worker import work as run
        from .settings import load_settings
        from .storage.disk import private_files

        with private_files():
            run(load_settings(data=data), queue or [], executor, is_supervised=supervised)


def certificate(
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
) -> None:
    """Make a certificate with which several machines of one server sign their results.

    Give chain.pem and key.pem to those that render (LENDFACE_C2PA_CERT, LENDFACE_C2PA_KEY), and
    root.pem to whoever checks results. One machine alone makes its own.
    """
    with reporting(False):
        from datetime import UTC, datetime

        from .trust.certificates import CHAIN, KEY, ROOT, keep_chain

        keep_chain(folder, datetime.now(UTC))
        for variable, name in (("LENDFACE_C2PA_CERT", CHAIN), ("LENDFACE_C2PA_KEY", KEY)):
            print(f"{variable}={(folder / name).absolute()}")
        typer.echo(f"lendface: for whoever checks results: {folder / ROOT}", err=True)


def config(
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show every setting, where it can be set and what is in use; check them all."""
    with reporting(as_json):
        from .media.inspection import PROTECTIONS, protection
        from .serve.checks import check_settings
        from .settings import describe_settings, load_settings

        settings = load_settings(data=data)
        warnings = check_settings(settings)
        rows = describe_settings(settings)
        if as_json:
            values = {name: value for name, value, _ in rows}
            told = {"settings": values, "sandbox": list(protection()), "warnings": warnings}
            return print_json(told)
        width = max(len(name) for name, _, _ in rows)
        for name, value, meaning in rows:
            print(f"{name:<{width}}  {value or '-':<24}  {meaning}")
        print(f"files from outside are opened behind: {', '.join(protection())}")
        if missing := [name for name in PROTECTIONS if name not in protection()]:
            warnings.append(f"this kernel does not offer {', '.join(missing)} (docs/trust.md)")
        for warning in warnings:
            typer.echo(f"lendface: {warning}", err=True)
        return None
