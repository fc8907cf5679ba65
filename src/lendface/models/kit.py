"""All the roles that models play, put together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lendface.engine.roles import (
    ExpressionReader,
    FilmDetector,
    HandFinder,
    Landmarker,
    Recognizer,
)

from .blaze import BlazeFace
from .blendshapes import Blendshapes
from .catalog import get_spec
from .facemesh import FaceMesh
from .hands import Hands
from .session import LaterSession, RuntimeOptions, open_session
from .sface import SFace
from .turned import TurnTolerantDetector
from .yunet import YuNet


@dataclass(frozen=True)
class ModelKit:
    """One player for each role, all on one provider."""

    detector: FilmDetector
    landmarker: Landmarker
    recognizer: Recognizer
    hand_finder: HandFinder
    expression_reader: ExpressionReader
    provider: str  # what the nets really run on, never "auto"
    later: tuple[LaterSession, ...] = ()  # nets that every face needs, the first needed first


def load_kit(runtime: RuntimeOptions | None = None) -> ModelKit:
    """The models of the package.

    The first net is loaded at once, so that a provider that does not load is an error here:
    ProviderUnavailableError. The others follow when they first run.
    """
    runtime = runtime or RuntimeOptions()
    yunet = open_session(get_spec("yunet"), runtime)
    resolved = replace(runtime, provider=yunet.provider)

    def later(model_id: str) -> LaterSession:
        return LaterSession(get_spec(model_id), resolved)

    mesh, sface, palms = map(later, ("face_mesh_478", "sface", "palm_detection"))
    expressions = later("face_blendshapes_52")
    return ModelKit(
        detector=TurnTolerantDetector(YuNet(yunet), BlazeFace(later("blazeface_back"))),
        landmarker=FaceMesh(mesh),
        recognizer=SFace(sface),
        hand_finder=Hands(palms, later("hand_landmarks")),
        expression_reader=Blendshapes(expressions),
        provider=yunet.provider,
        later=(mesh, sface, palms, expressions),
    )
