"""Suites: every mistake named in one line with its place, and the cases that a suite means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mistakes import assert_named

from bench import plugins
from bench.case import Case
from bench.errors import InputError
from bench.plan.plan import make_plan
from bench.plan.suite import Measure, Suite, load_suite

Write = Callable[[str], Path]


def cases_of(file: Path, **options: Any) -> list[Case]:
    return list(make_plan(load_suite(file, **options)).cases)


OK = "name: s\nbackbones: [resnet20]\nmethods: [dense]\n"
LIST = "name: s\nbackbones: [resnet20]\nmethods:\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

MISTAKES: dict[str, tuple[str, int, str]] = {
    "unknown key": (
        "name: s\nbackbone: [resnet20]\nmethods: [dense]\n",
        2,
        "unknown key 'backbone'; did you mean 'backbones'?",
    ),
    "unknown key in measure": (
        OK + "measure:\n  round: 3\n",
        5,
        "unknown key 'round'; did you mean 'rounds'?",
    ),
    "unknown key in a target": (
        OK + "targets:\n  - name: a\n    prefx: [x]\n",
        6,
        "unknown key 'prefx'; did you mean 'prefix'?",
    ),
    "unknown backbone": (
        "name: s\nbackbones:\n  - resnet20\n  - resnt56\nmethods: [dense]\n",
        4,
        "unknown backbone 'resnt56'; did you mean 'resnet56'?",
    ),
    "unknown family": ("name: s\nbackbones: [layr/3-3-k3]\nmethods: [dense]\n", 2, "did you mean 'layer/…'?"),
    "unknown layer": (
        "name: s\nbackbones: [layer/64-64]\nmethods: [dense]\n",
        2,
        "did you mean 'layer/64-64-k3'?",
    ),
    "glob without a backbone": (
        "name: s\nbackbones: ['xx*']\nmethods: [dense]\n",
        2,
        "no backbone fits 'xx*'",
    ),
    "unknown method": (LIST + "  - densee\n", 4, "unknown method 'densee'; did you mean 'dense'?"),
    "unknown method with knobs": (LIST + "  - dense\n  - csr_cnv: {T: 4}\n", 5, "did you mean 'csr_conv'?"),
    "unknown method in a chain": (
        LIST + "  - chain:\n    - dense\n    - psconvv: {variant: pSC4}\n",
        6,
        "did you mean 'psconv'?",
    ),
    "unknown knob": (
        LIST + "  - csr_conv:\n      T: 4\n      ordr: literal\n",
        6,
        "has no knob 'ordr'; did you mean 'order'?",
    ),
    "knob of the wrong type": (
        LIST + "  - csr_conv:\n      order: literal\n      T: four\n",
        6,
        "knob T takes a whole number",
    ),
    "knob out of range": (LIST + "  - csr_conv: {T: 0}\n", 4, "T=0: the number of steps must be at least 1"),
    "second value of a knob out of range": (
        LIST + "  - csr_conv:\n      order: [literal]\n      T: [2, 0]\n",
        6,
        "T=0",
    ),
    "knob missing": (LIST + "  - csr_conv\n", 4, "needs the knob T, for example csr_conv: {T: …}"),
    "knobs that are no mapping": (LIST + "  - csr_conv: 4\n", 4, "the knobs of csr_conv are a mapping"),
    "two methods in one entry": (
        LIST + "  - {csr_conv: {T: 2}, dense: }\n",
        4,
        "a method is a name or a mapping with one name",
    ),
    "method that is a number": (LIST + "  - 3\n", 4, "methods.0: "),
    "empty chain": (LIST + "  - chain: []\n", 4, "a chain is a list of methods"),
    "unknown runtime": (OK + "runtimes:\n  - eagr\n", 5, "unknown runtime 'eagr'; did you mean 'eager'?"),
    "unknown target": (OK + "targets:\n  - cdua\n", 5, "unknown target 'cdua'; did you mean 'cuda'?"),
    "unknown device": (
        OK + "targets:\n  - name: x\n    device: gpu\n",
        6,
        "targets.0.device: must be 'cpu' or 'cuda', not 'gpu'",
    ),
    "target without a name": (OK + "targets:\n  - device: cpu\n", 5, "target 'device' is a mapping: "),
    "target with a key too many": (
        OK + "targets:\n  pi:\n    lunch: ssh pi\n",
        6,
        "unknown key 'lunch'; did you mean 'launch'?",
    ),
    "target with two launchers": (
        OK + "targets:\n  pi: {launch: ssh pi, prefix: [ssh]}\n",
        5,
        "target 'pi': `prefix` is an earlier name of `launch`: give one of them",
    ),
    "emulation of nothing": (OK + "targets:\n  - q: {launch: qemu}\n", 5, "go together"),
    "emulated device": (
        OK + "targets:\n  q: {launch: qemu, cpu: cortex-a72, device: cuda}\n",
        5,
        "an emulated core has no device cuda",
    ),
    "open quote": (OK + "targets:\n  q: {launch: 'ssh \"pi'}\n", 5, "No closing quotation"),
    "no threads": (OK + "targets:\n  cpu: {threads: 0}\n", 5, "targets.cpu.threads: must be greater"),
    "odd cores": (OK + "targets:\n  cpu: {cores: fast}\n", 5, "targets.cpu.cores: must match"),
    "targets that are nothing": (
        OK + "targets: {}\n",
        4,
        "targets: the list is empty; it needs at least one item",
    ),
    "target with a slash in its name": (
        OK + "targets: [{name: a/b}]\n",
        4,
        "'a/b' is no name of a target",
    ),
    "two targets of one name": (
        OK + "targets:\n  - cpu\n  - name: cpu\n    prefix: [taskset]\n",
        6,
        "two different targets are called 'cpu'",
    ),
    "missing key": ("name: s\nbackbones: [resnet20]\n", 1, "the key 'methods' is missing"),
    "wrong type in a list": (OK + "batches: [one]\n", 4, "batches.0: must be a valid integer, not 'one'"),
    "wrong type for a list": (OK + "batches: 1\n", 4, "batches: must be a valid list, not 1"),
    "wrong type in measure": (
        OK + "measure:\n  rounds: '3'\n",
        5,
        "measure.rounds: must be a valid integer, not '3'",
    ),
    "number for a name": (
        "name: 3\nbackbones: [resnet20]\nmethods: [dense]\n",
        1,
        "name: must be a valid string, not 3",
    ),
    "name with a blank": (
        "name: a b\nbackbones: [resnet20]\nmethods: [dense]\n",
        1,
        "name: must match pattern",
    ),
    "nothing after a key": ("name: s\nbackbones:\nmethods: [dense]\n", 2, "backbones: must be a valid list"),
    "batch of none": (OK + "batches: [0]\n", 4, "batches.0: must be greater than or equal to 1, not 0"),
    "no time": (OK + "measure: {min_seconds: .nan}\n", 4, "measure.min_seconds: "),
    "minimum above maximum": (
        OK + "measure: {min_seconds: 3}\n",
        4,
        "measure: min_seconds 3 is above max_seconds 2",
    ),
    "unknown memory format": (
        OK + "memory_formats: [nhwc]\n",
        4,
        "must be 'contiguous' or 'channels_last', not 'nhwc'",
    ),
    "unknown dtype": (
        OK + "dtypes: [half]\n",
        4,
        "must be 'float32', 'bfloat16' or 'float16', not 'half'",
    ),
    "empty backbones": ("name: s\nbackbones: []\nmethods: [dense]\n", 2, "backbones: the list is empty"),
    "empty methods": ("name: s\nbackbones: [resnet20]\nmethods: []\n", 3, "methods: the list is empty"),
    "empty batches": (OK + "batches: []\n", 4, "batches: the list is empty"),
    "empty list of a knob": (LIST + "  - csr_conv: {T: []}\n", 4, "the list of knob T is empty"),
    "input that is no shape": (OK + "inputs: [32x32, 3x]\n", 4, "input '3x' is no shape; 3x32x32 is one"),
    "input of no pixels": (OK + "inputs: [0x32x32]\n", 4, "is no shape"),
    "syntax": ("name: s\nbackbones: [resnet20\nmethods: [dense]\n", 3, "YAML syntax error"),
    "duplicate key": (OK + "name: t\n", 4, "key 'name' stands twice"),
    "anchors that explode": (LAUGHS, 1, "anchors expand to more than"),
    "anchor that contains itself": ("name: s\nbackbones: &a [*a]\n", 2, "an anchor contains itself"),
    "deep nesting": ("name: " + "[" * 1000 + "]" * 1000, 1, "nesting is too deep"),
    "empty file": ("", 1, "a suite is a mapping with at least name, backbones and methods"),
    "list at top level": ("- name\n- s\n", 1, "a suite is a mapping"),
    "word at top level": ("resnet20\n", 1, "a suite is a mapping"),
    "include leaves nothing": (OK + "include: [nothing*]\n", 4, "include and exclude leave no case"),
    "exclude leaves nothing": (
        OK + "include: ['*']\nexclude: ['*']\n",
        5,
        "include and exclude leave no case",
    ),
    "plugin that is not allowed": (
        OK + "plugins:\n  - nothere.py\n",
        5,
        "nothere.py` allows this file, `--trust` all that the suite names",
    ),
    "name of 300 characters": (
        f"name: {'x' * 300}\nbackbones: [resnet20]\nmethods: [dense]\n",
        1,
        "name: must have at most 100 characters, not 'xxx",
    ),
    "lists that multiply to millions": (
        OK + f"seeds: {list(range(1000))}\nbatches: {list(range(1, 1001))}\n",
        1,
        "the lists multiply to 1,000,000 cases; shorten them to at most 100,000",
    ),
    "knobs that multiply to millions": (
        LIST + f"  - ghost: {{ratio: {list(range(2, 1003))}, dw: {list(range(1, 1003, 2))}}}\n",
        4,
        "the lists of its knobs multiply to more than 100,000 settings",
    ),
    "chain that multiplies to millions": (
        LIST + f"  - chain: [ghost: {{ratio: &r {list(range(2, 400))}}}, ghost: {{ratio: *r}}]\n",
        4,
        "the lists of this chain multiply to more than 100,000 settings",
    ),
    "word with a line end": (
        'name: s\nbackbones: ["a\\nb"]\nmethods: [dense]\n',
        2,
        "unknown backbone 'a b'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(suite_file: Write, mistake: str) -> None:
    text, line, words = MISTAKES[mistake]
    file = suite_file(text)
    assert_named(lambda: cases_of(file), file, line, words)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_suite(tmp_path / "no.yaml")


@pytest.fixture
def isolated() -> Iterator[None]:
    """A plugin's names are gone when its test is over."""
    with plugins.isolated():
        yield


