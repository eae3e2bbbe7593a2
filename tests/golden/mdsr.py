"""Writes mdsr.safetensors: a small seeded MDSR network, its input, output and what lies between at each of its scales.

    python mdsr.py          (torch, safetensors)

The network as in the paper (Lim et al., CVPR workshops 2017, section 3.3 and figure 5), under the names of
EDSR-PyTorch. It shares no line with the project. Names: `multi_x<scale>.weights.<key>`, the same for every scale, and
`multi_x<scale>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(29)
torch.set_num_threads(1)

C, BLOCKS = 5, 2
SCALES = (2, 3, 4)
STAGES = {2: (2,), 3: (3,), 4: (2, 2)}
MEAN = 255 * torch.tensor([0.4488, 0.4371, 0.4040])

w = {}


def add(name, out, inputs, k=3):
    w[f"{name}.weight"] = torch.randn(out, inputs, k, k) / (inputs * k * k) ** 0.5
    w[f"{name}.bias"] = 12 * torch.randn(out)


def conv(name, x):
    kernel = w[f"{name}.weight"]
    return F.conv2d(x, kernel, w[f"{name}.bias"], padding=kernel.shape[2] // 2)


def block(name, x):
    return x + conv(f"{name}.body.2", conv(f"{name}.body.0", x).relu())


add("head.0", C, 3)
for branch, scale in enumerate(SCALES):
    for i in (0, 1):
        add(f"pre_process.{branch}.{i}.body.0", C, C, 5)
        add(f"pre_process.{branch}.{i}.body.2", C, C, 5)
    for stage, factor in enumerate(STAGES[scale]):
        add(f"upsample.{branch}.{2 * stage}", factor**2 * C, C)
for i in range(BLOCKS):
    add(f"body.{i}.body.0", C, C)
    add(f"body.{i}.body.2", C, C)
add(f"body.{BLOCKS}", C, C)
add("tail.0", 3, C)
for name, sign in (("sub_mean", -1), ("add_mean", 1)):
    w[f"{name}.weight"], w[f"{name}.bias"] = torch.eye(3).reshape(3, 3, 1, 1), sign * MEAN

tensors = {}
for branch, (scale, size) in enumerate(zip(SCALES, ((7, 9), (5, 4), (3, 5)))):
    values = {"input": torch.randint(0, 256, (1, 3, *size)).float()}
    x = conv("head.0", conv("sub_mean", values["input"]))
    for i in (0, 1):
        x = values[f"pre_process.{branch}.{i}"] = block(f"pre_process.{branch}.{i}", x)
    y = x
    for i in range(BLOCKS):
        y = block(f"body.{i}", y)
    y = values["body"] = conv(f"body.{BLOCKS}", y) + x
    for stage, factor in enumerate(STAGES[scale]):
        y = F.pixel_shuffle(conv(f"upsample.{branch}.{2 * stage}", y), factor)
    values["add_mean"] = conv("add_mean", conv("tail.0", y))
    print(scale, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"multi_x{scale}.weights.{name}": tensor.clone() for name, tensor in w.items()}
    tensors |= {f"multi_x{scale}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "mdsr.safetensors")
