"""The networks whose gradients are golden, in PyTorch: as in their papers, under their authors' names.

Each is a function of a `Net`, which holds the parameters, and of a picture. Parameters are made where a definition
first asks for them, so that a definition is also the list of its tensors. It shares no line with the project.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.append(str(Path(__file__).resolve().parents[1]))

from esrt import esrt as activations_of_esrt  # noqa: E402

MEAN = (0.4488, 0.4371, 0.4040)


class Net:
    """Parameters `w` by name: those given, or seeded ones of the order that keeps sums at the size of their inputs, or
    PyTorch's own start of a convolution (`default`). All are numbers that f32 holds, whatever `dtype` computes.
    """

    def __init__(self, seed=0, parameters=None, default=False, white=1.0, dtype=torch.float64):
        self.default, self.white, self.dtype = default, white, dtype
        self.w = {} if parameters is None else parameters
        self.seed = torch.Generator().manual_seed(seed) if parameters is None else None

    def parameter(self, name, *shape, spread=1.0, centre=0.0, uniform=None):
        if name not in self.w:
            assert self.seed, f"{name}: expected a tensor of this name, found none"
            numbers = centre + spread * torch.randn(shape, generator=self.seed)
            if self.default and uniform:
                numbers = (2 * torch.rand(shape) - 1) * uniform
            self.w[name] = numbers.float().to(self.dtype).requires_grad_()
        assert self.w[name].shape == shape, f"{name}: expected {shape}, found {tuple(self.w[name].shape)}"
        return self.w[name]

    def conv(self, name, x, out, k=3, bias=True, gain=1.0, offset=None, groups=1, **how):
        """Keeps the picture's size, unless told otherwise; `offset`: the bias's size."""
        ky, kx = (k, k) if isinstance(k, int) else k
        inputs = x.shape[1] // groups
        start = (inputs * ky * kx) ** -0.5
        weight = self.parameter(f"{name}.weight", out, inputs, ky, kx, spread=gain * start, uniform=start)
        offset = self.white / 10 if offset is None else offset
        bias = self.parameter(f"{name}.bias", out, spread=offset, uniform=start) if bias else None
        return F.conv2d(x, weight, bias, groups=groups, **{"padding": (ky // 2, kx // 2)} | how)

    def mean(self, like):
        return like.new_tensor(MEAN).view(1, 3, 1, 1)

    def shift(self, name, x, mean):
        """By a stored mean: a 1×1 convolution."""
        weight = self.w.setdefault(f"{name}.weight", torch.eye(3, dtype=x.dtype).view(3, 3, 1, 1).requires_grad_())
        bias = self.w.setdefault(f"{name}.bias", (mean * torch.tensor(MEAN)).to(x.dtype).requires_grad_())
        return F.conv2d(x, weight, bias)


def upsampler(net, name, x, scale):
    """EDSR's."""
    for stage, factor in enumerate({2: (2,), 3: (3,), 4: (2, 2)}[scale]):
        x = F.pixel_shuffle(net.conv(f"{name}.{2 * stage}", x, factor**2 * x.shape[1]), factor)
    return x


def edsr(net, picture, c, blocks, scale, res_scale=1.0, keys="pytorch"):
    """Pictures of 0 … 255, of DIV2K's mean or a stored one. Lim et al., CVPR workshops 2017."""
    head, first, second, after, up, last = {
        "pytorch": ("head.0", "body.{}.body.0", "body.{}.body.2", f"body.{blocks}", "tail.0", "tail.1"),
        "basicsr": ("conv_first", "body.{}.conv1", "body.{}.conv2", "conv_after_body", "upsample", "conv_last"),
    }[keys]
    stored = "sub_mean.weight" in net.w
    mean = 255 * net.mean(picture)
    x = y = net.conv(head, net.shift("sub_mean", picture, -255) if stored else picture - mean, c)
    for i in range(blocks):
        y = y + res_scale * net.conv(second.format(i), net.conv(first.format(i), y, c).relu(), c)
    y = net.conv(after, y, c) + x
    y = net.conv(last, upsampler(net, up, y, scale), 3)
    return net.shift("add_mean", y, 255) if stored else y + mean


