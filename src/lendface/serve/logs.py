"""Structured logs: one JSON object a line, with the job's id and never anything of a person.

Three fences. Our own lines are constant texts, and what they add is on a list. Libraries speak
only from warnings on, and what they say is stripped of addresses, names and keys. Of an error the
way through the code is logged, and of its message what is left after the same.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator, MutableMapping
from textwrap import indent
from typing import Any

import structlog
from structlog.contextvars import merge_contextvars

from ..errors import LendfaceError
from ..settings import Settings
from .throttle import Throttle

OURS = "lendface"
MAX_SAID = 300  # characters of a library's text
MAX_READ = 8 * MAX_SAID  # of it that are looked at: on a long one the pattern takes for ever

# What our lines may add (``extra=``); anything else stays out of the log.
FIELDS = frozenset(
    {
        *("attempt", "chore", "client_id", "code", "connections", "count", "entry", "executor"),
        *("face", "fps", "frames", "hash", "job_id", "kind", "library", "lines", "method", "ms"),
        *("per_address", "policy", "queue", "queues", "reason", "request_id", "sandbox"),
        *("route", "rule", "run", "stage", "state", "status", "targets", "task", "tasks", "time_s"),
        "version",
    }
)

# What may be somebody's: addresses, what stands in quotes, paths, mail, long words such as keys.
PERSONAL = re.compile(
    r"""\b(?:[a-z][a-z0-9+.-]*://|data:|www\.)\S+
    |(?<!\w)(?P<quote>['"`]).*?(?P=quote)(?!\w)
    |(?<![\w.])~?/[^\s,;:)\]]+
    |\S+@\S+
    |[\w+/=-]{20,}
    |\b[\w-]+\.(?:mp4|m4v|mov|mkv|webm|avi|jpe?g?|jfif|png|webp|hei[cf]|hif|avif|tiff?|bmp|gif)\b""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

LAST_WORD = re.compile(r"\S+\Z")
OPEN_QUOTE = re.compile(r"(?<!\w)['\"`].*", re.DOTALL)

Line = MutableMapping[str, Any]


def set_up_logs(settings: Settings) -> None:
    """Send all logs of this process to standard error, in the form the settings ask for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(make_formatter(settings.log_format))
    handler.addFilter(Throttle(OURS, time.monotonic))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    level = settings.log_level.upper()
    logging.getLogger(OURS).setLevel(level)
    # Its lines of the server's start and end; in more detail it would tell what is in requests.
    logging.getLogger("uvicorn").setLevel(max(logging.INFO, getattr(logging, level)))
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a broken line is lost; Python would print what was in it
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda fault: _log_uncaught(*fault[:3])


def make_formatter(form: str) -> logging.Formatter:
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(allow=FIELDS),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _tell_error,
            _strip,
            _put_in_order,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def strip(text: str) -> str:
    """A text without what may be somebody's.

    >>> strip("[Errno 2] No such file or directory: '/srv/anna at the beach.mp4'")
    '[Errno 2] No such file or directory: …'
    >>> strip("GET https://films.example/anna.mp4?token=x failed")
    'GET … failed'
    """
    if len(text) <= MAX_READ:
        return PERSONAL.sub("…", text)[:MAX_SAID]
    # A word or a quotation may be cut through: of these nothing is told.
    cut = LAST_WORD.sub("…", text[:MAX_READ])
    return OPEN_QUOTE.sub("…", PERSONAL.sub("…", cut))[:MAX_SAID]


def describe(error: BaseException) -> str:
    """The way through the code to an error and to those it came from; the first one first.

    >>> describe(ValueError("not a number: 'anna'"))
    'ValueError: not a number: …'
    """
    return "\n".join(_described(each) for each in reversed(list(_causes(error))))


def _described(error: BaseException) -> str:
    way = "".join(traceback.format_tb(error.__traceback__))
    lines = [f"{way}{type(error).__name__}: {_said(error)}"]
    if isinstance(error, BaseExceptionGroup):
        lines += [indent(describe(each), "| ") for each in error.exceptions]
    return "\n".join(lines)


def _said(error: BaseException) -> str:
    """Of our own errors the code: their sentences are for clients, and name their files."""
    return error.code if isinstance(error, LendfaceError) else strip(str(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        yield following
        seen.add(id(following))
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)


def _log_uncaught(kind: Any, error: Any, trace: Any) -> None:
    """Instead of Python's own print, which would tell all that an error holds."""
    if isinstance(error, KeyboardInterrupt | SystemExit) or error is None:
        return
    logging.getLogger(OURS).critical("uncaught", exc_info=(kind, error, trace))


# Steps on the way from a record to a line


def _tell_error(_logger: Any, _method: str, line: Line) -> Line:
    found = line.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        line["exception"] = describe(error)
    return line


def _strip(_logger: Any, _method: str, line: Line) -> Line:
    is_ours = line.get("logger", "").partition(".")[0] == OURS
    if not is_ours:
        line["event"] = strip(str(line["event"]))
    return line


def _put_in_order(_logger: Any, _method: str, line: Line) -> Line:
    """What every line has comes first, an error last; what is not known is left out."""
    first = ("timestamp", "level", "logger", "event")
    rest = [name for name in line if name not in (*first, "exception")]
    names = [*first, *sorted(rest), "exception"]
    return {name: line[name] for name in names if line.get(name) is not None}
