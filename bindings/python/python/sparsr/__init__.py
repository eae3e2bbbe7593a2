"""Super-resolution on any GPU: a picture in, one two to four times as large out.

    upscaler = sparsr.Upscaler("smsr-x2")
    large = upscaler(picture)  # an array, a PIL image, or a tensor by DLPack; what goes in comes out

docs/python.md says the rest.
"""

from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from . import _sparsr
from ._errors import (
    ChoiceError,
    DeviceError,
    Diverged,
    Error,
    FileError,
    FileNotFound,
    LimitsError,
    NoAdapter,
    OutOfMemory,
    ShapeError,
    Unsupported,
    WeightsError,
)
from ._sparsr import Model, Progress, __version__, builtin_models, inspect, load
from ._values import Device, Evaluation, Inspection, Score, SizeRequirements

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ._evaluation import Pictures

# NumPy is imported by the first picture: whoever only asks what a network is does not wait for it.

__all__ = [
    "ChoiceError",
    "Device",
    "DeviceError",
    "Diverged",
    "Error",
    "Evaluation",
    "FileError",
    "FileNotFound",
    "Inspection",
    "LimitsError",
    "Model",
    "NoAdapter",
    "Options",
    "OutOfMemory",
    "Progress",
    "Score",
    "ShapeError",
    "SizeRequirements",
    "Unsupported",
    "Upscaler",
    "WeightsError",
    "__version__",
    "builtin_models",
    "devices",
    "eval",
    "inspect",
    "load",
]

Picture = TypeVar("Picture")


class Options(TypedDict, total=False):
    """The keyword arguments of an Upscaler."""

    device: str | int
    precision: str
    sparsity: str
    tile: str | int
    memory: int | None
    threads: int | None
    unusual: bool
    effort: float | None
    ladder: str | PathLike[str] | None


class Upscaler:
    """Enlarges pictures with one network on one device.

    model      a built-in network's name, a checkpoint's path or bytes, or a Model; by default smsr-x2, or a ladder's best
    device     "auto": the best GPU, else the CPU; "cpu"; "gpu": a GPU, one in software if there is no other; a number
               of devices(), or a part of a name
    precision  how a GPU keeps numbers: "auto", "f32", "f16"
    sparsity   whether a GPU skips work where masks allow: "auto", "dense", "sparse"
    tile       whether pictures are cut into tiles: "auto", "whole", or a tile's side in pixels; the result is the same
    memory     bytes that the device may use
    threads    how many threads the CPU engine may use
    unusual    take a network that changes a picture's colours, which is otherwise refused
    effort     0 to 1: easy parts go through a ladder's smaller networks, 0 all of them
    ladder     the ladder's file, which `sparsr ladder` made; by default the built-in one

    It does one call at a time; calls from other threads wait.
    """

    def __init__(
        self,
        model: str | PathLike[str] | bytes | Model | None = None,
        *,
        device: str | int = "auto",
        precision: str = "auto",
        sparsity: str = "auto",
        tile: str | int = "auto",
        memory: int | None = None,
        threads: int | None = None,
        unusual: bool = False,
        effort: float | None = None,
        ladder: str | PathLike[str] | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise ChoiceError(f"threads: expected 1 or more, found {threads}")
        self._core = _sparsr.Upscaler(
            model,
            device=str(device),
            precision=precision,
            sparsity=sparsity,
            tile=str(tile),
            memory=memory,
            threads=threads,
            unusual=unusual,
            effort=effort,
            ladder=ladder,
        )

    def __call__(self, image: Picture, progress: Callable[[Progress], object] | None = None) -> Picture:
        """As `upscale`."""
        return self.upscale(image, progress)

    def upscale(self, image: Picture, progress: Callable[[Progress], object] | None = None) -> Picture:
        """The picture `scale` times as wide and high, of the kind and type that went in.

        `progress` is called on this thread with a Progress, about fifty times a second and once when all is done. What
        it raises ends the call and is raised by it.
        """
        from . import _pictures

        enlarged: Picture = _pictures.enlarged(image, lambda array: self._core.enlarge(array, progress))
        return enlarged

    def masks(self, image: object) -> "dict[str, NDArray[np.bool_]]":
        """Where each sparse module works on a picture, by name; nothing for a dense network. Alpha is left out."""
        from . import _pictures

        return self._core.worked(_pictures.colours(image))

    def densities(self, image: object) -> dict[str, float]:
        """The share of active pixels of each mask, 0 to 1."""
        return {name: float(mask.mean()) for name, mask in self.masks(image).items()}

    @property
    def model(self) -> Model:
        """The network."""
        return self._core.model

    @property
    def scale(self) -> int:
        """How many times as wide and as high pictures become."""
        return self._core.scale

    @property
    def device(self) -> str:
        """The device's name."""
        return self._core.device

    @property
    def precision(self) -> str:
        """How the device keeps numbers: of "auto" what became of it."""
        return self._core.precision

    def __repr__(self) -> str:
        return repr(self._core)


def devices() -> list[Device]:
    """The GPUs that there are, as `device` takes them. The CPU is always there."""
    return [Device(*row) for row in _sparsr.adapters()]


def eval(
    model: str | PathLike[str] | bytes | Model | Upscaler,
    hr: "Pictures",
    lr: "Pictures | None" = None,
    **options: Unpack[Options],
) -> Evaluation:
    """PSNR and SSIM as super-resolution papers report them, on Y and RGB, with a border of `scale` pixels left out.

    `hr` are large pictures, the truth: a folder, or arrays of 8-bit RGB, PIL images or paths. `lr` are small ones, of a
    folder by the same names (or with x2 behind them), else in the same order; otherwise they are made as MATLAB's
    imresize does.
    """
    from ._evaluation import evaluated

    if isinstance(model, Upscaler) and options:
        raise TypeError(f"an Upscaler has its options already: expected no others, found {', '.join(options)}")
    upscaler = model if isinstance(model, Upscaler) else Upscaler(model, **options)
    return evaluated(upscaler._core, hr, lr)
