"""Writes trilevelnas.safetensors: small seeded TrilevelNAS networks, their input, output and what lies between.

    python trilevelnas.py         (torch, safetensors)

The networks as in the paper (Wu et al., arXiv:2101.06658, sections 3 and 4), under the authors' names: a path of cells
of five operations and of upsampling layers (None), each operation by its genotype's number and with its width. Batch
normalisation is in the file as it began, since the authors' code makes it and leaves it out of what is computed. It
shares no line with the project. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(43)
torch.set_num_threads(1)

SKIP, CONV3X3, RESIDUAL, DWSBLOCK = range(4)


class Made:
    """Tensors that are made when they are first asked for, and values."""

    def __init__(self):
        self.weights, self.values = {}, {}

    def conv(self, name, x, out, kernel, gain=1.4, bias=False, depthwise=False):
        groups = x.shape[1] if depthwise else 1
        inputs = x.shape[1] // groups
        weight = torch.randn(out, inputs, kernel, kernel) * gain / (inputs * kernel**2) ** 0.5
        self.weights[f"{name}.weight"] = weight
        if bias:
            self.weights[f"{name}.bias"] = torch.randn(out) / 5
        return F.conv2d(x, weight, self.weights.get(f"{name}.bias"), padding=kernel // 2, groups=groups)

    def normalised(self, name, bn, x, out, kernel, **other):
        ones, zeros = torch.ones(out), torch.zeros(out)
        parts = {"weight": ones, "bias": zeros, "running_mean": zeros, "running_var": ones}
        self.weights |= {f"{bn}.{part}": numbers.clone() for part, numbers in parts.items()}
        return self.conv(name, x, out, kernel, **other)

    def operation(self, name, kind, x, out):
        inputs = x.shape[1]

        def layer(number, x, out, kernel, **other):
            conv, bn = (f"{name}.{part}{number}" for part in ("conv", "bn"))
            return self.normalised(conv, bn, x, out, kernel, **other)

        if kind == SKIP:
            return layer("", x, out, 1).relu()
        if kind == CONV3X3:
            return layer(1, x, out, 3).relu()
        if kind == RESIDUAL:
            y = layer(2, layer(1, x, out, 3).relu(), out, 3)
        else:
            y = layer(2, layer(1, x, 4 * inputs, 1).relu(), 4 * inputs, 3, depthwise=True).relu()
            y = layer(3, y, out, 1)
        if inputs != out:
            x = self.normalised(f"{name}.skip", f"{name}.bn{kind + 1}", x, out, 1)
        return (y + x).relu()

    def cell(self, name, x, operations, widths):
        y = x
        for j, (kind, out) in enumerate(zip(operations, (*widths, x.shape[1]), strict=True)):
            y = self.operation(f"{name}.ops.{j}._op", kind, y, out)
            self.values[f"{name}.ops.{j}._op"] = y
        return 0.2 * y + x

    def up(self, name, x, variant):
        if variant == "B":
            return self.conv(f"{name}.upconv.conv", x, x.shape[1], 3, bias=True)
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        return F.leaky_relu(self.conv(f"{name}.upconv.conv", x, x.shape[1], 3, bias=True), 0.2)


def network(variant, c, path, size):
    made = Made()
    made.values["input"] = torch.rand(1, 3, *size)
    y = made.conv("conv_first.conv", made.values["input"], c, 3, bias=True)
    for i, step in enumerate(path):
        name = f"cells.{i}"
        y = made.up(name, y, variant) if step is None else made.cell(name, y, *step)
        made.values[name if step or variant == "A" else f"{name}.upconv.conv"] = y
    y = made.conv("conv_last.conv", y, 3 if variant == "A" else 48, 3, gain=0.7, bias=True)
    if variant == "B":
        y = F.pixel_shuffle(y, 4)
    made.values["tanh" if variant == "A" else "pixelshuffle"] = (torch.tanh(y) + 1) / 2
    return made.weights, made.values


cases = {
    "a_between": network(
        "A", 5, [((3, 0, 2, 1, 3), (4, 6, 3, 3)), None, ((1, 2, 0, 3, 2), (5, 5, 2, 4)), None], (3, 2)
    ),
    "a_behind": network("A", 4, [((2, 2, 2, 3, 3), (4, 4, 6, 4)), ((0, 1, 1, 0, 0), (4, 2, 3, 4)), None, None], (1, 2)),
    "b_plain": network("B", 5, [((3, 3, 2, 3, 1), (5, 3, 3, 4)), ((2, 0, 2, 1, 0), (4, 4, 6, 2))], (4, 5)),
    "b_ups": network("B", 4, [((0, 0, 1, 3, 2), (3, 5, 4, 4)), None, ((1, 3, 2, 0, 3), (2, 2, 4, 4)), None], (4, 7)),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "trilevelnas.safetensors")
