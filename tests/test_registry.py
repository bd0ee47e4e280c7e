"""Registries: names found by importing a package, families behind a prefix, the user's own files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import plugins
from bench.errors import InputError, nearest
from bench.methods import METHODS
from bench.models import BACKBONES
from bench.plugins import load_plugins
from bench.registry import Registry
from bench.runtimes import RUNTIMES


@pytest.fixture(autouse=True)
def no_names_left_behind() -> Iterator[None]:
    """A plugin's names are gone when its test is over."""
    with plugins.isolated():
        yield


@pytest.fixture
def colours() -> Registry[str]:
    registry: Registry[str] = Registry("colour", "bench.runtimes")
    registry.add("red", "#f00")
    registry.add("green", "#0f0")

    def make(rest: str) -> str:
        if rest not in ("10", "20"):
            raise KeyError(rest)
        return f"grey {rest}"

    registry.add_family("grey", make, lambda: ["10", "20"])
    return registry


def test_an_entry_is_found_by_its_name(colours: Registry[str]) -> None:
    assert colours.get("red") == "#f00"
    assert colours.get("grey/20") == "grey 20"


def test_names_are_sorted_and_fit_the_glob(colours: Registry[str]) -> None:
    assert colours.names() == ["green", "red"]
    assert colours.names("r*") == ["red"]


def test_a_family_is_listed_only_behind_its_prefix(colours: Registry[str]) -> None:
    assert colours.names("grey/*") == ["grey/10", "grey/20"]
    assert colours.names("grey/2?") == ["grey/20"]
    assert colours.families() == ["grey"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rad", "unknown colour 'rad'; did you mean 'red'?"),
        ("RED", "unknown colour 'RED'; did you mean 'red'?"),
        ("grey/11", "unknown colour 'grey/11'; did you mean 'grey/10'?"),
        ("gray/10", "unknown colour 'gray/10'; did you mean 'grey/…'?"),
        ("zzzz", "unknown colour 'zzzz'; valid are green, grey/…, red"),
    ],
)
def test_an_unknown_name_gets_the_nearest(colours: Registry[str], name: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        colours.get(name)
    assert str(caught.value) == words


def test_a_name_cannot_be_taken_twice(colours: Registry[str]) -> None:
    with pytest.raises(ValueError, match="colour 'red' is registered twice"):
        colours.add("red", "#e00")


def test_what_is_added_in_isolation_is_gone_afterwards(colours: Registry[str]) -> None:
    with colours.isolated():
        colours.add("blue", "#00f")
        colours.add_family("teal", str, list)
        assert "blue" in colours
    assert colours.names() == ["green", "red"]
    assert "teal" not in colours.families()
    colours.add("blue", "#00f")


def test_bug_plugins_of_tests_left_their_names_behind(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from bench.methods import Rewritten, method\n"
        "@method('left_behind')\n"
        "def left_behind(network, context):\n"
        "    return Rewritten(network)\n"
    )
    for _ in range(2):
        with plugins.isolated():
            load_plugins([str(file)])
            assert "left_behind" in METHODS
        assert "left_behind" not in METHODS


def test_bug_a_family_whose_part_is_no_number_ended_in_a_traceback(colours: Registry[str]) -> None:
    colours.add_family("size", lambda rest: str(int(rest)), lambda: ["1"])
    with pytest.raises(InputError, match="unknown colour 'size/x'"):
        colours.get("size/x")
    with pytest.raises(InputError, match="unknown backbone 'layer/999"):
        BACKBONES.get(f"layer/{'9' * 5000}-1-k3")


def test_nearest_says_nothing_where_nothing_is_near_and_too_much_is_known() -> None:
    assert nearest("zzz", [f"word{i}" for i in range(13)]) == ""
    assert nearest("zzz", []) == ""


def test_a_message_that_quotes_line_ends_is_still_one_line() -> None:
    assert str(InputError("unknown 'a\nb\x1b[31m\u2028c'")) == "unknown 'a b [31m c'"


def test_every_module_of_a_package_is_found() -> None:
    assert {"eager", "compile"} <= set(RUNTIMES.names())
    assert {"dense", "csr_conv", "psconv", "filter_l1"} <= set(METHODS.names())
    assert {"resnet20", "vgg16_bn", "mobilenet_v2"} <= set(BACKBONES.names())
    assert BACKBONES.families() == ["layer", "timm", "torchvision"]


def test_every_entry_says_what_it_is() -> None:
    for registry in (RUNTIMES, METHODS, BACKBONES):
        for name in registry.names():
            assert registry.get(name).summary, name


def test_a_plugin_is_imported_once(tmp_path: Path) -> None:
    file = tmp_path / "counted.py"
    file.write_text(
        f"from pathlib import Path\nwith Path({str(tmp_path / 'n')!r}).open('a') as f: f.write('x')"
    )
    load_plugins([str(file)])
    load_plugins([str(file)])
    assert (tmp_path / "n").read_text() == "x"


def test_two_plugins_of_one_name_in_two_folders_are_both_imported(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text("import sys\nsys.modules['bench_seen_' + __file__] = sys")
        load_plugins([str(tmp_path / folder / "mine.py")])
    for folder in ("one", "two"):
        assert sys.modules.pop(f"bench_seen_{tmp_path / folder / 'mine.py'}", None) is sys


@pytest.mark.parametrize("name", ["nothere.py", "folder.py", "text.txt"])
def test_a_plugin_that_is_no_python_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "text.txt").write_text("x = 1")
    with pytest.raises(InputError, match=rf"plugin '.*{name}' is not a Python file that can be read"):
        load_plugins([str(tmp_path / name)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError: "),
        ("import no_such", "'no_such'"),
    ],
)
def test_a_plugin_that_raises_is_named_each_time(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(text)
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            load_plugins([str(file)])
        assert "plugin '" in str(caught.value)
        assert words in str(caught.value)
