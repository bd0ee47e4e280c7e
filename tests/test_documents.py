"""The documents: what they name is there."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path

import pytest

import bench

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/**/*.md")])


def there(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            module: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(module, part):
                return False
            module = getattr(module, part)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_file_and_link_of_a_page_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = set(re.findall(r"(?<![\w.\[\"-])bench(?:\.\w+)+(?![\w(])", text))
    assert [name for name in sorted(code) if not there(name)] == []
    files = set(re.findall(r"`((?:bench|tests|docs|suites)/[\w./-]*)`", text))
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []
    links = set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text))
    assert [link for link in sorted(links) if not (page.parent / link).exists()] == []


def test_what_is_not_there_is_seen() -> None:
    assert there("bench.analysis.frame.COLUMNS")
    assert not there("bench.analysis.frame.ROWS")
    assert not there("bench.frame.COLUMNS")


def test_the_changelog_has_the_version_and_a_line_per_schema() -> None:
    from bench.analysis.records import SCHEMA

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    assert f"## [{bench.__version__}]" in text
    schemas = re.findall(r"^- \*\*(\d+)\*\*:", text.partition("## Schemas")[2], re.M)
    assert [int(number) for number in schemas] == list(range(1, SCHEMA + 1))


def test_the_version_stands_in_one_place() -> None:
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    holders = [
        str(file.relative_to(ROOT))
        for file in [*ROOT.glob("bench/**/*.py"), ROOT / "pyproject.toml"]
        if f'"{bench.__version__}"' in file.read_text(encoding="utf-8")
    ]
    assert holders == ["bench/__init__.py"]


def test_bug_a_merge_left_its_marks_in_the_changelog() -> None:
    marks = re.compile(r"^(<{7} |={7}$|>{7} )", re.M)
    assert [str(page) for page in PAGES if marks.search(page.read_text(encoding="utf-8"))] == []
