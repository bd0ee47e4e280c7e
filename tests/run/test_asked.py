"""What a run's record says of the command and the packages: nothing of the machine."""

from __future__ import annotations

import pytest

from bench.run.asked import command_of, packages, shown_path


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("suites/cifar.yaml", "suites/cifar.yaml"),
        ("/home/me/x.yaml", "x.yaml"),
        ("../x.yaml", "x.yaml"),
        ("~/x.yaml", "x.yaml"),
        ("--results=/mnt/r", "--results=r"),
        ("--cluster=tcp://board:8786", "--cluster=tcp://…"),
        ("tcp://10.0.0.1:8786", "tcp://…"),
        ("resnet56/csr_conv(T=4)/eager", "resnet56/csr_conv(T=4)/eager"),
        ("--seed", "--seed"),
        ("csr_conv(T=4)", "csr_conv(T=4)"),
    ],
)
def test_a_word_says_nothing_of_the_machine(word: str, kept: str) -> None:
    assert command_of([word]) == ["bench", kept]


def test_paths() -> None:
    assert shown_path("/a/b/c.yaml") == "c.yaml"
    assert shown_path("") == ""


def test_packages_are_names_with_versions() -> None:
    found = packages()
    assert found == sorted(
        found, key=lambda one: one.partition("==")[0].lower().replace("_", "-").replace(".", "-")
    )
    assert any(one.startswith("numpy==") for one in found)
    assert not any("/" in one or "@" in one for one in found)
