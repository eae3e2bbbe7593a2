"""The networks that are compared, all x2: what builds each, and where its weights come from.

A `build` describes its network once, in the operations that every graph has (`OnnxGraph`, `NcnnGraph`,
`TorchGraph`), from weights under the names of the original code.
"""

import dataclasses
import typing

import numpy as np

from networks import compact, edsr, smsr, swinir
from networks.seeded import Seeded


@dataclasses.dataclass(frozen=True)
class Network:
    title: str
    build: typing.Callable  # (graph, weights) → the name of the graph's output
    white: float  # the value of a white pixel
    least: int  # dB at which two engines' 8-bit results are the same but for the rounding of f32's sums
    alignment: int = 1  # what a picture's sides are extended to a multiple of, mirrored at the last pixel
    seed: typing.Callable | None = None  # (Seeded) → nothing; without, weights are read from --model

    def weights(self):
        """Seeded ones of the published network's sizes, under its names."""
        weights = Seeded()
        self.seed(weights)
        return dict(weights)

    def extended(self, pixels):
        missing = [(0, -side % self.alignment) for side in pixels.shape[:2]]
        return np.pad(pixels, [*missing, (0, 0)], mode="reflect")


# Rounding may flip single pixels of SMSR's masks, and in the others single code values.
NETWORKS = {
    "smsr": Network("SMSR", smsr.build, 255, 60),
    "edsr": Network("EDSR baseline, 16 blocks, 64 channels", edsr.build, 255, 70, seed=edsr.seed),
    "compact": Network("SRVGGNetCompact, 16 convolutions, 64 channels", compact.build, 1, 70, seed=compact.seed),
    "swinir": Network("SwinIR-light, 4 × 6 layers, 60 channels", swinir.build, 1, 70, swinir.WINDOW, swinir.seed),
}
