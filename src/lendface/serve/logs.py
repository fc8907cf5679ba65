"""Structured logs: one JSON object a line, with the job's id and never anything of a person."""

from __future__ import annotations

import logging
import sys

import structlog

from ..settings import Settings

# What loggers may add to a line (``extra=``); anything else stays out of the log.
FIELDS = frozenset(
    {
        "attempt",
        "client_id",
        "code",
        "executor",
        "fps",
        "frames",
        "job_id",
        "ms",
        "method",
        "queue",
        "queues",
        "reason",
        "request_id",
        "route",
        "stage",
        "state",
        "status",
        "task",
        "tasks",
    }
)


def set_up_logs(settings: Settings) -> None:
    """Send all logs of this process to standard error, in the form the settings ask for."""
    shared = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=FIELDS),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("httpx2", "httpcore2", "alembic", "dbos", "botocore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
