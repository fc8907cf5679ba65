"""Server-sent events, line by line (https://html.spec.whatwg.org, section 9.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .flows import FIRST_WAIT_S, PASSING, TRIES, Answer, Broken, fault_of, wait_s
from .shapes import Job

END = "end"
NO_MORE = 204


def wait_to_go_on(outcome: Answer | Broken | None, failures: int) -> float:
    """Seconds until the next connection. Raises ApiError, ServerUnreachableError."""
    if outcome is None or (isinstance(outcome, Answer) and outcome.is_good):
        return FIRST_WAIT_S  # the server has stopped, or starts anew
    is_refused = isinstance(outcome, Answer) and outcome.status not in PASSING
    if is_refused or failures >= TRIES:
        raise fault_of(outcome)
    return wait_s(failures, outcome)


@dataclass
class EventReader:
    """Fed with lines; what it has understood stays when a connection breaks."""

    last_id: str = ""
    is_ended: bool = False
    outcome: Answer | Broken | None = None  # how the last connection ended
    _event: str = ""
    _data: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """To ask for what was not heard yet."""
        asked = {"Accept": "text/event-stream"}
        return asked | ({"Last-Event-ID": self.last_id} if self.last_id else {})

    def feed(self, line: str) -> Job | None:
        """A job where this line ends an event."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data += value
            case "id":
                self.last_id = value
            case "" if not line:
                return self._end_event()
        return None

    def finish(self, outcome: Answer | Broken) -> None:
        """A connection is over; half an event is none."""
        self._event, self._data, self.outcome = "", "", outcome
        if isinstance(outcome, Answer) and outcome.status == NO_MORE:
            self.is_ended = True

    def _end_event(self) -> Job | None:
        event, data = self._event, self._data
        self._event, self._data = "", ""
        self.is_ended = self.is_ended or event == END
        told = json.loads(data) if data else None
        return Job.read(told) if told else None
