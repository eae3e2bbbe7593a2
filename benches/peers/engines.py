"""What can be verified and timed: peers in this process, and sparsr as a process of its own.

Each engine enlarges one picture, from 8-bit pixels to 8-bit pixels, and has `version`, `result()` and `time()`.
"""

import dataclasses
import importlib.metadata
import json
import math
import resource
import subprocess
import time

import numpy as np
from PIL import Image

WORTH_TIMING = 0.3  # seconds; what is shorter is repeated, and the mean counts


@dataclasses.dataclass(frozen=True)
class Time:
    """Seconds: on the wall's clock, and of all processors, user and system."""

    wall: float
    processor: float

    def __sub__(self, other):
        return Time(self.wall - other.wall, self.processor - other.processor)

    def __truediv__(self, parts):
        return Time(self.wall / parts, self.processor / parts)


class Peer:
    """A peer in this process. `run` takes pixels H×W×3 to larger ones, and returns when they are there."""

    def __init__(self, package, network, pixels, run):
        self.version, self.run = importlib.metadata.version(package), run
        self.pixels = network.extended(pixels)
        self.height, self.width = pixels.shape[:2]

    def result(self):
        large = self.run(self.pixels)
        scale = len(large) // len(self.pixels)
        return large[: scale * self.height, : scale * self.width]

    def time(self):
        begin, calls, taken = now(), 0, Time(0, 0)
        while taken.wall < WORTH_TIMING:
            self.run(self.pixels)
            calls, taken = calls + 1, now() - begin
        return taken / calls


def now():
    return Time(time.perf_counter(), time.process_time())


def from_pixels(run, white):
    """On pixels, what takes a picture of f32, 3×H×W, white being `white`."""

    def enlarge(pixels):
        picture = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
        large = run(picture * np.float32(white / 255)) * np.float32(255 / white)
        return np.rint(large.clip(0, 255)).astype(np.uint8).transpose(1, 2, 0)

    return enlarge


class Sparsr:
    """The program on copies of the picture. Its time is that of all copies less that of one: warm, and from
    file to file."""

    def __init__(self, program, options, copies):
        self.version = run_program(program, "--version").split()[1]
        self.program, self.options, self.copies = program, options, copies
        self.folder = copies[0].parent / "large"
        self.folder.mkdir(exist_ok=True)

    def result(self):
        self.upscale(self.copies[:1])
        [large] = self.folder.glob(f"{self.copies[0].stem}-x?.png")
        return np.asarray(Image.open(large).convert("RGB"))

    def time(self):
        return (self.upscale(self.copies) - self.upscale(self.copies[:1])) / (len(self.copies) - 1)

    def upscale(self, pictures, *options):
        begin = self.spent()
        output = ["-o", f"{self.folder}/", "--force"]
        run_program(self.program, "upscale", *pictures, *output, *self.options, *options)
        return self.spent() - begin

    @staticmethod
    def spent():
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Time(time.perf_counter(), children.ru_utime + children.ru_stime)

    def densities(self):
        """The share of pixels that each module's mask sets."""
        folder = self.copies[0].parent / "masks"
        self.upscale(self.copies[:1], "--masks", str(folder))
        return [np.asarray(Image.open(mask).convert("L")).mean() / 255 for mask in sorted(folder.iterdir())]


class SparsrBench(Sparsr):
    """The same, timed by `sparsr bench`: from pixels to pixels, as peers are. On a GPU, reading and writing files
    takes longer than many a network."""

    def time(self):
        options = [option for option in self.options if option not in ("--sparsity", "auto")]
        report = json.loads(run_program(self.program, "bench", "--json", "--picture", self.copies[0], *options))
        [auto] = [result for result in report["results"] if result["name"] == "auto"]
        return Time(auto["wall_ms"] / 1e3, math.nan)


def run_program(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stderr.strip().removeprefix("error: ")
        raise RuntimeError(said or f"{program}: exit status {done.returncode}")
    return done.stdout
