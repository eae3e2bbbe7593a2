"""How close a network's pictures come to the truth, as papers report it: what `sparsr eval` computes, from Python."""

from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from . import _sparsr
from ._errors import FileNotFound
from ._values import Evaluation, Score

Pictures = str | PathLike[str] | Iterable[Any]

FIGURES = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "macs", "macs_kept", "seconds")


def evaluated(upscaler: _sparsr.Upscaler, hr: Pictures, lr: Pictures | None) -> Evaluation:
    """Of every picture a score, and their mean."""
    small = None if lr is None else list(_named(lr))
    images = []
    for at, (name, truth) in enumerate(_named(hr)):
        beside = None if small is None else _small(name, at, small, isinstance(lr, (str, PathLike)), upscaler.scale)
        images.append(upscaler.score(name, _rgb8(truth), beside))
    if not images:
        raise FileNotFound(f"{_set(hr)}: there are no pictures")
    model = upscaler.model
    return {
        "version": _sparsr.__version__,
        "model": model.name,
        "architecture": model.architecture,
        "scale": model.scale,
        "parameters": model.parameters,
        "set": _set(hr),
        "device": upscaler.device,
        "precision": upscaler.precision,
        "images": images,
        "mean": _mean(images),
    }


def _set(pictures: Pictures) -> str:
    return fspath(pictures) if isinstance(pictures, (str, PathLike)) else "pictures"


def _named(pictures: Pictures) -> Iterable[tuple[str, Any]]:
    """Names and pictures: a folder's by name, or what is given, by its place."""
    if not isinstance(pictures, (str, PathLike)):
        return ((str(at), picture) for at, picture in enumerate(pictures))
    from PIL import Image

    known = Image.registered_extensions()
    try:
        paths = sorted(path for path in Path(pictures).iterdir() if path.suffix.lower() in known)
    except FileNotFoundError as error:
        raise FileNotFound(f"{_set(pictures)}: {error.strerror}") from error
    return ((path.stem, path) for path in paths)


def _rgb8(picture: Any) -> NDArray[np.uint8]:
    """8-bit RGB, without transparency."""
    if isinstance(picture, np.ndarray):
        return cast(NDArray[np.uint8], picture)
    from PIL import Image

    if isinstance(picture, (str, PathLike)):
        with Image.open(picture) as opened:
            return np.asarray(opened.convert("RGB"))
    if isinstance(picture, Image.Image):
        return np.asarray(picture.convert("RGB"))
    raise TypeError(f"picture: expected an array, a PIL image or a path, found {type(picture).__name__}")


def _small(name: str, at: int, small: list[tuple[str, Any]], by_name: bool, scale: int) -> NDArray[np.uint8]:
    """The small picture that belongs to a large one: by its name, or by its place."""
    if not by_name:
        found = small[at : at + 1]
    else:
        found = [pair for pair in small if pair[0] in (name, f"{name}x{scale}")]
    if not found:
        raise FileNotFound(f"no small picture called {name} or {name}x{scale}")
    return _rgb8(found[0][1])


def _mean(images: list[Score]) -> Score:
    def mean(numbers: list[float]) -> float:
        return sum(numbers) / len(numbers)

    means = {figure: mean([image[figure] for image in images]) for figure in FIGURES}  # type: ignore[literal-required]
    densities = [mean(list(of_module)) for of_module in zip(*(image["densities"] for image in images))]
    return cast(Score, {"name": "", "size": None, **means, "densities": densities})
