"""Writes esrt.safetensors: small seeded ESRT networks, their input, output and what lies between.

    python esrt.py          (torch, safetensors)

The network as in the paper (Lu et al., CVPR workshops 2022, figures 2 to 5) under the original's names. The attention
reduces tokens to a width that its eight heads divide, which in the original is half of theirs. It shares no line with
the project. Names: `<case>.weights.<key>`, `<case>.values.<node>`. `learning/definitions.py` takes the network from here.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HEADS = 8


class Made(dict):
    """Seeded parameters, made when they are first asked for: halves, which the file keeps them as."""

    def parameter(self, name, *shape, spread=1.0, centre=0.0):
        if name not in self:
            self[name] = (centre + spread * torch.randn(shape)).half().float()
        return self[name]

    def conv(self, name, x, out, k=3, bias=True):
        inputs = x.shape[1]
        weight = self.parameter(f"{name}.weight", out, inputs, k, k, spread=(inputs * k**2) ** -0.5)
        return F.conv2d(x, weight, self.parameter(f"{name}.bias", out, spread=0.1) if bias else None, padding=k // 2)


def linear(m, name, x, out, gain=1.0, bias=True):
    weight = m.parameter(f"{name}.weight", out, x.shape[-1], spread=gain * x.shape[-1] ** -0.5)
    return F.linear(x, weight, m.parameter(f"{name}.bias", out, spread=0.2) if bias else None)


def norm(m, name, x):
    c = x.shape[-1]
    weight = m.parameter(f"{name}.weight", c, spread=0.3, centre=1.0)
    return F.layer_norm(x, (c,), weight, m.parameter(f"{name}.bias", c, spread=0.3), 1e-5)


def times(m, name, x):
    """A learned factor, some below zero."""
    return x * m.parameter(f"{name}.scale", 1, spread=0.4, centre=0.5)


def bilinear(x, like):
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


def unit(m, name, x, inner):
    y = F.prelu(m.conv(f"{name}.conv", x, inner), m.parameter(f"{name}.relu.weight", inner, spread=0.2, centre=0.3))
    return times(m, f"{name}.weight1", x) + times(m, f"{name}.weight2", m.conv(f"{name}.conv1", y, x.shape[1]))


def channel_attention(m, name, x, squeezed):
    y = F.relu(m.conv(f"{name}.conv_du.0", x.mean((2, 3), keepdim=True), squeezed, 1))
    return x * m.conv(f"{name}.conv_du.2", y, x.shape[1], 1).sigmoid()


def feature_block(m, name, x, inner, squeezed):
    c = x.shape[1]
    x1 = unit(m, f"{name}.layer1", x, inner)
    x2 = unit(m, f"{name}.layer2", x1, inner)
    y = torch.cat([times(m, f"{name}.weight2", x2), times(m, f"{name}.weight3", x1)], 1)
    y = channel_attention(m, f"{name}.atten", F.relu(m.conv(f"{name}.alise.conv", y, c, 1, bias=False)), squeezed)
    y = F.relu(m.conv(f"{name}.layer4.conv", y, c, bias=False))
    return times(m, f"{name}.weight4", x) + times(m, f"{name}.weight5", y)


def high_preserving_block(m, name, x, inner, squeezed):
    middle = feature_block(m, f"{name}.encoder", x, inner, squeezed)
    low = F.avg_pool2d(middle, 2)
    high = middle - bilinear(low, x)
    for _ in range(5):
        low = feature_block(m, f"{name}.decoder_low", low, inner, squeezed)
    high = feature_block(m, f"{name}.decoder_high", high, inner, squeezed)
    y = F.relu(m.conv(f"{name}.alise2.conv", torch.cat([bilinear(low, x), high], 1), x.shape[1], 1, bias=False))
    return feature_block(m, f"{name}.alise", channel_attention(m, f"{name}.att", y, squeezed), inner, squeezed) + x


def transformer(m, name, x, reduced):
    tokens = F.unfold(x, 3, padding=1).transpose(1, 2)
    n, width = tokens.shape[1:]
    y = linear(m, f"{name}.atten.reduce", norm(m, f"{name}.norm1", tokens), reduced, bias=False)
    qkv = linear(m, f"{name}.atten.qkv", y, 3 * reduced, gain=2.0, bias=False)
    q, k, v = qkv.reshape(-1, n, 3, HEADS, reduced // HEADS).permute(2, 0, 3, 1, 4)
    parts = zip(*(part.split(n // 4, 2) for part in (q, k, v)))
    y = torch.cat([(q @ k.mT * (width // HEADS) ** -0.5).softmax(-1) @ v for q, k, v in parts], 2)
    tokens = tokens + linear(m, f"{name}.atten.proj", y.transpose(1, 2).reshape(-1, n, reduced), width)
    y = F.relu(linear(m, f"{name}.mlp.fc1", norm(m, f"{name}.norm2", tokens), width // 4))
    tokens = tokens + linear(m, f"{name}.mlp.fc2", y, width)
    return tokens.transpose(1, 2).reshape(-1, width, *x.shape[2:])


def upsample(m, name, x, scale):
    for stage, factor in enumerate({2: (2,), 3: (3,), 4: (2, 2)}[scale]):
        x = F.pixel_shuffle(m.conv(f"{name}.{2 * stage}", x, factor**2 * x.shape[1]), factor)
    return x


def esrt(m, picture, scale, c, inner, squeezed, reduced):
    """The output, behind some of what lies between."""
    values, head = {}, m.conv("head.0", picture, c)
    blocks = [head]
    for block in ("encoder1", "encoder2", "encoder3"):
        blocks.append(high_preserving_block(m, f"body.0.{block}", blocks[-1], inner, squeezed))
    values["body.0.encoder1"] = blocks[1]
    y = transformer(m, "body.0.attention", m.conv("body.0.reduce", torch.cat(blocks[1:], 1), c), reduced)
    values["body.0.attention"] = y
    y = m.conv("body.0.alise", F.fold(y.flatten(2), picture.shape[2:], 3, padding=1), c)
    x = values["body.0"] = times(m, "body.0.weight1", head) + times(m, "body.0.weight2", y)
    y = m.conv("tail.1", upsample(m, "tail.0", m.conv("reduce", x, c), scale), 3)
    values["output"] = F.relu(m.conv("up.1.conv", upsample(m, "up.0", head, scale), 3, bias=False)) + y
    return values


def case(height, width, *sizes):
    m, picture = Made(), torch.rand(1, 3, height, width)
    values = {"input": picture} | esrt(m, picture, *sizes)
    assert any(m[name] < 0 for name in m if name.endswith("weight5.scale")), "the seed gives both signs"
    return dict(m), values


def main():
    torch.manual_seed(29)
    torch.set_num_threads(1)
    tensors = {}
    for name, sizes in {"x2": (9, 7, 2, 6, 3, 2, 24), "x3": (6, 8, 3, 4, 2, 1, 16), "x4": (5, 3, 4, 4, 3, 1, 8)}.items():
        weights, values = case(*sizes)
        print(name, {key: f"{tensor.std():.2g}" for key, tensor in values.items()})
        tensors |= {f"{name}.weights.{key}": tensor.half() for key, tensor in weights.items()}
        tensors |= {f"{name}.values.{key}": tensor for key, tensor in values.items()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "esrt.safetensors")


if __name__ == "__main__":
    main()
