"""Plain values that calls return."""

from dataclasses import dataclass
from typing import NamedTuple, TypedDict


class SizeRequirements(NamedTuple):
    """What sizes of pictures a network takes as they are. Others are extended by sparsr, and the result is cropped."""

    minimum: int
    multiple_of: int
    square: bool


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU as one graphics interface shows it."""

    index: int
    name: str
    kind: str
    """`discrete`, `integrated`, `virtual`, `other`, or `software`: a program that plays a GPU."""
    backend: str
    driver: str
    refused: str | None
    """Why sparsr does not use it."""


class Macs(TypedDict):
    """Multiply-adds an input pixel."""

    total: float
    always: float
    masked: float


class Tiles(TypedDict):
    """Whether pictures pass in tiles: in how many passes; or what looks at the whole picture, and what that takes."""

    passes: int
    whole_picture: str | None
    bytes_a_megapixel: int | None


class Module(TypedDict):
    """How many channels of each layer of a sparse module are computed everywhere."""

    name: str
    channels: int
    dense: list[int]


class Inspection(TypedDict):
    """What `sparsr inspect --json` prints."""

    model: str
    architecture: str
    description: str
    taken: str | None
    scale: int
    scales: list[int]
    alignment: int
    smallest_side: int
    border: list[int]
    parameters: int
    macs_per_input_pixel: Macs
    tiles: Tiles
    modules: list[Module]


class Score(TypedDict):
    """How close a picture is to the truth; of the mean `name` is empty and `size` is None."""

    name: str
    size: list[int] | None
    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    ssim_rgb: float
    macs: float
    macs_kept: float
    seconds: float
    densities: list[float]


class Evaluation(TypedDict):
    """What `sparsr eval --json` prints of a network on a data set."""

    version: str
    model: str
    architecture: str
    scale: int
    parameters: int
    set: str
    device: str
    precision: str
    images: list[Score]
    mean: Score
