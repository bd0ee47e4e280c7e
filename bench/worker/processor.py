"""Which processor this is: microarchitecture, instruction sets, caches and clusters of cores.

A virtual machine often tells a name without news ("Intel(R) Xeon(R) Processor"); family, model and stepping
tell more. Standard library only, and every file is read below a root that tests replace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"

# Family 6, by model: arch/x86/include/asm/intel-family.h of Linux.
_INTEL = {
    "Haswell": (0x3C, 0x3F, 0x45, 0x46),
    "Broadwell": (0x3D, 0x47, 0x4F, 0x56),
    "Skylake": (0x4E, 0x5E),
    "Kaby Lake": (0x8E, 0x9E),
    "Comet Lake": (0xA5, 0xA6),
    "Ice Lake": (0x6A, 0x6C, 0x7D, 0x7E),
    "Tiger Lake": (0x8C, 0x8D),
    "Rocket Lake": (0xA7,),
    "Alder Lake": (0x97, 0x9A),
    "Gracemont": (0xBE,),
    "Raptor Lake": (0xB7, 0xBA, 0xBF),
    "Meteor Lake": (0xAA, 0xAC),
    "Arrow Lake": (0xC5, 0xC6),
    "Lunar Lake": (0xBD,),
    "Sapphire Rapids": (0x8F,),
    "Emerald Rapids": (0xCF,),
    "Granite Rapids": (0xAD, 0xAE),
    "Sierra Forest": (0xAF,),
}

# Ranges of models by family: arch/x86/kernel/cpu/amd.c of Linux.
_AMD = {
    0x17: (
        ("Zen", (range(0x00, 0x08), range(0x10, 0x18), range(0x20, 0x30))),
        ("Zen+", (range(0x08, 0x10), range(0x18, 0x20))),
        ("Zen 2", (range(0x30, 0xB0),)),
    ),
    0x19: (
        ("Zen 3", (range(0x00, 0x10), range(0x20, 0x60))),
        ("Zen 4", (range(0x10, 0x20), range(0x60, 0xB0))),
    ),
    0x1A: (("Zen 5", (range(0x00, 0x80),)),),
}

# MIDR_EL1's implementer and part: arch/arm64/include/asm/cputype.h of Linux.
_ARM = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD04): "Cortex-A35",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD44): "Cortex-X1",
    (0x41, 0xD46): "Cortex-A510",
    (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD48): "Cortex-X2",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4D): "Cortex-A715",
    (0x41, 0xD4E): "Cortex-X3",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD80): "Cortex-A520",
    (0x41, 0xD81): "Cortex-A720",
    (0x41, 0xD82): "Cortex-X4",
    (0x41, 0xD84): "Neoverse-V3",
    (0x48, 0xD01): "TaiShan v110",
    (0x4E, 0x003): "Denver 2",
    (0x4E, 0x004): "Carmel",
    (0x51, 0x001): "Oryon",
    (0x61, 0x022): "Icestorm (M1)",
    (0x61, 0x023): "Firestorm (M1)",
    (0xC0, 0xAC3): "Ampere-1",
}

ISA = (
    *(
        "sse4_2",
        "avx",
        "avx2",
        "fma",
        "f16c",
        "avx512f",
        "avx512bw",
        "avx512vl",
        "avx512_vnni",
        "avx512_bf16",
    ),
    *("avx512_fp16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "fphp", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)
"""Flags of the kernel that kernels of convolutions ask for; the others are left out."""

_CPU = "sys/devices/system/cpu"


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind. ``capacity``: their speed by the kernel, 1024 for the fastest; None if unknown."""

    name: str
    cores: tuple[int, ...]
    capacity: int | None = None


@dataclass(frozen=True)
class Processor:
    """``caches``: level and type -> bytes of one of them, as the first core sees it."""

    name: str
    microarchitecture: str
    identity: str
    isa: tuple[str, ...]
    caches: dict[str, int]
    clusters: tuple[Cluster, ...]


def processor(root: Path = Path("/")) -> Processor:
    """The processor of this host; what cannot be read is "unknown" or empty."""
    cores = _listing(root)
    first = cores[0] if cores else {}
    clusters = _clusters(root, cores)
    # A mixture of cores is named by all of its kinds, the fastest first.
    names = list(dict.fromkeys(cluster.name for cluster in clusters if cluster.name != UNKNOWN))
    microarchitecture = " + ".join(names) or UNKNOWN
    name = next((first[key] for key in ("model name", "Model", "Hardware") if first.get(key)), "")
    flags = (first.get("flags") or first.get("Features") or "").split()
    return Processor(
        name=name or microarchitecture,
        microarchitecture=microarchitecture,
        identity=_identity(first),
        isa=tuple(flag for flag in ISA if flag in flags),
        caches=_caches(root),
        clusters=clusters,
    )


