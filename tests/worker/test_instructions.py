"""Instructions of an emulated core: how they are decoded, and how the worker asks for them."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.worker import instructions
from bench.worker.instructions import BEGIN, END, KINDS, MARK

SOURCE = Path(instructions.__file__).with_suffix(".c")

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc: the decoder is written in C")

HARNESS = """
#pragma weak qemu_plugin_tb_n_insns
#pragma weak qemu_plugin_tb_get_insn
#pragma weak qemu_plugin_insn_data
#pragma weak qemu_plugin_register_vcpu_tb_trans_cb
#pragma weak qemu_plugin_register_vcpu_tb_exec_inline
#pragma weak qemu_plugin_register_vcpu_syscall_cb
#include "instructions.c"
int main(void)
{
    unsigned word;
    while (scanf("%x", &word) == 1)
        puts(KIND_NAMES[kind_of(word)]);
    return 0;
}
"""

WORDS = {
    "multiply_add": {
        "fmadd s0, s1, s2, s3": 0x1F020C20,
        "fnmsub d0, d1, d2, d3": 0x1F628C20,
        "fmla v0.4s, v1.4s, v2.4s": 0x4E22CC20,
        "fmla v0.2s, v1.2s, v2.2s": 0x0E22CC20,
        "fmls v0.4s, v1.4s, v2.4s": 0x4EA2CC20,
        "fmla v0.2d, v1.2d, v2.2d": 0x4E62CC20,
        "fmla v0.8h, v1.8h, v2.8h": 0x4E420C20,
        "fmla v0.4s, v1.4s, v2.s[0]": 0x4F821020,
        "fmla v0.4s, v1.4s, v2.s[3]": 0x4FA21820,
        "fmls v0.4s, v1.4s, v2.s[0]": 0x4F825020,
        "fmla s0, s1, v2.s[0]": 0x5F821020,
        "fmla z0.s, p0/m, z1.s, z2.s": 0x65A20020,
    },
    "load": {
        "ldr x0, [x1]": 0xF9400020,
        "ldr x0, [x1, x2]": 0xF8626820,
        "ldur x0, [x1, #-8]": 0xF85F8020,
        "ldrb w0, [x1]": 0x39400020,
        "ldrsw x0, [x1]": 0xB9800020,
        "ldr x0, #8": 0x58000040,
        "ldr q0, [x1]": 0x3DC00020,
        "ldr s0, [x1], #4": 0xBC404420,
        "ldp x29, x30, [sp], #16": 0xA8C17BFD,
        "ldp q0, q1, [x0]": 0xAD400400,
        "ld1 {v0.4s}, [x0]": 0x4C407800,
        "ld1r {v0.4s}, [x0]": 0x4D40C800,
        "ldxr x0, [x1]": 0xC85F7C20,
        "ldar x0, [x1]": 0xC8DFFC20,
        "ldadd x0, x1, [x2]": 0xF8200041,
        "cas x0, x1, [x2]": 0xC8A07C41,
        "ld1w {z0.s}, p0/z, [x0]": 0xA540A000,
    },
    "store": {
        "str x0, [x1]": 0xF9000020,
        "str x0, [x1, x2]": 0xF8226820,
        "strb w0, [x1]": 0x39000020,
        "str q0, [x1]": 0x3D800020,
        "stp x29, x30, [sp, #-16]!": 0xA9BF7BFD,
        "stp q0, q1, [x0]": 0xAD000400,
        "st1 {v0.4s}, [x0]": 0x4C007800,
        "stxr w2, x0, [x1]": 0xC8027C20,
        "stlr x0, [x1]": 0xC89FFC20,
        "st1w {z0.s}, p0, [x0]": 0xE540E000,
    },
    "branch": {
        "b": 0x14000000,
        "bl": 0x94000000,
        "b.ne": 0x54000001,
        "cbz x0": 0xB4000000,
        "tbz w0, #0": 0x36000000,
        "ret": 0xD65F03C0,
        "blr x0": 0xD63F0000,
    },
    "other": {
        "nop": 0xD503201F,
        "svc #0": 0xD4000001,
        "mrs x0, tpidr_el0": 0xD53BD040,
        "dmb ish": 0xD5033BBF,
        "add x0, x1, x2": 0x8B020020,
        "mov x0, #1": 0xD2800020,
        "prfm pldl1keep, [x0]": 0xF9800000,
        "fadd v0.4s, v1.4s, v2.4s": 0x4E22D420,
        "fmul v0.4s, v1.4s, v2.4s": 0x6E22DC20,
        "mla v0.4s, v1.4s, v2.4s": 0x4EA29420,
        "fmul v0.4s, v1.4s, v2.s[0]": 0x4F829020,
        "movi v0.4s, #0": 0x4F000400,
        "udf #0": 0x00000000,
    },
}
"""Words as an assembler writes them."""


@pytest.fixture(scope="module")
def decode(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[int]], list[str]]:
    """The decoder of the plugin, compiled by itself."""
    folder = tmp_path_factory.mktemp("decoder")
    (folder / "main.c").write_text(HARNESS)
    command = ["gcc", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE.parent}", "main.c", "-o", "decode"]
    subprocess.run(command, cwd=folder, check=True, timeout=60)

    def kinds(words: list[int]) -> list[str]:
        text = "\n".join(f"{word:x}" for word in words)
        said = subprocess.run(
            [folder / "decode"], input=text, capture_output=True, text=True, check=True, timeout=60
        )
        return said.stdout.split()

    return kinds


@needs_gcc
@pytest.mark.parametrize("kind", WORDS)
def test_an_instruction_is_of_its_kind(decode: Callable[[list[int]], list[str]], kind: str) -> None:
    of_kind = WORDS[kind]
    found = dict(zip(of_kind, decode(list(of_kind.values())), strict=True))
    assert found == dict.fromkeys(of_kind, kind)


@needs_gcc
def test_registers_and_offsets_change_no_kind(decode: Callable[[list[int]], list[str]]) -> None:
    """The fields of the three registers of a vector's fmla, all that they can be."""
    words = [0x4E20CC00 | m << 16 | n << 5 | d for m in range(32) for n in (0, 17, 31) for d in (0, 13, 31)]
    assert set(decode(words)) == {"multiply_add"}


