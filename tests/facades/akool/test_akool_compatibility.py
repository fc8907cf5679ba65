"""The page that says what works."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from facades.akool import compatibility_page as page
from lendface.facades.akool.codes import MEANINGS, codes_sent


def test_the_committed_page_is_what_the_code_says() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.render()


def test_every_code_that_is_sent_has_a_meaning() -> None:
    assert codes_sent() <= set(MEANINGS)


def test_every_field_has_a_line() -> None:
    text = page.render()
    for route in page.routes():
        assert f"`{page.name_of(route)}`" in text
        for name, *_ in page.fields(route.response_model) if route.response_model else ():
            assert f"| {name} |" in text


def test_the_examples_ask_for_what_is_there() -> None:
    paths = {route.path for route in page.routes()}
    for example in (page.CURL, page.PYTHON, page.JAVASCRIPT):
        asked = set(re.findall(r"/(?:api|interface)/[\w/-]+", example))
        assert len(asked) >= 2
        assert asked <= paths
    compile(page.PYTHON, "example.py", "exec")


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
def test_the_javascript_example_is_javascript(tmp_path: Path) -> None:
    script = tmp_path / "example.mjs"
    script.write_text(f'const KEY = "k";\n{page.JAVASCRIPT}')
    subprocess.run(["node", "--check", str(script)], check=True)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_the_curl_example_is_shell() -> None:
    subprocess.run(["bash", "-n"], input=page.CURL, text=True, check=True)
