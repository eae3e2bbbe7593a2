"""The operations of `smsr.build` as ncnn's .param and .bin, and the graph on ncnn's CPU or a Vulkan device.

A .param line is `kind name inputs outputs <inputs> <outputs> <id=value …>`; the ids are those of each layer's
`load_param` in ncnn's sources. The .bin is the weights in the order of the layers; a convolution's begin with
a word that tells their type, 0 for f32.
"""

import collections

import ncnn
import numpy as np

MAGIC = 7767517
ADD, MULTIPLY = 0, 2
RELU = 1
F32 = bytes(4)


class NcnnGraph:
    """Each method appends layers and returns their output's name; tensors are C×H×W, f32."""

    def __init__(self):
        self.layers, self.weights, self.picture = [], [], "picture"
        self.layers.append(("Input", [], [self.picture], ""))

    def conv(self, x, weight, bias, relu=False):
        out, _, kernel, _ = weight.shape
        parameters = f"0={out} 1={kernel} 4={kernel // 2} 6={weight.size} 9={RELU if relu else 0}"
        return self.weighted("Convolution", x, parameters, weight, bias)

    def deconv(self, x, weight, bias):
        weight = weight.swapaxes(0, 1)  # ncnn keeps [out, in, k, k] here too
        parameters = f"0={len(weight)} 1=3 3=2 4=1 18=1 6={weight.size}"
        return self.weighted("Deconvolution", x, parameters, weight, bias)

    def average_pool(self, x):
        return self.layer("Pooling", [x], "0=1 1=2 2=2")

    def positive(self, x):
        """ncnn compares nothing: a positive value times a huge one, clamped to 0 … 1."""
        return self.layer("Clip", [self.layer("BinaryOp", [x], f"0={MULTIPLY} 1=1 2=1e20")], "0=0.0 1=1.0")

    def first(self, x, channels):
        return self.layer("Crop", [x], f"3=-233 4=-233 5={channels}")  # -233: all there is

    def bicubic(self, x, scale):
        return self.layer("Interp", [x], f"0=3 1={scale:.1f} 2={scale:.1f}")

    def pixel_shuffle(self, x, scale):
        return self.layer("PixelShuffle", [x], f"0={scale}")

    def concat(self, xs):
        return self.layer("Concat", xs, "0=0")

    def relu(self, x):
        return self.layer("ReLU", [x], "")

    def sigmoid(self, x):
        return self.layer("Sigmoid", [x], "")

    def global_average(self, x):
        return self.layer("Reshape", [self.layer("Pooling", [x], "0=1 4=1")], "0=1 1=1 2=-1")

    def add(self, a, b):
        return self.layer("BinaryOp", [a, b], f"0={ADD}")

    def multiply(self, a, b):
        return self.layer("BinaryOp", [a, b], f"0={MULTIPLY}")

    def layer(self, kind, inputs, parameters):
        name = f"v{len(self.layers)}"
        self.layers.append((kind, inputs, [name], parameters))
        return name

    def weighted(self, kind, x, parameters, weight, bias):
        self.weights += [F32, weight.astype("<f4").tobytes()]
        if bias is not None:
            self.weights.append(bias.astype("<f4").tobytes())
        return self.layer(kind, [x], f"{parameters} 5={int(bias is not None)}")

    def finish(self):
        """The .param and .bin."""
        layers = list(split_shared(self.layers))
        values = sum(len(outputs) for _, _, outputs, _ in layers)
        lines = [f"{MAGIC}", f"{len(layers)} {values}"]
        for i, (kind, inputs, outputs, parameters) in enumerate(layers):
            counts, names = f"{len(inputs)} {len(outputs)}", " ".join(inputs + outputs)
            lines.append(f"{kind} l{i} {counts} {names} {parameters}")
        return "\n".join(lines) + "\n", b"".join(self.weights)


def split_shared(layers):
    """The same layers, with a Split after each value that is read more than once: ncnn reads a value once."""
    readers = collections.Counter(x for _, inputs, _, _ in layers for x in inputs)
    copies = {x: [f"{x}_{i}" for i in range(n)] for x, n in readers.items() if n > 1}
    unread = {x: iter(names) for x, names in copies.items()}
    for kind, inputs, outputs, parameters in layers:
        yield kind, [next(unread[x]) if x in unread else x for x in inputs], outputs, parameters
        for x in outputs:
            if x in copies:
                yield "Split", [x], copies[x], ""


def runner(graph, output, threads, device=None):
    """A function from a picture (3×H×W) to the enlarged one, on the CPU or a Vulkan device, in f32."""
    param, weights = graph.finish()
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.openmp_blocktime = 0  # threads that wait would spin, and processor time would count it
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(net.opt, f"use_{option}", False)
    if device is not None:
        net.opt.use_vulkan_compute = True
        net.set_vulkan_device(device)
    if net.load_param_mem(param) != 0:
        raise RuntimeError("ncnn does not take the network")
    net.load_model_mem(weights)

    def run(picture):
        extractor = net.create_extractor()
        extractor.input("picture", ncnn.Mat(picture).clone())  # a Mat of an array does not own its memory
        failed, result = extractor.extract(output)
        if failed:
            raise RuntimeError("ncnn gives no output: out of memory, or the device was lost")
        return np.array(result)

    return run


def device_named(name):
    """The number of the Vulkan device that drivers call `name`; `None` if ncnn does not see it."""
    names = [ncnn.get_gpu_info(i).device_name() for i in range(ncnn.get_gpu_count())]
    return names.index(name) if name in names else None
