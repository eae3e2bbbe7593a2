"""Writes span.safetensors: small seeded SPAN networks, their input, output and what lies between.

    python span.py          (torch, safetensors)

The network as in the paper (Wan et al., CVPR workshops 2024), under the names of the authors' code,
with its branches as they are in training and merged. It shares no line with the project. Names:
`<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(29)
torch.set_num_threads(1)

MEAN = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)


def layer(w, name, out, inputs, kernel, gain=1.0):
    """A seeded convolution, its sums `gain` times the size of its inputs."""
    w[f"{name}.weight"] = torch.randn(out, inputs, kernel, kernel) * gain / (inputs * kernel**2) ** 0.5
    w[f"{name}.bias"] = torch.randn(out) * gain / 10


def conv(w, name, x, padding=0):
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=padding)


class Plain:
    """A 3×3 convolution as it is in a finished network."""

    def __init__(self, w, name, out, inputs, gain):
        self.w, self.name = w, name
        layer(w, f"{name}.eval_conv", out, inputs, 3, gain)

    def __call__(self, x):
        return conv(self.w, f"{self.name}.eval_conv", x, padding=1)


class Branches:
    """Its three in a row and the one beside them, by which the network is trained. `eval_conv` is of another step."""

    def __init__(self, w, name, out, inputs, gain):
        self.w, self.name = w, name
        for at, sizes in enumerate([(2 * inputs, inputs, 1), (2 * out, 2 * inputs, 3), (out, 2 * out, 1)]):
            layer(w, f"{name}.conv.{at}", *sizes, gain ** (1 / 3))
        layer(w, f"{name}.sk", out, inputs, 1, gain / 2)
        layer(w, f"{name}.eval_conv", out, inputs, 3)

    def __call__(self, x):
        y = F.pad(x, (1, 1, 1, 1))
        for at in range(3):
            y = conv(self.w, f"{self.name}.conv.{at}", y)
        return y + conv(self.w, f"{self.name}.sk", x)


def span(kind, c, wide, scale, picture, blocks=6, norm=True):
    """`wide`: channels behind conv_cat. The picture lies in 0 … 1."""
    w = {}
    head = kind(w, "conv_1", c, 3, 0.01 if norm else 1.5)
    body = [[kind(w, f"block_{i}.c{j}_r", c, c, 1.6) for j in (1, 2, 3)] for i in range(1, blocks + 1)]
    last = kind(w, "conv_2", c, c, 1.0)
    layer(w, "conv_cat", wide, 4 * c, 1)
    layer(w, "upsampler.0", 3 * scale**2, wide, 3)
    if not norm:
        w["no_norm"] = torch.zeros(1)

    values = {"input": picture}
    x = values["conv_1"] = head((picture - MEAN) * 255 if norm else picture)
    outs = [x]
    for i, (c1, c2, c3) in enumerate(body, 1):
        first = F.silu(c1(outs[-1]))
        h = c3(F.silu(c2(first)))
        outs.append((h + outs[-1]) * (torch.sigmoid(h) - 0.5))
        values[f"block_{i}"] = outs[-1]
    values[f"block_{blocks}.out1_act"] = first
    y = values["conv_cat"] = conv(w, "conv_cat", torch.cat([outs[0], last(outs[-1]), outs[1], first], 1))
    values["upsampler.1" if scale > 1 else "upsampler.0"] = F.pixel_shuffle(conv(w, "upsampler.0", y, 1), scale)
    return w, values


def picture(height, width):
    return torch.rand(1, 3, height, width)


cases = {
    "plain_x4": span(Plain, 5, 3, 4, picture(5, 6)),
    "plain_x1": span(Plain, 3, 3, 1, picture(7, 3), blocks=2),
    "branches_x2": span(Branches, 4, 4, 2, picture(7, 9)),
    "branches_x3_unnormed": span(Branches, 3, 3, 3, picture(1, 2), blocks=1, norm=False),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "span.safetensors")
