"""What is read from source equals what the registries hold once everything is imported."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from bench.errors import InputError
from bench.methods import METHODS
from bench.models import BACKBONES
from bench.plan import slices
from bench.plan.declared import DECLARED_BACKBONES, DECLARED_METHODS, DECLARED_RUNTIMES, survey
from bench.plan.slices import SliceError, SourceModule
from bench.runtimes import RUNTIMES


@pytest.mark.parametrize("name", METHODS.names())
def test_a_methods_declaration_is_its_entry(name: str) -> None:
    declared, entry = DECLARED_METHODS.from_source(name), METHODS.get(name)
    assert declared is not None, "its declaration needs torch, or cannot be seen in the source"
    assert (declared.name, declared.summary) == (entry.name, entry.summary)
    assert callable(declared.times) == callable(entry.times)
    assert callable(entry.times) or declared.times == entry.times
    assert dict(declared.knobs) == dict(entry.knobs)
    assert (declared.check is None) == (entry.check is None)


@pytest.mark.parametrize("name", BACKBONES.names())
def test_a_backbones_declaration_is_its_entry(name: str) -> None:
    declared, entry = DECLARED_BACKBONES.from_source(name), BACKBONES.get(name)
    assert declared is not None, "its declaration needs torch, or cannot be seen in the source"
    assert (declared.name, declared.summary) == (entry.name, entry.summary)
    assert (declared.input, declared.classes) == (entry.input, entry.classes)


@pytest.mark.parametrize("name", RUNTIMES.names())
def test_a_runtimes_declaration_is_its_entry(name: str) -> None:
    declared, entry = DECLARED_RUNTIMES.from_source(name), RUNTIMES.get(name)
    assert declared is not None
    assert (declared.name, declared.summary) == (entry.name, entry.summary)
    assert (declared.exports, declared.needs, declared.extra) == (
        bool(entry.export),
        entry.needs,
        entry.extra,
    )


def test_the_source_shows_every_name() -> None:
    for catalogue, registry in (
        (DECLARED_METHODS, METHODS),
        (DECLARED_BACKBONES, BACKBONES),
        (DECLARED_RUNTIMES, RUNTIMES),
    ):
        assert catalogue.survey.complete
        assert catalogue.shipped() == registry.names()
        assert catalogue.families() == registry.families()


def values_of(annotation: Any) -> list[Any]:
    """A few values of a knob's type, fitting ones and odd ones."""
    kinds = {annotation, *get_args(annotation)}
    values: list[Any] = []
    if int in kinds:
        values += [-1, 0, 1, 2, 3, 4, 4096]
    if float in kinds:
        values += [-0.5, 0.0, 0.25, 1.0, 1.5, float("nan")]
    if str in kinds:
        values += [
            "",
            "global",
            "masked",
            "executed",
            "pSC4",
            "PSD2_P8",
            "PS4_P9",
            "3x3",
            "5-16",
            "macs",
            "no",
        ]
    if any(str(kind).startswith("dict") for kind in kinds):
        values += [{}, {"expand": 2}, {"expand": 0, "project": 1}, {"other": 3}]
    return values or [None]


def outcome(check: Callable[..., None], knobs: Mapping[str, Any]) -> str:
    try:
        check(**knobs)
    except ValueError as error:
        return str(error)
    return "fine"


def settings(name: str) -> Iterator[dict[str, Any]]:
    """Knobs of a method, every pair of them with every pair of values, the others left out or usual."""
    knobs = METHODS.get(name).knobs
    required = {k: values_of(p.annotation)[2 % len(values_of(p.annotation))] for k, p in knobs.items()
                if p.default is p.empty}  # fmt: skip
    for first, second in itertools.combinations_with_replacement(knobs, 2):
        for one in values_of(knobs[first].annotation):
            for other in values_of(knobs[second].annotation):
                yield {**required, first: one, second: other}


@pytest.mark.parametrize("name", [name for name in METHODS.names() if METHODS.get(name).check is not None])
def test_a_check_from_source_says_what_the_real_one_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    declared, real = DECLARED_METHODS.get(name).check, METHODS.get(name).check
    assert declared is not None
    assert real is not None
    tried = list(settings(name))
    expected = [outcome(real, knobs) for knobs in tried]
    # Without the way out: what is compared is the source's check, not the registry's again.
    monkeypatch.setattr("bench.plan.declared._registered_methods", None)
    assert [outcome(declared, knobs) for knobs in tried] == expected
    assert any(said != "fine" for said in expected)


def test_a_family_without_torch_is_made_from_source() -> None:
    declared = DECLARED_BACKBONES.from_source("layer/64-128-k3-s2")
    assert declared is not None
    assert declared.input == BACKBONES.get("layer/64-128-k3-s2").input
    assert DECLARED_BACKBONES.from_source("layer/64-128-k4") is None
    with pytest.raises(InputError, match=r"unknown backbone 'layer/64-128-k4'; did you mean"):
        DECLARED_BACKBONES.get("layer/64-128-k4")


