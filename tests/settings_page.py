"""Writes docs/settings.md from the settings themselves: ``python tests/settings_page.py``."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from lendface.settings import Settings, variable

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
TITLE_BY_FIRST = {
    "data": "Where things are",
    "host": "The server",
    "log_format": "What it tells those who run it",
    "workers": "Workers",
    "max_upload_mb": "Limits",
    "keep_days": "Keeping",
    "provenance": "Trust",
    "fetch_allow": "Fetching what users name",
    "youcam_limits": "The YouCam API",
    "akool_processing_webhooks": "The Akool API",
}
HEAD = """# Settings

*This page is made from the code: `python tests/settings_page.py`.*

A setting is an environment variable, or a line of a TOML file:

```toml
# lendface.toml
public_url = "https://swap.example.org"
max_seconds = 600
provider = "openvino"
```

The file is `lendface.toml` in the data folder, or the one that `LENDFACE_CONFIG` names. Options of
the command line win over the environment, the environment wins over the file. An empty variable
counts as not set; a variable that is misspelt, and a line of the file that no setting belongs to,
are errors.

`lendface config` shows what is in use and checks it: first what is wrong by itself, then what does
not fit together, such as a bucket without its library or a PostgreSQL without a secret. It exits
with 2 when something cannot work, prints what it doubts on standard error, shows no secret, and
makes nothing. `serve` and `work` check the same.

Give every process of one installation the same settings. What may differ from machine to machine:
`LENDFACE_DATA`, `LENDFACE_SCRATCH`, `LENDFACE_SCRATCH_MB`, `LENDFACE_PROVIDER`, `LENDFACE_THREADS`,
`LENDFACE_WORKERS` and `LENDFACE_DRAIN_S`. What must not: `LENDFACE_SECRET`.
"""
BOUNDS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}
KIND_BY_TYPE: dict[Any, str] = {
    bool: "true, false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "folder",
    SecretStr: "secret",
}


def render() -> str:
    lines = [HEAD]
    for name, field in Settings.model_fields.items():
        if title := TITLE_BY_FIRST.get(name):
            lines += [
                "",
                f"## {title}",
                "",
                "| variable | value | default | |",
                "|---|---|---|---|",
            ]
        cells = (f"`{variable(name)}`", kind_of(field), default_of(name, field), field.description)
        lines.append(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def kind_of(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not types.NoneType)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(kind))
    return " ".join([KIND_BY_TYPE[kind], *map(bound_of, field.metadata)])


def bound_of(bound: Any) -> str:
    attribute, sign = BOUNDS[type(bound)]
    return f"{sign} {plain(getattr(bound, attribute))}"


def default_of(name: str, field: FieldInfo) -> str:
    if name == "data":
        return "`~/.local/share/lendface`"
    return "" if field.default in (None, "") else f"`{plain(field.default)}`"


def plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
