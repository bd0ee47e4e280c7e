"""bench worker, and bench run on other machines: what is wrong is told before anything starts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SUITE = "name: tiny\nbackbones: [layer/4-4-k3]\nmethods: [dense]\ninputs: [8x8]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SUITE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("run", "s.yaml", "--cluster", "slrum"), "did you mean"),
        (
            ("run", "s.yaml", "--cluster", "local", "--tls-cert", "none.pem"),
            "--tls-cert none.pem: no such file",
        ),
        (("run", "s.yaml", "--tls-key", "key.pem"), "--tls-key key.pem: goes with --cluster"),
        (("worker", "tcp://127.0.0.1:9", "--target", "a b"), "--target 'a b' is no name of a target"),
        (
            ("worker", "tcp://127.0.0.1:9", "--tls-ca-file", "none.pem"),
            "--tls-ca-file none.pem: no such file",
        ),
    ],
)
def test_wrong_words_are_told(
    bench: Callable[..., Any], folder: Path, words: tuple[str, ...], expected: str
) -> None:
    said = bench(*words)
    assert said.code == 2
    assert expected in said.err
    assert len(said.err.splitlines()) == 1
    assert not (folder / "results").exists()


@pytest.mark.parametrize("words", [("worker", "tcp://host:8786"), ("run", "s.yaml", "--cluster", "local")])
def test_without_the_extra_its_name_is_told(
    bench: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    for name in {"distributed", *(n for n in sys.modules if n.startswith("distributed."))}:
        monkeypatch.setitem(sys.modules, name, None)
    said = bench(*words)
    assert said.code == 2
    assert said.err == (
        "bench: more than one machine needs distributed: `pip install 'csr-bench[cluster]'` brings it\n"
    )


@pytest.mark.parametrize("verb", ["run", "worker"])
def test_help_has_an_example_with_an_address(bench: Callable[..., Any], verb: str) -> None:
    said = bench(verb, "--help")
    assert said.code == 0
    assert "tcp://host:8786" in " ".join(said.out.split())
