"""What a processor is called, from the files of hosts that are not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.worker.processor import Cluster, in_words, microarchitecture, processor

PI4 = """\
processor\t: {n}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
"""
BOARD = "Revision\t: c03111\nModel\t\t: Raspberry Pi 4 Model B Rev 1.1\n"


def files(root: Path, **contents: str) -> Path:
    """``proc__cpuinfo="…"`` as the file proc/cpuinfo below the root."""
    for name, text in contents.items():
        file = root / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def x86(vendor: str, family: int, model: int, stepping: int = 1) -> dict[str, str]:
    return {
        "vendor_id": vendor,
        "cpu family": str(family),
        "model": str(model),
        "stepping": str(stepping),
    }


@pytest.mark.parametrize(
    ("core", "name"),
    [
        (x86("GenuineIntel", 6, 207, 2), "Emerald Rapids"),
        (x86("GenuineIntel", 6, 143), "Sapphire Rapids"),
        (x86("GenuineIntel", 6, 0x55, 4), "Skylake-X"),
        (x86("GenuineIntel", 6, 0x55, 7), "Cascade Lake"),
        (x86("GenuineIntel", 6, 0x55, 11), "Cooper Lake"),
        (x86("GenuineIntel", 6, 250), "unknown"),
        (x86("GenuineIntel", 15, 207), "unknown"),
        (x86("AuthenticAMD", 23, 1), "Zen"),
        (x86("AuthenticAMD", 23, 8), "Zen+"),
        (x86("AuthenticAMD", 23, 49), "Zen 2"),
        (x86("AuthenticAMD", 25, 1), "Zen 3"),
        (x86("AuthenticAMD", 25, 17), "Zen 4"),
        (x86("AuthenticAMD", 26, 2), "Zen 5"),
        (x86("AuthenticAMD", 27, 2), "unknown"),
        ({"CPU implementer": "0x41", "CPU part": "0xd0c"}, "Neoverse-N1"),
        ({"CPU implementer": "0x41", "CPU part": "0xfff"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_design_is_told_by_family_model_and_stepping_or_by_part(core: dict[str, str], name: str) -> None:
    assert microarchitecture(core) == name


def test_a_raspberry_pi(tmp_path: Path) -> None:
    text = "\n".join(PI4.format(n=n) for n in range(4)) + "\n" + BOARD
    found = processor(files(tmp_path, proc__cpuinfo=text))
    assert found.name == "Raspberry Pi 4 Model B Rev 1.1"
    assert found.microarchitecture == "Cortex-A72"
    assert found.identity == "implementer 0x41, part 0xd08"
    assert found.isa == ("asimd",)
    assert found.clusters == (Cluster("Cortex-A72", (0, 1, 2, 3)),)


def test_big_and_little_cores_are_clusters_with_the_big_ones_first(tmp_path: Path) -> None:
    parts = ["0xd05"] * 2 + ["0xd0b"] * 2
    cores = [PI4.format(n=n).replace("0xd08", part) for n, part in enumerate(parts)]
    capacities = {
        f"sys__devices__system__cpu__cpu{n}__cpu_capacity": text
        for n, text in enumerate(("414", "414", "1024", "1024"))
    }
    found = processor(files(tmp_path, proc__cpuinfo="\n".join(cores), **capacities))
    assert found.clusters == (Cluster("Cortex-A76", (2, 3), 1024), Cluster("Cortex-A55", (0, 1), 414))
    assert found.microarchitecture == "Cortex-A76 + Cortex-A55"
    assert found.name == found.microarchitecture


def test_a_processor_in_words(tmp_path: Path) -> None:
    parts = ["0xd05"] * 3 + ["0xd0b"]
    cores = [PI4.format(n=n).replace("0xd08", part) for n, part in enumerate(parts)]
    capacities = {
        f"sys__devices__system__cpu__cpu{n}__cpu_capacity": text
        for n, text in enumerate(("512", "512", "512", "1024"))
    }
    assert in_words(processor(files(tmp_path, proc__cpuinfo="\n".join(cores), **capacities))) == {
        "microarchitecture": "Cortex-A76 + Cortex-A55",
        "cpu_identity": "implementer 0x41, part 0xd05",
        "isa": "asimd",
        "caches": "unknown",
        "clusters": "Cortex-A76 cores 3; Cortex-A55 cores 0-2 at 50%",
    }
    assert set(in_words(processor(tmp_path / "nothing")).values()) == {"unknown"}


def test_a_hybrid_x86_has_two_clusters(tmp_path: Path) -> None:
    block = "processor\t: {n}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 151\nmodel name\t: i5\n"
    text = "\n".join(block.format(n=n) for n in range(6))
    found = processor(files(tmp_path, proc__cpuinfo=text, sys__devices__cpu_atom__cpus="4-5\n"))
    assert found.clusters == (
        Cluster("Alder Lake", (0, 1, 2, 3)),
        Cluster("Alder Lake E-cores", (4, 5)),
    )
    assert found.name == "i5"


def test_caches_are_bytes_by_level_and_type(tmp_path: Path) -> None:
    base = "sys__devices__system__cpu__cpu0__cache__"
    contents: dict[str, str] = {}
    for at, (level, kind, size) in enumerate(
        (("1", "Data", "48K"), ("2", "Unified", "1024K"), ("3", "?", "32M"))
    ):
        contents |= {f"{base}index{at}__level": level, f"{base}index{at}__type": kind}
        contents[f"{base}index{at}__size"] = size + "\n"
    found = processor(files(tmp_path, **contents))
    assert found.caches == {"L1d": 48 * 1024, "L2": 1024 * 1024, "L3": 32 * 2**20}


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    found = processor(tmp_path)
    assert (found.name, found.microarchitecture, found.identity) == ("unknown",) * 3
    assert (found.isa, found.caches, found.clusters) == ((), {}, ())


def test_this_host_has_cores() -> None:
    found = processor()
    assert found.name
    assert sum(len(cluster.cores) for cluster in found.clusters) >= 1
