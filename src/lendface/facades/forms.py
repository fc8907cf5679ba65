"""How each API tells its clients what became of a job, by the name jobs keep of the API."""

from __future__ import annotations

from collections.abc import Mapping

from ..service.office import MessageForm
from .akool.webhooks import AkoolForm
from .native.webhooks import NativeForm
from .youcam.webhooks import YouCamForm

FORMS: Mapping[str, MessageForm] = {
    "native": NativeForm(),
    "akool": AkoolForm(),
    "youcam": YouCamForm(),
}
