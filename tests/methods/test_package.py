"""The packages of methods, backbones and runtimes: what they offer, loaded only when it is asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from bench.registry import Registry

PACKAGES = ("bench.methods", "bench.models", "bench.runtimes")


def test_importing_the_packages_imports_no_torch() -> None:
    code = f"import sys, {', '.join(PACKAGES)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_that_a_package_lists_is_there(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        entry = getattr(module, name)
        assert isinstance(entry, Registry) if name.isupper() else callable(entry)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = module.nothing_like_it


def test_the_decorators_are_functions_whatever_was_imported_before() -> None:
    from bench.methods import METHODS, method
    from bench.models import BACKBONES, backbone
    from bench.runtimes import RUNTIMES, runtime

    assert "csr_conv" in METHODS
    assert "resnet20" in BACKBONES
    assert "eager" in RUNTIMES.names()
    assert all(callable(decorator) for decorator in (method, backbone, runtime))
