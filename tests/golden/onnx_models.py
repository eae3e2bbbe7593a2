"""Small seeded networks as ONNX models, and what onnxruntime makes with them.

    python tests/golden/onnx_models.py            # torch, onnx, onnxscript, onnxruntime, safetensors

`onnx/<case>.onnx` is a model, `onnx/<case>.safetensors` holds `input.<n>` and `output.<n>` of several sizes, f32, N×3×H×W, the
inputs multiples of 1/255. Half of the models are PyTorch's exports, half are written node by node, as other exporters do.
`onnx/refused/<case>.onnx` are what is refused.
"""

import io
import os

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx")
SIZES = [(12, 16), (16, 12), (9, 14)]


# PyTorch's exports


class Compact(nn.Module):
    """Real-ESRGAN's SRVGGNetCompact."""

    def __init__(self, width=8, depth=2, scale=2):
        super().__init__()
        self.scale = scale
        layers = [nn.Conv2d(3, width, 3, 1, 1), nn.PReLU(width, 0.2)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, 1, 1), nn.PReLU(width, 0.1)]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3 * scale**2, 3, 1, 1))
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x):
        return self.shuffle(self.body(x)) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


class Span(nn.Module):
    """SPAN's block behind a pixel unshuffle, for pictures that are extended to multiples of 4 and cut again."""

    def __init__(self, width=8):
        super().__init__()
        self.head = nn.Conv2d(12, width, 3, 1, 1)
        self.one, self.two, self.three = (nn.Conv2d(width, width, 3, 1, 1) for _ in range(3))
        self.cat = nn.Conv2d(2 * width, width, 1)
        self.tail = nn.Conv2d(width, 48, 3, 1, 1)

    def forward(self, x):
        height, width = x.shape[2:]
        x = F.pad(x, (0, (4 - width % 4) % 4, 0, (4 - height % 4) % 4), mode="reflect")
        first = self.head(F.pixel_unshuffle(x, 2))
        y = self.three(F.silu(self.two(F.silu(self.one(first)))))
        y = (y + first) * (torch.sigmoid(y) - 0.5)
        y = torch.tanh(self.cat(torch.cat([y, first], 1)))
        y = F.pixel_shuffle(self.tail(y), 4) + F.interpolate(x, scale_factor=2, mode="nearest")
        return y[:, :, : height * 2, : width * 2]


class Edsr(nn.Module):
    """EDSR, with its mean."""

    def __init__(self, width=6, scale=3):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1))
        conv = lambda a, b: nn.Conv2d(a, b, 3, 1, 1)
        self.head, self.body = conv(3, width), nn.ModuleList([conv(width, width) for _ in range(4)])
        self.up, self.tail = conv(width, width * scale**2), conv(width, 3)
        self.scale = scale

    def forward(self, x):
        y = self.head((x - self.mean) * 255.0)
        first = y
        for one, two in zip(self.body[::2], self.body[1::2]):
            y = y + two(F.relu(one(y))) * 0.1
        y = self.tail(F.pixel_shuffle(self.up(y + first), self.scale))
        return y / 255.0 + self.mean


class Rcan(nn.Module):
    """Channel attention: a mean over the picture, squeezed and widened, and one made of linear layers."""

    def __init__(self, width=8):
        super().__init__()
        conv = lambda a, b: nn.Conv2d(a, b, 3, 1, 1)
        self.head, self.one, self.two, self.tail = conv(3, width), conv(width, width), conv(width, width), conv(width, 12)
        self.down, self.up = nn.Conv2d(width, 2, 1), nn.Conv2d(2, width, 1)
        self.first, self.second = nn.Linear(width, 4), nn.Linear(4, width)

    def forward(self, x):
        y = self.head(x)
        z = self.two(F.relu(self.one(y)))
        z = z * torch.sigmoid(self.up(F.relu(self.down(z.mean((2, 3), keepdim=True)))))
        weights = torch.sigmoid(self.second(F.leaky_relu(self.first(z.mean((2, 3))), 0.1)))
        y = y + z * weights[:, :, None, None]
        y = F.pixel_shuffle(self.tail(y), 2) + F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return y.clamp(0, 1)


