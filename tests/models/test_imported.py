"""Networks of the user's own: what is imported, what is loaded, and what is said where it does not fit."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from own_network import NETS, write_module
from torch import nn

from bench.case import Imported
from bench.errors import InputError
from bench.models.imported import imported_backbone, load_weights


@pytest.fixture(autouse=True)
def same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that are added to the module path are gone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def built(folder: Path, what: str = "build", text: str = NETS, **source: Any) -> nn.Module:
    """The network that a module of the folder builds."""
    name = write_module(folder, text)
    imported = Imported(f"{name}:{what}", folder=str(folder), **source)
    return imported_backbone("mine", imported, (3, 8, 8)).network()


def test_the_function_gets_its_arguments(tmp_path: Path) -> None:
    network = built(tmp_path, args={"width": 5, "classes": 3})
    assert not network.training
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 3)


def test_random_weights_are_those_of_the_seed(tmp_path: Path) -> None:
    source = Imported(f"{write_module(tmp_path)}:build", folder=str(tmp_path))
    one, same, other = (imported_backbone("mine", source, (3, 8, 8)).network(seed=s) for s in (0, 0, 1))
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
    assert not torch.equal(one.state_dict()["fc.weight"], other.state_dict()["fc.weight"])


def test_loaded_weights_stay_what_they_are_whatever_the_seed(tmp_path: Path) -> None:
    file = tmp_path / "best.pt"
    trained = built(tmp_path)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.fill_(0.25)
    torch.save(trained.state_dict(), file)
    found = built(tmp_path, weights=str(file), sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    for name, value in trained.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "checkpoint"])
@pytest.mark.parametrize("new", [True, False], ids=["zip", "before zip"])
def test_what_torch_save_wrote_is_read(tmp_path: Path, wrapped: bool, new: bool) -> None:
    network, file = nn.Linear(2, 3), tmp_path / "w.pt"
    state: Any = {key: torch.full_like(value, 7.0) for key, value in network.state_dict().items()}
    torch.save(
        {"state_dict": state, "epoch": 3} if wrapped else state, file, _use_new_zipfile_serialization=new
    )
    load_weights(network, file)
    assert network.weight.eq(7).all()
    assert network.bias.eq(7).all()


class Evil:
    """Runs something when it is read as a pickle."""

    def __reduce__(self) -> Any:
        return (Path("ran").write_text, ("x",))


def test_a_file_with_code_in_it_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Evil()}, "evil.pt")
    with pytest.raises(InputError, match=r"weights evil\.pt: more than tensors is in it"):
        load_weights(nn.Linear(2, 3), Path("evil.pt"))
    assert not Path("ran").exists()


def state(**changes: Any) -> dict[str, Any]:
    """Weights of a Linear(2, 3); a change of None leaves one out."""
    usual = {"weight": torch.zeros(3, 2), "bias": torch.zeros(3)}
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (state(bias=None), "keys: 1 missing (bias)"),
        (state(more=torch.zeros(1)), "keys: 1 not in the network (more)"),
        (state(weight=torch.zeros(3, 4)), "1 of another shape (weight 3×4, the network's is 3×2)"),
        (
            {f"module.{key}": value for key, value in state().items()},
            "2 missing (weight, bias), 2 not in the network (module.weight, module.bias)",
        ),
        ([torch.zeros(1)], "no state_dict: a mapping from names to tensors is due"),
        ({"weight": 3}, "no state_dict"),
    ],
)
def test_weights_that_do_not_fit_are_an_error_in_one_line(tmp_path: Path, wrong: Any, words: str) -> None:
    file = tmp_path / "w.pt"
    torch.save(wrong, file)
    with pytest.raises(InputError) as caught:
        load_weights(nn.Linear(2, 3), file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_keys_are_counted_and_a_few_named(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "w.pt")
    network = nn.Sequential(*[nn.Linear(1, 1) for _ in range(4)])
    with pytest.raises(InputError, match=r"8 missing \(0.weight, 0.bias, 1.weight and 5 more\)"):
        load_weights(network, tmp_path / "w.pt")


def test_files_without_batchnorms_counters_fit(tmp_path: Path) -> None:
    found, stored = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    torch.nn.init.constant_(stored.weight, 3.0)
    torch.save({k: v for k, v in stored.state_dict().items() if "num" not in k}, tmp_path / "w.pt")
    load_weights(found, tmp_path / "w.pt")
    assert found.weight.tolist() == [3.0, 3.0]


def test_a_file_that_is_no_file_of_torch(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_text("hello")
    with pytest.raises(InputError, match=r"weights .*w\.pt: "):
        load_weights(nn.Linear(2, 3), tmp_path / "w.pt")
    with pytest.raises(InputError, match="no such file on this host"):
        load_weights(nn.Linear(2, 3), tmp_path / "not.pt")


def test_another_file_than_was_planned_with_is_refused(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"SHA-256 .*, where the run was planned with 000000000000"):
        load_weights(nn.Linear(2, 3), tmp_path / "w.pt", "0" * 64)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("biuld", "has no biuld; did you mean 'build'?"),
        ("breaks", "cannot build its network: RuntimeError: no such"),
        ("gives_none", "gives a NoneType, where a torch.nn.Module is due"),
        ("number", "number is no function"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(tmp_path: Path, what: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        built(tmp_path, what)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_arguments_that_the_function_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"TypeError: .*unexpected keyword argument 'depth'"):
        built(tmp_path, args={"depth": 3})


def test_a_module_that_is_not_there(tmp_path: Path) -> None:
    source = Imported("nowhere_to_be_found.nets:build", folder=str(tmp_path))
    with pytest.raises(InputError, match="No module named 'nowhere_to_be_found'; it is looked for among"):
        imported_backbone("mine", source, (3, 8, 8)).network()


def test_a_module_of_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = Imported(f"{write_module(tmp_path)}:build", folder=str(tmp_path / "elsewhere"))
    assert imported_backbone("mine", source, (3, 8, 8)).network()


def test_a_module_that_cannot_be_imported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"import own_nets_.*: SystemExit: 3"):
        built(tmp_path, text="raise SystemExit(3)")


def test_a_module_beside_the_suite_hides_no_installed_one(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("def build():\n    raise RuntimeError('the wrong one')\n")
    source = Imported("yaml:safe_load", {"stream": "3"}, str(tmp_path))
    with pytest.raises(InputError, match="gives a int"):
        imported_backbone("mine", source, (3, 8, 8)).network()
