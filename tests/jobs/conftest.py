from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.crew import INTERNAL_QUEUE, Crew
from lendface.storage.database import normal_url


@pytest.fixture
def crew(database_url: str, tmp_path: Path) -> Iterator[Crew]:
    """Nobody works yet. Whatever the test did, nothing came to the engine's internal queue, which
    knows no limits and which every worker empties."""
    folder = tmp_path / "toys"
    folder.mkdir()
    crew = Crew(folder, normal_url(database_url))
    try:
        yield crew
        assert not crew.rows("workflow_uuid", f"queue_name = '{INTERNAL_QUEUE}'")
    finally:
        crew.close()
