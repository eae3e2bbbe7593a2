"""Writes srvgg.safetensors: small seeded SRVGGNetCompact networks, their input, output and what lies between.

    python srvgg.py         (torch, safetensors)

The network of Real-ESRGAN's code (Wang et al., ICCV workshops 2021), under its names. It shares no line with the
project. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(41)
torch.set_num_threads(1)


def srvgg(c, convolutions, scale, picture, slopes):
    """`slopes`: learned ones a layer, 0 for ReLU."""
    w, values, y = {}, {"input": picture}, picture
    last = 2 * (convolutions + 1)
    for at in range(0, last + 1, 2):
        out, inputs = 3 * scale**2 if at == last else c, y.shape[1]
        w[f"body.{at}.weight"] = torch.randn(out, inputs, 3, 3) * 1.2 / (inputs * 9) ** 0.5
        w[f"body.{at}.bias"] = torch.randn(out) / 10
        y = F.conv2d(y, w[f"body.{at}.weight"], w[f"body.{at}.bias"], padding=1)
        if at == last:
            break
        if slopes:
            w[f"body.{at + 1}.weight"] = torch.randn(slopes) / 2
        y = F.prelu(y, w[f"body.{at + 1}.weight"]) if slopes else F.relu(y)
        values[f"body.{at + 1}"] = y
    values["add"] = F.pixel_shuffle(y, scale) + F.interpolate(picture, scale_factor=scale, mode="nearest")
    return w, values


def picture(height, width):
    return torch.rand(1, 3, height, width)


cases = {
    "prelu_x4": srvgg(7, 3, 4, picture(5, 6), slopes=7),
    "prelu_x3": srvgg(6, 1, 3, picture(1, 2), slopes=6),
    "prelu_x2": srvgg(5, 2, 2, picture(7, 9), slopes=1),
    "prelu_x1": srvgg(4, 2, 1, picture(9, 5), slopes=4),
    "relu_x2": srvgg(5, 2, 2, picture(3, 4), slopes=0),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "srvgg.safetensors")
