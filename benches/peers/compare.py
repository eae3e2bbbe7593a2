"""Compares sparsr with its peers: one picture, four networks, one adapter.

`run.sh` starts this with the program and the revision it was built from. For each network:

1. Every engine that is there enlarges the picture; each 8-bit result is held against sparsr's CPU engine. What
   differs is reported and never timed.
2. In rounds, so that a load on the machine meets all alike, every engine's time is taken, by two clocks.
3. The table is printed to standard output; what goes on meanwhile, to standard error.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import shutil
import sys
import tempfile

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

import report
from candidates import FAMILIES, THREADS, Job, candidates, cuda_device
from engines import run_program
from networks import NETWORKS

ROOT = pathlib.Path(__file__).resolve().parents[2]
HALF = 50  # dB at least, of f16 and TF32
COPIES = 33  # of the picture, for sparsr on a GPU; elsewhere the first three do


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a candidate."""

    version: str | None = None
    engine: object = None  # only what agrees has one
    psnr: float = math.nan
    problem: str | None = None

    def text(self):
        return self.problem or report.decibels(self.psnr)


def main():
    arguments = parse()
    adapter = choose_adapter(arguments.sparsr, arguments.device)
    picture = read_picture(arguments.picture, *arguments.size)
    if "smsr" in arguments.networks:
        read_smsr(arguments.model, arguments.sparsr)  # what is wrong with it is said before the work begins
    report.print_facts(facts_of_run(arguments, adapter))
    wrong = False
    with tempfile.TemporaryDirectory() as folder:
        copies = write_copies(picture, pathlib.Path(folder))
        for name in arguments.networks:
            model, weights = weights_of(name, arguments)
            job = Job(NETWORKS[name], weights, str(model), picture, arguments.sparsr, copies, adapter)
            wrong |= compare(job, arguments)
    sys.exit(1 if wrong else 0)


def facts_of_run(arguments, adapter):
    width, height = arguments.size
    return {
        "adapter": f"{adapter['name']}, Vulkan" if adapter else "none",
        "driver": adapter["driver"] if adapter else "–",
        "CUDA": cuda_device(),
        "machine": f"{report.processor()}, {THREADS} threads, load {report.load()} before",
        "sparsr": arguments.revision,
        "picture": f"{arguments.picture.name}, {width}×{height}",
        "rounds": f"{arguments.rounds}; medians",
    }


def compare(job, arguments):
    """One network. Whether any engine's picture was wrong."""
    listed = list(candidates(job, arguments.engines))
    verdicts = verify(listed, job.network)
    agreeing = [candidate for candidate in listed if verdicts[candidate].engine]
    clock = "wall" if any(candidate.on_gpu for candidate in agreeing) else "processor"
    facts = facts_of(job, verdicts[listed[0]].engine, clock)
    times = measure(agreeing, verdicts, arguments.rounds)
    facts.append(f"Load {report.load()} after it.")
    report.print_network(f"{job.network.title}, x2", facts, listed, verdicts, times, clock)
    return any(verdict.problem and verdict.version for verdict in verdicts.values())


def verify(listed, network):
    """Each candidate's verdict. The first is the reference, without which there is nothing to compare."""
    verdicts, reference = {}, None
    for candidate in listed:
        say(f"verifying {candidate.name} ({candidate.device})")
        try:
            engine = candidate.make()
            result = engine.result()
        except Exception as error:  # whatever a package or a driver raises: the others are still compared
            if reference is None:
                raise
            verdicts[candidate] = Verdict(problem=f"not here: {one_line(error)}")
            continue
        reference = result if reference is None else reference
        least = HALF if candidate.half else network.least
        verdicts[candidate] = judge(candidate, engine, psnr(result, reference), least)
    return verdicts


def judge(candidate, engine, psnr, least):
    if psnr >= least:
        return Verdict(engine.version, engine, psnr)
    say(f"wrong: {candidate.name} ({candidate.device}): {psnr:.1f} dB, expected {least} or more")
    return Verdict(engine.version, None, psnr, f"WRONG, not timed: {psnr:.1f} dB")


