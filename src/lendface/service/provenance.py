"""What the manifest of a job's result says, and on which consent it rests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import SigningError
from ..pipeline.finishing import Made
from ..pipeline.steps import Rendition
from ..trust.claims import type_of_container
from ..trust.swaps import Origin, Signer, parameters_of
from .office import Office
from .permission import consents_of

Row = Mapping[str, Any]


def sign_result(
    signer: Signer, office: Office, job: Row, rendition: Rendition, path: Path
) -> list[str]:
    """Sign a job's finished file where it lies; returns warnings.

    Raises SigningError, DiskFullError, OutputError.
    """
    origin = Origin(
        target=rendition.target,
        target_type=type_of_container(job["facts"]["target"]["container"]),
        parameters=parameters_of(rendition.style, rendition.trim, rendition.label),
        consents=consent_references(office, job),
        lowered=job["facts"].get("lowered_guards", {}),
    )
    try:
        return signer.sign(path, Made("faces", len(rendition.pair_by_track)), origin)
    except SigningError as fault:  # its client knows no name of the file
        raise SigningError("the result") from fault


def consent_references(office: Office, job: Row) -> list[str]:
    """Ids of the records on which a job rests; they tell nothing to anybody but the operator."""
    with office.database.reading() as connection:
        consents = consents_of(connection, job["id"])
    if consents:
        return [f"consent:{consent_id}" for consent_id in consents]
    return [f"attestation:{job['attestation_id']}"] if job["attestation_id"] else []
