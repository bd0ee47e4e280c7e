"""Writing a first version of a person's own suite, to be changed from there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench.errors import InputError, quoted
from bench.plan.declared import DECLARED_BACKBONES
from bench.plan.shipped import shipped_suites

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")

_TEXT = """\
# `bench plan {name}.yaml` shows its cases and the time, `bench run {name}.yaml` measures them.
name: {name}
description: Say in one sentence what it is for.
backbones: [{backbones}]
methods:
  - dense                       # the baseline of every ratio
  - csr_conv: {{T: [2, 4]}}       # a list multiplies; `bench list knobs csr_conv` shows what may stand here
  # - filter_l1: {{ratio: 0.5}}   # `bench list methods` names the others
  # - chain: [csr_conv: {{T: 4}}, psconv: {{variant: pSC4}}]   # one after the other
# Further keys, each with its usual value. Lists multiply.
# runtimes: [eager]             # `bench list runtimes`
# targets: [cpu]                # `bench list targets`
# batches: [1]
# inputs: [3x32x32]             # the backbone's own where it is left out
# threads: [1]
# dtypes: [float32]
# seeds: [0]
# exclude: []                   # globs on case ids; a later !glob takes a case back in
measure:
  resolution: 0.01              # differences up to 1 % are called the same
  # rounds: 5                   # a fixed number, instead of as many as the verdicts need
"""


def write_suite(name: str, folder: Path, backbones: Sequence[str]) -> Path:
    """Writes ``NAME.yaml`` into the folder and returns its path.

    Raises InputError, before anything is written, for a name that cannot be used or is that of a shipped
    suite, an unknown backbone, a folder that does not exist and a file that does.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{quoted(name)} is no name for a suite: letters, digits and . _ -, as in mine")
    if name in shipped_suites():
        raise InputError(f"a suite '{name}' comes with csr-bench: `bench run {name}`; choose another name")
    for backbone in backbones:
        DECLARED_BACKBONES.get(backbone)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make it first")
    file = folder / f"{name}.yaml"
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(_TEXT.format(name=name, backbones=", ".join(backbones)))
    except FileExistsError:
        raise InputError(f"{file}: exists already; choose another name or folder, or remove it") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {error.strerror}") from None
    return file
