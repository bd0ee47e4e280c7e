"""The answer first: a headline, one takeaway per backbone, and what they hold for.

The rules stand in docs/report.md. No sentence here counts cases: a count depends on what the suite holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analysis.records import Json
from bench.analysis.roofline import doctor_verdict
from bench.analysis.store import Results
from bench.report import digits, outcome
from bench.report.cautions import Caution
from bench.report.circumstances import Fact
from bench.report.prose import isolated, plural, shortened
from bench.report.rows import (
    NAMES,
    Index,
    Row,
    baselines,
    grouped,
    method_label,
    setting,
    setting_word,
    to_dense,
    varying,
)

SUBJECT = "csr_conv"
"""The method whose place is told in every takeaway."""

SUBJECT_NAME = "CSR-Conv"

NOT_MEASURED = "not measured"

_LEVEL_NAMED = 2


@dataclass(frozen=True)
class Takeaway:
    """What one backbone in one setting says. ``verdict`` colours it: that of the fastest case."""

    backbone: str
    setting: str
    sentence: str
    verdict: str


@dataclass(frozen=True)
class Answer:
    """``care``: the line of the cautions, grave where the first of them is; ``hosts``: a sentence each."""

    headline: str
    takeaways: tuple[Takeaway, ...]
    circumstances: tuple[Fact, ...]
    hosts: tuple[str, ...]
    care: Caution


@dataclass(frozen=True)
class Standing:
    """One backbone in one setting: its judged cases from the fastest on, and the subject's among them."""

    backbone: str
    setting: str
    cases: tuple[Row, ...]
    subject: tuple[Row, ...]
    others: tuple[Row, ...]

    @property
    def fastest(self) -> Row | None:
        """The fastest case that is faster than dense."""
        return next((row for row in self.cases if outcome.outcome(row) == outcome.FASTER), None)

    @property
    def lead(self) -> Row:
        """The subject's fastest case, or the fastest of all; there must be a judged one."""
        return self.subject[0] if self.subject else self.cases[0]


def answer(rows: Sequence[Row], results: Sequence[Results], cautions: Sequence[Caution]) -> Answer:
    """The top of the page. Nothing is said about speed where there is no interval."""
    columns = varying(rows)
    index = baselines(rows)
    standings = standing(rows, columns)
    judged = [one for one in standings if one.cases]
    hosts = _hosts(results)
    return Answer(
        headline=_nothing(rows) or _headline(judged, index, columns, rows, _where(rows, hosts)),
        takeaways=tuple(_takeaway(one, index) for one in standings),
        circumstances=tuple(circumstances(rows, results, hosts)),
        hosts=tuple(map(_host, hosts)),
        care=_care(cautions),
    )


def standing(rows: Sequence[Row], columns: Sequence[str]) -> list[Standing]:
    """Every backbone in every setting that has a compressed case."""
    found = []
    for group in grouped(rows, ("backbone", *columns)):
        compressed = [row for row in group if not row["is_baseline"]]
        judged = [row for row in compressed if outcome.outcome(row) in outcome.COMPARED]
        judged.sort(key=lambda row: float(row["ratio"]))
        if compressed:
            found.append(
                Standing(
                    str(group[0]["backbone"]),
                    setting(group[0], columns),
                    tuple(judged),
                    tuple(row for row in judged if row["method"] == SUBJECT),
                    tuple(row for row in compressed if outcome.outcome(row) not in outcome.COMPARED),
                )
            )
    return found


