"""Compares sparsr with its peers: one picture, one SMSR, one software Vulkan adapter, in processor time.

`run.sh` starts this with the program and the revision it was built from. Three steps, and nothing is timed
before all agree:

1. Every engine enlarges the picture; each 8-bit result is held against sparsr's CPU engine.
2. In rounds, so that a load on the machine meets all alike, every engine's time is taken; medians count.
3. The table is printed to standard output; what goes on meanwhile, to standard error.

Everything is f32. A peer's time is that of its call, after the first. sparsr is timed from outside, as a
process: three copies of the picture less one, halved, which is a picture with everything warm.
"""

import argparse
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

import ncnn_graph
import onnx_graph
import smsr

ROOT = pathlib.Path(__file__).resolve().parents[2]
AGREEMENT = 60  # dB, of 8-bit results: the rounding of sums may flip single pixels of a mask, no more
THREADS = len(os.sched_getaffinity(0))


class Peer:
    """A peer in this process: `run` takes the picture (3×H×W, 0 … 255) and gives the enlarged one."""

    may_refuse = False

    def __init__(self, package, device, run, picture):
        self.name, self.version = package, importlib.metadata.version(package)
        self.device, self.run = device, run
        self.picture = np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)

    def result(self):
        return np.rint(self.run(self.picture).clip(0, 255)).astype(np.uint8).transpose(1, 2, 0)

    def seconds(self):
        start = time.process_time()
        self.run(self.picture)
        return time.process_time() - start


class Sparsr:
    """The program, on copies of the picture, with an option for one of its ways."""

    def __init__(self, program, device, option, shared, copies):
        self.name, self.version = f"sparsr {option}", run_program(program, "--version").split()[1]
        self.device, self.may_refuse = device, option == "--sparsity sparse"
        self.program, self.options, self.copies = program, [*shared, *option.split()], copies
        self.folder = copies[0].parent / "large"
        self.folder.mkdir(exist_ok=True)

    def result(self):
        self.upscale(self.copies[:1])
        [large] = self.folder.glob(f"{self.copies[0].stem}-x?.png")
        return np.asarray(Image.open(large).convert("RGB"))

    def seconds(self):
        return (self.upscale(self.copies) - self.upscale(self.copies[:1])) / (len(self.copies) - 1)

    def upscale(self, pictures, *options):
        """The processor time of the process."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output = ["-o", f"{self.folder}/", "--force"]
        run_program(self.program, "upscale", *pictures, *output, *self.options, *options)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    def densities(self):
        """The share of pixels that each module's mask sets."""
        folder = self.copies[0].parent / "masks"
        self.upscale(self.copies[:1], "--masks", str(folder))
        return [np.asarray(Image.open(mask).convert("L")).mean() / 255 for mask in sorted(folder.iterdir())]


class Refused(Exception):
    """What the program said instead of working."""


def run_program(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(done.stderr.strip().removeprefix("error: ") or f"exit status {done.returncode}")
    return done.stdout


def main():
    arguments, load = parse(), os.getloadavg()[0]
    adapter = software_adapter(arguments.sparsr)
    weights = read_weights(arguments.model, arguments.sparsr)
    picture = read_picture(arguments.picture, *arguments.size)
    with tempfile.TemporaryDirectory() as folder:
        copies = [pathlib.Path(folder) / f"copy{i}.png" for i in range(3)]
        for copy in copies:
            Image.fromarray(picture).save(copy)
        ours = sparsr_engines(arguments, adapter, copies)
        agreement, refusals = verify([*ours, *peers(weights, picture, adapter)])
        densities = ours[0].densities()
        seconds = measure(list(agreement), arguments.rounds)

    width, height = arguments.size
    facts = {
        "adapter": f"{adapter['name']}, Vulkan",
        "driver": adapter["driver"],
        "machine": f"{processor()}, {THREADS} threads, load {load:.1f} before",
        "sparsr": arguments.revision,
        "network": f"SMSR of {len(weights['head.0.weight'])} channels ({arguments.model.name}), f32",
        "picture": f"{arguments.picture.name}, {width}×{height}",
        "masks": f"densities {', '.join(f'{density:.2f}' for density in densities)}",
        "clock": f"processor time; medians of {arguments.rounds}",
    }
    print_record(facts, agreement, seconds, refusals)


def parse():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "weights/smsr-x2.safetensors",
                        help="an SMSR's .safetensors (default: the built-in weights)")
    parser.add_argument("--picture", type=pathlib.Path, default=ROOT / "tests/pictures/harbour.png",
                        help="what is mirrored or cropped to --size (default: harbour.png)")
    parser.add_argument("--size", type=even_size, default=(480, 270), metavar="WIDTHxHEIGHT")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed (default: 3)")
    parser.add_argument("--sparsr", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--revision", required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds: expected 1 or more")
    return arguments


def even_size(text):
    sides = text.split("x")
    if len(sides) != 2 or not all(s.isdecimal() and int(s) >= 16 and int(s) % 2 == 0 for s in sides):
        raise argparse.ArgumentTypeError(f"expected even numbers of 16 or more, like 480x270, found {text}")
    return tuple(map(int, sides))