def measure(agreeing, verdicts, rounds):
    """Each engine's times. Every other round goes backwards: none is always first."""
    times = {candidate: [] for candidate in agreeing}
    for i in range(rounds):
        for candidate in list(times) if i % 2 == 0 else list(reversed(times)):
            try:
                taken = verdicts[candidate].engine.time()
            except Exception as error:  # out of memory, a lost device
                del times[candidate]
                verdicts[candidate] = Verdict(problem=f"failed while it was timed: {one_line(error)}")
                continue
            times[candidate].append(taken)
            say(f"round {i + 1}: {candidate.name} ({candidate.device}): wall {taken.wall:.3f} s, "
                f"processors {taken.processor:.3f} s")
    return times


def facts_of(job, sparsr, clock):
    """What the table needs to be read."""
    counts = {"wall": "the wall clock", "processor": "processor time"}[clock]
    facts = [f"Weights: {pathlib.Path(job.model).name}. What counts: {counts}."]
    if job.network.seed is None:
        facts.append(f"Masks' densities {', '.join(f'{density:.2f}' for density in sparsr.densities())}.")
    return facts


def parse():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.split("\n")[0])
    parser.add_argument("--networks", type=some_of(NETWORKS), default=list(NETWORKS), metavar="NAME,…",
                        help=f"of {', '.join(NETWORKS)} (default: all)")
    parser.add_argument("--engines", type=some_of(FAMILIES), default=list(FAMILIES), metavar="NAME,…",
                        help=f"of {', '.join(FAMILIES)} (default: all); sparsr's CPU engine is always there")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "weights/smsr-x2.safetensors",
                        help="an SMSR's .safetensors (default: the built-in weights)")
    parser.add_argument("--picture", type=pathlib.Path, default=ROOT / "tests/pictures/harbour.png",
                        help="what is mirrored or cropped to --size (default: harbour.png)")
    parser.add_argument("--size", type=even_size, default=(480, 270), metavar="WIDTHxHEIGHT")
    parser.add_argument("--rounds", type=positive, default=3, help="how often each is timed (default: 3)")
    parser.add_argument("--device", default="auto", metavar="NUMBER",
                        help="the adapter by its number in `sparsr devices`, or cpu for none "
                             "(default: the first Vulkan GPU, else a software Vulkan adapter)")
    for hidden in ("--sparsr", "--revision", "--folder"):
        parser.add_argument(hidden, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def some_of(names):
    def chosen(text):
        unknown = [name for name in text.split(",") if name not in names]
        if unknown:
            raise argparse.ArgumentTypeError(f"expected some of {','.join(names)}, found {unknown[0]}")
        return text.split(",")

    return chosen


def positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return int(text)


def even_size(text):
    sides = text.split("x")
    if len(sides) != 2 or not all(s.isdecimal() and int(s) >= 16 and int(s) % 2 == 0 for s in sides):
        raise argparse.ArgumentTypeError(f"expected even numbers of 16 or more, like 480x270, found {text}")
    return tuple(map(int, sides))


def choose_adapter(program, asked):
    """A Vulkan adapter, which is what sparsr and ncnn share; a GPU before one in software."""
    devices = json.loads(run_program(program, "devices", "--json"))["devices"]
    vulkan = [device for device in devices if device["backend"] == "vulkan"]
    if asked == "auto":
        return min(vulkan, key=lambda device: device["kind"] == "software", default=None)
    found = [device for device in vulkan if str(device["index"]) == asked]
    if not found and asked != "cpu":
        sys.exit(f"error: --device {asked}: expected cpu or the number of a Vulkan adapter in `sparsr devices`")
    return found[0] if found else None


def weights_of(name, arguments):
    """The network's weights, and the file that has them."""
    if name == "smsr":
        return arguments.model, read_smsr(arguments.model, arguments.sparsr)
    weights = NETWORKS[name].weights()
    path = pathlib.Path(arguments.folder) / f"{name}-seeded.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)
    return path, weights


def read_smsr(path, program):
    if path.suffix != ".safetensors":
        sys.exit(f"error: {path}: expected a .safetensors file; `sparsr convert` writes one")
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
    return np.ascontiguousarray(np.pad(pixels, missing, mode="symmetric")[:height, :width])


def write_copies(picture, folder):
    copies = [folder / f"copy{i}.png" for i in range(COPIES)]
    Image.fromarray(picture).save(copies[0])
    for copy in copies[1:]:
        shutil.copy(copies[0], copy)
    return copies


def psnr(a, b):
    if a.shape != b.shape:
        return -math.inf
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def one_line(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:160].replace("|", "/")


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"error: {error}")
