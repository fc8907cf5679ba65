"""The command line of webhook endpoints: create, list, delete."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_desk import ClientArgument, DataOption, JsonOption, open_desk
from .cli_errors import print_json, reporting

if TYPE_CHECKING:
    from .service.endpoints import Row

webhooks = typer.Typer(
    help="Set the addresses at which a client is told of its jobs.", no_args_is_help=True
)


class Api(StrEnum):
    """Whose jobs are told of, and in whose form."""

    YOUCAM = "youcam"
    NATIVE = "native"


@webhooks.command()
def create(
    client: ClientArgument,
    url: Annotated[str, typer.Argument(help="Where to POST to.")],
    api: Annotated[Api, typer.Option(help="Of whose jobs it is told.")] = Api.YOUCAM,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an endpoint, up to ten for each API. Its secret is shown this once."""
    with reporting(as_json), open_desk(data) as desk:
        from .net.guard import parse_allow
        from .service.endpoints import add_endpoint
        from .settings import load_settings

        allow = parse_allow(load_settings(data=data).fetch_allow)
        made = add_endpoint(desk, client, api.value, url, allow)
        facts = {**describe(made.row), "secret": made.secret}
        if as_json:
            return print_json(facts)
        for name in ("endpoint_id", "url", "secret"):
            typer.echo(f"{name:11} {facts[name]}")
        return typer.echo("keep the secret: it is not shown again", err=True)


@webhooks.command(name="list")
def list_(client: ClientArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List a client's endpoints; no secrets."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.clients import get_client
        from .service.endpoints import list_endpoints

        get_client(desk, client)
        rows = [describe(row) for row in list_endpoints(desk, client)]
        if as_json:
            return print_json({"endpoints": rows})
        if not rows:
            typer.echo("no endpoints; add one with: lendface webhooks create CLIENT URL")
        for row in rows:
            typer.echo(f"{row['endpoint_id']}  {row['api']}  {row['state']}  {row['url']}")
        return None


@webhooks.command()
def delete(
    client: ClientArgument,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The id of an endpoint.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove an endpoint; it is told nothing more, not even what was on its way."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.endpoints import delete_endpoint

        delete_endpoint(desk, client, endpoint)
        if as_json:
            return print_json({"deleted": endpoint})
        return typer.echo(f"deleted the endpoint {endpoint}")


def describe(row: Row) -> dict[str, Any]:
    return {
        "endpoint_id": row["id"],
        "api": row["api"],
        "url": row["url"],
        "state": "disabled" if row["disabled_ms"] else "enabled",
    }
