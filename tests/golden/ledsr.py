"""Writes ledsr.safetensors: small seeded networks as ASSL and SRP prune them, input, output and what lies between.

    python ledsr.py          (torch, safetensors)

EDSR with one convolution to the picture (Zhang et al., NeurIPS 2021 and ICLR 2022), as it is pruned, with odd and
uneven widths within the blocks; as it is saved with the object around it, every name behind `model.`; and while it is
pruned, with weight normalisation under the authors' names and under PyTorch's. It shares no line with the project. Names:
`<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(23)
torch.set_num_threads(1)

MEAN = torch.tensor([0.4488, 0.4371, 0.4040])


def shapes(c, inner, scale):
    yield "head.0", c, 3
    for i, width in enumerate(inner):
        yield f"body.{i}.body.0", width, c
        yield f"body.{i}.body.2", c, width
    yield f"body.{len(inner)}", c, c
    yield "tail.0.0", 3 * scale**2, c


def plain(name, weight):
    return {f"{name}.weight": weight}, weight


def normalised(magnitude, direction):
    """A convolution that keeps how long its filters are apart from where they point."""

    def split(name, weight):
        v = weight * torch.rand(len(weight), 1, 1, 1).add(0.5)
        g = weight.flatten(1).norm(dim=1) * torch.rand(len(weight)).add(0.6)
        v_length = v.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        stored_g = g if magnitude == "wn_scale" else g.view(-1, 1, 1, 1)
        stored = {f"{name}.{magnitude}": stored_g, f"{name}.{direction}": v}
        return stored, g.view(-1, 1, 1, 1) * v / v_length

    return split


def ledsr(c, inner, scale, size, store=plain, mean_shift=True, prefix=""):
    saved, w = {}, {}
    for name, out, inputs in shapes(c, inner, scale):
        stored, w[name] = store(name, torch.randn(out, inputs, 3, 3) / (9 * inputs) ** 0.5)
        saved |= stored
        saved[f"{name}.bias"] = torch.randn(out) * 13
    if mean_shift:
        for name, sign in (("sub_mean", -1), ("add_mean", 1)):
            saved |= {f"{name}.weight": torch.eye(3)[..., None, None], f"{name}.bias": sign * 255 * MEAN}

    def conv(name, x):
        return F.conv2d(x, w[name], saved[f"{name}.bias"], padding=1)

    mean = 255 * MEAN.view(1, 3, 1, 1)
    values = {"input": torch.randint(0, 256, (1, 3, *size)).float()}
    head = f = values["head.0"] = conv("head.0", values["input"] - mean)
    for i in range(len(inner)):
        h = values[f"body.{i}.relu"] = conv(f"body.{i}.body.0", f).relu()
        f = values[f"body.{i}"] = f + conv(f"body.{i}.body.2", h)
    f = values["body"] = conv(f"body.{len(inner)}", f) + head
    values["add_mean"] = F.pixel_shuffle(conv("tail.0.0", f), scale) + mean
    return {prefix + name: tensor for name, tensor in saved.items()}, values


parametrized = "parametrizations.weight.original"
cases = {
    "pruned_x2": ledsr(7, [3, 5, 9], 2, (9, 7)),
    "wrapped_x3": ledsr(5, [5, 5], 3, (5, 6), mean_shift=False, prefix="model."),
    "pruning_x4": ledsr(8, [8, 8], 4, (4, 5), store=normalised("wn_scale", "weight")),
    "torch_weight_norm": ledsr(5, [6], 2, (3, 4), store=normalised("weight_g", "weight_v")),
    "torch_parametrizations": ledsr(3, [4], 3, (1, 2), store=normalised(f"{parametrized}0", f"{parametrized}1")),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "ledsr.safetensors")
