"""Writes rcan.safetensors: small seeded RCAN and SRPN networks, their input, output and what lies between.

    python rcan.py          (torch, safetensors)

RCAN as in the paper (Zhang et al., ECCV 2018, figures 2 to 4) under its authors' names and under BasicSR's; SRPN,
which is RCAN without channel attention, as it is pruned (Zhang et al., ICLR 2022): odd and uneven widths within the
blocks, and all channels behind the upsampler. It shares no line with the project. Names: `<case>.weights.<key>`,
`<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(31)
torch.set_num_threads(1)

MEAN = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)
STAGES = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}

PYTORCH = {
    "head": "head.0", "block": "body.{g}.body.{b}", "first": "body.0", "second": "body.2",
    "squeeze": "body.3.conv_du.0", "excite": "body.3.conv_du.2", "group": "body.{g}.body.{blocks}",
    "body": "body.{groups}", "up": "tail.0", "last": "tail.1",
}
BASICSR = {
    "head": "conv_first", "block": "body.{g}.residual_group.{b}", "first": "rcab.0", "second": "rcab.2",
    "squeeze": "rcab.3.attention.1", "excite": "rcab.3.attention.3", "group": "body.{g}.conv",
    "body": "conv_after_body", "up": "upsample", "last": "conv_last",
}


class Network:
    """Makes each convolution's parameters as it is met."""

    def __init__(self, names, groups, blocks):
        self.names, self.sizes, self.w, self.values = names, {"groups": groups, "blocks": blocks}, {}, {}

    def name(self, key, **numbers):
        return self.names[key].format(**self.sizes, **numbers)

    def conv(self, name, x, out, kernel=3, gain=1.0, bias=12.0):
        inputs = x.shape[1]
        weight = gain * torch.randn(out, inputs, kernel, kernel) / (inputs * kernel**2) ** 0.5
        self.w[f"{name}.weight"] = weight
        offset = self.w[f"{name}.bias"] = bias * torch.randn(out)
        return F.conv2d(x, weight, offset, padding=kernel // 2)

    def attention(self, block, x, squeezed):
        y = x.mean((2, 3), keepdim=True)
        y = self.conv(f"{block}.{self.name('squeeze')}", y, squeezed, 1, gain=0.1, bias=1.0).relu()
        factors = self.conv(f"{block}.{self.name('excite')}", y, x.shape[1], 1, bias=0.5).sigmoid()
        print(f"  factors {factors.min():.2f} to {factors.max():.2f}")
        self.values[f"{block}.attention.sigmoid"] = factors
        return x * factors


def rcan(names, scale, size, c, widths, squeezed=None, upsampled=None):
    """`widths`: of the first convolution of each block, by group. `squeezed`: the attention's, if there is one."""
    net = Network(names, len(widths), len(widths[0]))
    net.values["input"] = torch.randint(0, 256, (1, 3, *size)).float()
    head = x = net.conv(net.name("head"), net.values["input"] - 255 * MEAN, c)
    for g, group in enumerate(widths):
        skip = x
        for b, inner in enumerate(group):
            block = net.name("block", g=g, b=b)
            y = net.conv(f"{block}.{net.name('first')}", x, inner).relu()
            y = net.conv(f"{block}.{net.name('second')}", y, c)
            x = net.values[block] = x + (net.attention(block, y, squeezed) if squeezed else y)
        x = net.values[f"body.{g}"] = skip + net.conv(net.name("group", g=g), x, c)
    x = net.values["body"] = net.conv(net.name("body"), x, c) + head
    for stage, factor in enumerate(STAGES[scale]):
        name = f"{net.name('up')}.{2 * stage}"
        x = F.pixel_shuffle(net.conv(name, x, factor**2 * (upsampled or c)), factor)
    net.values["add_mean"] = net.conv(net.name("last"), x, 3) + 255 * MEAN
    if names is PYTORCH:
        for name, sign in (("sub_mean", -255), ("add_mean", 255)):
            net.w |= {f"{name}.weight": torch.eye(3)[..., None, None], f"{name}.bias": sign * MEAN.flatten()}
    return net.w, net.values


cases = {
    "pytorch_x2": rcan(PYTORCH, 2, (9, 7), 6, [[6, 6], [6, 6]], squeezed=2),
    "basicsr_x3": rcan(BASICSR, 3, (5, 6), 5, [[5, 5]], squeezed=1),
    "pytorch_x8": rcan(PYTORCH, 8, (2, 3), 3, [[3]], squeezed=3),
    "srpn_x2": rcan(PYTORCH, 2, (7, 5), 5, [[3, 7], [5, 2]], upsampled=8),
    "srpn_x4": rcan(PYTORCH, 4, (3, 4), 7, [[5], [6]], upsampled=6),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "rcan.safetensors")
