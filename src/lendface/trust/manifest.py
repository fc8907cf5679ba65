"""A claim in the words of C2PA: actions, an ingredient, and what we say on top.

Specification: Coalition for Content Provenance and Authenticity, Technical Specification 2.x.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..version import __version__
from .claims import Claim

SWAP = "lendface.swap"  # the label of our own assertion
ACTIONS = "c2pa.actions.v2"
TARGET = "target"
WORDS = {
    "faces": "Faces were replaced by AI.",
    "mask_preview": "Mesh and mask of a face swap were drawn over faces; no face was replaced.",
}


def manifest_of(claim: Claim) -> dict[str, Any]:
    """A manifest definition for the signing library; the ingredient is added apart."""
    return {
        "claim_generator_info": [{"name": "lendface", "version": __version__}],
        "assertions": [
            {"label": ACTIONS, "data": {"actions": _actions(claim)}, "created": True},
            {"label": SWAP, "data": _swap(claim), "created": True},
        ],
    }


def ingredient_of(claim: Claim) -> dict[str, Any]:
    """The target, by its hash: its name might name somebody."""
    return {
        "title": TARGET,
        "format": claim.target_type,
        "relationship": "parentOf",
        "label": TARGET,
        "instance_id": f"sha256:{claim.target_sha256}",
        "description": f"SHA-256 {claim.target_sha256}",
    }


def when(claim: Claim) -> str:
    """ISO 8601, whole seconds, UTC."""
    return datetime.fromtimestamp(claim.made_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _actions(claim: Claim) -> list[dict[str, Any]]:
    return [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": [TARGET]}},
        {
            "action": "c2pa.edited",
            "when": when(claim),
            "softwareAgent": {"name": f"lendface {claim.engine}", "version": __version__},
            "digitalSourceType": claim.source_type,
            "description": WORDS[claim.change],
        },
    ]


def _swap(claim: Claim) -> dict[str, Any]:
    facts = {
        "change": claim.change,
        "engine": claim.engine,
        "version": __version__,
        "made_at": when(claim),
        "models": [
            {"id": model.id, "licence": model.licence, "sha256": model.sha256, "use": model.use}
            for model in claim.models
        ],
        "parameters": dict(claim.parameters),
        "target_sha256": claim.target_sha256,
        "people": claim.people,
        "consent": claim.consent,
        "lowered_guards": dict(claim.lowered) or None,
    }
    return {name: value for name, value in facts.items() if value is not None}
