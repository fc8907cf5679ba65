"""Which pairs a folder or a list tells of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lendface.errors import BadMeasurementsError, FileMissingError
from lendface.quality.pairlist import find_sources, read_pairs


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_every_source_is_put_on_every_target(tmp_path: Path) -> None:
    touched(tmp_path, "sources/a.jpg", "sources/b.png", "sources/a_alt.jpg", "sources/notes.md")
    touched(tmp_path, "targets/x.mp4", "targets/y.mov", "outputs/b__x.mp4")
    pairs = read_pairs(tmp_path)
    assert find_sources(tmp_path) == tmp_path / "sources"
    assert sorted(pair.name for pair in pairs) == ["a__x", "a__y", "b__x", "b__y"]
    assert {pair.name: pair.output for pair in pairs if pair.output} == {
        "b__x": tmp_path / "outputs" / "b__x.mp4"
    }


def test_a_few_of_many_pairs_use_each_source_and_target_about_equally(tmp_path: Path) -> None:
    touched(tmp_path, *(f"portraits/{k}.jpg" for k in range(4)))
    touched(tmp_path, *(f"clips/{k}.mp4" for k in range(6)))
    pairs = read_pairs(tmp_path, 12)
    assert len({pair.name for pair in pairs}) == 12
    assert len({pair.sources for pair in pairs[:4]}) == 4
    assert len({pair.target for pair in pairs}) == 6


def test_a_folder_is_one_pair(tmp_path: Path) -> None:
    touched(tmp_path, "one/source_1.jpg", "one/source_2.jpg", "one/target.mp4", "one/output.mkv")
    touched(tmp_path, "two/source.png", "two/target.jpg", "empty/readme.txt")
    one, two = read_pairs(tmp_path)
    assert [path.name for path in one.sources] == ["source_1.jpg", "source_2.jpg"]
    assert one.output == tmp_path / "one" / "output.mkv"
    assert (two.name, two.target.name, two.output) == ("two", "target.jpg", None)


def test_a_list_names_its_files_from_where_it_lies(tmp_path: Path) -> None:
    rows = [
        {"source": "a.jpg", "target": "films/x.mp4"},
        {"source": ["a.jpg", "b.jpg"], "target": "x.mp4", "output": "o.mp4", "faces": [2],
         "name": "both"},
    ]  # fmt: skip
    (tmp_path / "pairs.json").write_text(json.dumps(rows))
    first, second = read_pairs(tmp_path / "pairs.json")
    assert (first.name, first.target) == ("a__x", tmp_path / "films" / "x.mp4")
    assert (second.name, len(second.sources), second.faces) == ("both", 2, (2,))
    assert second.output == tmp_path / "o.mp4"


@pytest.mark.parametrize(
    "text",
    [
        "not json", "{}", "[]", "[1]", '[{"source": "a.jpg"}]', '[{"source": [], "target": "x"}]',
        '[{"source": "a", "target": "x", "faces": ["one"]}]',
        '[{"source": "a", "target": "x", "name": "../out"}]',
        '[{"source": "a", "target": "x"}, {"source": "b/a", "target": "x"}]',
    ],
)  # fmt: skip
def test_a_list_that_is_wrong_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.json").write_text(text)
    with pytest.raises(BadMeasurementsError):
        read_pairs(tmp_path / "pairs.json")


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadMeasurementsError, match="sources/ and targets/"):
        read_pairs(tmp_path)
    with pytest.raises(FileMissingError):
        read_pairs(tmp_path / "gone")
