"""What the tests share: the program beside which pictures are held, and pictures.

SPARSR names the program; without it what needs one is skipped, aloud.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

WEIGHTS = Path(__file__).parents[3] / "weights"


@pytest.fixture
def program(tmp_path):
    """Runs the program with these arguments, and gives what it prints."""
    path = os.environ.get("SPARSR")
    if not path:
        pytest.skip("SPARSR does not name the program: nothing is compared with it")

    def run(*arguments):
        environment = {**os.environ, "SPARSR_CACHE": str(tmp_path / "cache")}
        done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def picture(shape, dtype=np.uint8, seed=0):
    """Waves, edges and some noise."""
    height, width, *channels = shape
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(*channels or [1]), indexing="ij")
    noise = np.random.default_rng(seed).normal(0, 0.02, y.shape)
    values = 0.5 + 0.3 * np.sin(x / 4 + c) * np.cos(y / 5) + 0.15 * ((x // 7 + y // 6) % 2) + noise
    values = values.clip(0, 1).reshape(shape)
    if dtype == np.float32:
        return values.astype(dtype)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)
