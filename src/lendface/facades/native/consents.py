"""/v1/consents and /v1/attestation: whose faces may be used, and who says so."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from ...service import attestations, consents, permission
from ...service.clients import get_client_row
from ...service.consents import Terms, state_of
from ...service.office import Office
from ...service.requests import PhotoRef
from ...trust.consent import ATTESTATION, ATTESTATION_VERSION
from .documented import problems, with_body
from .incoming import Caller, Desk, PathId
from .schemas import (
    Attestation,
    Consent,
    ConsentList,
    NewAttestation,
    NewConsent,
)
from .views import at, failure_view, maybe_at

router = APIRouter(tags=["consents"])

Purge = Annotated[bool, Query(description="also delete the results of all that rested on it")]


@router.post("/consents", status_code=202, responses=with_body(404, 409))
def add_consent(body: NewConsent, office: Desk, client: Caller) -> Consent:
    """Put on record that somebody lends you their face.

    A worker finds the face in the photo; until then the consent is `pending`. The photo itself need
    not be kept: delete the upload once the consent is `valid`.
    """
    terms = Terms(
        label=body.label,
        scope=body.scope,
        until_ms=round(body.until.timestamp() * 1000) if body.until else None,
        statement=body.statement,
        evidence_sha256=body.evidence_sha256,
    )
    photo = PhotoRef(body.photo.upload_id, body.photo.face, name="photo.upload_id")
    return consent_view(office, consents.submit_consent(office, client.id, terms, photo))


@router.get("/consents", responses=problems())
def list_consents(office: Desk, client: Caller) -> ConsentList:
    """Your own, newest first."""
    rows = consents.list_consents(office, client.id)
    return ConsentList(items=[consent_view(office, row) for row in rows])


@router.get("/consents/{consent_id}", responses=problems(404))
def get_consent(consent_id: PathId, office: Desk, client: Caller) -> Consent:
    return consent_view(office, consents.get_consent(office, client.id, consent_id))


@router.post("/consents/{consent_id}/withdraw", responses=problems(404, 422))
def withdraw_consent(
    consent_id: PathId, office: Desk, client: Caller, purge: Purge = False
) -> Consent:
    """The face may not be used any more. What rests on it stops within a second, for good."""
    row = consents.withdraw(office, client.id, consent_id, purge=purge)
    return consent_view(office, row)


@router.delete("/consents/{consent_id}", status_code=204, responses=problems(404, 422))
def delete_consent(
    consent_id: PathId, office: Desk, client: Caller, purge: Purge = False
) -> Response:
    """The same as to withdraw it; that it was there stays on record."""
    consents.withdraw(office, client.id, consent_id, purge=purge)
    return Response(status_code=204)


@router.get("/attestation", responses=problems())
def get_attestation(office: Desk, client: Caller) -> Attestation:
    """What the owner of the key states, and whether they have."""
    return attestation_view(office, client.id)


@router.post("/attestation", status_code=201, responses=with_body())
def attest(body: NewAttestation, office: Desk, client: Caller) -> Attestation:
    """State it, once, for all keys of this client. Each job records under which it ran."""
    attestations.attest(office.database, client.id, attestations.CLIENT, office.now_ms())
    return attestation_view(office, client.id)


def consent_view(office: Office, row: Any) -> Consent:
    state = state_of(row, office.now_ms())
    failure = None
    if state == "failed":
        failure = failure_view(row["error_code"], row["error_message"])
    return Consent(
        id=row["id"],
        state=state,
        label=row["label"],
        scope=row["scope"],
        statement=row["statement"],
        evidence_sha256=row["evidence_sha256"],
        photo_sha256=row["photo_sha256"],
        job_id=row["job_id"],
        error=failure,
        created_at=at(row["created_ms"]),
        until=maybe_at(row["until_ms"]),
        withdrawn_at=maybe_at(row["withdrawn_ms"]),
    )


def attestation_view(office: Office, client_id: str) -> Attestation:
    row = attestations.find(office.database, client_id)
    own = get_client_row(office, client_id).consent_policy
    return Attestation(
        text=ATTESTATION,
        text_version=ATTESTATION_VERSION,
        policy=permission.policy_for(office.rules.consent, own),
        is_attested=row is not None,
        made_by=row["made_by"] if row else None,
        attested_version=row["text_version"] if row else None,
        attested_at=maybe_at(row["at_ms"]) if row else None,
    )
