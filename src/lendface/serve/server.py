"""``lendface serve``: the API, and on one machine the workers beside it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable

import sqlalchemy as sa

from ..app import open_signer
from ..facades.forms import FORMS
from ..jobs.supervisor import Post, Supervisor
from ..jobs.work import QUICK
from ..service.audit import newest
from ..service.clients import create_client
from ..settings import PREFIX, Settings
from ..storage.tables import clients
from .asgi import build_app, open_paths_of
from .building import Built, build_office, prepare
from .checks import check_settings
from .connections import ConnectionLimits, Connections, raise_file_limit, shared_addresses
from .guards import note_guards
from .http import make_server
from .logs import set_up_logs
from .secrecy import keep_secrets

log = logging.getLogger("lendface.server")

SWITCH_S = 0.0005


def serve(settings: Settings, *, with_workers: bool, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; then let requests and running chunks end.

    ``say`` shows a line to whoever started it. Raises BadOptionError, DatabaseError.
    """
    set_up_logs(settings)
    keep_secrets()
    for doubt in check_settings(settings, signs=with_workers):
        log.warning(doubt)
    log.info(
        "consent is asked for",
        extra={"policy": settings.consent, "targets": settings.consent_targets},
    )
    if with_workers:
        open_signer(settings, must_last=True)  # so that its workers find one certificate
    built = build_office(settings, FORMS)
    prepare(built)
    note_guards(built.office, settings)
    number, newest_hash = newest(built.office.database)
    log.info("the newest entry of the audit log", extra={"entry": number, "hash": newest_hash})
    for line in first_words(built):
        say(line)
    supervisor = Supervisor(posts_of(settings) if with_workers else [], environment_of(settings))
    connections = open_connections(settings)
    server = make_server(
        build_app(built, is_closing=lambda: server.should_exit, connections=connections),
        connections,
        open_paths_of(settings).headers_of,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_graceful_shutdown=round(settings.drain_s) or 1,
    )
    supervisor.start()
    # A transaction is many short calls, and between them a thread waits for its turn: the default
    # of 5 ms would make one of half a second where many requests come at once.
    sys.setswitchinterval(SWITCH_S)
    # What was imported stays: to look for waste in it stops everything for a tenth of a second.
    gc.collect()
    gc.freeze()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_heard)
    try:
        server.run()
    finally:
        supervisor.stop(settings.drain_s + 10)
        built.close()


def open_connections(settings: Settings) -> Connections:
    """As many as the settings and the system's limit of open files allow."""
    limits = ConnectionLimits.within(
        raise_file_limit(), settings.max_connections, settings.max_connections_per_address
    )
    log.info(
        "connections are limited",
        extra={"connections": limits.total, "per_address": limits.per_address},
    )
    return Connections(limits, time.monotonic, shared_addresses(settings.trusted_proxies))


def _already_heard(*_: object) -> None:
    """The server raises the signal that ended it once more when it has ended."""


def first_words(built: Built) -> list[str]:
    """What the one who starts it should know; a first key where there is none."""
    lines = [f"lendface serves {built.settings.base_url}; its data is in {built.settings.folder}"]
    with built.office.database.reading() as connection:
        is_new = connection.execute(sa.select(clients.c.id).limit(1)).first() is None
    if is_new and built.settings.first_key:
        made = create_client(built.office, "first")
        lines.append(f"first key, shown once: {made.key}")
        lines.append(f"its client id: {made.client_id}")
        lines.append(
            "recorded, by you for its owner: they hold the consent of everybody whose face they "
            "submit (docs/consent.md)"
        )
    return lines


def posts_of(settings: Settings) -> list[Post]:
    """One process for the light work, one for short looks, and one for each that renders."""
    names = {"control": "control", QUICK: QUICK} | {
        f"{settings.render_queue}-{number}": settings.render_queue
        for number in range(settings.worker_count)
    }
    return [Post(name, command_of(name, queue)) for name, queue in names.items()]


def command_of(name: str, queue: str) -> list[str]:
    return [
        *(sys.executable, "-m", "lendface", "work"),
        *("--queue", queue, "--executor", f"local-{name}", "--supervised"),
    ]


def environment_of(settings: Settings) -> dict[str, str]:
    """The workers get what this process was told, however it was told."""
    told = {
        PREFIX + name.upper(): _as_text(getattr(settings, name))
        for name in settings.model_fields_set
        if getattr(settings, name) is not None
    }
    return {**os.environ, **told, PREFIX + "DATA": str(settings.folder)}


def _as_text(value: object) -> str:
    reveal = getattr(value, "get_secret_value", None)
    return str(reveal() if reveal else value)