def ledsr(net, picture, c, blocks, scale):
    """EDSR with one convolution to the picture and weight normalisation. Zhang et al., NeurIPS 2021."""

    def conv(name, x, out):
        inputs = x.shape[1]
        v = net.parameter(f"{name}.weight", out, inputs, 3, 3, spread=(9 * inputs) ** -0.5)
        g = net.parameter(f"{name}.wn_scale", out, spread=0.2, centre=0.9)
        length = v.flatten(1).norm(dim=1).clamp(min=1e-12)
        bias = net.parameter(f"{name}.bias", out, spread=net.white / 20)
        return F.conv2d(x, (g / length).view(-1, 1, 1, 1) * v, bias, padding=1)

    mean = 255 * net.mean(picture)
    x = y = conv("head.0", picture - mean, c)
    for i in range(blocks):
        y = y + conv(f"body.{i}.body.2", conv(f"body.{i}.body.0", y, c).relu(), c)
    y = conv(f"body.{blocks}", y, c) + x
    return F.pixel_shuffle(conv("tail.0.0", y, 3 * scale**2), scale) + mean


def drawn(logit, uniform, tau):
    """Gumbel-softmax of two classes is a logistic's noise on the difference of their logits."""
    return torch.sigmoid((logit + torch.log(uniform) - torch.log1p(-uniform)) / tau)


def smsr(net, picture, c, modules, layers, scale, mode, uniforms=None, tau=None, mask_channels=4, squeezed=2):
    """The picture and the sparsity. Wang et al., CVPR 2021; the three forms that it is trained in.

    open    masks are one everywhere, nothing is drawn
    gumbel  masks of pixels and of channels are drawn: soft
    hard    masks are as at inference and no part of what is learnt

    `uniforms`, in 0 … 1: of the pixels `body.<k>.spa_mask`, N×1×H×W, and of the channels of a layer
    `body.<k>.body.<l>`, 1×C×1×1. A channel's logit is the dense one's less the sparse one's, a pixel's the open one's
    less the closed one's.
    """
    sparsities = []

    def pixels(k, x):
        """How open."""
        name = f"body.{k}.spa_mask"
        h = F.avg_pool2d(net.conv(f"{name}.0", x, mask_channels).relu(), 2)
        h = net.conv(f"{name}.3", h, mask_channels).relu()
        weight = net.parameter(f"{name}.5.weight", mask_channels, 2, 3, 3, spread=0.02)
        bias = net.parameter(f"{name}.5.bias", 2)
        logits = F.conv_transpose2d(h, weight, bias, stride=2, padding=1, output_padding=1)
        return logits[:, 1:] - logits[:, :1]

    def module(k, x):
        name = f"body.{k}.body"
        mask = pixels(k, x)
        logits = net.parameter(f"{name}.ch_mask", 1, c, layers, 2)
        logits = (logits[..., 0] - logits[..., 1]).permute(2, 0, 1)[..., None, None]  # layers×1×C×1×1
        if mode == "gumbel":
            mask = drawn(mask, uniforms[f"body.{k}.spa_mask"], tau)
            dense = [drawn(logits[l], uniforms[f"{name}.{l}"], tau) for l in range(layers)]
        else:
            mask, dense = (mask.detach() > 0).to(x.dtype), [(logit.detach() > 0).to(x.dtype) for logit in logits]
        outs, inputs = [], torch.ones_like(dense[0])
        for l, outputs in enumerate(dense):
            weight = net.parameter(f"{name}.body.{l}.weight", c, c, 3, 3, spread=1.4 * (9 * c) ** -0.5)
            if mode == "open":
                x = F.conv2d(x, weight, padding=1).relu()
            else:
                of_dense = F.conv2d(x * inputs, weight, padding=1)
                of_sparse = F.conv2d(x * (1 - inputs), weight, padding=1)
                x = (outputs * of_dense + mask * ((1 - outputs) * of_dense + of_sparse)).relu()
                sparsities.append((mask * (1 - outputs) + outputs).mean())
            outs.append(x)
            inputs = outputs
        return net.conv(f"{name}.collect", torch.cat(outs, 1), c, 1)

    centred = net.shift("sub_mean", picture, -255)
    x = feature = net.conv("head.2", net.conv("head.0", centred, c).relu(), c)
    features = []
    for k in range(modules):
        y = module(k, feature)
        factors = net.conv(f"body.{k}.ca.conv_du.0", y.mean((2, 3), keepdim=True), squeezed, 1, gain=0.1, offset=1.0).relu()
        factors = net.conv(f"body.{k}.ca.conv_du.2", factors, c, 1, gain=0.3, offset=0.3).sigmoid()
        feature = y * factors + feature
        features.append(feature)
    y = net.conv("collect.0", torch.cat(features, 1), c, 1).relu()
    y = net.conv("collect.2", y, c) + x
    y = F.pixel_shuffle(net.conv("tail.0", y, 3 * scale**2), scale)
    y = net.shift("add_mean", y + F.interpolate(centred, scale_factor=scale, mode="bicubic"), 255)
    return y, torch.stack(sparsities).mean() if sparsities else None


