"""The command line of keys: create, list, rotate, revoke, grant, login-secret."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_desk import ClientArgument, DataOption, JsonOption, open_desk
from .cli_errors import print_json, reporting
from .errors import NotFoundError

if TYPE_CHECKING:
    from .service.clients import ClientFacts, KeyFacts, NewClient, NewKey, SmallDesk
    from .service.ledger import Balance

ATTESTED = (
    "recorded, by you for the key's owner: they hold the consent of everybody whose face they "
    "submit (docs/consent.md; --no-attest leaves that to them)"
)
NOT_ATTESTED = "its owner has yet to attest consent: POST /v1/attestation, or lendface keys attest"

keys = typer.Typer(
    help="Make and end the keys by which programs use a server.", no_args_is_help=True
)


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="Whose it is, for people to read.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, write or admin; may be given again. Default: read and write."),
    ] = None,
    quota_units: Annotated[
        int | None, typer.Option(help="All the units it may use; without it there is no end.")
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Requests a minute; without it, as the server has it.")
    ] = None,
    max_running: Annotated[
        int | None, typer.Option(help="Jobs at a time; without it, as the server has it.")
    ] = None,
    attest: Annotated[
        bool,
        typer.Option(
            "--attest/--no-attest",
            help="State for its owner that they hold the consent of those whose faces they submit.",
        ),
    ] = True,
    per_face: Annotated[
        bool, typer.Option("--per-face", help="Each source needs a consent on record.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a client and its first key. What is printed is shown this once."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.clients import READ, WRITE, create_client

        made = create_client(
            desk,
            name,
            scopes=scope or (READ, WRITE),
            quota_units=quota_units,
            rate_per_minute=rate,
            max_running=max_running,
            is_attested=attest,
            consent_policy="per_face" if per_face else None,
        )
        tell_secrets(made, as_json)
        if not as_json:
            typer.echo(ATTESTED if attest else NOT_ATTESTED, err=True)


@keys.command()
def attest(client: ClientArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """State for a client that it holds the consent of those whose faces it submits."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.attestations import OPERATOR
        from .service.attestations import attest as attest_it
        from .trust.consent import ATTESTATION

        row = attest_it(desk.database, client, OPERATOR, desk.now_ms())
        if as_json:
            return print_json({"client_id": client, "text_version": row["text_version"]})
        return typer.echo(f"on record for {client}, by the operator: {ATTESTATION}")


class Policy(StrEnum):
    """What is asked of a client before a face is lent."""

    per_face = "per_face"
    server = "server"


