"""Maps and features are measured like logits, and classes are never ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.case import Case, MethodCall
from bench.errors import InputError
from bench.methods.parts.method import Context
from bench.methods.parts.pruning import prunable
from bench.methods.parts.saliency import SynFlow, grasp_scores, loss_gradients, random_batch, snip_scores
from bench.models import BACKBONES
from bench.models.base import Output, backbone
from bench.network import check_answer, prepare
from bench.plan.plan import make_plan
from bench.plan.suite import load_suite
from bench.worker.counter import count_case
from bench.worker.output import describe_output

DENSE = (MethodCall("dense"),)


class SmallUNet(nn.Module):
    """Two levels with a concatenation between: (B, 3, H, W) -> (B, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, padding=1)
        self.deep = nn.Conv2d(8, 16, 3, padding=1)
        self.up = nn.Conv2d(24, 8, 3, padding=1)
        self.head = nn.Conv2d(8, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.down(x))
        deep = F.interpolate(torch.relu(self.deep(F.max_pool2d(x, 2))), scale_factor=2.0)
        return self.head(torch.relu(self.up(torch.cat([x, deep], 1))))  # type: ignore[no-any-return]


class Several(nn.Module):
    """A network that answers with a list."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return [x]


@pytest.fixture
def own() -> Iterator[Callable[..., None]]:
    """Registers a backbone for one test."""

    def register(name: str, build: Callable[[int], nn.Module], output: Output = "map", **fields: Any) -> None:
        backbone(name, input=(3, 16, 16), classes=2, output=output, **fields)(build)

    with BACKBONES.isolated():
        yield register


def small(method: str = "dense", classes: int | None = None, **knobs: Any) -> Case:
    return Case("small_unet", (MethodCall(method, knobs),), input=(3, 16, 16), classes=classes)


@pytest.mark.parametrize(
    ("method", "knobs"),
    [
        ("dense", {}),
        ("csr_conv", {"T": 2}),
        ("filter_l1", {"ratio": 0.5}),
        ("group_l1", {"ratio": 0.5}),
        ("precrop", {"density": 0.5, "iterations": 3}),
        ("snip", {"density": 0.5}),
        ("grasp", {"density": 0.5}),
        ("synflow", {"density": 0.5, "iterations": 3}),
        ("dnr", {"density": 0.5}),
        ("svd", {"ratio": 0.5}),
        ("int8", {}),
    ],
)
@pytest.mark.parametrize("classes", [None, 1, 5])
def test_every_kind_of_method_keeps_the_map(
    own: Callable[..., None], method: str, knobs: dict[str, Any], classes: int | None
) -> None:
    own("small_unet", SmallUNet, head=("head",))
    case = small(method, classes, **knobs)
    if method == "svd":  # its only 1×1 layer makes the output
        with pytest.raises(ValueError, match="makes the output"):
            prepare(case)
        return
    network = prepare(case)[0].network
    check_answer(network, case)
    with torch.no_grad():
        assert network(torch.randn(3, 3, 16, 16)).shape == (3, classes or 2, 16, 16)


def test_labels_of_a_map_are_per_pixel_and_one_logit_is_a_yes_or_no() -> None:
    context = Context(0, (3, 8, 8))
    for classes in (1, 4):
        network = SmallUNet(classes).eval()
        images, labels = random_batch(network, context)
        assert labels.shape == (len(images), 8, 8)
        assert set(labels.unique().tolist()) == set(range(max(2, classes)))


def test_bug_a_single_logit_had_no_gradient() -> None:
    """Cross-entropy over one class is 0 whatever the weights: every score was 0."""
    network, context = SmallUNet(1).eval(), Context(0, (3, 8, 8))
    layers = prunable(network)
    for scores in (snip_scores(network, layers, context), grasp_scores(network, layers, context)):
        assert all(bool(score.any()) for score in scores.values())


def test_a_maps_loss_is_the_mean_over_its_pixels() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1)).eval()
    layers, (images, labels) = prunable(network), random_batch(network, Context(0, (3, 4, 4)))
    found = loss_gradients(network, layers, images, labels)["0"]
    rows = network(images).permute(0, 2, 3, 1).reshape(-1, 4)
    (expected,) = torch.autograd.grad(F.cross_entropy(rows, labels.flatten()), layers["0"].weight)
    torch.testing.assert_close(found, expected)


def test_synflows_scores_of_a_map_sum_to_the_sum_of_the_map() -> None:
    network = nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.ReLU(), nn.Conv2d(6, 4, 3, bias=False)).eval()
    total, scores = SynFlow(network, prunable(network), Context(0, (3, 8, 8))).scores()
    for score in scores.values():
        assert float(score.sum()) == pytest.approx(total)


def test_a_map_is_described_with_its_shape() -> None:
    assert describe_output(torch.ones(2, 3, 8, 8)).shape == (2, 3, 8, 8)


@pytest.mark.parametrize(
    ("output", "build", "classes", "words"),
    [
        ("map", lambda _: nn.Flatten(), None, "answers with 1×768, where a map N×C×H×W of 2 channels is due"),
        ("map", lambda _: nn.Identity(), None, "answers with 1×3×16×16, where a map N×C×H×W of 2 channels"),
        ("logits", lambda _: nn.Identity(), 10, "answers with 1×3×16×16, where 10 classes were asked for"),
        ("logits", lambda _: Several(), None, "answers with a list: one tensor can be measured"),
    ],
)
def test_an_answer_that_is_not_what_was_promised_is_a_failed_case_in_words(
    own: Callable[..., None], output: Output, build: Any, classes: int | None, words: str
) -> None:
    own("odd", build, output)
    found = count_case(Case("odd", DENSE, input=(3, 16, 16), classes=classes))
    assert found.error is not None
    assert words in found.error.message


def test_a_plugins_network_without_classes_asked_for_may_answer_as_it_likes(own: Callable[..., None]) -> None:
    own("odd", lambda _: nn.Conv2d(3, 7, 1), "logits")
    assert count_case(Case("odd", DENSE, input=(3, 16, 16))).error is None


SUITE = "name: mine\nbackbones: [resnet20, {name}]\nmethods: [dense]\nclasses: 10\n"


def test_classes_of_a_suite_are_a_maps_channels(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SUITE.replace("{name}", "mk_unet_t"))
    cases = make_plan(load_suite(file)).cases
    assert [case.classes for case in cases] == [10, 10]
    with torch.no_grad():
        answer = BACKBONES.get("mk_unet_t").network(cases[1].classes)(torch.randn(1, 3, 32, 32))
    assert answer.shape == (1, 10, 32, 32)


def test_bug_classes_of_a_single_layer_were_ignored_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SUITE.replace("{name}", "layer/4-4-k3"))
    with pytest.raises(InputError, match=r"mine\.yaml:4: layer/4-4-k3 knows no classes"):
        make_plan(load_suite(file))
    with pytest.raises(InputError, match="layer/4-4-k3 knows no classes and cannot have 10"):
        BACKBONES.get("layer/4-4-k3").network(10)


def test_bug_bench_count_ignored_classes_of_a_single_layer(bench: Callable[..., Any]) -> None:
    said = bench("count", "layer/4-4-k3", "dense", "--classes", "10")
    assert (said.code, said.out) == (2, "")
    assert "layer/4-4-k3 knows no classes" in said.err
