"""Libraries that would report to their vendors are told not to, before they are imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NETS = "from lendface.models import get_spec, open_session; open_session(get_spec('sface'))"
ENTRIES = {
    "package": "import lendface",
    "models": "import lendface.models.session",
    "command": "import lendface.cli",
    "worker": "import lendface.serve.worker",
    "server": "import lendface.serve.server",
    "part of a film": "import lendface.pipeline.part_process",
}


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI")}
    told = [sys.executable, "-c", code]
    return subprocess.run(told, env=kept | variables, capture_output=True, text=True, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_every_way_in_switches_the_runtimes_reports_off(entry: str) -> None:
    """Also where the one who starts us has switched them on."""
    look = "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert run(f"{entry}; {look}", ORT_DISABLE_TELEMETRY="0").stdout == "1\n"


def test_a_net_that_was_opened_leaves_no_id_of_the_machine(tmp_path: Path) -> None:
    run(NETS, HOME=str(tmp_path), XDG_CACHE_HOME="", ORT_DISABLE_TELEMETRY="0")
    assert list(tmp_path.rglob("*")) == []


def test_whoever_imports_the_runtime_first_is_warned() -> None:
    told = run("import onnxruntime, lendface", ORT_DISABLE_TELEMETRY="0").stderr
    assert "RuntimeWarning: onnxruntime was imported before lendface" in told
    assert run("import onnxruntime, lendface", ORT_DISABLE_TELEMETRY="1").stderr == ""
    assert run("import lendface, onnxruntime").stderr == ""


def test_openvino_is_imported_without_the_package_that_reports(tmp_path: Path) -> None:
    """A stand-in, as the real one is an extra; that one looks for the package in the same way."""
    (tmp_path / "openvino_telemetry.py").write_text("")
    (tmp_path / "openvino.py").write_text(
        "try:\n    import openvino_telemetry\nexcept ImportError:\n    reports = False\n"
        "else:\n    reports = True\n"
    )
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    ours = "from lendface.models.session import _import_openvino as get; print(get().reports)"
    assert run("import openvino; print(openvino.reports)", PYTHONPATH=paths).stdout == "True\n"
    assert run(ours, PYTHONPATH=paths).stdout == "False\n"
    others = f"import sys, openvino_telemetry; {ours}; import openvino_telemetry as again; "
    same = "print(again is sys.modules['openvino_telemetry'] is openvino_telemetry)"
    assert run(others + same, PYTHONPATH=paths).stdout == "False\nTrue\n"
