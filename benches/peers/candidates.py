"""The engines of the comparison, as a table of what would run if it is there."""

import dataclasses
import os
import pathlib
import typing
from functools import partial

import numpy as np

from engines import Peer, Sparsr, SparsrBench, from_pixels
from networks import Network

FAMILIES = ("sparsr", "onnxruntime", "openvino", "ncnn", "torch")
THREADS = len(os.sched_getaffinity(0))


@dataclasses.dataclass(frozen=True)
class Job:
    """One network on one picture."""

    network: Network
    weights: dict
    model: str  # the file of `weights`
    pixels: np.ndarray
    program: str
    copies: list[pathlib.Path]  # of the picture, as files
    adapter: dict | None  # of `sparsr devices --json`

    @property
    def on_gpu(self):
        return self.adapter is not None and self.adapter["kind"] != "software"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An engine that `make` gives, or for which it raises what the table then says."""

    name: str
    device: str
    make: typing.Callable
    half: bool = False  # whether numbers are kept to eleven bits, as f16 and TF32 do
    on_gpu: bool = False


@dataclasses.dataclass(frozen=True)
class TorchWay:
    name: str
    device: str
    way: str  # of `torch_ways.WAYS`
    dtype: str = "float32"
    channels_last: bool = True
    tf32: bool = False


TORCH = [
    TorchWay("f32, eager", "cpu", "eager"),
    TorchWay("f32, compiled", "cpu", "compiled"),
    TorchWay("f32, NCHW, eager", "cuda", "eager", channels_last=False),
    TorchWay("f32, NCHW, compiled", "cuda", "compiled", channels_last=False),
    TorchWay("TF32, eager", "cuda", "eager", tf32=True),
    TorchWay("TF32, compiled", "cuda", "compiled", tf32=True),
    TorchWay("f16, eager", "cuda", "eager", "float16"),
    TorchWay("f16, compiled", "cuda", "compiled", "float16"),
    TorchWay("f16, CUDA graph", "cuda", "CUDA graph", "float16"),
    TorchWay("f16, compiled, CUDA graph", "cuda", "compiled, CUDA graph", "float16"),
]


def candidates(job, families):
    """sparsr's CPU engine first: the others are held against it, so it is always there."""
    yield of_sparsr(job, "CPU", "--device cpu")
    for family in families:
        yield from CANDIDATES[family](job)


def of_sparsr_on_adapter(job):
    for sparsity in ("auto", "sparse", "dense") if "body.0.body.ch_mask" in job.weights else ("auto",):
        yield of_sparsr(job, "adapter", f"--sparsity {sparsity}")
    if job.on_gpu:
        yield of_sparsr(job, "adapter", "--precision f16")
        options = ["--sparsity", "auto", "--model", job.model]
        yield Candidate("sparsr bench", "adapter", partial(on_adapter, job, SparsrBench, options), True, True)


def of_sparsr(job, device, option):
    """The program's `upscale` with the option, in f32 if it does not say otherwise."""
    half = "--precision" in option
    options = [*option.split(), *([] if half else ["--precision", "f32"]), "--model", job.model]
    if device == "CPU":
        return Candidate(f"sparsr {option}", device, partial(Sparsr, job.program, options, job.copies[:3]))
    make = partial(on_adapter, job, Sparsr, options)
    return Candidate(f"sparsr {option}", device, make, half, job.on_gpu)


def on_adapter(job, kind, options):
    options = [*options, "--device", str(adapter_of(job)["index"])]
    return kind(job.program, options, job.copies if job.on_gpu else job.copies[:3])


def adapter_of(job):
    if job.adapter is None:
        raise RuntimeError("no Vulkan adapter, or none asked for")
    return job.adapter


def of_onnxruntime(job):
    yield Candidate("onnxruntime", "CPU", partial(in_onnx, job, "onnxruntime", "in_onnx_runtime"))


def of_openvino(job):
    yield Candidate("openvino", "CPU", partial(in_onnx, job, "openvino", "in_openvino"))


def in_onnx(job, package, runner):
    import onnx_graph

    graph, output = graph_of(job, onnx_graph.OnnxGraph)
    run = getattr(onnx_graph, runner)(graph.finish(output), THREADS)
    return Peer(package, job.network, job.pixels, from_pixels(run, job.network.white))


def of_ncnn(job):
    yield Candidate("ncnn f32", "CPU", partial(in_ncnn, job))
    yield Candidate("ncnn f32", "adapter", partial(in_ncnn, job, on_adapter=True), on_gpu=job.on_gpu)
    if job.on_gpu:
        yield Candidate("ncnn f16", "adapter", partial(in_ncnn, job, on_adapter=True, half=True), True, True)


def in_ncnn(job, on_adapter=False, half=False):
    import ncnn_graph

    device = adapter_of(job)["name"] if on_adapter else None
    run = ncnn_graph.runner(*graph_of(job, ncnn_graph.NcnnGraph), THREADS, device, half)
    return Peer("ncnn", job.network, job.pixels, from_pixels(run, job.network.white))


def of_torch(job):
    missing = {device: why_no_torch(device) for device in ("cpu", "cuda")}
    for device, why in missing.items():
        if why:
            yield Candidate("torch", device.upper(), partial(refuse, why))
    for way in TORCH:
        if not missing[way.device]:
            half, make = way.tf32 or way.dtype == "float16", partial(in_torch, job, way)
            yield Candidate(f"torch {way.name}", way.device.upper(), make, half, way.device == "cuda")


def why_no_torch(device):
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed; SPARSR_PEERS_TORCH=1 installs it"
    found = device == "cpu" or torch.cuda.is_available()
    return None if found else f"PyTorch {torch.__version__} finds no CUDA device"


def cuda_device():
    """What PyTorch's CUDA rows run on."""
    why = why_no_torch("cuda")
    if why:
        return f"none: {why}"
    import torch

    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"


def refuse(why):
    raise RuntimeError(why)


def in_torch(job, way):
    import torch_graph
    import torch_ways

    graph, output = graph_of(job, torch_graph.TorchGraph)
    options = {name: getattr(way, name) for name in ("device", "dtype", "channels_last", "tf32", "way")}
    example = job.network.extended(job.pixels)
    run = torch_ways.runner(graph, output, job.network.white, example, THREADS, **options)
    return Peer("torch", job.network, job.pixels, run)


def graph_of(job, kind):
    graph = kind(*job.network.extended(job.pixels).shape[:2])
    return graph, job.network.build(graph, job.weights)


CANDIDATES = {
    "sparsr": of_sparsr_on_adapter,
    "onnxruntime": of_onnxruntime,
    "openvino": of_openvino,
    "ncnn": of_ncnn,
    "torch": of_torch,
}