def rcan(net, picture, c, groups, blocks, scale, squeezed):
    """Pictures of 0 … 255. Zhang et al., ECCV 2018."""
    mean = 255 * net.mean(picture)
    x = y = net.conv("head.0", picture - mean, c)
    for g in range(groups):
        z = y
        for b in range(blocks):
            name = f"body.{g}.body.{b}.body"
            r = net.conv(f"{name}.2", net.conv(f"{name}.0", z, c).relu(), c)
            factors = net.conv(f"{name}.3.conv_du.0", r.mean((2, 3), keepdim=True), squeezed, 1, gain=0.1, offset=1.0).relu()
            z = z + r * net.conv(f"{name}.3.conv_du.2", factors, c, 1, gain=0.3, offset=0.3).sigmoid()
        y = y + net.conv(f"body.{g}.body.{blocks}", z, c)
    y = net.conv(f"body.{groups}", y, c) + x
    return net.conv("tail.1", upsampler(net, "tail.0", y, scale), 3) + mean


def esa(net, name, x, f, act=None, conv2=None, conv3=None):
    """Enhanced spatial attention; `act` where there are three convolutions behind the pool."""
    conv2 = conv2 or net.conv
    conv3 = conv3 or net.conv
    s = net.conv(f"{name}.conv1", x, f, 1)
    g = F.max_pool2d(conv2(f"{name}.conv2", s, f, stride=2, padding=0), 7, 3)
    if act:
        g = act(conv3(f"{name}.conv_max", g, f))
        g = act(conv3(f"{name}.conv3", g, f))
        g = conv3(f"{name}.conv3_", g, f)
    else:
        g = conv3(f"{name}.conv3", g, f)
    g = F.interpolate(g, x.shape[2:], mode="bilinear", align_corners=False)
    y = net.conv(f"{name}.conv4", g + net.conv(f"{name}.conv_f", s, f, 1), x.shape[1], 1, gain=2 / net.white, offset=0.3)
    return x * y.sigmoid()


def cca(net, name, x, squeezed):
    """Contrast-aware channel attention."""
    mean = x.mean((2, 3), keepdim=True)
    contrast = ((x - mean) ** 2).mean((2, 3), keepdim=True).sqrt()
    y = net.conv(f"{name}.conv_du.0", contrast + mean, squeezed, 1).relu()
    return x * net.conv(f"{name}.conv_du.2", y, x.shape[1], 1).sigmoid()


def imdn(net, picture, c, distilled, blocks, scale, squeezed):
    """Hui et al., ACM MM 2019."""
    lrelu = lambda x: F.leaky_relu(x, 0.05)
    x = y = net.conv("fea_conv", picture, c)
    outs = []
    for i in range(1, blocks + 1):
        parts, rest = [], y
        for step in ("c1", "c2", "c3"):
            done, rest = lrelu(net.conv(f"IMDB{i}.{step}", rest, c)).split((distilled, c - distilled), 1)
            parts.append(done)
        parts.append(net.conv(f"IMDB{i}.c4", rest, distilled))
        y = net.conv(f"IMDB{i}.c5", cca(net, f"IMDB{i}.cca", torch.cat(parts, 1), squeezed), c, 1) + y
        outs.append(y)
    y = net.conv("LR_conv", lrelu(net.conv("c.0", torch.cat(outs, 1), c, 1)), c) + x
    return F.pixel_shuffle(net.conv("upsampler.0", y, 3 * scale**2), scale)


