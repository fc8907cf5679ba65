"""Endpoint 1: a token for a client id and its key."""

from __future__ import annotations

from fastapi import APIRouter

from ...errors import KeyRefusedError, WrongClientIdError
from ...service.tokens import issue_token
from .door import GET_TOKEN
from .envelopes import Body, succeed
from .incoming import Desk, told
from .schemas import GetToken, TokenReply

LIFE_S = 31_536_000  # a year, as clients are told

router = APIRouter(tags=["token"])


@router.post(GET_TOKEN, response_model=TokenReply, **told)
def get_token(body: GetToken, office: Desk) -> Body:
    """A token for the Authorization header; the key itself does as well."""
    try:
        token = issue_token(office, body.client_id, body.client_secret, LIFE_S)
    except WrongClientIdError as error:
        error.field = "clientId"
        raise
    except KeyRefusedError as error:
        error.field = "clientSecret"
        raise
    return succeed(token=token, data={"token": token, "expire": LIFE_S})
