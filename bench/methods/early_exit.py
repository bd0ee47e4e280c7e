"""Early exits: side branches at which sure inputs leave (BranchyNet: Teerapittayanon et al., ICPR 2016).

The rule to leave is the paper's (section III, algorithm 1: the entropy of the branch's softmax is below the
branch's threshold). Where branches stand and what they are is ours: the paper sets both by hand, network by
network.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.methods.parts.method import Context, Replaced, Rewritten, method
from bench.models.base import HasStages, draw_norm_statistics
from bench.models.calibration import calibrate

Recipe = dict[str, Any]
"""``entropies``: below which an input leaves, by exit; ``left``: inputs that do, the end's last."""

END = "end"
CALIBRATION_IMAGES = 8


class Way(nn.Module):
    """Stages with the branches behind them, and the answers of all on the way: (B, C, H, W) -> (B, classes)
    of each branch in turn, and of the last stage where no branch follows it."""

    def __init__(self, trunk: Mapping[str, nn.Module], branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.trunk = nn.ModuleDict(trunk)
        self.branches = nn.ModuleDict(branches)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        answers: list[Tensor] = []
        for name, stage in self.trunk.items():
            x = stage(x)
            if name in self.branches:
                answers.append(self.branches[name](x))
                entropy(answers[-1])  # asked at every exit on the way, so it is part of the work
            else:
                answers.append(x)
        return tuple(answers)


class EarlyExitNetwork(nn.Module):
    """A chain of stages with a branch behind each but the last: (1, C, H, W) -> (1, classes).

    An input runs stage after stage and leaves at the first branch whose answer has an entropy below that
    branch's threshold in ``entropies`` (nats), else at the end.
    """

    def __init__(
        self, trunk: Mapping[str, nn.Module], branches: Mapping[str, nn.Module], recipe: Recipe
    ) -> None:
        super().__init__()
        self.trunk = nn.ModuleDict(trunk)
        self.branches = nn.ModuleDict(branches)
        self.exits = (*branches, END)
        self.entropies = tuple(map(float, recipe["entropies"]))
        self.left = tuple(map(int, recipe["left"]))

    def forward(self, x: Tensor) -> Tensor:
        return self._run(x)[0]

    def left_at(self, x: Tensor) -> int:
        """The exit, from 0, at which one input leaves."""
        return self._run(x)[1]

    def way(self, exit: int) -> nn.Module:
        """Stages and branches up to this exit; see ``HasExits``."""
        trunk = dict(itertools.islice(self.trunk.items(), exit + 1))
        branches = dict(itertools.islice(self.branches.items(), exit + 1))
        return Way(trunk, branches).train(self.training)

    def _run(self, x: Tensor) -> tuple[Tensor, int]:
        if x.shape[0] != 1:
            raise ValueError(f"a batch of {x.shape[0]}: every input leaves by itself, so the batch must be 1")
        for at, (name, stage) in enumerate(self.trunk.items()):
            x = stage(x)
            if name in self.branches:
                answer: Tensor = self.branches[name](x)
                if entropy(answer).item() < self.entropies[at]:
                    return answer, at
        return x, len(self.branches)

    def extra_repr(self) -> str:
        return f"leaves below {', '.join(f'{value:.4f}' for value in self.entropies)} nats"


def entropy(logits: Tensor) -> Tensor:
    """The entropy of the softmax in nats, (B, classes) -> (B): 0 is sure, log(classes) knows nothing."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)


def branch(channels: int, classes: int, convs: int) -> nn.Sequential:
    """``convs`` times 3×3 convolution, BatchNorm and ReLU with as many channels as come, the mean over the
    map, one linear layer: (B, channels, H, W) -> (B, classes)."""
    layers: list[nn.Module] = []
    for _ in range(convs):
        layers.append(nn.Conv2d(channels, channels, 3, padding=1, bias=False))
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
    found = nn.Sequential(*layers).eval()
    draw_norm_statistics(found)
    return found


def settle(entropies: Sequence[Sequence[float]], shares: Iterable[float]) -> Recipe:
    """Thresholds by which, exit by exit, a share of those inputs leaves that come so far.

    ``entropies``: of every input, one row per exit. Of n inputs that come to an exit, share·n leave there,
    rounded to whole ones. Raises ValueError where equal entropies let no threshold do that.
    """
    coming = list(range(len(entropies[0])))
    found: list[float] = []
    left: list[int] = []
    for at, (row, share) in enumerate(zip(entropies, shares, strict=True), 1):
        values = sorted(row[i] for i in coming)
        leaving = math.floor(share * len(values) + 0.5)
        found.append(_between(values, leaving))
        staying = [i for i in coming if not row[i] < found[-1]]
        if len(coming) - len(staying) != leaving:
            raise ValueError(
                f"exit {at}: {leaving} of {len(coming)} inputs should leave there, but some of their "
                "entropies are equal, and no threshold tells these apart; another seed may"
            )
        left.append(leaving)
        coming = staying
    return {"entropies": found, "left": [*left, len(coming)]}


def _between(values: Sequence[float], below: int) -> float:
    """A number above just the first ``below`` of the sorted values, far from the nearest on either side."""
    if below == 0:
        return 0.0  # no entropy is negative
    if below == len(values):
        return values[-1] + 1.0
    return (values[below - 1] + values[below]) / 2


def check(*, threshold: float | tuple[float, ...], convs: int = 1, **_others: Any) -> None:
    """Raises ValueError for a threshold that is no quantile, an empty list, and fewer than no convolution."""
    values = _listed(threshold)
    if not values:
        raise ValueError("threshold is an empty list: one number for every exit, or one for all")
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(
                f"threshold={value}: a quantile between 0 (nobody leaves early) and 1 (all who come leave)"
            )
    if convs < 0:
        raise ValueError(f"convs={convs}: convolutions of a branch, 0 or more")


def prepare(
    network: nn.Module, context: Context, *, threshold: float | tuple[float, ...], convs: int = 1
) -> Recipe:
    """The thresholds, and how many of the seeded inputs leave at each exit.

    Raises ValueError for a network without stages, and for as many thresholds as it has no exits.
    """
    trunk, branches = _parts(copy.deepcopy(network), context, convs)
    shares = _listed(threshold)
    if len(shares) not in (1, len(branches)):
        raise ValueError(
            f"{len(shares)} thresholds for {len(branches)} exits (after {', '.join(branches)}): "
            "one for each, or one for all"
        )
    rows: list[list[float]] = [[] for _ in branches]
    with torch.no_grad():
        for x in context.varied_inputs().split(1):  # one at a time, as they come to the network
            for row, (name, layers) in zip(rows, branches.items(), strict=True):
                x = trunk[name](x)
                row.append(entropy(layers(x)).item())
    return settle(rows, shares * len(rows) if len(shares) == 1 else shares)


@method("early_exit", prepare=prepare, check=check, varies=True)
def early_exit(
    network: nn.Module, context: Context, *, threshold: float | tuple[float, ...], convs: int = 1
) -> Rewritten:
    """Early exits: a branch after each stage, where the share ``threshold`` of those who come leaves.

    ``threshold`` is a quantile, not a confidence: 0.3 sets each exit's threshold to the 0.3-quantile of the
    entropies of the inputs that come to it, so that the surest 30 % leave there; 0 lets nobody leave, 1
    everybody. A list has one number for every exit. Weights and inputs are random, so an absolute confidence
    would mean nothing: which share leaves is set here and not found, and nothing follows about accuracy.

    The thresholds are found on 40 seeded inputs and stand in the recipe; trials visit the same inputs.
    BatchNorm has the statistics of seeded images, for the answers would hardly differ otherwise. ``convs``:
    3×3 convolutions of a branch before its mean and linear layer. Every input leaves by itself, so the
    batch must be 1; ResNet-20/32/56/110 and the VGG-16 for 32×32 inputs have places for exits.
    """
    del threshold  # its thresholds are in the recipe
    dynamic = EarlyExitNetwork(*_parts(network, context, convs), context.recipe)
    replaced = tuple(
        Replaced(name, "no exit", f"an exit with {_described(layers)}, for entropies below {value:.4f} nats")
        for (name, layers), value in zip(dynamic.branches.items(), dynamic.entropies, strict=True)
    )
    return Rewritten(dynamic, replaced)


def _parts(
    network: nn.Module, context: Context, convs: int
) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
    """The network's stages, and a branch for each but the last; BatchNorm has statistics that fit.

    Changes the network's own statistics. Raises ValueError for a network without stages.
    """
    if not isinstance(network, HasStages):
        raise ValueError(
            f"early_exit: {type(network).__name__} names no stages, so there is nothing to attach an exit "
            "to; resnet20, resnet32, resnet56, resnet110 and vgg16_bn have stages"
        )
    trunk = network.as_stages()
    x = context.example_input()
    widths: list[int] = []
    with torch.no_grad():
        for stage in trunk.values():
            x = stage(x)
            widths.append(x.shape[1])
    *channels, classes = widths
    branches: dict[str, nn.Module] = {
        name: branch(width, classes, convs) for name, width in zip(trunk, channels, strict=False)
    }
    calibrate(Way(trunk, branches).eval(), context.example_input(CALIBRATION_IMAGES))
    return trunk, branches


def _described(layers: nn.Module) -> str:
    convs = [layer for layer in layers.modules() if isinstance(layer, nn.Conv2d)]
    linear = next(layer for layer in layers.modules() if isinstance(layer, nn.Linear))
    end = f"mean and linear {linear.in_features} -> {linear.out_features}"
    return f"{len(convs)} × 3×3 {linear.in_features}, {end}" if convs else end


def _listed(threshold: float | tuple[float, ...]) -> tuple[float, ...]:
    return threshold if isinstance(threshold, tuple) else (threshold,)