def in_words(found: Processor) -> dict[str, str]:
    """One line for each thing that is known, for records and pages."""
    caches = ", ".join(
        f"{level} {size / 2**20:g} MiB" if size >= 2**20 else f"{level} {size // 2**10} KiB"
        for level, size in found.caches.items()
    )
    return {
        "microarchitecture": found.microarchitecture,
        "cpu_identity": found.identity,
        "isa": " ".join(found.isa) or UNKNOWN,
        "caches": caches or UNKNOWN,
        "clusters": "; ".join(map(_cluster_in_words, found.clusters)) or UNKNOWN,
    }


def microarchitecture(core: dict[str, str]) -> str:
    """The name of a core's design, from its entry in /proc/cpuinfo; "unknown" for one not in the tables."""
    if "CPU implementer" in core:
        part = (_number(core["CPU implementer"]), _number(core.get("CPU part", "")))
        return _ARM.get(part, UNKNOWN)
    family, model = _number(core.get("cpu family", "")), _number(core.get("model", ""))
    if core.get("vendor_id") == "GenuineIntel" and family == 6:
        if model == 0x55:  # three servers share a model
            stepping = _number(core.get("stepping", ""))
            return "Skylake-X" if stepping < 5 else "Cascade Lake" if stepping < 10 else "Cooper Lake"
        return next((name for name, models in _INTEL.items() if model in models), UNKNOWN)
    if core.get("vendor_id") == "AuthenticAMD":
        for name, ranges in _AMD.get(family, ()):
            if any(model in models for models in ranges):
                return name
    return UNKNOWN


def _listing(root: Path) -> list[dict[str, str]]:
    """One mapping for each core of /proc/cpuinfo."""
    try:
        text = (root / "proc/cpuinfo").read_text()
    except OSError:
        return []
    cores = []
    for block in text.split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        core = {key.strip(): value.strip() for key, colon, value in pairs if colon}
        if core.get("processor", "").isdigit():
            cores.append(core)
        elif core and cores:
            cores[0] = {**core, **cores[0]}  # what stands behind the cores is said of the board
    return cores


def _identity(core: dict[str, str]) -> str:
    if "CPU implementer" in core:
        return f"implementer {core['CPU implementer']}, part {core.get('CPU part', UNKNOWN)}"
    if "cpu family" not in core:
        return UNKNOWN
    words = (core.get("vendor_id", UNKNOWN), core["cpu family"], core.get("model"), core.get("stepping"))
    return "{}, family {}, model {}, stepping {}".format(*words)


def _clusters(root: Path, cores: Sequence[dict[str, str]]) -> tuple[Cluster, ...]:
    """Cores of the same design and capacity, the fastest first."""
    efficient = set(numbers(_text(root / "sys/devices/cpu_atom/cpus")))  # x86 with two kinds of cores
    found: dict[tuple[int, str], list[int]] = {}
    for core in cores:
        number = int(core["processor"])
        capacity = _number(_text(root / _CPU / f"cpu{number}" / "cpu_capacity"), -1)
        name = microarchitecture(core) + (" E-cores" if number in efficient else "")
        found.setdefault((capacity, name), []).append(number)
    kinds = sorted(found.items(), key=lambda kind: (-kind[0][0], kind[0][1].endswith("E-cores"), kind[1][0]))
    return tuple(
        Cluster(name, tuple(numbers), capacity if capacity >= 0 else None)
        for (capacity, name), numbers in kinds
    )


def _cluster_in_words(cluster: Cluster) -> str:
    first, last = cluster.cores[0], cluster.cores[-1]
    ranged = last - first + 1 == len(cluster.cores) > 2
    cores = f"{first}-{last}" if ranged else ",".join(map(str, cluster.cores))
    speed = "" if cluster.capacity in (None, 1024) else f" at {cluster.capacity / 1024:.0%}"
    return f"{cluster.name} cores {cores}{speed}"


def _caches(root: Path) -> dict[str, int]:
    found = {}
    for index in sorted((root / _CPU / "cpu0/cache").glob("index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(_text(index / "type"), "")
        size = _text(index / "size")
        unit = {"K": 2**10, "M": 2**20}.get(size[-1:], 1)
        if size.rstrip("KM").isdigit():
            found[f"L{_text(index / 'level')}{kind}"] = int(size.rstrip("KM")) * unit
    return found


def numbers(text: str) -> Iterable[int]:
    """The numbers of a kernel's list: ``0-3,8``."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.strip().isdigit():
            yield from range(int(first), int(last or first) + 1)


def _number(text: str, otherwise: int = 0) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return otherwise


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