class Tokens(nn.Module):
    """Layer norm, linear layers and GELU on channels that are the last axis; a spatial attention; parts of channels."""

    def __init__(self, width=8):
        super().__init__()
        self.head, self.tail = nn.Conv2d(3, width, 3, 1, 1), nn.Conv2d(width, 12, 3, 1, 1)
        self.norm, self.wide, self.narrow = nn.LayerNorm(width), nn.Linear(width, 16), nn.Linear(16, width)
        self.depthwise = nn.Conv2d(width // 2, width // 2, 5, 1, 2, groups=width // 2)
        self.small = nn.Conv2d(width, width, 3, 2, 0)
        self.hard = nn.Hardswish()

    def forward(self, x):
        y = self.head(x)
        z = self.norm(y.permute(0, 2, 3, 1))
        y = y + self.narrow(F.gelu(self.wide(z))).permute(0, 3, 1, 2)
        a, b = y.chunk(2, 1)
        y = torch.cat([self.depthwise(a), self.hard(b)], 1)
        small = F.max_pool2d(F.relu(self.small(y)), 3, 2)
        small = F.interpolate(small, (y.shape[2], y.shape[3]), mode="bilinear", align_corners=False)
        y = y * torch.sigmoid(small) * torch.sigmoid(y.mean(1, keepdim=True))
        return F.pixel_shuffle(self.tail(y), 2) + F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)