def _nothing(rows: Sequence[Row]) -> str:
    """The headline where nothing can be said about speed; empty where something can."""
    compressed = [row for row in rows if not row["is_baseline"]]
    if not rows:
        return "No case was measured."
    if not any(row["status"] == "ok" for row in rows):
        if all(row["status"] == "failed" for row in rows):
            return f"All {plural(len(rows), 'case')} failed: there are no times to show."
        return f"Nothing has been measured: {plural(len(rows), 'case')} planned."
    if not compressed:
        return "Only dense networks were measured: there is nothing to compare them with."
    if not any(outcome.outcome(row) in outcome.COMPARED for row in compressed):
        if counted := _counted(compressed):
            ends = (counted[0], counted[-1])
            least, most = (f"{_executes(row)} on {isolated(row['backbone'])}" for row in ends)
            core = counted[0]["emulates"]
            return f"No time was taken. Instructions over dense on an emulated {core}: {least} to {most}."
        return "Nothing is claimed about speed: no compressed case has an interval for its ratio to dense."
    return ""


def _headline(
    judged: Sequence[Standing], index: Index, columns: Sequence[str], rows: Sequence[Row], where: str
) -> str:
    """The backbone on which the subject does best, and the one on which it does worst.

    Without the subject it is the best case of each backbone that is held against the others. ``where``:
    processor and threads.
    """
    chosen = [one for one in judged if one.subject] or list(judged)
    backbones = {
        name: [one for one in chosen if one.backbone == name]
        for name in dict.fromkeys(one.backbone for one in chosen)
    }
    order = sorted(backbones, key=lambda name: min(float(one.lead["ratio"]) for one in backbones[name]))
    if columns:
        parts = [_over_settings(name, backbones[name]) for name in dict.fromkeys((order[0], order[-1]))]
        return f"{_settings(rows, columns)}: {'; '.join(parts)}."
    best = backbones[order[0]][0]
    text = f"{isolated(best.backbone)}, {where}: {_pair(best, index)}"
    if len(order) > 1:
        worst = backbones[order[-1]][0]
        text += f"; on {isolated(worst.backbone)} {_short(worst)}"
    return f"{text}."


def _pair(one: Standing, index: Index) -> str:
    """The fastest case and the subject, or one of them where they are the same or there is no other."""
    lead = one.lead
    share = _share(lead, index)
    if one.fastest is not None and one.fastest["method"] != lead["method"]:
        fastest = f"{_label(one.fastest)} takes {outcome.ratio_words(one.fastest)} the time of dense"
        return f"{fastest}, {_label(lead)} {outcome.ratio_words(lead)}{share}"
    return f"{_label(lead)} takes {outcome.ratio_words(lead)} the time of dense{share}"


def _short(one: Standing) -> str:
    lead, fastest = one.lead, one.fastest
    text = f"{_label(lead)} takes {outcome.ratio_words(lead)}"
    if fastest is not None and fastest["method"] != lead["method"]:
        return f"{text}, {_label(fastest)} {outcome.ratio_words(fastest)}"
    return text


def _over_settings(name: str, standings: Sequence[Standing]) -> str:
    """The range of the lead's ratio over the settings, and whether its verdict holds in all of them."""
    leads = [one.lead for one in standings]
    ratios = sorted(float(row["ratio"]) for row in leads)
    words = {outcome.outcome(row) for row in leads}
    what = SUBJECT_NAME if all(row["method"] == SUBJECT for row in leads) else "the best case"
    held = f"{words.pop()} in all of them" if len(words) == 1 else "the verdict turns"
    if len(leads) == 1:
        return f"on {isolated(name)} {what} takes {outcome.ratio_words(leads[0])} the time of dense"
    ends = dict.fromkeys(digits.times(ratio) for ratio in (ratios[0], ratios[-1]))
    return f"on {isolated(name)} {what} takes {' to '.join(ends)} the time of dense, {held}"


def _where(rows: Sequence[Row], hosts: Sequence[Json]) -> str:
    """``AMD EPYC (Zen 5) AVX512, 1 thread``, of the first host."""
    host = next(iter(hosts), {})
    threads = rows[0]["threads"] if rows else 1
    words = [_processor(host) if host else "unknown host", str(host.get("cpu_capability") or "")]
    return f"{' '.join(word for word in words if word)}, {plural(threads, 'thread')}"


