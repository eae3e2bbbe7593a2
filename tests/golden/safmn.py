"""Writes safmn.safetensors: small seeded SAFMN networks, their input, output and what lies between.

    python safmn.py         (torch, safetensors)

The network as in the paper (Sun et al., ICCV 2023) and its authors' entry of NTIRE 2023, under the names of
their code. It shares no line with the project. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(31)
torch.set_num_threads(1)


def layer(w, name, out, inputs, kernel, bias=True):
    """A seeded convolution, its sums of the size of its inputs."""
    w[f"{name}.weight"] = torch.randn(out, inputs, kernel, kernel) / (inputs * kernel**2) ** 0.5
    if bias:
        w[f"{name}.bias"] = torch.randn(out) / 5


def conv(w, name, x, groups=1):
    weight = w[f"{name}.weight"]
    return F.conv2d(x, weight, w.get(f"{name}.bias"), padding=weight.shape[-1] // 2, groups=groups)


def over_channels(w, name, x):
    y = F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-6)
    return y.permute(0, 3, 1, 2)


def safm(w, name, x, divisors):
    size, parts = x.shape[2:], []
    for level, (part, divisor) in enumerate(zip(x.chunk(4, dim=1), divisors)):
        y = F.adaptive_max_pool2d(part, [side // divisor for side in size]) if level else part
        y = conv(w, f"{name}.mfr.{level}", y, groups=part.shape[1])
        parts.append(F.interpolate(y, size=size, mode="nearest") if level else y)
    return F.gelu(conv(w, f"{name}.aggr", torch.cat(parts, dim=1))) * x


def safmn(c, blocks, scale, picture, challenge):
    w = {}
    layer(w, "to_feat", c, 3, 3)
    for i in range(blocks):
        for level in range(4):
            layer(w, f"feats.{i}.safm.mfr.{level}", c // 4, 1, 3, bias=not challenge)
        layer(w, f"feats.{i}.safm.aggr", c, c, 1, bias=not challenge)
        layer(w, f"feats.{i}.ccm.ccm.0", 2 * c, c, 3, bias=not challenge)
        layer(w, f"feats.{i}.ccm.ccm.2", c, 2 * c, 1, bias=not challenge)
        for norm in () if challenge else ("norm1", "norm2"):
            w[f"feats.{i}.{norm}.weight"], w[f"feats.{i}.{norm}.bias"] = 1 + torch.randn(c) / 5, torch.randn(c) / 5
    layer(w, "to_img.0", 3 * scale**2, c, 3)
    if challenge:
        w["norm.gamma"], w["norm.beta"] = torch.randn(1, c, 1, 1), torch.randn(1, c, 1, 1) / 2

    values = {"input": picture}
    x = values["to_feat"] = conv(w, "to_feat", picture)
    if challenge:
        norms = x.square().sum(dim=(2, 3), keepdim=True).sqrt()
        x = values["norm"] = w["norm.gamma"] * x * norms / (norms.mean(dim=1, keepdim=True) + 1e-6) + w["norm.beta"] + x
    y = x
    for i in range(blocks):
        name = f"feats.{i}"
        z = values[f"{name}.safm"] = safm(
            w, f"{name}.safm", y if challenge else over_channels(w, f"{name}.norm1", y),
            (1, 4, 8, 16) if challenge else (1, 2, 4, 8))
        y = y + z
        z = y if challenge else over_channels(w, f"{name}.norm2", y)
        y = values[name] = y + conv(w, f"{name}.ccm.ccm.2", F.gelu(conv(w, f"{name}.ccm.ccm.0", z)))
    y = conv(w, "to_img.0", y if challenge else y + x)
    y = F.pixel_shuffle(y, scale)
    if challenge:
        values["to_img"] = y + F.interpolate(picture, scale_factor=scale, mode="bilinear", align_corners=False)
    else:
        values["to_img.1" if scale > 1 else "to_img.0"] = y
    return w, values


def picture(height, width):
    return torch.rand(1, 3, height, width)


cases = {
    "paper_x2": safmn(8, 1, 2, picture(9, 13), challenge=False),
    "paper_x3": safmn(4, 1, 3, picture(8, 8), challenge=False),
    "paper_x1": safmn(4, 2, 1, picture(11, 9), challenge=False),
    "challenge_x4": safmn(4, 1, 4, picture(17, 16), challenge=True),
    "challenge_x2": safmn(8, 2, 2, picture(16, 19), challenge=True),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "safmn.safetensors")
