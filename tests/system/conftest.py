from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from people import SHARED_MEDIA, beside, read_person, swaying, write_film, write_photo
from system.backstage import Backstage, backstage
from system.receivers import Receiver, receiving
from system.servers import Server, serving
from system.visitors import Visitor, new_visitor

SIDE_PX = 240

Admit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for the tests of a file that disturb nobody. It ends in good order."""
    with serving(tmp_path_factory.mktemp("server") / "data") as server:
        yield server
        assert server.stop() == 0, server.story()
        assert not server.workers()


@pytest.fixture(scope="module")
def back(server: Server) -> Iterator[Backstage]:
    with backstage(server) as back:
        yield back


@pytest.fixture
def admit() -> Iterator[Admit]:
    """Makes clients of a server, each with a key of its own."""
    with ExitStack() as opened:

        def admit(back: Backstage, name: str = "visitor", **facts: Any) -> Visitor:
            visitor = new_visitor(back.server, back.settings, name, **facts)
            opened.callback(visitor.close)
            return visitor

        yield admit


@pytest.fixture
def visitor(back: Backstage, admit: Admit) -> Visitor:
    return admit(back)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


# Files


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="session")
def film(films: Path) -> Path:
    """P005 sways for two seconds, with a tone."""
    frames = swaying(read_person("P005", side_px=SIDE_PX), 50, reach_px=4)
    return write_film(films / "film.mp4", frames, with_tone=True)


@pytest.fixture(scope="session")
def two_people(films: Path) -> Path:
    """P005 on the left, P010 on the right; a second and a half."""
    pair = [swaying(read_person(who, side_px=SIDE_PX), 36, reach_px=4) for who in ("P005", "P010")]
    return write_film(films / "two_people.mp4", beside(*pair), with_tone=True)


@pytest.fixture(scope="session")
def long_film(films: Path) -> Path:
    """Two minutes: more than any test waits for."""
    frames = swaying(read_person("P005", side_px=SIDE_PX), 25, reach_px=4)
    return write_film(films / "long.mp4", frames * 120)


@pytest.fixture(scope="session")
def photo(films: Path) -> Path:
    """A portrait of P003."""
    return write_photo(films / "p003.png", read_person("P003"))


@pytest.fixture(scope="session")
def other_photo(films: Path) -> Path:
    """A portrait of P007."""
    return write_photo(films / "p007.jpg", read_person("P007"))


@pytest.fixture(scope="session")
def picture(films: Path) -> Path:
    """A still of P010."""
    return write_photo(films / "p010.png", np.ascontiguousarray(read_person("P010")))


@pytest.fixture(scope="session")
def talking() -> Path:
    """A real clip: a woman speaks for three seconds."""
    path = SHARED_MEDIA / "clips" / "s03_talk_woman_longhair.mp4"
    if not path.is_file():
        pytest.skip("the shared test clips are not here")
    return path


@pytest.fixture(scope="session")
def portrait(talking: Path) -> Path:
    """Of somebody else."""
    return talking.parents[1] / "portraits" / "p01_syn_f35_brown.jpg"
