"""Writes edsr.safetensors: small seeded EDSR networks, their input, output and what lies between.

    python edsr.py          (torch, safetensors)

The network as in the paper (Lim et al., CVPR workshops 2017, figures 2c and 3), under the names of EDSR-PyTorch
and of BasicSR, each with its own way about the mean. It shares no line with the project. Names:
`<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(17)
torch.set_num_threads(1)

BLOCKS = 2
MEAN = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)


def make(shapes, range_):
    """Seeded parameters, every sum of the order of its inputs, biases a tenth of it."""
    w = {}
    for name, (out, inputs) in shapes.items():
        w[f"{name}.weight"] = torch.randn(out, inputs, 3, 3) / (inputs * 9) ** 0.5
        w[f"{name}.bias"] = torch.randn(out) * range_ / 20
    return w


def conv(w, name, x):
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=w[f"{name}.weight"].shape[-1] // 2)


def upsample(w, name, x, scale):
    for stage, factor in enumerate({2: (2,), 3: (3,), 4: (2, 2)}[scale]):
        x = F.pixel_shuffle(conv(w, f"{name}.{2 * stage}", x), factor)
    return x


def upsampler_shapes(name, c, scale):
    return {2: {f"{name}.0": (4 * c, c)}, 3: {f"{name}.0": (9 * c, c)},
            4: {f"{name}.0": (4 * c, c), f"{name}.2": (4 * c, c)}}[scale]


def edsr_pytorch(c, scale, picture, rgb_range, with_mean, inner=None):
    """The picture lies in 0 … rgb_range. MeanShift layers are 1×1 convolutions, saved or not.

    `inner`: the widths within the blocks, where they are pruned.
    """
    widths = inner or [c] * BLOCKS
    blocks = {}
    for i, width in enumerate(widths):
        blocks |= {f"body.{i}.body.0": (width, c), f"body.{i}.body.2": (c, width)}
    w = make({"head.0": (c, 3), **blocks, f"body.{BLOCKS}": (c, c), **upsampler_shapes("tail.0", c, scale),
              "tail.1": (3, c)}, rgb_range)
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        w[f"{name}.weight"] = torch.eye(3).view(3, 3, 1, 1)
        w[f"{name}.bias"] = sign * rgb_range * MEAN.flatten()

    values = {"input": picture * (rgb_range / 255)}
    x = values["head.0"] = conv(w, "head.0", conv(w, "sub_mean", values["input"]))
    res = x
    for i in range(BLOCKS):
        res = conv(w, f"body.{i}.body.2", F.relu(conv(w, f"body.{i}.body.0", res))) + res
        values[f"body.{i}"] = res
    x = values["body"] = conv(w, f"body.{BLOCKS}", res) + x
    values["add_mean"] = conv(w, "add_mean", conv(w, "tail.1", upsample(w, "tail.0", x, scale)))
    if not with_mean:
        w = {name: tensor for name, tensor in w.items() if "mean" not in name}
    return w, values


def basicsr(c, scale, picture, img_range=255.0):
    """The picture lies in 0 … 1 and is scaled by img_range within; the golden one in 0 … 255."""
    blocks = {f"body.{i}.conv{j}": (c, c) for i in range(BLOCKS) for j in (1, 2)}
    w = make({"conv_first": (c, 3), **blocks, "conv_after_body": (c, c), **upsampler_shapes("upsample", c, scale),
              "conv_last": (3, c)}, img_range)

    values = {"input": picture}
    x = values["conv_first"] = conv(w, "conv_first", (picture / 255 - MEAN) * img_range)
    res = x
    for i in range(BLOCKS):
        res = conv(w, f"body.{i}.conv2", F.relu(conv(w, f"body.{i}.conv1", res))) + res
        values[f"body.{i}"] = res
    x = values["body"] = conv(w, "conv_after_body", res) + x
    y = conv(w, "conv_last", upsample(w, "upsample", x, scale)) / img_range + MEAN
    values["add_mean"] = y * 255
    return w, values


def picture(height, width):
    return torch.randint(0, 256, (1, 3, height, width)).float()


cases = {
    "pytorch_x2": edsr_pytorch(6, 2, picture(9, 7), rgb_range=255, with_mean=True),
    "pytorch_x3_unit": edsr_pytorch(4, 3, picture(5, 6), rgb_range=1, with_mean=True),
    "pytorch_x4_bare": edsr_pytorch(4, 4, picture(4, 5), rgb_range=255, with_mean=False),
    "basicsr_x2": basicsr(5, 2, picture(7, 9)),
    "basicsr_x3": basicsr(3, 3, picture(1, 2)),
    "basicsr_x4": basicsr(3, 4, picture(5, 3)),
    "pruned": edsr_pytorch(5, 2, picture(6, 5), rgb_range=255, with_mean=True, inner=[3, 7]),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "edsr.safetensors")
