"""A network's operations as ncnn's .param and .bin, and the graph on ncnn's CPU or a Vulkan device.

A .param line is `kind name inputs outputs <inputs> <outputs> <id=value …>`; the ids are those of each layer's
`load_param` in ncnn's sources. The .bin is the weights in the order of the layers; a convolution's and
an inner product's begin with a word that tells their type, 0 for f32.
"""

import collections

import ncnn
import numpy as np

MAGIC = 7767517
ADD, MULTIPLY = 0, 2
RELU = 1
ALL = -233  # all there is, or an even share of it
F32 = bytes(4)


class NcnnGraph:
    """Each method appends layers and returns their output's name; images are C×H×W, tokens N×C, f32."""

    def __init__(self, height, width):
        self.picture, self.height, self.width = "picture", height, width
        self.layers, self.weights = [], []
        self.layers.append(("Input", [], [self.picture], ""))

    # Images.

    def conv(self, x, weight, bias, relu=False):
        out, _, kernel, _ = weight.shape
        parameters = f"0={out} 1={kernel} 4={kernel // 2} 6={weight.size} 9={RELU if relu else 0}"
        return self.convolution("Convolution", x, parameters, weight, bias)

    def deconv(self, x, weight, bias):
        weight = weight.swapaxes(0, 1)  # ncnn keeps [out, in, k, k] here too
        parameters = f"0={len(weight)} 1=3 3=2 4=1 18=1 6={weight.size}"
        return self.convolution("Deconvolution", x, parameters, weight, bias)

    def average_pool(self, x):
        return self.layer("Pooling", [x], "0=1 1=2 2=2")

    def global_average(self, x):
        return self.layer("Reshape", [self.layer("Pooling", [x], "0=1 4=1")], "0=1 1=1 2=-1")

    def positive(self, x):
        """ncnn compares nothing: a positive value times a huge one, clamped to 0 … 1."""
        return self.layer("Clip", [self.layer("BinaryOp", [x], f"0={MULTIPLY} 1=1 2=1e20")], "0=0.0 1=1.0")

    def first(self, x, channels):
        return self.layer("Crop", [x], f"3={ALL} 4={ALL} 5={channels}")

    def bicubic(self, x, scale):
        return self.layer("Interp", [x], f"0=3 1={scale:.1f} 2={scale:.1f}")

    def nearest(self, x, scale):
        return self.layer("Interp", [x], f"0=1 1={scale:.1f} 2={scale:.1f}")

    def pixel_shuffle(self, x, scale):
        return self.layer("PixelShuffle", [x], f"0={scale}")

    def concat(self, xs):
        return self.layer("Concat", xs, "0=0")

    # Anything.

    def relu(self, x):
        return self.layer("ReLU", [x], "")

    def prelu(self, x, slopes):
        return self.weighted("PReLU", [x], f"0={slopes.size}", raw(slopes))

    def gelu(self, x):
        return self.layer("GELU", [x], "")

    def sigmoid(self, x):
        return self.layer("Sigmoid", [x], "")

    def add(self, a, b):
        return self.layer("BinaryOp", [a, b], f"0={ADD}")

    def multiply(self, a, b):
        return self.layer("BinaryOp", [a, b], f"0={MULTIPLY}")

    # Tokens.

    def tokens(self, x):
        return self.layer("Permute", [self.reshape(x, (-1, self.height * self.width))], "0=1")

    def image(self, x, channels):
        return self.reshape(self.layer("Permute", [x], "0=1"), (channels, self.height, self.width))

    def layer_norm(self, x, weight, bias):
        return self.weighted("LayerNorm", [x], f"0={weight.size} 1=1e-5 2=1", raw(weight), raw(bias))

    def linear(self, x, weight, bias):
        parameters = f"0={len(weight)} 1=1 2={weight.size}"
        return self.weighted("InnerProduct", [x], parameters, F32, raw(weight), raw(bias))

    def thirds(self, x):
        return self.layer("Slice", [x], f"-23300=3,{ALL},{ALL},{ALL} 1=-1", outputs=3)

    def product(self, a, b, transposed=False):
        return self.layer("MatMul", [a, b], f"0={int(transposed)}")

    def softmax(self, x):
        return self.layer("Softmax", [x], "0=-1 1=1")

    def reshape(self, x, shape):
        return self.layer("Reshape", [x], sides(shape))

    def swap_middle(self, x):
        """The two axes in the middle of four change places."""
        return self.layer("Permute", [x], "0=2")

    def roll(self, x, shift):
        """The first two axes of three, cyclically."""
        for axis, side in enumerate((self.height, self.width)):
            begin, end = self.layer("Slice", [x], f"-23300=2,{-shift % side},{ALL} 1={axis}", outputs=2)
            x = self.layer("Concat", [end, begin], f"0={axis}")
        return x

    def constant(self, values):
        return self.weighted("MemoryData", [], sides(values.shape), raw(values))

    # What the others are made of.

    def layer(self, kind, inputs, parameters, outputs=1):
        names = [f"v{len(self.layers)}_{i}" for i in range(outputs)]
        self.layers.append((kind, inputs, names, parameters))
        return names[0] if outputs == 1 else names

    def weighted(self, kind, inputs, parameters, *weights):
        self.weights += weights
        return self.layer(kind, inputs, parameters)

    def convolution(self, kind, x, parameters, weight, bias):
        biases = [] if bias is None else [raw(bias)]
        return self.weighted(kind, [x], f"{parameters} 5={len(biases)}", F32, raw(weight), *biases)

    def finish(self):
        """The .param and .bin."""
        layers = list(split_shared(self.layers))
        values = sum(len(outputs) for _, _, outputs, _ in layers)
        lines = [f"{MAGIC}", f"{len(layers)} {values}"]
        for i, (kind, inputs, outputs, parameters) in enumerate(layers):
            counts, names = f"{len(inputs)} {len(outputs)}", " ".join(inputs + outputs)
            lines.append(f"{kind} l{i} {counts} {names} {parameters}")
        return "\n".join(lines) + "\n", b"".join(self.weights)


def raw(values):
    return values.astype("<f4").tobytes()


def sides(shape):
    """A shape by the ids of its sides: width, height, depth, channels."""
    ids = {2: (1, 0), 3: (2, 1, 0), 4: (2, 11, 1, 0)}[len(shape)]
    return " ".join(f"{i}={side}" for i, side in zip(ids, shape))


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


def runner(graph, output, threads, device=None, half=False):
    """A function from a picture (3×H×W) to the enlarged one, on the CPU or the Vulkan device of that name."""
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.openmp_blocktime = 0  # threads that wait would spin, and processor time would count it
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(net.opt, f"use_{option}", half and option.startswith("fp16"))
    if device is not None:
        net.opt.use_vulkan_compute = True
        net.set_vulkan_device(device_named(device))
    param, weights = graph.finish()
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
    """The number of the Vulkan device that drivers call `name`."""
    names = [ncnn.get_gpu_info(i).device_name() for i in range(ncnn.get_gpu_count())]
    if name not in names:
        raise RuntimeError(f"ncnn does not see the adapter `{name}`")
    return names.index(name)