@needs_gcc
@pytest.mark.parametrize("api", [1, 2, 3])
def test_the_plugin_compiles_for_every_interface(tmp_path: Path, api: int) -> None:
    flags = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-DPLUGIN_API={api}"]
    command = ["gcc", *flags, str(SOURCE), "-o", str(tmp_path / "plugin.so")]
    subprocess.run(command, check=True, timeout=60)
    library = (tmp_path / "plugin.so").read_bytes()
    assert b"qemu_plugin_install" in library
    assert b"qemu_plugin_version" in library


def test_both_sides_speak_of_the_same_mark_and_kinds() -> None:
    text = SOURCE.read_text(encoding="utf-8")
    assert f"#define MARK {MARK:#x}" in text
    assert "{" + ", ".join(f'"{kind}"' for kind in KINDS) + "}" in text


def test_where_no_plugin_answers_nothing_is_known() -> None:
    called: list[int] = []
    assert instructions.instructions(lambda: called.append(1)) is None
    assert called == [1, 1, 1]


def plugin(monkeypatch: pytest.MonkeyPatch, totals: list[int]) -> list[str]:
    """An emulator that counts these totals, one call after the other; returns what it saw."""
    seen: list[str] = []

    def prctl(code: int, mark: int, file: int, *_: int) -> int:
        assert code == MARK
        seen.append({BEGIN: "begin", END: "end"}[mark])
        if mark == END:
            os.write(file, json.dumps({"total": totals.pop(0), "load": 1}).encode() + b"\n")
        return -1

    library: Any = SimpleNamespace(prctl=prctl)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: library)
    return seen


def test_of_several_calls_the_one_in_the_middle_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = plugin(monkeypatch, [1003, 1000, 1001])
    found = instructions.instructions(lambda: seen.append("call"))
    assert found == {"total": 1001, "load": 1}
    assert seen == ["begin", "call", "end"] * 3


def test_no_collection_falls_into_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(monkeypatch, [1, 1, 1])
    enabled: list[bool] = []
    instructions.instructions(lambda: enabled.append(gc.isenabled()))
    assert enabled == [False] * 3
    assert gc.isenabled()


def test_a_call_that_raises_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(monkeypatch, [1])
    files = Path("/proc/self/fd")
    before = len(list(files.iterdir())) if files.is_dir() else 0

    def broken() -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        instructions.instructions(broken)
    assert gc.isenabled()
    assert not before or len(list(files.iterdir())) == before
