"""What a backbone is, and the registry that finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from bench.case import Shape
from bench.errors import InputError
from bench.registry import Registry

Output = Literal["logits", "map", "features"]
"""What a network answers an image with: one number per class, a map of them, or channels of its own."""


@dataclass(frozen=True)
class Backbone:
    """A network before compression.

    ``build(classes)`` returns it with random weights; ``input`` and ``classes`` are its customary
    ones. ``keep_first``: methods leave its first convolution dense by default. ``fixed_width``:
    globs of the convolutions whose output channels cannot be removed, because a shortcut without
    weights ties them together. ``draw_norms`` False leaves BatchNorm in its initial state: for a
    network that reproduces figures taken in that state. ``output``: ``logits`` (B, classes), a ``map``
    (B, classes, H, W) as in segmentation, or ``features``, whose channels are the network's own and know
    no classes. ``head``: globs of the convolutions that make the map; methods leave them as they leave a
    linear classifier.
    """

    name: str
    build: Callable[[int], nn.Module]
    input: Shape
    classes: int
    summary: str
    keep_first: bool = True
    fixed_width: tuple[str, ...] = ()
    draw_norms: bool = True
    output: Output = "logits"
    head: tuple[str, ...] = ()

    def network(self, classes: int | None = None, seed: int = 0) -> nn.Module:
        """The network in eval mode, its weights drawn from ``seed`` alone, on the CPU.

        Raises InputError for ``classes`` where the network knows none.

        BatchNorm statistics and affine weights are drawn too, unless ``draw_norms`` is False: their
        initial 0 and 1 would let a broken one pass unseen, and MobileNetV2 in its initial state answers
        with values near 1e-9.
        """
        refuse_classes(self.name, self.output, classes)
        generator_state = torch.get_rng_state()
        try:
            torch.manual_seed(seed)
            network = self.build(self.classes if classes is None else classes)
            if self.draw_norms:
                draw_norm_statistics(network)
        finally:
            torch.set_rng_state(generator_state)
        return network.eval()

    def check_answer(self, answer: object, classes: int | None = None) -> None:
        """Raises ValueError unless ``answer`` is what the network promises for a batch of images.

        ``classes``: as many as were asked for, None for the customary number, to which only a map is held.
        """
        if not isinstance(answer, Tensor):
            raise ValueError(
                f"{self.name} answers with a {type(answer).__name__}: one tensor can be measured"
            )
        shape = "×".join(map(str, answer.shape))
        if self.output == "map" and (answer.ndim != 4 or answer.shape[1] != (classes or self.classes)):
            wanted = f"a map N×C×H×W of {classes or self.classes} channels"
            raise ValueError(f"{self.name} answers with {shape}, where {wanted} is due")
        if classes is not None and (answer.ndim < 2 or answer.shape[1] != classes):
            raise ValueError(f"{self.name} answers with {shape}, where {classes} classes were asked for")


def refuse_classes(name: str, output: Output, classes: int | None) -> None:
    """Raises InputError for a number of classes that a network without classes cannot honour."""
    if classes is not None and output == "features":
        raise InputError(
            f"{name} knows no classes and cannot have {classes}: its output channels are its own; leave "
            "classes out, or measure it in a suite of its own"
        )


@runtime_checkable
class HasStages(Protocol):
    """A network that is a chain of stages, between which its features can be read."""

    def as_stages(self) -> dict[str, nn.Module]:
        """Name -> stage, in their order: applied one after the other they are the network, whose weights
        they share. All but the last give features (B, C, H, W), the last one (B, classes)."""
        ...


def draw_norm_statistics(network: nn.Module) -> None:
    """Draws the statistics and affine weights of every BatchNorm inside, near their usual values."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None:
                assert module.running_mean is not None
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.5, 1.0)
                if module.affine:
                    module.weight.uniform_(0.8, 1.2)
                    module.bias.uniform_(-0.1, 0.1)


BACKBONES: Registry[Backbone] = Registry("backbone", "bench.models")


def backbone(
    name: str,
    *,
    input: Shape = (3, 32, 32),
    classes: int = 10,
    fixed_width: tuple[str, ...] = (),
    draw_norms: bool = True,
    output: Output = "logits",
    head: tuple[str, ...] = (),
) -> Callable[[Callable[[int], nn.Module]], Callable[[int], nn.Module]]:
    """Registers ``build(classes) -> nn.Module`` under ``name``; its docstring's first line is shown by
    ``bench list backbones``."""

    def register(build: Callable[[int], nn.Module]) -> Callable[[int], nn.Module]:
        summary = (build.__doc__ or "").strip().partition("\n")[0]
        fields = (input, classes, summary, True, fixed_width, draw_norms, output, head)
        BACKBONES.add(name, Backbone(name, build, *fields))
        return build

    return register
