"""Writes rfdn.safetensors: small seeded RFDNs, their input, output and what lies between.

    python rfdn.py          (torch, safetensors)

The network as in the paper (Liu et al., ECCV workshops 2020) under the authors' names, with pictures
of 0 … 255; and the network that was pruned for NTIRE 2022, whose blocks have no residual, and whose attention is as
wide as before it was pruned. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F

from distillation import Net, save


def lrelu(x):
    return F.leaky_relu(x, 0.05)


def rfdb(net, name, x, distilled, f, residual):
    c = x.shape[1]
    parts, r = [], x
    for i in (1, 2, 3):
        parts.append(lrelu(net.conv(f"{name}.c{i}_d", r, distilled, 1)))
        out = net.conv(f"{name}.c{i}_r", r, c, 3)
        r = lrelu(out + r if residual else out)
    net.keep(f"{name}.c3_r.act", r)
    parts.append(lrelu(net.conv(f"{name}.c4", r, distilled, 3)))
    return net.esa(f"{name}.esa", net.conv(f"{name}.c5", torch.cat(parts, dim=1), c, 1), f, act=F.relu)


def rfdn(seed, scale, size, c, blocks=2, pruned=False):
    net = Net(seed, white=255)
    x = net.conv("fea_conv", net.picture(*size), c, 3)
    outs = [x]
    for i in range(blocks):
        outs.append(rfdb(net, f"B{i + 1}", outs[-1], c // 2, c // 4 + 2 * pruned, residual=not pruned))
    y = lrelu(net.conv("c.0", torch.cat(outs[1:], dim=1), c, 1))
    y = net.conv("LR_conv", y, c, 3) + x
    net.keep("upsampler.1", F.pixel_shuffle(net.conv("upsampler.0", y, 3 * scale * scale, 3), scale))
    return net


save(__file__, {
    "x2": rfdn(1, 2, (21, 27), c=6, blocks=1),
    "x3": rfdn(2, 3, (15, 16), c=8, blocks=1),
    "x4": rfdn(3, 4, (16, 15), c=4),
    "pruned_x2": rfdn(4, 2, (15, 17), c=5, pruned=True),
})