def test_other_families_are_asked_of_the_registry() -> None:
    assert DECLARED_BACKBONES.from_source("torchvision/resnet18") is None
    assert DECLARED_BACKBONES.get("torchvision/resnet18").input == (3, 224, 224)
    assert "torchvision/resnet18" in DECLARED_BACKBONES
    assert "layer/64-64-k3" in DECLARED_BACKBONES
    assert DECLARED_BACKBONES.names("layer/*") == BACKBONES.names("layer/*")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown method 'csr_cnv'; did you mean 'csr_conv'"):
        DECLARED_METHODS.get("csr_cnv")
    assert "csr_cnv" not in DECLARED_METHODS


@pytest.mark.parametrize("words", [["list", "methods"], ["list", "runtimes"], ["list", "targets"], ["schema"],
                                   ["list", "backbones"]])  # fmt: skip
def test_names_are_listed_without_torch(words: list[str]) -> None:
    script = (
        f"import sys\nsys.argv = ['bench', *{words!r}]\nfrom bench.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


HEAD = "from __future__ import annotations\nimport re\nimport torch\nfrom dataclasses import dataclass\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes modules of a package ``bench.some``, as if it stood beside this one."""

    def write(**modules: str) -> str:
        folder = tmp_path / "bench" / "some"
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        return "bench.some"

    monkeypatch.setattr(slices, "ROOT", tmp_path / "bench")
    slices.source_of.cache_clear()
    monkeypatch.setattr(slices, "source_of", slices.source_of.__wrapped__)
    return write


def test_a_slice_runs_what_a_name_rests_on_and_nothing_else(package: Callable[..., str]) -> None:
    text = HEAD + (
        "LOUD = print('never')\n"
        "@dataclass(frozen=True)\n"
        "class Kind:\n"
        "    taps: int\n"
        "    def network(self) -> torch.nn.Module:\n"
        "        return torch.nn.Conv2d(1, 1, self.taps)\n"
        "KNOWN = {1: Kind(1)}\n"
        "def parse(text: str) -> Kind:\n"
        "    return KNOWN[int(re.sub('x', '', text))]\n"
        "def check(*, kind: str, size: torch.Size | None = None) -> int:\n"
        "    return parse(kind).taps\n"
    )
    package(one=text)
    assert SourceModule("bench.some.one").value("check")(kind="1x") == 1


@pytest.mark.parametrize(
    "text",
    [
        "X = torch.ones(1)\n",
        "X = {}\nX['a'] = 1\n",
        "X = []\nX.append(1)\n",
        "X = 1\nX = 2\n",
        "for X in range(3): pass\n",
        "if True:\n    X = 1\n",
        "X: int\n",
        "X = 1 / 0\n",
        "def X():\n    import numpy\n",
        "import importlib as X\n",
        "from numpy import array as X\n",
        "from .other import X\n",
        "from bench.some.nowhere import X\n",
        "class X(torch.nn.Module): pass\n",
    ],
)
def test_what_a_slice_cannot_vouch_for_is_left_to_the_import(package: Callable[..., str], text: str) -> None:
    package(one=HEAD + text)
    with pytest.raises(SliceError):
        SourceModule("bench.some.one").value("X")


def test_a_name_of_another_module_is_sliced_there(package: Callable[..., str]) -> None:
    package(
        one=HEAD + "from bench.some import two\nfrom bench.some.two import LIMIT as TOP\n"
        "def check(n: int) -> bool:\n    return two.small(n) and n < TOP\n",
        two=HEAD + "LIMIT = 3\nNET = torch.nn.Linear(1, 1)\ndef small(n):\n    return n < LIMIT\n",
    )
    check = SourceModule("bench.some.one").value("check")
    assert check(2)
    assert not check(3)


def test_names_put_together_are_noticed(package: Callable[..., str]) -> None:
    head = HEAD + "from bench.some import method\n"
    package(
        loop=head + "for n in (1, 2):\n    method(f'a{n}')(print)\n",
        plain=head + "@method('b')\ndef b(network, context, *, k: int = 1):\n    'B.'\n",
    )
    found = survey("bench.some", "method")
    assert list(found.registrations) == ["b"]
    assert not found.complete


def test_two_files_cannot_share_a_name(package: Callable[..., str]) -> None:
    text = HEAD + "from bench.some import method\n@method('b')\ndef b(network, context):\n    'B.'\n"
    package(one=text, two=text)
    with pytest.raises(ValueError, match="method 'b' is registered twice"):
        survey("bench.some", "method")