def rfdn(net, picture, c, blocks, scale):
    """Pictures of 0 … 255. Liu et al., ECCV workshops 2020."""
    lrelu = lambda x: F.leaky_relu(x, 0.05)
    x = y = net.conv("fea_conv", picture, c)
    outs = []
    for i in range(1, blocks + 1):
        name, parts = f"B{i}", []
        for step in (1, 2, 3):
            parts.append(lrelu(net.conv(f"{name}.c{step}_d", y, c // 2, 1)))
            y = lrelu(net.conv(f"{name}.c{step}_r", y, c) + y)
        parts.append(lrelu(net.conv(f"{name}.c4", y, c // 2)))
        y = esa(net, f"{name}.esa", net.conv(f"{name}.c5", torch.cat(parts, 1), c, 1), c // 4, act=F.relu)
        outs.append(y)
    y = net.conv("LR_conv", lrelu(net.conv("c.0", torch.cat(outs, 1), c, 1)), c) + x
    return F.pixel_shuffle(net.conv("upsampler.0", y, 3 * scale**2), scale)


def rlfn(net, picture, c, blocks, scale, f):
    """Pictures of 0 … 255. Kong et al., CVPR workshops 2022."""
    x = y = net.conv("conv_1", picture, c)
    for i in range(1, blocks + 1):
        out = y
        for step in ("c1_r", "c2_r", "c3_r"):
            out = F.leaky_relu(net.conv(f"block_{i}.{step}", out, c), 0.05)
        y = esa(net, f"block_{i}.esa", net.conv(f"block_{i}.c5", out + y, c, 1), f)
    y = net.conv("conv_2", y, c) + x
    return F.pixel_shuffle(net.conv("upsampler.0", y, 3 * scale**2), scale)


def bsrn(net, picture, c, blocks, scale, squeezed):
    """Li et al., CVPR workshops 2022."""

    def bsconv(name, x, out, **how):
        return net.conv(f"{name}.dw", net.conv(f"{name}.pw", x, out, 1, bias=False), out, groups=out, **how)

    x = y = bsconv("fea_conv", torch.cat([picture] * 4, 1), c)
    outs = []
    for i in range(1, blocks + 1):
        name, parts, r = f"B{i}", [], y
        for step in (1, 2, 3):
            parts.append(F.gelu(net.conv(f"{name}.c{step}_d", r, c // 2, 1)))
            r = F.gelu(bsconv(f"{name}.c{step}_r", r, c) + r)
        parts.append(F.gelu(bsconv(f"{name}.c4", r, c // 2)))
        out = net.conv(f"{name}.c5", torch.cat(parts, 1), c, 1)
        out = esa(net, f"{name}.esa", out, c // 4, act=F.gelu, conv2=bsconv, conv3=bsconv)
        y = cca(net, f"{name}.cca", out, squeezed) + y
        outs.append(y)
    y = bsconv("c2", F.gelu(net.conv("c1", torch.cat(outs, 1), c, 1)), c) + x
    return F.pixel_shuffle(net.conv("upsampler.upsampleOneStep.0", y, 3 * scale**2), scale)


def srvgg(net, picture, c, convolutions, scale):
    """SRVGGNetCompact of Real-ESRGAN, with a learned slope a channel."""
    y = picture
    for at in range(0, 2 * convolutions + 1, 2):
        y = net.conv(f"body.{at}", y, c, gain=1.2)
        y = F.prelu(y, net.parameter(f"body.{at + 1}.weight", c, spread=0.5))
    y = net.conv(f"body.{2 * convolutions + 2}", y, 3 * scale**2)
    return F.pixel_shuffle(y, scale) + F.interpolate(picture, scale_factor=scale, mode="nearest")


def rrdb(net, picture, c, growth, blocks):
    """x2, under ESRGAN's first names. Wang et al., ECCV workshops 2018."""
    lrelu = lambda x: F.leaky_relu(x, 0.2)

    def dense(name, x):
        made = [x]
        for k in range(1, 5):
            made.append(lrelu(net.conv(f"{name}.conv{k}", torch.cat(made, 1), growth, gain=1.4)))
        return 0.2 * net.conv(f"{name}.conv5", torch.cat(made, 1), c, gain=3.0) + x

    x = y = net.conv("conv_first", picture, c)
    for i in range(blocks):
        z = y
        for j in (1, 2, 3):
            z = dense(f"RRDB_trunk.{i}.RDB{j}", z)
        y = 0.2 * z + y
    y = x + net.conv("trunk_conv", y, c)
    y = lrelu(net.conv("upconv1", F.interpolate(y, scale_factor=2, mode="nearest"), c))
    return net.conv("conv_last", lrelu(net.conv("HRconv", y, c)), 3)


def span(net, picture, c, blocks, scale):
    """With the branches that it is trained by; what is merged of them, `eval_conv`, is of another step.
    Wan et al., CVPR workshops 2024."""

    def conv(name, x, out, gain=1.0):
        net.parameter(f"{name}.eval_conv.weight", out, x.shape[1], 3, 3)
        net.parameter(f"{name}.eval_conv.bias", out)
        y = F.pad(x, (1, 1, 1, 1))
        y = net.conv(f"{name}.conv.0", y, 2 * x.shape[1], 1, padding=0)
        y = net.conv(f"{name}.conv.1", y, 2 * out, padding=0)
        return net.conv(f"{name}.conv.2", y, out, 1, gain=gain) + net.conv(f"{name}.sk", x, out, 1, gain=gain / 2)

    outs = [conv("conv_1", (picture - net.mean(picture)) * 255, c, gain=0.02)]
    for i in range(1, blocks + 1):
        first = F.silu(conv(f"block_{i}.c1_r", outs[-1], c))
        h = conv(f"block_{i}.c3_r", F.silu(conv(f"block_{i}.c2_r", first, c)), c)
        outs.append((h + outs[-1]) * (h.sigmoid() - 0.5))
    y = net.conv("conv_cat", torch.cat([outs[0], conv("conv_2", outs[-1], c), outs[1], first], 1), c, 1)
    return F.pixel_shuffle(net.conv("upsampler.0", y, 3 * scale**2), scale)


def acnet(net, picture, c, scale, count=17):
    """With its three convolutions side by side; the sum has all layers but the last behind their activation.
    Tian et al., IEEE TSMC 2021."""
    conv = lambda name, x, out, k=3, gain=1.0: net.conv(f"{name}.0", x, out, k, bias=False, gain=gain)
    y = net.shift("sub_mean.shifter", picture, -1)
    layers = []
    for i in range(1, count + 1):
        x = sum(conv(f"conv{i}_{branch}", y, c, k) for branch, k in ((1, (1, 3)), (2, (3, 1)), (3, 3)))
        y = x if i == count else x.relu()
        layers.append(y)
    up = lambda x: upsampler(net, "upsample.up.body", x, scale)
    t1, t2 = up(sum(layers).relu()).relu(), up(layers[0]).relu()
    second = lambda branch, x: conv(f"conv{count + 2}_{branch}", conv(f"conv{count + 1}_{branch}", x, c).relu(), c)
    u = second(1, t1) + second(2, t2)
    u = conv(f"conv{count + 4}", conv(f"conv{count + 3}", u.relu(), c).relu(), c).relu()
    return net.shift("add_mean.shifter", conv(f"conv{count + 5}", u, 3), 1)


class Lively(Net):
    """A net whose factors begin near one and whose channels' attention is awake: what rests has no gradient."""

    def __init__(self, net):
        self.__dict__ = net.__dict__

    def parameter(self, name, *shape, **how):
        starts = {"scale": {"spread": 0.1, "centre": 1.0}, "conv_du.0.bias": {"spread": 0.3, "centre": 2.0}}
        of = next((start for end, start in starts.items() if name.endswith(end)), {})
        return super().parameter(name, *shape, **how | of)


def esrt(net, picture, scale, c, inner, squeezed, reduced):
    """That of `../esrt.py`. Lu et al., CVPR workshops 2022."""
    return activations_of_esrt(Lively(net), picture, scale, c, inner, squeezed, reduced)["output"]


def windows(x, side):
    """B×H×W×C → B×windows×side²×C."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // side, side, w // side, side, c).transpose(2, 3)
    return x.reshape(b, h // side * (w // side), side * side, c)


def unwindows(x, side, h, w):
    x = x.reshape(x.shape[0], h // side, w // side, side, side, -1).transpose(2, 3)
    return x.reshape(x.shape[0], h, w, -1)


def attend(qkv, table, side, shift, heads):
    """Swin Transformer's: B×H×W×3C → B×H×W×C. The picture is rolled, and pixels that were not neighbours are kept
    apart by a mask of −100."""
    b, h, w, channels = qkv.shape
    parts = qkv.new_zeros(1, h, w, 1)
    if shift:
        qkv = qkv.roll((-shift, -shift), (1, 2))
        part = lambda n: (torch.arange(n) >= n - side).int() + (torch.arange(n) >= n - shift).int()
        parts = (3 * part(h)[:, None] + part(w)[None, :]).to(qkv.dtype)[None, :, :, None]
    x = windows(qkv, side)
    q, k, v = x.reshape(*x.shape[:3], 3, heads, -1).permute(3, 0, 1, 4, 2, 5)
    p = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), -1).reshape(-1, 1, 2)
    dy, dx = (p - p.transpose(0, 1) + side - 1).unbind(-1)
    scores = q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2) + table[dy * (2 * side - 1) + dx].permute(2, 0, 1)
    parts = windows(parts, side)[0, :, :, 0]
    scores = scores + torch.where(parts[:, :, None] == parts[:, None, :], 0.0, -100.0).to(qkv.dtype)[:, None]
    y = (scores.softmax(-1) @ v).transpose(2, 3).reshape(*x.shape[:3], channels // 3)
    return unwindows(y, side, h, w).roll((shift, shift), (1, 2))


def swinir(net, picture, c, depths, heads, side, scale):
    """The lightweight one. Liang et al., ICCV workshops 2021."""

    def linear(name, x, out, gain=1.0):
        weight = net.parameter(f"{name}.weight", out, x.shape[-1], spread=gain * x.shape[-1] ** -0.5)
        return F.linear(x, weight, net.parameter(f"{name}.bias", out, spread=0.2))

    def norm(name, x):
        weight = net.parameter(f"{name}.weight", c, spread=0.3, centre=1.0)
        return F.layer_norm(x, (c,), weight, net.parameter(f"{name}.bias", c, spread=0.3), 1e-5)

    def layer(name, x, shift):
        qkv = linear(f"{name}.attn.qkv", norm(f"{name}.norm1", x), 3 * c, gain=1.5)
        table = net.parameter(f"{name}.attn.relative_position_bias_table", (2 * side - 1) ** 2, heads)
        x = x + linear(f"{name}.attn.proj", attend(qkv, table, side, shift, heads), c)
        y = F.gelu(linear(f"{name}.mlp.fc1", norm(f"{name}.norm2", x), 2 * c))
        return x + linear(f"{name}.mlp.fc2", y, c)

    mean = net.mean(picture)
    first = net.conv("conv_first", picture - mean, c)
    x = norm("patch_embed.norm", first.permute(0, 2, 3, 1))
    for i, depth in enumerate(depths):
        y = x
        for j in range(depth):
            y = layer(f"layers.{i}.residual_group.blocks.{j}", y, j % 2 * (side // 2))
        x = x + net.conv(f"layers.{i}.conv", y.permute(0, 3, 1, 2), c).permute(0, 2, 3, 1)
    y = net.conv("conv_after_body", norm("norm", x).permute(0, 3, 1, 2), c) + first
    return F.pixel_shuffle(net.conv("upsample.0", y, 3 * scale**2), scale) + mean