def _settings(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """``Over 3 hosts and 2 runtimes``; runs are named only where nothing else differs."""
    told = [column for column in columns if column != "run"] or list(columns)
    parts = []
    for column in told:
        number = len({row[column] for row in rows if row[column] != ""})
        parts.append(
            plural(number, NAMES[column]) if not NAMES[column].endswith("s") else f"{number} {NAMES[column]}"
        )
    return "Over " + (" and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0])


def _takeaway(one: Standing, index: Index) -> Takeaway:
    fastest = one.fastest
    if not one.cases:
        if counted := _counted(one.others):
            return Takeaway(one.backbone, one.setting, _instructions(counted), "")
        words = {outcome.outcome(row) for row in one.others}
        return Takeaway(one.backbone, one.setting, f"No verdict: {', '.join(sorted(words))}.", "")
    lead = fastest or one.cases[0]
    if fastest is None:
        text = f"Nothing measured is faster than dense; nearest is {_full(lead, index)}"
    else:
        text = f"Fastest is {_full(fastest, index)}{_level(one, fastest)}"
    return Takeaway(one.backbone, one.setting, f"{text}.{_place(one, lead, index)}", outcome.outcome(lead))


def _counted(rows: Iterable[Row]) -> list[Row]:
    """Compressed cases whose instructions were counted, the fewest over dense first."""
    found = [row for row in rows if not row["is_baseline"] and digits.known(row["instructions_ratio"])]
    return sorted(found, key=lambda row: float(row["instructions_ratio"]))


def _instructions(counted: Sequence[Row]) -> str:
    """What an emulated core says: instructions, of which none is a time."""
    lead = counted[0]
    text = (
        f"Not timed. Fewest instructions on the emulated {lead['emulates']}: {_executes(lead)} those of dense"
    )
    subject = [row for row in counted if row["method"] == SUBJECT]
    if subject and subject[0] is not lead:
        text += f"; {_executes(subject[0])}"
    return f"{text}."


def _executes(row: Row) -> str:
    return f"{_label(row)} {digits.times(row['instructions_ratio'])}"


def _level(one: Standing, fastest: Row) -> str:
    """The cases whose intervals reach into that of the fastest: between them nothing was decided."""
    near = [
        _label(row)
        for row in one.cases
        if row is not fastest
        and outcome.outcome(row) == outcome.FASTER
        and row["ratio_low"] <= fastest["ratio_high"]
    ]
    if not near:
        return ""
    named = ", ".join(near[:_LEVEL_NAMED]) + (" and others" if len(near) > _LEVEL_NAMED else "")
    return f", not told apart from {named}"


def _place(one: Standing, lead: Row, index: Index) -> str:
    """Where the subject stands: its fastest case."""
    if lead["method"] == SUBJECT:
        return ""
    if not one.subject:
        tried = [row for row in one.others if row["method"] == SUBJECT]
        return f" {SUBJECT_NAME}: {outcome.outcome(tried[0])}." if tried else ""
    best = one.subject[0]
    word = outcome.outcome(best)
    return (
        f" {SUBJECT_NAME} is {word} at best: {_full(best, index)}."
        if word != outcome.CANNOT_TELL
        else (f" {SUBJECT_NAME} cannot be told from dense at best: {_full(best, index)}.")
    )


def _full(row: Row, index: Index) -> str:
    """``filter_l1(ratio=0.64) 0.210 × (0.204 to 0.217) with 13 % of the parameters``."""
    interval = f" ({digits.ratio(row['ratio_low'])} to {digits.ratio(row['ratio_high'])})"
    return f"{_label(row)} {outcome.ratio_words(row)}{interval}{_share(row, index)}"


def _label(row: Row) -> str:
    return isolated(method_label(row))


def _share(row: Row, index: Index) -> str:
    share = to_dense(row, "params", index)
    return f" with {digits.percent(share)} of the parameters" if digits.known(share) else ""


def circumstances(rows: Sequence[Row], results: Sequence[Results], hosts: Sequence[Json]) -> list[Fact]:
    """Processor, instruction set, threads, batch, runtime, versions, date, and what `bench doctor` found."""
    facts = [
        Fact("processor", "; ".join(dict.fromkeys(map(_processor, hosts))) or "unknown"),
        Fact("instruction set", _known(host.get("cpu_capability") for host in hosts)),
    ]
    for column in ("threads", "batch", "runtime", "dtype"):
        values = dict.fromkeys(setting_word(column, row[column]) for row in rows)
        if column != "dtype" or list(values) != ["float32"]:
            facts.append(Fact(column, ", ".join(values) or "unknown"))
    facts.append(Fact("torch", _known(_torch(hosts, results))))
    facts.append(
        Fact("date", ", ".join(dict.fromkeys(one.start.started[:10] for one in results)) or "unknown")
    )
    facts.append(Fact("bench doctor", "; ".join(dict.fromkeys(map(doctor, results))) or NOT_MEASURED))
    return facts


def _torch(hosts: Sequence[Json], results: Sequence[Results]) -> list[object]:
    """The versions that measured: a host may have another one than the machine that started the run."""
    told = [host["torch"] for host in hosts if host.get("torch")]
    return told or [one.start.versions.get("torch") for one in results]


def processor(host: Json) -> str:
    """The processor (or GPU) as a reader calls it: without marks of registration and frequencies."""
    name = str(host.get("gpu") or host.get("cpu") or "unknown")
    name = re.sub(r"\((R|TM|r|tm)\)|\bCPU(?=\s*@)|@\s*[\d.]+\s*GHz", " ", name)
    return shortened(" ".join(name.split()), 80) or "unknown"


def _processor(host: Json) -> str:
    """``AMD EPYC (Zen 5)``: with the microarchitecture where it is known and the name does not have it."""
    name, core = processor(host), shortened(str(host.get("microarchitecture") or "unknown"), 80)
    return name if core == "unknown" or core in name or "gpu" in host else f"{name} ({core})"


def _host(host: Json) -> str:
    """``board: Some CPU (Zen 5), AVX512, 2 logical CPUs, 1.00 GiB, virtual machine``."""
    name = host.get("name") or host.get("id")
    words = [_processor(host)]
    words += [str(host["cpu_capability"])] if host.get("cpu_capability") else []
    if digits.known(cpus := host.get("logical_cpus")):
        words.append(plural(int(cpus), "logical CPU"))
    if digits.known(host.get("memory_bytes")):
        words.append(digits.size(host["memory_bytes"]))
    words += ["virtual machine"] if host.get("virtual") is True else []
    words += ["emulated"] if host.get("emulated") is True else []
    words.append(f"frequency governor {host.get('governor') or 'unknown'}")
    return shortened(f"{name}: {', '.join(words)}.", 400)


def doctor(one: Results) -> str:
    """What `bench doctor --peaks` had found on the run's host before it began."""
    hosts = {str(trial.host["id"]) for trial in one.trials if trial.host}
    return shortened(doctor_verdict(one.start.peaks, hosts), 200) or NOT_MEASURED


def _hosts(results: Sequence[Results]) -> list[Json]:
    found: dict[str, Json] = {}
    for one in results:
        for trial in one.trials:
            if trial.host:
                found.setdefault(str(trial.host.get("id")), trial.host)
    return list(found.values())


def _known(values: Iterable[object]) -> str:
    found = dict.fromkeys(str(value) for value in values if value)
    return shortened(", ".join(found), 200) or "unknown"


def _care(cautions: Sequence[Caution]) -> Caution:
    """The line that unfolds into the cautions."""
    if not cautions:
        return Caution(
            "No known reason for caution: no marked trial, outputs agree, the run came to its end."
        )
    grave = [caution for caution in cautions if caution.grave]
    if grave:
        more = len(cautions) - 1
        return Caution(f"{shortened(grave[0].text, 160)}" + (f" And {more} more." if more else ""), True)
    return Caution(f"{plural(len(cautions), 'thing')} to read with care.")
