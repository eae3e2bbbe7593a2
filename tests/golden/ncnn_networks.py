"""Small networks in ncnn's files, and what ncnn makes of pictures by them: `ncnn/NAME.param`, `NAME.bin`, `expected.safetensors`.

    pip install ncnn numpy safetensors
    python ncnn_networks.py

Each has the shape of a family that people have: layers, keys and order as in its published files, with few channels and
random numbers. The picture is given to ncnn with the border that the family's programs put around it, repeated from its edge,
and made a multiple of what they need; of the output the picture's part is kept.

`expected.safetensors` has `NAME.WIDTHxHEIGHT.input`, the picture in 0 … 255, and `.output`, in shares of white, both H×W×3.
"""

import struct
from pathlib import Path

import ncnn
import numpy as np
from safetensors.numpy import save_file

HERE = Path(__file__).parent / "ncnn"
SIZES = [(21, 17), (32, 12)]


class Net:
    """Lines and numbers of a network under way; a blob is called by the layer that makes it."""

    def __init__(self, name, seed):
        self.name, self.lines, self.numbers, self.blobs = name, [], [], 0
        self.random = np.random.default_rng(seed)

    def layer(self, kind, name, inputs, keys="", outputs=None):
        outputs = outputs or [name]
        self.blobs += len(outputs)
        self.lines.append(f"{kind:<16} {name:<16} {len(inputs)} {len(outputs)} {' '.join([*inputs, *outputs])} {keys}".rstrip())
        return outputs[0] if len(outputs) == 1 else outputs

    def split(self, x, count=2):
        name = f"split_{len(self.lines)}"
        return self.layer("Split", name, [x], outputs=[f"{name}_{i}" for i in range(count)])

    def weights(self, count, inputs, form, gain=1.0):
        numbers = (self.random.uniform(-1, 1, count) * gain * np.sqrt(3 / inputs)).astype("<f4")
        if form == "raw":
            self.numbers.append(struct.pack("<I", 0) + numbers.tobytes())
        elif form == "tagged":
            self.numbers.append(struct.pack("<I", 0x0002C056) + numbers.tobytes())
        elif form == "half":
            data = numbers.astype("<f2").tobytes()
            self.numbers.append(struct.pack("<I", 0x01306B47) + data + bytes(-len(data) % 4))
        else:  # a table of 256 numbers
            table = np.linspace(numbers.min(), numbers.max(), 256).astype("<f4")
            indices = np.abs(numbers[:, None] - table).argmin(1).astype("u1").tobytes()
            self.numbers.append(struct.pack("<I", 1) + table.tobytes() + indices + bytes(-len(indices) % 4))

    def raw(self, numbers):
        self.numbers.append(np.asarray(numbers, "<f4").tobytes())

    def conv(self, name, x, inputs, outputs, kernel, keys="", kind="Convolution", form="raw", bias=0.05, gain=1.0, groups=1, grey=None):
        count = inputs // groups * outputs * kernel * kernel
        grouped = f" 7={groups}" if groups > 1 else ""
        made = self.layer(kind, name, [x], f"0={outputs} 1={kernel} 5=1 6={count}{grouped} {keys}")
        self.weights(count, inputs // groups * kernel * kernel, form, gain)
        grey = grey if grey is not None else 0.5 if outputs == 3 else 0.0
        self.raw(grey + bias * self.random.uniform(-1, 1, outputs))
        return made

    def write(self):
        text = f"7767517\n{len(self.lines)} {self.blobs}\n" + "\n".join(self.lines) + "\n"
        (HERE / f"{self.name}.param").write_text(text)
        (HERE / f"{self.name}.bin").write_bytes(b"".join(self.numbers))


LEAKY = "9=2 -23310=1,0.100000"


def compact(net):
    x = net.layer("Input", "data", [])
    x, skip = net.split(x)
    x = net.conv("conv_0", x, 3, 8, 3, "4=1")
    net_prelu(net, "prelu_0", 8)
    x = net.conv("conv_1", "prelu_0", 8, 8, 3, "4=1", form="half")
    net_prelu(net, "prelu_1", 8)
    x = net.conv("conv_2", "prelu_1", 8, 12, 3, "4=1", gain=0.2)
    x = net.layer("PixelShuffle", "shuffle", [x], "0=2")
    base = net.layer("Interp", "base", [skip], "0=1 1=2.000000e+00 2=2.000000e+00")
    return net.layer("BinaryOp", "output", [x, base])


def net_prelu(net, name, channels):
    net.layer("PReLU", name, [net.lines[-1].split()[1]], f"0={channels}")
    net.raw(net.random.uniform(0, 0.5, channels))


def upconv(net):
    x = net.layer("Input", "Input1", [], "0=156 1=156 2=3")
    x = net.conv("conv1", x, 3, 6, 3, LEAKY)
    x = net.conv("conv2", x, 6, 8, 3, LEAKY, form="half")
    x = net.conv("conv3", x, 8, 8, 3, LEAKY, form="table")
    return net.conv("conv4", x, 8, 3, 4, "3=2 4=3", kind="Deconvolution", gain=2.0)


def squeeze(net, name, x, channels, multiply):
    """Each channel times what is made of its mean."""
    x, seen = net.split(x)
    mean = net.layer("Pooling", f"{name}_mean", [seen], "0=1 4=1")
    for part, outputs, function in (("down", 2, 1), ("up", channels, 4)):
        inputs = channels if part == "down" else 2
        mean = net.layer("InnerProduct", f"{name}_{part}", [mean], f"0={outputs} 1=1 2={inputs * outputs} 9={function}")
        net.weights(inputs * outputs, inputs, "raw", 2.0)
        net.raw(0.1 * net.random.uniform(-1, 1, outputs))
    return multiply(net, f"{name}_scaled", x, mean)


def by_scale(net, name, x, mean):
    return net.layer("Scale", name, [x, mean], "0=-233")


def by_product(net, name, x, mean):
    return net.layer("BinaryOp", name, [x, mean], "0=2")


def crop_like(net, name, x, like, cut):
    like, kept = net.split(like)
    return net.layer("Crop", name, [x, like], f"0={cut} 1={cut}"), kept


def crop_by(net, name, x, like, cut):
    return net.layer("Crop", name, [x], f"-23309=2,{cut},{cut} -23310=2,-{cut},-{cut} -23311=2,-2,-1"), like


def nested(net, last, multiply, crop, add, scale):
    """The two U-nets of waifu2x's cunet and Real-CUGAN; `last` makes the first one's output, of 3 channels."""
    x = net.layer("Input", "in0", [])
    x = net.conv("a1", x, 3, 4, 3, LEAKY)
    x = net.conv("a2", x, 4, 6, 3, LEAKY)
    x, skip = net.split(x)
    x = net.conv("a3", x, 6, 6, 2, f"3=2 {LEAKY}")
    x = net.conv("a4", x, 6, 8, 3, LEAKY)
    x = net.conv("a5", x, 8, 6, 3, LEAKY)
    x = squeeze(net, "a6", x, 6, multiply)
    x = net.conv("a7", x, 6, 6, 2, f"3=2 {LEAKY}", kind="Deconvolution")
    skip, x = crop(net, "a8", skip, x, 4)
    x = add(net, "a9", skip, x)
    x = net.conv("a10", x, 6, 6, 3, LEAKY)
    x = last(net, x)
    x, outer = net.split(x)
    x = net.conv("b1", x, 3, 4, 3, LEAKY)
    x = net.conv("b2", x, 4, 6, 3, LEAKY)
    x, wide = net.split(x)
    x = net.conv("b3", x, 6, 6, 2, f"3=2 {LEAKY}")
    x = net.conv("b4", x, 6, 6, 3, LEAKY)
    x = net.conv("b5", x, 6, 8, 3, LEAKY)
    x = squeeze(net, "b6", x, 8, multiply)
    x, narrow = net.split(x)
    x = net.conv("b7", x, 8, 8, 2, f"3=2 {LEAKY}", form="half")
    x = net.conv("b8", x, 8, 10, 3, LEAKY)
    x = net.conv("b9", x, 10, 8, 3, LEAKY)
    x = squeeze(net, "b10", x, 8, multiply)
    x = net.conv("b11", x, 8, 8, 2, f"3=2 {LEAKY}", kind="Deconvolution")
    narrow, x = crop(net, "b12", narrow, x, 4)
    x = add(net, "b13", narrow, x)
    x = net.conv("b14", x, 8, 8, 3, LEAKY)
    x = net.conv("b15", x, 8, 6, 3, LEAKY)
    x = squeeze(net, "b16", x, 6, multiply)
    x = net.conv("b17", x, 6, 6, 2, f"3=2 {LEAKY}", kind="Deconvolution")
    wide, x = crop(net, "b18", wide, x, 16)
    x = add(net, "b19", wide, x)
    x = net.conv("b20", x, 6, 6, 3, LEAKY)
    x = net.conv("b21", x, 6, 3, 3, gain=2.0, grey=0.0)
    outer, x = crop(net, "b22", outer, x, 20)
    return add(net, "out0", x, outer)


def by_sum(net, name, a, b):
    return net.layer("Eltwise", name, [a, b], "0=1")


def by_add(net, name, a, b):
    return net.layer("BinaryOp", name, [a, b])


def cunet_x2(net):
    last = lambda net, x: net.conv("a11", x, 6, 3, 4, "3=2 4=3", kind="Deconvolution", gain=1.5, bias=0)
    return nested(net, last, by_scale, crop_like, by_sum, 2)


def cunet_x1(net):
    return nested(net, lambda net, x: net.conv("a11", x, 6, 3, 3, gain=1.0), by_scale, crop_like, by_sum, 1)


def cugan_x3(net):
    last = lambda net, x: net.conv("a11", x, 6, 3, 5, "3=3 4=2", kind="Deconvolution", gain=0.5)
    return nested(net, last, by_product, crop_by, by_add, 3)


def span(net):
    x = net.layer("Input", "in0", [])
    mean = net.layer("MemoryData", "mean", [], "0=1 1=1 2=3")
    net.raw([0.45, 0.44, 0.40])
    x = net.layer("BinaryOp", "sub", [x, mean], "0=1")
    x = net.layer("BinaryOp", "mul", [x], "0=2 1=1 2=4.000000e+00")
    x = net.conv("conv_1", x, 3, 8, 3, "4=1", form="tagged")
    x, first, skip = net.split(x, 3)
    x = net.conv("c1", x, 8, 8, 3, "4=1")
    x = net.layer("Swish", "act1", [x])
    x = net.conv("c2", x, 8, 8, 3, "4=1")
    x, gate = net.split(x)
    gate = net.layer("Sigmoid", "gate", [gate])
    gate = net.layer("BinaryOp", "half", [gate], "0=1 1=1 2=5.000000e-01")
    x = net.layer("BinaryOp", "add", [x, skip])
    x = net.layer("BinaryOp", "gated", [x, gate], "0=2")
    x = net.layer("Concat", "cat", [first, x])
    x = net.conv("cat_conv", x, 16, 8, 1)
    x = net.conv("last", x, 8, 12, 3, "4=1", gain=0.3)
    x = net.layer("PixelShuffle", "shuffled", [x], "0=2")
    return net.layer("BinaryOp", "output", [x], "0=7 1=1 2=7.500000e-01")


def rrdb(net):
    x = net.layer("Input", "data", [])
    x = net.conv("first", x, 3, 8, 3, "4=1")
    x, skip, inner, dense = net.split(x, 4)
    a = net.conv("d1", x, 8, 4, 3, f"4=1 {LEAKY}")
    x = net.layer("Concat", "cat", [dense, a])
    x = net.conv("d2", x, 12, 8, 3, "4=1", form="half")
    x = net.layer("Eltwise", "scaled", [x, inner], "0=1 -23301=2,2.000000e-01,1.000000e+00")
    x = net.layer("Eltwise", "again", [x, skip], "0=1 -23301=2,2.000000e-01,1.000000e+00")
    x = net.layer("Interp", "up", [x], "0=1 1=2.000000e+00 2=2.000000e+00")
    return net.conv("last", x, 8, 3, 3, "4=1", gain=0.4)


def three_quarters(net):
    x = net.layer("Input", "data", [])
    x, skip = net.split(x)
    x = net.conv("conv", x, 3, 48, 3, "4=1", gain=0.2, bias=0)
    x = net.layer("PixelShuffle", "shuffle", [x], "0=4")
    base = net.layer("Interp", "base", [skip], "0=1 1=4.000000e+00 2=4.000000e+00")
    x = net.layer("BinaryOp", "sum", [x, base])
    return net.layer("Interp", "output", [x], "0=3 1=7.500000e-01 2=7.500000e-01")


def strided(net):
    x = net.layer("Input", "data", [])
    x = net.conv("half", x, 3, 8, 3, "3=2 4=1 9=1")
    x = net.conv("depthwise", x, 8, 8, 3, "4=1 9=1", kind="ConvolutionDepthWise", groups=8)
    x = net.conv("dilated", x, 8, 8, 3, "2=2 4=2 9=4")
    x = net.conv("same", x, 8, 8, 3, "4=-233")
    x = net.layer("TanH", "tanh", [x])
    x = net.layer("Scale", "scale", [x], "0=8 1=1")
    net.raw(net.random.uniform(0.5, 1.5, 8))
    net.raw(net.random.uniform(-0.1, 0.1, 8))
    x = net.conv("wide", x, 8, 48, 1, gain=0.3)
    x = net.layer("BinaryOp", "up", [x], "0=0 1=1 2=4.000000e-01")
    x = net.layer("PixelShuffle", "shuffle", [x], "0=4")
    return net.layer("ReLU", "output", [x], "0=0.2")


def gates(net):
    """What is repeated comes first: a number a channel, by convolutions of the mean, and a map of one channel."""
    x = net.layer("Input", "data", [])
    x = net.conv("first", x, 3, 8, 3, "4=1 9=1")
    x, seen, looked = net.split(x, 3)
    mean = net.layer("Pooling", "mean", [seen], "0=1 4=1")
    mean = net.conv("down", mean, 8, 4, 1, "9=1", gain=2.0)
    mean = net.conv("up", mean, 4, 8, 1, "9=4", gain=2.0)
    x = net.layer("BinaryOp", "scaled", [mean, x], "0=2")
    gate = net.conv("look", looked, 8, 1, 3, "4=1 9=4")
    x = net.layer("BinaryOp", "gated", [gate, x], "0=2")
    x = net.conv("last", x, 8, 12, 3, "4=1", gain=2.0)
    x = net.layer("BinaryOp", "grey", [x], "0=0 1=1 2=5.000000e-01")
    return net.layer("PixelShuffle", "output", [x], "0=2")


# The border that is put around a picture, what its sides are made a multiple of, and the scale.
NETWORKS = {
    "compact": (compact, 0, 1, 2),
    "upconv": (upconv, 4, 1, 2),
    "cunet_x2": (cunet_x2, 18, 2, 2),
    "cunet_x1": (cunet_x1, 28, 4, 1),
    "cugan_x3": (cugan_x3, 14, 4, 3),
    "span": (span, 0, 1, 2),
    "rrdb": (rrdb, 0, 1, 2),
    "three_quarters": (three_quarters, 0, 1, 3),
    "strided": (strided, 0, 2, 2),
    "gates": (gates, 0, 1, 2),
}


def binary(name):
    """The `.param` of a network in its binary form."""
    lines = [line.split() for line in (HERE / f"{name}.param").read_text().splitlines()[1:]]
    words, blobs = [7767517, *map(int, lines[0])], {}
    pack = lambda text: struct.unpack("<i", struct.pack("<f", float(text)))[0] if set(text) & set(".e") else int(text)
    for kind, _, inputs, outputs, *rest in lines[1:]:
        count = int(inputs) + int(outputs)
        words += [ncnn.layer_to_index(kind), int(inputs), int(outputs)]
        words += [blobs.setdefault(blob, len(blobs)) for blob in rest[:count]]
        for key, value in (word.split("=") for word in rest[count:]):
            words += [int(key), *map(pack, value.split(","))]
        words.append(-233)
    return struct.pack(f"<{len(words)}i", *words)


def run(name, output, picture, border, multiple, scale):
    net = ncnn.Net()
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "winograd_convolution", "vulkan_compute"):
        setattr(net.opt, f"use_{option}", False)
    assert net.load_param(str(HERE / f"{name}.param")) == 0
    assert net.load_model(str(HERE / f"{name}.bin")) == 0
    height, width, _ = picture.shape
    behind = [(border, -side % multiple + border) for side in (height, width)]
    given = np.pad(picture, [*behind, (0, 0)], mode="edge").astype(np.float32) / 255
    given = np.ascontiguousarray(given.transpose(2, 0, 1))  # kept: a `Mat` of an array does not keep it
    extractor = net.create_extractor()
    extractor.input((HERE / f"{name}.param").read_text().splitlines()[2].split()[4], ncnn.Mat(given))
    code, made = extractor.extract(output)
    assert code == 0
    return np.array(made).transpose(1, 2, 0)[: scale * height, : scale * width].copy()


