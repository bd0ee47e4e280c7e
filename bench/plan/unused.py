"""Plugins that nothing asks for: whoever names one means it to be measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bench import plugins
from bench.case import Case
from bench.errors import InputError
from bench.plan.ranges import example_label, example_line
from bench.plan.suite import LoadedSuite

LISTS = {"method": "methods", "backbone": "backbones", "runtime": "runtimes"}
"""What a plugin can add, and the list of a suite that names it."""


def refuse_unused(loaded: LoadedSuite, cases: Sequence[Case]) -> None:
    """Raises InputError, with the line to add, for a plugin that adds names of which no case has one."""
    if not loaded.plugins:
        return
    used = {
        "method": {call.name for case in cases for call in case.methods},
        "backbone": {case.backbone for case in cases},
        "runtime": {case.runtime for case in cases},
    }
    for plugin in loaded.plugins:
        added = plugins.added(plugin)
        if added and not any(_fits(name, used[kind]) for kind, names in added.items() for name in names):
            raise InputError(_mend(plugin, added, loaded))


def _fits(name: str, used: Collection[str]) -> bool:
    """A family's name ends with a slash."""
    return name in used or (name.endswith("/") and any(one.startswith(name) for one in used))


def _mend(plugin: str, added: Mapping[str, tuple[str, ...]], loaded: LoadedSuite) -> str:
    kind = next(iter(added))
    names = added[kind]
    key = LISTS[kind]
    what = f"plugin {plugin} adds the {kind} {' and '.join(names)}, and no case has it"
    where = loaded.source.where((key,))
    in_list = {call.name for entry in loaded.entries for call in entry.calls}
    if kind == "method" and names[0] in in_list:
        return f"{where}: {what}: include and exclude leave out all that the list asks for"
    if kind != "method":
        return f"{where}: {what}: add the line `- {names[0]}` to {key}"
    return (
        f"{where}: {what}: add the line `- {example_line(names[0])}` to {key}, or give "
        f"--method '{example_label(names[0])}'"
    )
