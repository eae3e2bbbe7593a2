"""What imdn.py, rfdn.py, rlfn.py and bsrn.py have in common. It shares no line with the project.

Weights are made where a network first asks for them, so that a definition is also the list of its tensors.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_num_threads(1)


class Net:
    """A network's seeded weights `w`, and those of its `values` that are kept."""

    def __init__(self, seed, white):
        self.seed, self.white, self.w, self.values = torch.Generator().manual_seed(seed), white, {}, {}

    def picture(self, height, width):
        return self.keep("input", torch.rand(1, 3, height, width, generator=self.seed) * self.white)

    def keep(self, name, x):
        """What lies within blocks is kept of the first one alone: `B1.esa` makes `B2.esa` be left out."""
        if "." not in name or not any(name.split(".")[-1] == kept.split(".")[-1] for kept in self.values):
            self.values[name] = x
        return x

    def weight(self, name, *shape, gain=1.0):
        self.w[name] = torch.randn(shape, generator=self.seed) * gain
        return self.w[name]

    def conv(self, name, x, out, k, stride=1, bias=True, gain=1.0, groups=1, linear=False, **how):
        """Padded to keep the size, unless in strides; every sum of the order of its inputs."""
        within = x.shape[1] // groups
        weight = self.weight(f"{name}.weight", *((out, within) if linear else (out, within, k, k)),
                             gain=gain * (within * k * k) ** -0.5)
        bias = self.weight(f"{name}.bias", out, gain=gain * self.white / 10) if bias else None
        return F.conv2d(x, weight.reshape(out, within, k, k), bias, stride, k // 2 if stride == 1 else 0, groups=groups)

    def bsconv(self, name, x, out, stride=1, small=False):
        """Blueprint separable; BSRN-S's has a bias in between, and a pointwise part of two axes."""
        y = self.conv(f"{name}.pw", x, out, 1, bias=small, linear=small)
        return self.conv(f"{name}.dw", y, out, 3, stride, groups=out)

    def esa(self, name, x, f, act=None, conv_f=True, conv2=None, conv3=None, linear=False):
        """Enhanced spatial attention; `act` where there are three convolutions behind the pool."""
        plain = lambda name, x, out, stride=1: self.conv(name, x, out, 3, stride)
        conv2, conv3 = conv2 or plain, conv3 or plain
        c1_ = self.conv(f"{name}.conv1", x, f, 1, linear=linear)
        c3 = F.max_pool2d(conv2(f"{name}.conv2", c1_, f, stride=2), kernel_size=7, stride=3)
        if act:
            c3 = act(conv3(f"{name}.conv_max", c3, f))
            c3 = act(conv3(f"{name}.conv3", c3, f))
            c3 = conv3(f"{name}.conv3_", c3, f)
        else:
            c3 = conv3(f"{name}.conv3", c3, f)
        c3 = F.interpolate(c3, x.shape[2:], mode="bilinear", align_corners=False)
        cf = self.conv(f"{name}.conv_f", c1_, f, 1, linear=linear) if conv_f else c1_
        c4 = self.conv(f"{name}.conv4", c3 + cf, x.shape[1], 1, gain=2 / float((c3 + cf).std()), linear=linear)
        return x * self.keep(f"{name}.sigmoid", torch.sigmoid(c4))

    def cca(self, name, x, mid):
        """Contrast-aware channel attention."""
        mean = x.mean((2, 3), keepdim=True)
        contrast = ((x - mean) ** 2).mean((2, 3), keepdim=True) ** 0.5
        y = self.conv(f"{name}.conv_du.0", contrast + mean, mid, 1)
        self.w[f"{name}.conv_du.0.bias"] -= y.mean()  # so that some pass
        y = F.relu(y - y.mean())
        y = self.conv(f"{name}.conv_du.2", y, x.shape[1], 1, gain=2 / float(y.abs().max()))
        return x * self.keep(f"{name}.conv_du.3", torch.sigmoid(y))


def save(script, cases):
    """`<case>.weights.<key>` and `<case>.values.<node>`, beside the script."""
    tensors = {}
    for case, net in cases.items():
        print(case, {name: f"{x.mean():.2g}±{x.std():.2g}" for name, x in net.values.items()})
        for kind, named in (("weights", net.w), ("values", net.values)):
            tensors |= {f"{case}.{kind}.{name}": tensor.contiguous() for name, tensor in named.items()}
    save_file(tensors, pathlib.Path(script).with_suffix(".safetensors"))
