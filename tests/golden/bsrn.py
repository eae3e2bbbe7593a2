"""Writes bsrn.safetensors: small seeded BSRNs, their input, output and what lies between.

    python bsrn.py          (torch, safetensors)

The network as in the paper (Li et al., CVPR workshops 2022) under the authors' names, and BSRN-S, with
which they came to NTIRE 2022. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

from functools import partial

import torch
import torch.nn.functional as F

from distillation import Net, save


def esdb(net, name, x, small, mid):
    c = x.shape[1]
    bsconv = partial(net.bsconv, small=small)
    parts, r = [], x
    for i in (1, 2, 3):
        parts.append(F.gelu(net.conv(f"{name}.c{i}_d", r, c // 2, 1, linear=small)))
        r = F.gelu(bsconv(f"{name}.c{i}_r", r, c) + r)
    parts.append(F.gelu(bsconv(f"{name}.c4", r, c // 2)))
    out = net.conv(f"{name}.c5", torch.cat(parts, dim=1), c, 1, linear=small)
    out = net.esa(f"{name}.esa", out, c // 4, act=F.gelu, conv2=None if small else bsconv, conv3=bsconv, linear=small)
    if small:
        cw = 1 + 0.2 * net.weight(f"{name}.cw", 1, c)
        net.w[f"{name}.cw"] = cw
        out = net.conv(f"{name}.conv_out", out * cw.view(1, c, 1, 1), c, 1, linear=True)
    else:
        out = net.cca(f"{name}.cca", out, mid)
    return out + x


def bsrn(seed, scale, size, c, blocks=2, small=False, mid=3):
    net = Net(seed, white=1)
    picture = net.picture(*size)
    x = net.bsconv("fea_conv", torch.cat([picture] * 4, dim=1), c, small=small)
    outs = [x]
    for i in range(blocks):
        outs.append(esdb(net, f"B{i + 1}", outs[-1], small, mid))
    y = F.gelu(net.conv("c1", torch.cat(outs[1:], dim=1), c, 1, linear=small))
    y = net.bsconv("c2", y, c, small=small) + x
    y = net.conv("upsampler.upsampleOneStep.0", y, 3 * scale * scale, 3)
    net.keep("upsampler.upsampleOneStep.1", F.pixel_shuffle(y, scale))
    return net


save(__file__, {
    "x2": bsrn(1, 2, (21, 27), c=6),
    "x3": bsrn(2, 3, (15, 16), c=8, blocks=1),
    "x4": bsrn(3, 4, (16, 15), c=9, mid=3),
    "small_x2": bsrn(4, 2, (15, 17), c=8, small=True),
})
