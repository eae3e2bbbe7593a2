"""Writes esrt.safetensors: small seeded ESRT networks, their input, output and what lies between.

    python esrt.py          (torch, safetensors)

The network as in the paper (Lu et al., CVPR workshops 2022, figures 2 to 5) under the original's names. The attention
reduces tokens to a width that its eight heads divide, which in the original is half of theirs. It shares no line with
the project. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(29)
torch.set_num_threads(1)

HEADS = 8


class Made(dict):
    """Seeded parameters, made when they are first asked for: halves, which the file keeps them as."""

    def seeded(self, name, *shape, gain=1.0, mean=0.0):
        if name not in self:
            self[name] = (mean + gain * torch.randn(shape)).half().float()
        return self[name]

    def conv(self, name, x, out, kernel=3, bias=True):
        inputs = x.shape[1]
        weight = self.seeded(f"{name}.weight", out, inputs, kernel, kernel, gain=(inputs * kernel**2) ** -0.5)
        return F.conv2d(x, weight, self.seeded(f"{name}.bias", out, gain=0.1) if bias else None, padding=kernel // 2)

    def linear(self, name, x, out, gain=1.0, bias=True):
        weight = self.seeded(f"{name}.weight", out, x.shape[-1], gain=gain * x.shape[-1] ** -0.5)
        return F.linear(x, weight, self.seeded(f"{name}.bias", out, gain=0.2) if bias else None)

    def norm(self, name, x):
        c = x.shape[-1]
        weight = self.seeded(f"{name}.weight", c, gain=0.3, mean=1.0)
        return F.layer_norm(x, (c,), weight, self.seeded(f"{name}.bias", c, gain=0.3), 1e-5)

    def times(self, name, x):
        """A learned factor, some below zero."""
        return x * self.seeded(f"{name}.scale", 1, gain=0.4, mean=0.5)

    def bilinear(self, x, like):
        return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


def unit(m, name, x, inner):
    y = F.prelu(m.conv(f"{name}.conv", x, inner), m.seeded(f"{name}.relu.weight", inner, gain=0.2, mean=0.3))
    return m.times(f"{name}.weight1", x) + m.times(f"{name}.weight2", m.conv(f"{name}.conv1", y, x.shape[1]))


def channel_attention(m, name, x, squeezed):
    y = F.relu(m.conv(f"{name}.conv_du.0", x.mean((2, 3), keepdim=True), squeezed, 1))
    return x * m.conv(f"{name}.conv_du.2", y, x.shape[1], 1).sigmoid()


def feature_block(m, name, x, inner, squeezed):
    c = x.shape[1]
    x1 = unit(m, f"{name}.layer1", x, inner)
    x2 = unit(m, f"{name}.layer2", x1, inner)
    y = torch.cat([m.times(f"{name}.weight2", x2), m.times(f"{name}.weight3", x1)], 1)
    y = channel_attention(m, f"{name}.atten", F.relu(m.conv(f"{name}.alise.conv", y, c, 1, bias=False)), squeezed)
    y = F.relu(m.conv(f"{name}.layer4.conv", y, c, bias=False))
    return m.times(f"{name}.weight4", x) + m.times(f"{name}.weight5", y)


def high_preserving_block(m, name, x, inner, squeezed):
    middle = feature_block(m, f"{name}.encoder", x, inner, squeezed)
    low = F.avg_pool2d(middle, 2)
    high = middle - m.bilinear(low, x)
    for _ in range(5):
        low = feature_block(m, f"{name}.decoder_low", low, inner, squeezed)
    high = feature_block(m, f"{name}.decoder_high", high, inner, squeezed)
    y = F.relu(m.conv(f"{name}.alise2.conv", torch.cat([m.bilinear(low, x), high], 1), x.shape[1], 1, bias=False))
    return feature_block(m, f"{name}.alise", channel_attention(m, f"{name}.att", y, squeezed), inner, squeezed) + x


def transformer(m, name, x, reduced):
    tokens = F.unfold(x, 3, padding=1).transpose(1, 2)
    n, width = tokens.shape[1:]
    y = m.linear(f"{name}.atten.reduce", m.norm(f"{name}.norm1", tokens), reduced, bias=False)
    qkv = m.linear(f"{name}.atten.qkv", y, 3 * reduced, gain=2.0, bias=False)
    q, k, v = qkv.reshape(1, n, 3, HEADS, reduced // HEADS).permute(2, 0, 3, 1, 4)
    parts = zip(*(part.split(n // 4, 2) for part in (q, k, v)))
    y = torch.cat([(q @ k.mT * (width // HEADS) ** -0.5).softmax(-1) @ v for q, k, v in parts], 2)
    tokens = tokens + m.linear(f"{name}.atten.proj", y.transpose(1, 2).reshape(1, n, reduced), width)
    y = F.relu(m.linear(f"{name}.mlp.fc1", m.norm(f"{name}.norm2", tokens), width // 4))
    tokens = tokens + m.linear(f"{name}.mlp.fc2", y, width)
    return tokens.transpose(1, 2).reshape(1, width, *x.shape[2:])


def upsample(m, name, x, scale):
    for stage, factor in enumerate({2: (2,), 3: (3,), 4: (2, 2)}[scale]):
        x = F.pixel_shuffle(m.conv(f"{name}.{2 * stage}", x, factor**2 * x.shape[1]), factor)
    return x


def esrt(height, width, scale, c, inner, squeezed, reduced):
    m, values = Made(), {"input": torch.rand(1, 3, height, width)}
    head = m.conv("head.0", values["input"], c)
    blocks = [head]
    for block in ("encoder1", "encoder2", "encoder3"):
        blocks.append(high_preserving_block(m, f"body.0.{block}", blocks[-1], inner, squeezed))
    values["body.0.encoder1"] = blocks[1]
    y = transformer(m, "body.0.attention", m.conv("body.0.reduce", torch.cat(blocks[1:], 1), c), reduced)
    values["body.0.attention"] = y
    y = m.conv("body.0.alise", F.fold(y.flatten(2), (height, width), 3, padding=1), c)
    x = values["body.0"] = m.times("body.0.weight1", head) + m.times("body.0.weight2", y)
    y = m.conv("tail.1", upsample(m, "tail.0", m.conv("reduce", x, c), scale), 3)
    values["output"] = F.relu(m.conv("up.1.conv", upsample(m, "up.0", head, scale), 3, bias=False)) + y
    assert any(m[name] < 0 for name in m if name.endswith("weight5.scale")), "the seed gives both signs"
    return dict(m), values


cases = {
    "x2": esrt(9, 7, 2, 6, 3, 2, 24),
    "x3": esrt(6, 8, 3, 4, 2, 1, 16),
    "x4": esrt(5, 3, 4, 4, 3, 1, 8),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor.half() for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "esrt.safetensors")
