"""Writes acnet.safetensors: small seeded ACNet networks, their input, output and what lies between.

    python acnet.py          (torch, safetensors)

The network as in the paper (Tian et al., IEEE TSMC 2021, figure 1) under the authors' names, its three convolutions
side by side; activations overwrite what they read, as in their code, and so the sum has all layers but the last behind
their activation. It shares no line with the project. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(37)
torch.set_num_threads(1)

LAYERS = 17
KERNELS = ((1, 3), (3, 1), (3, 3))
STAGES = {2: (2,), 3: (3,), 4: (2, 2)}
MEAN = torch.tensor([0.4488, 0.4371, 0.4040])


def make(c, upsamplers):
    w = {}
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        w[f"{name}.shifter.weight"], w[f"{name}.shifter.bias"] = torch.eye(3).view(3, 3, 1, 1), sign * MEAN

    def add(name, out, inputs, size, gain):
        w[f"{name}.0.weight"] = torch.randn(out, inputs, *size) * (gain / (inputs * size[0] * size[1])) ** 0.5

    for i in range(1, LAYERS + 1):
        for branch, size in enumerate(KERNELS, 1):
            add(f"conv{i}_{branch}", c, 3 if i == 1 else c, size, 1.0)
    for name in ("conv18_1", "conv18_2", "conv19_1", "conv19_2", "conv20", "conv21"):
        add(name, c, c, (3, 3), 1.4)
    add("conv22", 3, c, (3, 3), 0.5)
    for name, scale in upsamplers.items():
        for stage, factor in enumerate(STAGES[scale]):
            key = f"upsample.{name}.body.{2 * stage}"
            w[f"{key}.weight"] = torch.randn(factor**2 * c, c, 3, 3) / (9 * c) ** 0.5
            w[f"{key}.bias"] = 0.1 * torch.randn(factor**2 * c)
    return w


def run(w, name, scale, size):
    def conv(key, x):
        kernel = w[f"{key}.0.weight"]
        return F.conv2d(x, kernel, padding=(kernel.shape[2] // 2, kernel.shape[3] // 2))

    def up(x):
        for stage, factor in enumerate(STAGES[scale]):
            key = f"upsample.{name}.body.{2 * stage}"
            x = F.pixel_shuffle(F.conv2d(x, w[f"{key}.weight"], w[f"{key}.bias"], padding=1), factor)
        return x

    values = {"input": torch.randint(0, 256, (1, 3, *size)) / 255}
    layers, y = [], values["input"] - MEAN.view(1, 3, 1, 1)
    for i in range(1, LAYERS + 1):
        x = sum(conv(f"conv{i}_{branch}", y) for branch in (1, 2, 3))
        layers.append(x)
        if i in (1, 8, LAYERS):
            values[f"conv{i}"] = x.clone()
        y = x if i == LAYERS else x.relu_()
    total = values["sum"] = sum(layers)
    t1, t2 = up(total.relu()).relu(), up(layers[0]).relu()
    u = conv("conv19_1", conv("conv18_1", t1).relu()) + conv("conv19_2", conv("conv18_2", t2).relu())
    values["conv19"] = u
    u = conv("conv21", conv("conv20", u.relu()).relu()).relu()
    values["add_mean.shifter"] = conv("conv22", u) + MEAN.view(1, 3, 1, 1)
    return values


multi = make(4, {"up2": 2, "up3": 3, "up4": 4})
singles = [(f"single_x{scale}", make(c, {"up": scale}), "up", scale) for scale, c in ((2, 5), (3, 3), (4, 3))]
multis = [(f"multi_x{scale}", multi, f"up{scale}", scale) for scale in (2, 3)]
tensors = {}
for (case, weights, name, scale), size in zip(singles + multis, ((9, 7), (5, 6), (4, 5), (3, 3), (1, 2))):
    values = run(weights, name, scale, size)
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{key}": tensor.clone() for key, tensor in weights.items()}
    tensors |= {f"{case}.values.{key}": tensor.clone() for key, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "acnet.safetensors")