class Windows(nn.Module):
    """Attention within windows of 4x4, shifted by half a window in the second of two blocks: a model for pictures of one size."""

    def __init__(self, width=8, heads=2, side=4):
        super().__init__()
        self.heads, self.side = heads, side
        self.head, self.tail = nn.Conv2d(3, width, 3, 1, 1), nn.Conv2d(width, 12, 3, 1, 1)
        linear = lambda wide: nn.ModuleList([nn.Linear(width, wide) for _ in range(2)])
        self.norms, self.qkv, self.proj = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)]), linear(3 * width), linear(width)
        self.tables = nn.ParameterList([torch.randn(heads, 2 * side - 1, 2 * side - 1) for _ in range(2)])
        places = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).flatten(1)
        self.register_buffer("apart", places[:, :, None] - places[:, None, :] + side - 1)

    def windows(self, x):
        (rows, columns, width), side = x.shape, self.side
        return x.view(rows // side, side, columns // side, side, width).permute(0, 2, 1, 3, 4).reshape(-1, side**2, width)

    def attention(self, x, at):
        (rows, columns, width), shift = x.shape, at * self.side // 2
        x = torch.roll(x, (-shift, -shift), (0, 1))
        qkv = self.qkv[at](self.windows(x)).view(-1, self.side**2, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = qkv[0] * (width // self.heads) ** -0.5 @ qkv[1].transpose(-2, -1)
        scores = scores + self.tables[at][:, self.apart[0], self.apart[1]]
        if shift:
            over = lambda length: (torch.arange(length) + shift >= length).float()
            which = self.windows((2 * over(rows)[:, None] + over(columns)[None, :])[:, :, None]).squeeze(2)
            scores = scores + torch.where(which[:, :, None] == which[:, None, :], 0.0, -100.0)[:, None]
        y = (scores.softmax(-1) @ qkv[2]).transpose(1, 2).reshape(-1, self.side, self.side, width)
        y = y.view(rows // self.side, columns // self.side, self.side, self.side, width).permute(0, 2, 1, 3, 4)
        return self.proj[at](torch.roll(y.reshape(rows, columns, width), (shift, shift), (0, 1)))

    def forward(self, x):
        y = self.head(x).permute(0, 2, 3, 1)
        for at in range(2):
            y = y + self.attention(self.norms[at](y)[0], at)[None]
        return F.pixel_shuffle(self.tail(y.permute(0, 3, 1, 2)), 2) + F.interpolate(x, scale_factor=2, mode="nearest")


def seeded(network):
    torch.manual_seed(0)
    network = network().eval()
    for parameter in network.parameters():  # what f16 holds as well, so that both forms are one network
        parameter.data = parameter.data.half().float()
    return network


def for_one_size(network, size, dynamo):
    """A model for pictures of one size: by tracing, with layer norm written out, or by torch.export."""
    buffer, opset = io.BytesIO(), {} if dynamo else {"opset_version": 11}
    torch.onnx.export(seeded(network), (torch.rand(1, 3, *size),), buffer, dynamo=dynamo, external_data=False, **opset)
    return bare(onnx.ModelProto.FromString(buffer.getvalue()))


def exported(network):
    network = seeded(network)
    sides = {2: torch.export.Dim("height", min=8, max=4096), 3: torch.export.Dim("width", min=8, max=4096)}
    program = torch.onnx.export(network, (torch.rand(1, 3, 16, 24),), dynamo=True, dynamic_shapes=(sides,), verbose=False)
    return bare(program.model_proto)


def bare(model):
    """Without what only readers of the Python code need."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    del model.functions[:]
    return model


def halved(model):
    """The same with f16 in it."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    kept = {name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:]}
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value" and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float16)))
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


# Node by node


class Written:
    """A model under way."""

    def __init__(self, seed=1):
        self.nodes, self.tensors, self.random = [], [], np.random.default_rng(seed)

    def tensor(self, name, numbers, dtype=np.float32):
        self.tensors.append(numpy_helper.from_array(np.asarray(numbers, dtype), name))
        return name

    def weight(self, name, *dims):
        spread = 1 / np.sqrt(np.prod(dims[1:]))
        return self.tensor(name, self.random.uniform(-spread, spread, dims))

    def node(self, op, inputs, outputs=None, **attributes):
        outputs = outputs or [f"{op.lower()}_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        return outputs[0]

    def conv(self, x, name, dims, **attributes):
        weights = [self.weight(f"{name}.weight", *dims), self.weight(f"{name}.bias", dims[0])]
        return self.node("Conv", [x, *weights], **attributes)

    def model(self, output, opset=17, axes=(1, 3, "h", "w"), dtype=TensorProto.FLOAT):
        self.nodes.append(helper.make_node("Identity", [output], ["y"]))
        value = lambda name, axes: helper.make_tensor_value_info(name, dtype, list(axes))
        given = [value("x", axes)], [value("y", (axes[0], axes[1], None, None))]
        graph = helper.make_graph(self.nodes, "main", *given, self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def tensorflow():
    """Padding by name, depth to space with the depth first, batch normalisation, a clip at the end."""
    w = Written()
    y = w.conv("x", "first", (8, 3, 3, 3), auto_pad="SAME_UPPER")
    names = [w.tensor(f"bn.{part}", w.random.uniform(0.5, 1.5, 8)) for part in ("scale", "shift", "mean", "variance")]
    y = w.node("BatchNormalization", [y, *names], epsilon=1e-3)
    y = w.node("LeakyRelu", [y], alpha=0.2)
    y = w.node("BatchNormalization", [y, *names], epsilon=1e-3)
    small = w.conv(y, "small", (8, 8, 2, 2), strides=[2, 2], auto_pad="VALID")
    small = w.conv(small, "dilated", (8, 8, 3, 3), pads=[2, 2, 2, 2], dilations=[2, 2])
    small = w.node("DepthToSpace", [small], blocksize=2, mode="DCR")
    space = w.node("SpaceToDepth", ["x"], blocksize=2)
    space = w.node("DepthToSpace", [w.node("Relu", [space])], blocksize=2)
    y = w.conv(w.node("Concat", [y, small, space], axis=1), "joined", (12, 13, 3, 3), auto_pad="SAME_LOWER")
    y = w.node("DepthToSpace", [y], blocksize=2, mode="DCR")
    scales = w.tensor("scales", [1, 1, 2, 2])
    x = w.node("Resize", ["x", "", scales], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    y = w.node("Clip", [w.node("Add", [x, y]), w.tensor("zero", 0), w.tensor("one", 1)])
    return w.model(y)


def assorted():
    """Numbers before and behind, oblong kernels, transposed convolution, GELU by the error function, zeros by `Pad`."""
    w = Written(2)
    number = lambda name, value: w.tensor(name, value)
    y = w.node("Sub", [w.tensor("white", [[[[1.0]], [[0.9]], [[0.8]]]]), "x"])
    y = w.conv(y, "across", (8, 3, 1, 5), pads=[0, 2, 0, 2])
    y = w.conv(y, "down", (8, 8, 5, 1), pads=[2, 0, 2, 0])
    erf = w.node("Erf", [w.node("Div", [y, number("root", 1.4142135)])])
    y = w.node("Mul", [w.node("Mul", [y, w.node("Add", [erf, number("one", 1)])]), number("half", 0.5)])
    y = w.node("Clip", [y, number("low", -0.3), number("high", 0.4)])
    widths = w.tensor("widths", [0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    y = w.conv(w.node("Pad", [y, widths]), "valid", (8, 8, 3, 3))
    a, b = (w.node("Split", [y, w.tensor("parts", [3, 5], np.int64)], ["a", "b"], axis=1), "b")
    y = w.node("Concat", [w.node("Tanh", [b]), w.node("Abs", [a])], axis=1)
    y = w.node("Mul", [w.node("Sigmoid", [w.node("ReduceMean", [y], axes=[1], keepdims=1)]), y])
    y = w.node("Sub", [w.node("GlobalAveragePool", [y]), y])
    deconv = [w.weight("deconv.weight", 8, 4, 4, 4), w.weight("deconv.bias", 4)]
    y = w.node("ConvTranspose", [y, *deconv], strides=[2, 2], pads=[1, 1, 1, 1])
    y = w.node("ConvTranspose", [y, w.weight("grouped.weight", 4, 1, 3, 3)], group=4, pads=[1, 1, 1, 1])
    y = w.node("HardSigmoid", [w.conv(y, "last", (12, 4, 1, 1))], alpha=0.25)
    # A pixel shuffle by axes.
    sides = w.node("Slice", [w.node("Shape", [y]), *(w.tensor(n, [v], np.int64) for n, v in (("two", 2), ("four", 4)))])
    split = w.node("Concat", [w.tensor("split", [1, 3, 2, 2], np.int64), sides], axis=0)
    y = w.node("Transpose", [w.node("Reshape", [y, split])], perm=[0, 1, 4, 2, 5, 3])
    larger = w.node("Mul", [sides, w.tensor("twice", [2, 2], np.int64)])
    y = w.node("Reshape", [y, w.node("Concat", [w.tensor("joined", [1, 3], np.int64), larger], axis=0)])
    return w.model(y)


def luma(size):
    """ESPCN, a model for luma of one size, with its pixel shuffle by axes."""
    w, (height, width) = Written(), size
    y = w.node("Relu", [w.conv("x", "first", (8, 1, 5, 5), pads=[2] * 4)])
    y = w.node("Relu", [w.conv(y, "second", (8, 8, 3, 3), pads=[1] * 4)])
    y = w.node("Reshape", [w.conv(y, "third", (9, 8, 3, 3), pads=[1] * 4), w.tensor("split", [-1, 1, 3, 3, height, width], np.int64)])
    y = w.node("Transpose", [y], perm=[0, 1, 4, 2, 5, 3])
    y = w.node("Reshape", [y, w.tensor("joined", [-1, 1, 3 * height, 3 * width], np.int64)])
    return w.model(y, axes=("n", 1, height, width))


def other_numbers(name, change):
    """The model of windows with other numbers in one of its tensors."""
    model = onnx.load(os.path.join(FOLDER, "windows.onnx"))
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))
    return model


def refused():
    """Name, model: what has no counterpart, and what is no network for pictures."""
    w = Written()
    yield "softmax", w.model(w.node("Softmax", [w.conv("x", "conv", (3, 3, 3, 3), pads=[1] * 4)], axis=1))
    w = Written()
    yield "bytes", w.model(w.node("Identity", ["x"]), dtype=TensorProto.UINT8)
    yield "no_table", other_numbers("index", lambda bias: bias + (np.arange(512) == 1).astype(np.float32).reshape(2, 16, 16))
    yield "no_mask", other_numbers("unsqueeze_6", np.zeros_like)
    yield "more_masked", other_numbers("unsqueeze_6", lambda mask: mask - 100 * np.eye(16, dtype=np.float32))
    w = Written()
    y = w.conv("x", "conv", (3, 3, 3, 3), pads=[1] * 4)
    yield "places", w.model(w.node("Add", [y, w.tensor("each", np.arange(768).reshape(3, 16, 16) / 768, np.float32)]), axes=(1, 3, 16, 16))
    w = Written()
    y = w.conv("x", "conv", (3, 3, 3, 3))
    yield "smaller", w.model(y)
    w = Written()
    y = w.node("Pad", ["x", w.tensor("widths", [0, 0, 1, 1, 0, 0, 1, 1], np.int64)], mode="reflect")
    yield "mirrored", w.model(w.conv(y, "conv", (3, 3, 3, 3)))
    w = Written()
    huge = w.node("ConstantOfShape", [w.tensor("shape", [1 << 20, 1 << 20], np.int64)])
    yield "huge", w.model(w.node("Add", ["x", huge]))
    w = Written()
    model = w.model(w.conv("x", "conv", (3, 3, 3, 3), pads=[1] * 4))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    yield "external", model
    w, y = Written(), "x"
    for at in range(240):
        y = w.node("HardSwish", [y], [f"{at:x}"])
    yield "many", w.model(y)
    w = Written()
    model = w.model(w.conv("x", "conv", (3, 3, 3, 3), pads=[1] * 4))
    model.graph.node[0].domain = "com.microsoft"
    yield "foreign", model


def write(name, model, golden=None, sizes=SIZES):
    """`golden` makes the numbers where it is another model than the one that is kept, for each size where it is a function."""
    onnx.save(model, os.path.join(FOLDER, f"{name}.onnx"))
    tensors, random = {}, np.random.default_rng(7)
    for at, (height, width) in enumerate(sizes):
        made = golden((height, width)) if callable(golden) else golden or model
        session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
        base = random.uniform(0.2, 0.8, (1, 3, height // 4 + 1, width // 4 + 1)).repeat(4, 2).repeat(4, 3)
        x = base[:, :, :height, :width] + random.uniform(-0.1, 0.1, (1, 3, height, width))
        x = (np.round(x * 255) / 255).astype(np.float32)
        try:
            given = session.get_inputs()[0]
            if given.shape[1] == 1:  # of a gray picture luma is all that there is
                x = x[:, :1].repeat(3, 1)
                y = session.run(None, {given.name: x[:, :1]})[0].repeat(3, 1)
            else:
                (y,) = session.run(None, {given.name: x})
        except Exception:  # onnxruntime has a class for each kind
            continue  # not a size for this one
        tensors[f"input.{at}"], tensors[f"output.{at}"] = x, y.astype(np.float32)
        print(f"{name}: {x.shape} -> {y.shape}, {y.min():.3f} to {y.max():.3f}")
    save_file(tensors, os.path.join(FOLDER, f"{name}.safetensors"))


def main():
    os.makedirs(os.path.join(FOLDER, "refused"), exist_ok=True)
    for name, network in [("compact", Compact), ("span", Span), ("edsr", Edsr), ("rcan", Rcan), ("tokens", Tokens)]:
        model = exported(network)
        if name in ("compact", "span"):
            write(f"{name}_f16", halved(model), golden=model)
        if name != "span":
            write(name, model)
    for name, dynamo in [("windows_traced", False), ("windows", True)]:
        golden = lambda size: for_one_size(Windows, size, dynamo)
        write(name, golden((12, 16)), golden, sizes=[(12, 16), (16, 12), (8, 20)])
    write("luma", luma((16, 12)), luma)
    write("tensorflow", tensorflow())
    write("assorted", assorted())
    for name, model in refused():
        onnx.save(model, os.path.join(FOLDER, "refused", f"{name}.onnx"))


if __name__ == "__main__":
    main()
