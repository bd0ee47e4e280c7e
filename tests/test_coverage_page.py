"""The page of what is covered names everything that is here, and nothing that is not."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.published import read_published
from bench.methods import METHODS
from bench.models import BACKBONES

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"


def in_backticks(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def named() -> set[str]:
    return in_backticks(PAGE.read_text(encoding="utf-8"))


def rows(section: str) -> Iterator[list[str]]:
    """The cells of a section's table: system, here, figure, not here."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")
    for line in rest.partition("\n## ")[0].splitlines():
        if line.startswith("| ") and not line.startswith("| system"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def packaged(kind: str, bench: Callable[..., Any]) -> set[str]:
    """The names that ``bench list`` shows, without those of installed distributions."""
    listed = {row["name"] for row in json.loads(bench("list", kind, "--json").out)}
    if kind == "backbones":
        return listed
    return {name for name in listed if METHODS.get(name).apply.__module__.startswith("bench.")}


@pytest.mark.parametrize("kind", ["methods", "backbones"])
def test_everything_that_bench_lists_is_named(bench: Callable[..., Any], kind: str) -> None:
    assert packaged(kind, bench) - named() == set()


def test_every_row_has_its_four_cells() -> None:
    for section in ("Methods", "Networks"):
        cells = list(rows(section))
        assert len(cells) > 10
        assert [row for row in cells if len(row) != 4 or not all(row)] == []


def test_every_name_in_the_column_of_what_is_here_exists() -> None:
    """A method or a backbone, whichever table it stands in: a name that leaves must leave the page."""
    missing = {
        name
        for section in ("Methods", "Networks")
        for row in rows(section)
        for name in in_backticks(row[1])
        if name not in METHODS and name not in BACKBONES
    }
    assert missing == set()


def test_a_row_that_has_nothing_names_nothing_and_says_why() -> None:
    for section in ("Methods", "Networks"):
        for system, here, figure, why in rows(section):
            if here == "nothing":
                assert figure == "none", system
                assert len(why.split()) > 10, system
            else:
                assert in_backticks(here), system


def test_every_published_figures_method_is_named() -> None:
    used = {name for row in read_published() for name, _ in row.methods}
    assert used - named() == set()


def test_every_network_of_a_family_that_the_page_names_exists() -> None:
    of_families = {name for name in named() if name.startswith(("timm/", "torchvision/"))}
    assert of_families
    assert [name for name in sorted(of_families) if name not in BACKBONES] == []


def test_the_numbers_of_figures_by_kind_are_those_of_the_table() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for kind in ("derived", "formula"):
        number = sum(row.kind == kind for row in read_published())
        assert f"{number} *{kind}*" in text
