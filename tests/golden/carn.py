"""Writes carn.safetensors: small seeded CARN and CARN-M networks, their input, output and what lies between.

    python carn.py          (torch, safetensors)

The networks as in the paper (Ahn et al., ECCV 2018), under the names of the authors' code. It shares
no line with the project. A checkpoint of several scales stands in the file once for each case, the smallest scale
being the one that is computed. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(37)
torch.set_num_threads(1)

MEAN = torch.tensor([0.4488, 0.4371, 0.4040])


def layer(w, name, out, inputs, kernel, groups=1, gain=1.4):
    """A seeded convolution, its sums behind a ReLU about the size of its inputs."""
    inputs //= groups
    w[f"{name}.weight"] = torch.randn(out, inputs, kernel, kernel) * gain / (inputs * kernel**2) ** 0.5
    w[f"{name}.bias"] = torch.randn(out) / 20


def conv(w, name, x):
    weight = w[f"{name}.weight"]
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(x, weight, w[f"{name}.bias"], padding=weight.shape[-1] // 2, groups=groups)


def make(c, groups, efficient, shared, upsamplers):
    """`upsamplers`: scale to the name of its own."""
    w = {}
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        w[f"{name}.shifter.weight"], w[f"{name}.shifter.bias"] = torch.eye(3).view(3, 3, 1, 1), sign * MEAN
    layer(w, "entry", c, 3, 3)
    for block in ("", "b1.", "b2.", "b3."):
        for i in (1, 2, 3):
            layer(w, f"{block}c{i}.body.0", c, (i + 1) * c, 1)
    for block in ("b1", "b2", "b3"):
        for residual in ("b1",) if shared else ("b1", "b2", "b3"):
            for at in (0, 2):
                layer(w, f"{block}.{residual}.body.{at}", c, c, 3, groups)
            if efficient:
                layer(w, f"{block}.{residual}.body.4", c, c, 1)
    for scale, name in upsamplers.items():
        step = 3 if scale == 3 else 2
        for stage in range(2 if scale == 4 else 1):
            layer(w, f"upsample.{name}.body.{3 * stage}", step**2 * c, c, 3, groups)
    layer(w, "exit", 3, c, 3, gain=1.0)
    return w


def residual(w, name, x):
    y = conv(w, f"{name}.body.2", F.relu(conv(w, f"{name}.body.0", x)))
    if f"{name}.body.4.weight" in w:
        y = conv(w, f"{name}.body.4", F.relu(y))
    return F.relu(y + x)


def cascade(w, prefix, x, block):
    made, y = [x], x
    for i in (1, 2, 3):
        made.append(block(f"{prefix}b{i}", y))
        y = F.relu(conv(w, f"{prefix}c{i}.body.0", torch.cat(made, 1)))
    return y


def carn(c, groups, efficient, shared, upsamplers, scale, picture):
    w = make(c, groups, efficient, shared, upsamplers)
    values = {"input": picture}

    def residual_block(name, x):
        return residual(w, name[:-1] + "1" if shared else name, x)

    def cascading_block(name, x):
        y = values[f"{name}.c3"] = cascade(w, f"{name}.", x, residual_block)
        return y

    x = values["entry"] = conv(w, "entry", conv(w, "sub_mean.shifter", picture))
    y = values["c3"] = cascade(w, "", x, cascading_block)
    step = 3 if scale == 3 else 2
    for stage in range(2 if scale == 4 else 1):
        y = F.pixel_shuffle(F.relu(conv(w, f"upsample.{upsamplers[scale]}.body.{3 * stage}", y)), step)
    values["add_mean.shifter"] = conv(w, "add_mean.shifter", conv(w, "exit", y))
    return w, values


def picture(height, width):
    return torch.rand(1, 3, height, width)


cases = {
    "carn_x2": carn(5, 1, False, False, {2: "up2", 3: "up3", 4: "up4"}, 2, picture(7, 9)),
    "carn_m_x3": carn(8, 4, True, True, {3: "up3", 4: "up4"}, 3, picture(5, 3)),
    "carn_m_x4": carn(6, 2, True, True, {4: "up"}, 4, picture(4, 5)),
    "carn_x3": carn(4, 1, False, False, {3: "up"}, 3, picture(1, 2)),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "carn.safetensors")