@keys.command()
def consent(
    client: ClientArgument,
    policy: Annotated[
        Policy, typer.Argument(help="per_face, or server: what LENDFACE_CONSENT asks.")
    ],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a client for a consent on record of each source, whatever the server asks of others."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.clients import set_consent_policy

        set_consent_policy(desk, client, None if policy is Policy.server else policy.value)
        if as_json:
            return print_json({"client_id": client, "consent": policy.value})
        return typer.echo(f"{client} is held to: {policy.value}")


@keys.command(context_settings={"ignore_unknown_options": True})  # -3 is a number
def grant(
    client: ClientArgument,
    units: Annotated[int, typer.Argument(help="How many more; fewer than 0 take some back.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a client that has a quota more units."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.ledger import balance
        from .service.ledger import grant as grant_units

        with desk.database.writing() as connection:
            grant_units(connection, client, units, desk.now_ms())
            left = balance(connection, client).left
        if as_json:
            return print_json({"client_id": client, "granted": units, "left": left})
        return typer.echo(f"{client} has {'no end of' if left is None else left} units left")


@keys.command()
def login_secret(
    client: ClientArgument,
    renew: Annotated[
        bool, typer.Option("--renew", help="Make another; the one before ends at once.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a client's RSA secret, with which old YouCam clients log in; made when first asked."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.logins import login_secret_of

        secret = login_secret_of(desk, client, renew=renew)
        if as_json:
            return print_json({"client_id": client, "login_secret": secret})
        return typer.echo(secret)


@keys.command(name="list")
def list_(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List clients, their units, and the states of their keys; no secrets."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.clients import list_clients
        from .service.ledger import balance

        found = list_clients(desk)
        with desk.database.reading() as connection:
            units = [balance(connection, facts.client.id) for facts in found]
        now_ms = desk.now_ms()
        rows = [describe(*pair, now_ms) for pair in zip(found, units, strict=True)]
        if as_json:
            return print_json({"clients": rows})
        return tell_clients(rows)


@keys.command()
def rotate(
    client: ClientArgument,
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long the old key still works.")
    ] = 0,
    webhook_secret: Annotated[
        bool, typer.Option("--webhook-secret", help="Renew the secret of its webhooks too.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new key for a client; its files and jobs stay, its old keys end."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.clients import rotate_key

        made = rotate_key(desk, client, grace, with_webhook_secret=webhook_secret)
        tell_secrets(made, as_json)


@keys.command()
def revoke(
    subject: Annotated[
        str, typer.Argument(metavar="CLIENT_OR_KEY", help="The id of a client, or of one key.")
    ],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse one key, or all keys of a client, from now on and for good."""
    with reporting(as_json), open_desk(data) as desk:
        kind = revoke_either(desk, subject)
        if as_json:
            return print_json({"revoked": kind, "id": subject})
        return typer.echo(f"revoked the {kind} {subject}")


def revoke_either(desk: SmallDesk, subject: str) -> str:
    """What it was. Raises NotFoundError."""
    from .service.clients import revoke_client, revoke_key

    for kind, revoke_it in (("client", revoke_client), ("key", revoke_key)):
        try:
            revoke_it(desk, subject)
        except NotFoundError:
            continue
        return kind
    raise NotFoundError("client or key")


# What is told


def tell_secrets(made: NewClient | NewKey, as_json: bool) -> None:
    facts = {"key": made.key, "client_id": made.client_id}
    if made.webhook_secret is not None:
        facts["webhook_secret"] = made.webhook_secret
    if as_json:
        return print_json(facts)
    for name, value in facts.items():
        typer.echo(f"{name:15} {value}")
    return typer.echo("keep the key and the secret: they are not shown again", err=True)


def describe(facts: ClientFacts, units: Balance, now_ms: int) -> dict[str, Any]:
    client = facts.client
    return {
        "client_id": client.id,
        "name": client.name,
        "scopes": sorted(client.scopes),
        "rate_per_minute": client.rate_per_minute,
        "max_running": client.max_running,
        "units": {
            "granted": units.granted,
            "used": units.used,
            "held": units.held,
            "left": units.left,
        },
        "created": _time(facts.created_ms),
        "revoked": _time(facts.revoked_ms),
        "keys": [describe_key(key, now_ms) for key in facts.keys],
    }


def describe_key(key: KeyFacts, now_ms: int) -> dict[str, Any]:
    return {
        "key_id": key.id,
        "ends_with": key.hint,
        "state": key.state(now_ms),
        "created": _time(key.created_ms),
        "expires": _time(key.expires_ms),
        "revoked": _time(key.revoked_ms),
    }


def tell_clients(rows: list[dict[str, Any]]) -> None:
    if not rows:
        typer.echo("no clients; make one with: lendface keys create --name NAME")
    for row in rows:
        units = row["units"]
        granted = "no end" if units["granted"] is None else units["granted"]
        end = f", revoked {row['revoked']}" if row["revoked"] else ""
        typer.echo(
            f"{row['client_id']}  {row['name']}  ({', '.join(row['scopes'])}; "
            f"units: {units['used']} used, {units['held']} held of {granted}{end})"
        )
        for key in row["keys"]:
            until = f" until {key['expires']}" if key["expires"] and key["state"] == "valid" else ""
            typer.echo(f"  key {key['key_id']}  ...{key['ends_with']}  {key['state']}{until}")


def _time(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms // 1000, UTC).isoformat().replace("+00:00", "Z")
