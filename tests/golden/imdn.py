"""Writes imdn.safetensors: small seeded IMDNs, their input, output and what lies between.

    python imdn.py          (torch, safetensors)

The network as in the paper (Hui et al., ACM MM 2019) under the authors' names. Names:
`<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F

from distillation import Net, save


def lrelu(x):
    return F.leaky_relu(x, 0.05)


def imdb(net, name, x, distilled, mid):
    """`distilled` channels of each step are done."""
    c = x.shape[1]
    parts, rest = [], x
    for step in ("c1", "c2", "c3"):
        done, rest = lrelu(net.conv(f"{name}.{step}", rest, c, 3)).split((distilled, c - distilled), dim=1)
        parts.append(done)
    parts.append(net.conv(f"{name}.c4", rest, distilled, 3))
    out = net.cca(f"{name}.cca", torch.cat(parts, dim=1), mid)
    return net.keep(name, net.conv(f"{name}.c5", out, c, 1) + x)


def imdn(seed, scale, size, c, distilled, mid, blocks=2):
    net = Net(seed, white=1)
    x = net.keep("fea_conv", net.conv("fea_conv", net.picture(*size), c, 3))
    outs = [x]
    for i in range(blocks):
        outs.append(imdb(net, f"IMDB{i + 1}", outs[-1], distilled, mid))
    y = lrelu(net.conv("c.0", torch.cat(outs[1:], dim=1), c, 1))
    y = net.conv("LR_conv", y, c, 3) + x
    y = net.conv("upsampler.0", y, 3 * scale * scale, 3)
    if scale == 1:
        net.keep("upsampler.0", y)
    else:
        net.keep("upsampler.1", F.pixel_shuffle(y, scale))
    return net


save(__file__, {
    "x1": imdn(1, 1, (5, 4), c=8, distilled=2, mid=3, blocks=1),
    "x2": imdn(2, 2, (9, 7), c=8, distilled=2, mid=3),
    "x3": imdn(3, 3, (1, 3), c=12, distilled=3, mid=3),
    "x4": imdn(4, 4, (6, 11), c=9, distilled=2, mid=3, blocks=3),
})
