"""Seeded weights: the same in every run, and of such sizes that values stay the size of the picture's."""

import zlib

import numpy as np


class Seeded(dict):
    """A checkpoint in the making. A tensor's numbers depend on its name alone."""

    def normal(self, name, shape, deviation, mean=0.0):
        random = np.random.default_rng(zlib.crc32(name.encode()))
        self[name] = (mean + deviation * random.standard_normal(shape)).astype(np.float32)

    def conv(self, name, inputs, outputs, gain=1.0, kernel=3):
        fan_in = inputs * kernel**2
        self.normal(f"{name}.weight", (outputs, inputs, kernel, kernel), gain * fan_in**-0.5)
        self.normal(f"{name}.bias", (outputs,), 0.01)

    def linear(self, name, inputs, outputs, gain=1.0):
        self.normal(f"{name}.weight", (outputs, inputs), gain * inputs**-0.5)
        self.normal(f"{name}.bias", (outputs,), 0.02)

    def norm(self, name, channels):
        self.normal(f"{name}.weight", (channels,), 0.1, mean=1.0)
        self.normal(f"{name}.bias", (channels,), 0.1)

    def mean_shift(self, name, shift):
        """The 1×1 convolution that adds to each colour."""
        self[f"{name}.weight"] = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
        self[f"{name}.bias"] = np.float32(shift)
