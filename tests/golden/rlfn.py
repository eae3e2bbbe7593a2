"""Writes rlfn.safetensors: small seeded RLFNs, their input, output and what lies between.

    python rlfn.py          (torch, safetensors)

The network as in the paper (Kong et al., CVPR workshops 2022), with pictures of 0 … 255, under the names of
the authors' repository, of their entry to NTIRE 2022 and of NTIRE 2024's SlimRLFN. Names: `<case>.weights.<key>`,
`<case>.values.<node>`.
"""

import torch.nn.functional as F

from distillation import Net, save

# What comes first, each block, what comes last, the upsampler.
REPOSITORY = ("conv_1", lambda i: f"block_{i + 1}", "conv_2", "upsampler.0")
CHALLENGE = ("fea_conv", lambda i: f"B{i + 1}", "LR_conv", "upsampler.0")
SLIM = ("conv_1", lambda i: f"block_list.{i}", "conv_2", "upsampler.upsample_conv")


def rlfb(net, name, x, mids, f, conv_f):
    out = x
    for conv, width in zip(("c1_r", "c2_r", "c3_r"), (*mids, x.shape[1])):
        out = F.leaky_relu(net.conv(f"{name}.{conv}", out, width, 3), 0.05)
    return net.esa(f"{name}.esa", net.conv(f"{name}.c5", out + x, x.shape[1], 1), f, conv_f=conv_f)


def rlfn(seed, scale, size, c, mids, f=4, keys=REPOSITORY):
    """`mids`: the inner widths of each block."""
    first, block, last, upsampler = keys
    net = Net(seed, white=255)
    x = net.conv(first, net.picture(*size), c, 3)
    y = x
    for i, widths in enumerate(mids):
        y = rlfb(net, block(i), y, widths, f, conv_f=keys is not SLIM)
    y = net.conv(last, y, c, 3) + x
    net.keep("upsampler", F.pixel_shuffle(net.conv(upsampler, y, 3 * scale * scale, 3), scale))
    return net


save(__file__, {
    "x2": rlfn(1, 2, (21, 27), c=4, mids=[(4, 4)], f=3),
    "x3": rlfn(2, 3, (15, 16), c=5, mids=[(5, 5)], f=3),
    "prune_x4": rlfn(3, 4, (15, 15), c=4, mids=[(5, 5), (5, 5)], f=3),
    "challenge_x2": rlfn(4, 2, (16, 15), c=4, mids=[(5, 5), (5, 5)], f=3, keys=CHALLENGE),
    "slim_x3": rlfn(5, 3, (15, 16), c=4, mids=[(4, 4), (4, 4)], f=3, keys=SLIM),
    "slim_prune_x2": rlfn(6, 2, (16, 15), c=5, mids=[(3, 4), (4, 2), (5, 5)], f=3, keys=SLIM),
})
