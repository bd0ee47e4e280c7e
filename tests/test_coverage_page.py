"""The page of what is covered names everything that is here."""

import re
from pathlib import Path

from bench.analysis.published import read_published
from bench.methods import METHODS
from bench.models import BACKBONES

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"


def named() -> set[str]:
    return set(re.findall(r"`([^`]+)`", PAGE.read_text(encoding="utf-8")))


def test_every_method_and_backbone_of_the_package_is_named() -> None:
    methods = {name for name in METHODS.names() if METHODS.get(name).apply.__module__.startswith("bench.")}
    assert methods - named() == set()
    assert set(BACKBONES.names()) - named() == set()


def test_every_published_figures_method_is_named() -> None:
    used = {name for row in read_published() for name, _ in row.methods}
    assert used - named() == set()


def test_every_network_of_a_family_that_the_page_names_exists() -> None:
    of_families = {name for name in named() if name.startswith(("timm/", "torchvision/"))}
    assert of_families
    assert [name for name in sorted(of_families) if name not in BACKBONES] == []