@pytest.mark.usefixtures("isolated")
def test_a_plugin_stands_beside_the_suite(suite_file: Write, tmp_path: Path) -> None:
    (tmp_path / "beside_the_suite.py").write_text(
        "from bench.methods.parts.method import Rewritten, method\n"
        "@method('beside_the_suite')\n"
        "def beside(network, context, *, n: int = 1):\n"
        "    '''Nothing.'''\n"
        "    return Rewritten(network)\n"
    )
    text = LIST + "  - beside_the_suite: {n: 2}\nplugins: [beside_the_suite.py]\n"
    (case,) = cases_of(suite_file(text), trust=True)
    assert case.method == "beside_the_suite(n=2)"


@pytest.mark.usefixtures("isolated")
def test_a_trusted_plugin_that_is_missing_is_named(suite_file: Write) -> None:
    file = suite_file(OK + "plugins:\n  - nothere.py\n")
    with pytest.raises(InputError, match=r"s\.yaml:5: plugin '.*nothere.py' is not a Python file"):
        load_suite(file, trust=True)


@pytest.mark.usefixtures("isolated")
def test_bug_planning_a_suite_ran_the_files_that_it_names(suite_file: Write, tmp_path: Path) -> None:
    (tmp_path / "spy.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "other.py").write_text("")
    file = suite_file(OK + "plugins: [spy.py]\n")
    for allowed in ([], [str(tmp_path / "other.py")]):
        with pytest.raises(InputError) as caught:
            load_suite(file, allowed)
        assert f"{file}:4: the suite names the plugin {tmp_path / 'spy.py'}" in str(caught.value)
        assert not (tmp_path / "ran").exists()
    assert load_suite(file, [str(tmp_path / "spy.py")]).plugins == (str(tmp_path / "spy.py"),)
    assert (tmp_path / "ran").exists()


words = st.text("abcdefghijk-_.*?[!/ é\n", max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.sampled_from(
    ["resnet20", "dense", "csr_conv", "psconv", "eager", "cpu", "3x8x8", "chain", "*", "layer/4-4-k3"]
)  # fmt: skip
keys = words | st.sampled_from(
    [
        "name",
        "backbones",
        "methods",
        "T",
        "skip",
        "chain",
        "csr_conv",
        "psconv",
        "variant",
        "prefix",
        "device",
    ]
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
suite_like = st.fixed_dictionaries(
    {},
    optional={
        **{name: anything for name in Suite.model_fields if name != "plugins"},
        "name": st.just("s") | anything,
        "backbones": st.just(["resnet20"]) | anything,
        "methods": st.just(["dense"]) | st.lists(anything, max_size=3) | anything,
        "measure": st.dictionaries(st.sampled_from(list(Measure.model_fields)), anything) | anything,
        "more": anything,
    },
)


@given(suite_like | anything)
def test_any_data_is_a_suite_or_refused_in_one_line(tmp_path_factory: Any, data: Any) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    message = ""
    try:
        assert cases_of(file)
    except InputError as error:
        message = str(error)
    assert not message or message.startswith(str(file))
    assert len(message.splitlines()) <= 1


def ids(file: Path) -> list[str]:
    return [case.id for case in cases_of(file)]


GOLDEN = """\
name: golden
backbones: [resnet20, layer/64-128-k3-s2]
methods:
  - dense
  - csr_conv: {T: [2, 4]}
  - csr_conv: {T: {expand: 3, project: 4}}
  - psconv: {variant: [pSC4, PSD2_P8], skip: [layer1.*, layer2.*]}
  - chain: [csr_conv: {T: 2}, psconv: {variant: [pSC4, pSC2]}]
batches: [1, 8]
threads: [2]
exclude: ["*/b8/*", "!resnet20/dense/*"]
"""

GOLDEN_IDS = [
    "resnet20/dense/eager/cpu/b1/3x32x32/t2",
    "resnet20/dense/eager/cpu/b8/3x32x32/t2",
    "resnet20/csr_conv(T=2)/eager/cpu/b1/3x32x32/t2",
    "resnet20/csr_conv(T=4)/eager/cpu/b1/3x32x32/t2",
    "resnet20/csr_conv(T=expand:3+project:4)/eager/cpu/b1/3x32x32/t2",
    "resnet20/psconv(variant=pSC4,skip=layer1.*+layer2.*)/eager/cpu/b1/3x32x32/t2",
    "resnet20/psconv(variant=PSD2_P8,skip=layer1.*+layer2.*)/eager/cpu/b1/3x32x32/t2",
    "resnet20/csr_conv(T=2)+psconv(variant=pSC4)/eager/cpu/b1/3x32x32/t2",
    "resnet20/csr_conv(T=2)+psconv(variant=pSC2)/eager/cpu/b1/3x32x32/t2",
    "layer/64-128-k3-s2/dense/eager/cpu/b1/64x32x32/t2",
    "layer/64-128-k3-s2/csr_conv(T=2)/eager/cpu/b1/64x32x32/t2",
    "layer/64-128-k3-s2/csr_conv(T=4)/eager/cpu/b1/64x32x32/t2",
    "layer/64-128-k3-s2/csr_conv(T=expand:3+project:4)/eager/cpu/b1/64x32x32/t2",
    "layer/64-128-k3-s2/psconv(variant=pSC4,skip=layer1.*+layer2.*)/eager/cpu/b1/64x32x32/t2",
    "layer/64-128-k3-s2/psconv(variant=PSD2_P8,skip=layer1.*+layer2.*)/eager/cpu/b1/64x32x32/t2",
    "layer/64-128-k3-s2/csr_conv(T=2)+psconv(variant=pSC4)/eager/cpu/b1/64x32x32/t2",
    "layer/64-128-k3-s2/csr_conv(T=2)+psconv(variant=pSC2)/eager/cpu/b1/64x32x32/t2",
]


def test_ids_stay_what_they_were(suite_file: Write) -> None:
    assert ids(suite_file(GOLDEN)) == GOLDEN_IDS


def test_lists_multiply(suite_file: Write) -> None:
    text = OK + (
        "runtimes: [eager, compile]\ntargets: [cpu, cuda]\nbatches: [1, 2, 4]\ninputs: [32x32, 64x64]\n"
        "seeds: [0, 1]\nthreads: [1, 2]\nmemory_formats: [contiguous, channels_last]\n"
        "dtypes: [float32, bfloat16, float16]\n"
    )
    found = ids(suite_file(text))
    assert len(found) == len(set(found)) == 2 * 2 * 3 * 2 * 2 * 2 * 2 * 3


def test_duplicates_collapse(suite_file: Write) -> None:
    text = (
        "name: s\nbackbones: [resnet20, 'resnet2*', resnet20]\nbatches: [1, 1]\ntargets: [cpu, cpu]\n"
        "methods: [dense, dense, csr_conv: {T: [2, 2]}, csr_conv: {order: literal, T: 2},"
        " csr_conv: {T: 2, order: literal}]\n"
    )
    assert [case.method for case in cases_of(suite_file(text))] == [
        "dense",
        "csr_conv(T=2)",
        "csr_conv(T=2,order=literal)",
    ]


def test_different_cases_of_one_id_are_refused(suite_file: Write) -> None:
    text = LIST + "  - psconv: {variant: pSC4, skip: [[a, b], [a+b]]}\n"
    with pytest.raises(InputError, match=r"s.yaml:3: two cases share the id resnet20/psconv.*skip=a\+b"):
        cases_of(suite_file(text))


def test_a_glob_stands_for_all_backbones_that_fit(suite_file: Write) -> None:
    cases = cases_of(suite_file("name: s\nbackbones: ['resnet[235]*']\nmethods: [dense]\n"))
    assert [case.backbone for case in cases] == ["resnet20", "resnet32", "resnet50", "resnet56"]


def test_inputs_default_to_the_backbones_own(suite_file: Write) -> None:
    text = "name: s\nbackbones: [resnet20, torchvision/resnet18, layer/7-7-k3]\nmethods: [dense]\n"
    assert [case.input for case in cases_of(suite_file(text))] == [
        (3, 32, 32),
        (3, 224, 224),
        (7, 32, 32),
    ]


def test_a_height_and_width_take_the_backbones_channels(suite_file: Write) -> None:
    text = "name: s\nbackbones: [resnet20, layer/7-7-k3]\nmethods: [dense]\ninputs: [16x8, 4x5x6]\n"
    assert [case.input for case in cases_of(suite_file(text))] == [
        (3, 16, 8),
        (4, 5, 6),
        (7, 16, 8),
        (4, 5, 6),
    ]


def test_include_keeps_what_fits_and_its_later_globs_decide(suite_file: Write) -> None:
    text = OK + "batches: [1, 2, 4]\ninclude: ['*/b?/*', '!*/b2/*']\n"
    assert [case.batch for case in cases_of(suite_file(text))] == [1, 4]


def test_exclude_can_take_a_case_back_in(suite_file: Write) -> None:
    text = OK + "batches: [1, 2, 4]\nexclude: ['*', '!*/b2/*']\n"
    assert [case.batch for case in cases_of(suite_file(text))] == [2]


def test_a_target_of_ones_own(suite_file: Write) -> None:
    text = OK + 'targets: [{name: pinned, prefix: [taskset, -c, "0"], python: /bin/python}]\n'
    loaded = load_suite(suite_file(text))
    (case,) = make_plan(loaded).cases
    target = loaded.targets[case.target]
    assert (target.name, target.device, target.prefix, target.python) == (
        "pinned",
        "cpu",
        ("taskset", "-c", "0"),
        "/bin/python",
    )


def test_quick_shortens_and_never_lengthens() -> None:
    quick = Measure().quickened()
    assert (quick.rounds, quick.min_samples) == (2, 16)
    assert quick.min_seconds <= quick.max_seconds
    short = Measure(
        rounds=1, passes=2, min_samples=3, min_seconds=0.001, max_seconds=0.01, warmup_max_seconds=0.01
    )
    assert short.quickened().model_dump() == short.model_dump()


def test_cases_are_cases(suite_file: Write) -> None:
    assert cases_of(suite_file(OK)) == [Case("resnet20", cases_of(suite_file(OK))[0].methods)]


def test_bug_quick_in_a_suite_set_the_mark_and_shortened_nothing(suite_file: Callable[[str], Path]) -> None:
    file = suite_file("name: s\nbackbones: [resnet20]\nmethods: [dense]\nmeasure: {quick: true}\n")
    with pytest.raises(InputError, match=r"s\.yaml:4: unknown key 'quick'"):
        load_suite(file)


def test_a_trial_may_sample_for_a_fixed_time() -> None:
    assert Measure(min_seconds=2.0, max_seconds=2.0).min_seconds == 2.0
    with pytest.raises(ValueError, match=r"min_seconds 2\.5 is above max_seconds 2"):
        Measure(min_seconds=2.5, max_seconds=2.0)


def test_quick_samples_for_a_fifth_of_the_time() -> None:
    quick = Measure(min_seconds=0.25, max_seconds=2.0, warmup_max_seconds=1.0).quickened()
    assert (quick.min_seconds, quick.max_seconds, quick.warmup_max_seconds) == (0.05, 0.4, 0.2)