def software_adapter(program):
    devices = json.loads(run_program(program, "devices", "--json"))["devices"]
    for device in devices:
        if (device["kind"], device["backend"]) == ("software", "vulkan"):
            return device
    sys.exit("error: no software Vulkan adapter, and processor time says nothing of another; install Mesa's "
             "(Debian, Ubuntu: mesa-vulkan-drivers; Fedora: mesa-vulkan-drivers; Arch: vulkan-swrast)")


def read_weights(path, program):
    if path.suffix != ".safetensors":
        sys.exit(f"error: {path}: expected a .safetensors file; a .pt needs conversion with PyTorch first")
    run_program(program, "inspect", path)  # refuses what is missing, damaged or incomplete
    weights = {name: values.astype(np.float32) for name, values in load_file(path).items()}
    if "body.0.body.ch_mask" not in weights:
        sys.exit(f"error: {path}: expected SMSR's tensors, found no body.0.body.ch_mask")
    return weights


def read_picture(path, width, height):
    """The picture's upper left corner; a smaller one is continued by its mirror images."""
    try:
        pixels = np.asarray(Image.open(path).convert("RGB"))
    except OSError as error:
        sys.exit(f"error: {path}: {error.strerror or 'not a picture that can be read'}")
    missing = [(0, max(0, height - pixels.shape[0])), (0, max(0, width - pixels.shape[1])), (0, 0)]
    return np.pad(pixels, missing, mode="symmetric")[:height, :width]


def sparsr_engines(arguments, adapter, copies):
    """sparsr's ways, the CPU engine first: the others are held against it."""
    shared = ["--precision", "f32", "--model", str(arguments.model)]
    on_adapter = [*shared, "--device", str(adapter["index"])]

    def engine(device, option, options):
        return Sparsr(arguments.sparsr, device, option, options, copies)

    return [engine("CPU", "--device cpu", shared)] + [
        engine("adapter", f"--sparsity {sparsity}", on_adapter) for sparsity in ("auto", "sparse", "dense")]


def peers(weights, picture, adapter):
    height, width, _ = picture.shape
    onnx = onnx_graph.OnnxGraph(height, width)
    in_onnx_runtime = onnx_graph.runner(onnx.finish(smsr.build(onnx, weights)), THREADS)

    graph = ncnn_graph.NcnnGraph()
    output = smsr.build(graph, weights)
    device = ncnn_graph.device_named(adapter["name"])
    if device is None:
        sys.exit(f"error: ncnn does not see the adapter `{adapter['name']}`")
    return [
        Peer("onnxruntime", "CPU", in_onnx_runtime, picture),
        Peer("ncnn", "CPU", ncnn_graph.runner(graph, output, THREADS), picture),
        Peer("ncnn", "adapter", ncnn_graph.runner(graph, output, THREADS, device), picture),
    ]


def verify(engines):
    """Each engine's PSNR against the first, in dB, and what was said by those that may refuse, and do."""
    agreement, refusals, reference = {}, [], None
    for engine in engines:
        print(f"verifying {engine.name} ({engine.device})", file=sys.stderr)
        try:
            result = engine.result()
        except Refused as refused:
            if not engine.may_refuse:
                raise
            refusals.append(f"{engine.name} (“{refused}”)")
            continue
        reference = result if reference is None else reference
        agreement[engine] = psnr(result, reference)
        if agreement[engine] < AGREEMENT:
            sys.exit(f"error: {engine.name} ({engine.device}) differs from {engines[0].name}: "
                     f"{agreement[engine]:.1f} dB, expected {AGREEMENT} or more; nothing was timed")
    return agreement, refusals


def psnr(a, b):
    if a.shape != b.shape:
        return -math.inf
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def measure(engines, rounds):
    """Each engine's processor time in each round. Every other round goes backwards: none is always first."""
    seconds = {engine: [] for engine in engines}
    for i in range(rounds):
        for engine in engines if i % 2 == 0 else reversed(engines):
            taken = engine.seconds()
            seconds[engine].append(taken)
            print(f"round {i + 1}: {engine.name} ({engine.device}): {taken:.2f} s", file=sys.stderr)
    return seconds


def print_record(facts, agreement, seconds, refusals):
    medians = {engine: statistics.median(taken) for engine, taken in seconds.items()}
    auto = next(medians[engine] for engine in medians if engine.name == "sparsr --sparsity auto")
    print("\n| | |\n|---|---|")
    for name, fact in facts.items():
        print(f"| {name} | {fact} |")
    print("\n| engine | version | device | CPU-seconds | least to most | against sparsr auto "
          "| PSNR against sparsr on the CPU |\n|---|---|---|---:|---:|---:|---:|")
    for engine in sorted(medians, key=medians.get):
        spread = f"{min(seconds[engine]):.2f} to {max(seconds[engine]):.2f}"
        decibels = "same" if agreement[engine] == math.inf else f"{agreement[engine]:.1f} dB"
        figures = f"{medians[engine]:.2f} | {spread} | {medians[engine] / auto:.2f} | {decibels}"
        print(f"| {engine.name} | {engine.version} | {engine.device} | {figures} |")
    for refusal in refusals:
        print(f"\nNot measured: {refusal}.")


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    try:
        main()
    except (Refused, RuntimeError) as error:
        sys.exit(f"error: {error}")
