"""The public Python face, and the Python examples of the documents: they run as they are printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import api

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "tests" / "data" / "schema-1" / "smoke.jsonl"


def block(page: str, language: str, at: int = 0) -> str:
    """A block of code as it stands on a page of docs/."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    return str(found[at])


def played(code: str) -> dict[str, Any]:
    """The names that an example leaves behind."""
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    return names


@pytest.mark.slow
def test_the_example_of_the_api_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(block("api.md", "yaml"), encoding="utf-8")
    left = played(block("api.md", "python"))
    said = capsys.readouterr().out
    assert "2 cases, 4 trials" in said
    assert said.count("counts are equal") == 2
    assert list(left["frame"]["label"]) == ["dense", "csr_conv(T=4)"]
    assert list(left["frame"]["error"]) == ["", ""]
    assert left["before"].file != left["after"].file
    assert left["comparison"].exit_code == 0


@pytest.mark.parametrize("page", ["results.md", "performance.md"])
def test_examples_that_read_a_results_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code = block(page, "python")
    (name,) = re.findall(r'"(results/[^"]+)"', code)
    Path(name).parent.mkdir()
    shutil.copy(STORED, name)
    played(code)


def test_the_page_names_every_public_name_with_its_parameters() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)(?:\(([^`]*)\))?` \|", page, re.M))
    assert sorted(rows) == sorted(api.__all__)
    for name, told in rows.items():
        if told:
            code = getattr(api, name).__code__
            assert re.findall(r"(\w+)(?:=|,|$)", re.sub(r"=(\(.*?\)|[^,]*)", "=", told)) == list(
                code.co_varnames[: code.co_argcount]
            )


def test_importing_it_loads_neither_torch_nor_pandas() -> None:
    code = "import sys; from bench import api; print({'torch', 'pandas', 'pydantic'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"