def main():
    HERE.mkdir(exist_ok=True)
    expected = {}
    for seed, (name, (define, border, multiple, scale)) in enumerate(NETWORKS.items()):
        net = Net(name, seed)
        output = define(net)
        net.write()
        for width, height in SIZES:
            random = np.random.default_rng(width)
            y, x = np.mgrid[:height, :width]
            waves = [128 + 90 * np.sin(x / (3 + c) + y / (5 - c)) for c in range(3)]
            picture = np.clip(np.stack(waves, -1) + random.uniform(-20, 20, (height, width, 3)), 0, 255).astype(np.uint8)
            made = run(name, output, picture, border, multiple, scale)
            assert made.shape == (scale * height, scale * width, 3), made.shape
            print(f"{name} {width}x{height}: {made.min():.3f} to {made.max():.3f}, deviation {made.std():.3f}")
            expected[f"{name}.{width}x{height}.input"] = picture.astype(np.float32)
            expected[f"{name}.{width}x{height}.output"] = made.astype(np.float32)
    for name in ("cugan_x3", "rrdb"):
        path = HERE / f"{name}.param.bin"
        path.write_bytes(binary(name))
        assert ncnn.Net().load_param_bin(str(path)) == 0
    save_file(expected, HERE / "expected.safetensors")


if __name__ == "__main__":
    main()
