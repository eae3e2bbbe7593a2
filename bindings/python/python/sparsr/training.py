"""Networks that learn from pictures, a batch at a time: the loop of `sparsr train`, in Python's hands."""

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _sparsr
from ._errors import FileNotFound, ShapeError
from ._evaluation import Pictures, _named, _rgb8

Batch = tuple[NDArray[Any], NDArray[Any]]


class Step(NamedTuple):
    """What an iteration found."""

    loss: float
    """Before the update, in the network's own range, in which white is 1 or 255."""
    norm: float
    """The gradient's, before it was clipped."""


class Trainer:
    """A network that learns.

    model         what it begins with: a name, a path, bytes or a Model
    size          the side of small pictures, in pixels
    at_once       how many pictures go through the network at once: on the CPU 1, so that each thread has one
    device        as of an Upscaler
    precision     "f32", or "f16": on a GPU, of values and their gradients, in half of the memory; "auto" is f32
    loss          "l1", "charbonnier" or "mse"
    betas, weight_decay, decoupled
                  Adam's; AdamW's if decoupled
    clip          the most that the gradient's norm may be
    ema           the decay of the averages, which are the network that comes of it; 0 for none
    unit          what samples are counted in within the network, so that one rate is right for all layers
    freeze        how the names of parameters begin that stay as they are
    threads       how many threads the CPU engine may use

    The same start and the same batches give the same numbers, bit for bit, on the same engine.
    """

    def __init__(
        self,
        model: str | PathLike[str] | bytes | _sparsr.Model,
        *,
        size: int = 24,
        at_once: int = 1,
        device: str | int = "auto",
        precision: str = "auto",
        loss: str = "l1",
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        decoupled: bool = False,
        clip: float | None = None,
        ema: float = 0.999,
        unit: float = 64.0,
        freeze: Sequence[str] = ("sub_mean", "add_mean"),
        threads: int | None = None,
    ) -> None:
        self._core = _sparsr.Trainer(
            model,
            size=size,
            at_once=at_once,
            device=str(device),
            precision=precision,
            loss=loss,
            betas=betas,
            weight_decay=weight_decay,
            decoupled=decoupled,
            clip=clip,
            ema=ema,
            unit=unit,
            freeze=list(freeze),
            threads=threads,
        )

    def step(self, small: NDArray[Any], large: NDArray[Any], rate: float) -> Step:
        """One iteration: pictures × rows × columns × 3 of uint8 or float32, and what they shall become.

        If loss or gradient are no finite numbers it raises Diverged, and nothing is changed.
        """
        return Step(*self._core.step(small, large, rate))

    @property
    def iteration(self) -> int:
        """How many there were."""
        return self._core.iteration

    def model(self, averaged: bool = True) -> _sparsr.Model:
        """The network of the averaged numbers, or of those of the last iteration."""
        return self._core.model(averaged)

    def state(self) -> bytes:
        """All that the training needs to go on as if it had not stopped."""
        return self._core.state()

    def restore(self, state: bytes) -> None:
        """Goes on from a state of a training of the same network with the same settings."""
        self._core.restore(state)


def crops(pictures: Pictures, scale: int, *, size: int = 24, batch: int = 16, seed: int = 0) -> Iterator[Batch]:
    """Batches without end: small pictures, `size` pixels a side, and the large ones that they shall become.

    `pictures` are a folder, or arrays of 8-bit RGB, PIL images or paths; small ones are made of whole ones, as MATLAB's
    imresize does. Each crop is mirrored and turned by chance. A batch depends on `seed` and its number alone.
    """
    pairs = [_pair(name, _rgb8(picture), scale, size) for name, picture in _named(pictures)]
    if not pairs:
        raise FileNotFound("there are no pictures to learn from")
    return _batches(pairs, scale, size, batch, seed)


def _pair(name: str, large: NDArray[np.uint8], scale: int, size: int) -> Batch:
    height, width = large.shape[0] // scale, large.shape[1] // scale
    if min(height, width) < size:
        expected = f"expected at least {size * scale} pixels a side"
        raise ShapeError(f"{name}: {expected}, found {large.shape[1]}x{large.shape[0]}")
    large = large[: height * scale, : width * scale]
    return _sparsr.bicubic(large, width, height), large


def _batches(pairs: list[Batch], scale: int, size: int, batch: int, seed: int) -> Iterator[Batch]:
    number = 0
    while True:
        chance = np.random.default_rng([seed, number])
        drawn = [_crop(pairs[chance.integers(len(pairs))], scale, size, chance) for _ in range(batch)]
        yield np.stack([small for small, _ in drawn]), np.stack([large for _, large in drawn])
        number += 1


def _crop(pair: Batch, scale: int, size: int, chance: np.random.Generator) -> Batch:
    small, large = pair
    y, x = (int(chance.integers(side - size + 1)) for side in small.shape[:2])
    turns, mirrored = int(chance.integers(4)), bool(chance.integers(2))

    def cut(picture: NDArray[Any], scale: int) -> NDArray[Any]:
        part = picture[y * scale : (y + size) * scale, x * scale : (x + size) * scale]
        return np.rot90(part[:, ::-1] if mirrored else part, turns)

    return cut(small, 1), cut(large, scale)
