"""Weights that a method throws away: found by trying others, for every method of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from own_network import write_module

from bench.case import Case, Imported, MethodCall
from bench.worker.counter import Counted, count_case


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """A network of somebody's own with weights in a file."""
    folder = tmp_path_factory.mktemp("own")
    build = f"{write_module(folder)}:build"
    from bench.models.imported import imported_backbone

    network = imported_backbone("mine", Imported(build, folder=str(folder)), (3, 8, 8)).network(seed=5)
    torch.save(network.state_dict(), folder / "best.pt")
    return Imported(build, folder=str(folder), weights=str(folder / "best.pt"))


def counted(source: Imported, *methods: tuple[str, dict[str, Any]]) -> Counted:
    calls = tuple(MethodCall(name, knobs) for name, knobs in methods)
    found = count_case(Case("mine", calls, input=(3, 8, 8), imported=source))
    assert found.error is None, found.error
    return found


FRESH: dict[str, dict[str, Any]] = {
    "csr_conv": {"T": 2},
    "lean_conv": {},
    "ghost": {"ratio": 2},
    "depthwise_separable": {},
}
"""Methods that put a new layer into the place of the old one."""

KEPT: dict[str, dict[str, Any]] = {
    "magnitude": {"density": 0.5},
    "random": {"density": 0.5},
    "filter_l1": {"ratio": 0.5},
    "tucker2": {"ratio": 0.5},
    "spatial_svd": {"ratio": 0.5},
    "cp": {"ratio": 0.5},
    "penni": {"d": 2},
    "codebook": {"kernels": 4},
    "int8": {},
    "psconv": {"variant": "pSC4"},
}
"""Methods that make something of the weights that are there."""


@pytest.mark.parametrize("name", FRESH)
def test_a_fresh_layer_discards_the_weights_of_the_old_one(source: Imported, name: str) -> None:
    found = counted(source, (name, FRESH[name]))
    assert found.discarded == tuple(layer.name for layer in found.replaced)
    assert "second" in found.discarded


@pytest.mark.parametrize("name", KEPT)
def test_what_is_made_of_the_weights_keeps_them(source: Imported, name: str) -> None:
    found = counted(source, (name, KEPT[name]))
    assert found.replaced
    assert found.discarded == ()


def test_dense_discards_nothing(source: Imported) -> None:
    assert counted(source, ("dense", {})).discarded == ()


def test_a_chain_discards_what_its_first_method_did(source: Imported) -> None:
    found = counted(source, ("csr_conv", {"T": 2}), ("int8", {}))
    assert found.discarded == ("second",)


def test_random_weights_are_nobodys_loss() -> None:
    case = Case("layer/8-8-k3", (MethodCall("csr_conv", {"T": 2}),), input=(8, 8, 8))
    assert count_case(case).discarded == ()


def test_weights_that_do_not_fit_fail_the_count_in_one_line(source: Imported, tmp_path: Path) -> None:
    torch.save({"first.weight": torch.zeros(1)}, tmp_path / "w.pt")
    broken = Imported(source.build, folder=source.folder, weights=str(tmp_path / "w.pt"))
    found = count_case(Case("mine", (MethodCall("dense"),), input=(3, 8, 8), imported=broken))
    assert found.error is not None
    assert "do not fit the network: keys: " in found.error.message
    assert len(found.error.message.splitlines()) == 1
