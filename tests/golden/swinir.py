"""Writes swinir.safetensors: small seeded SwinIR networks, their input, output and what lies between.

    python swinir.py          (torch, safetensors)

The network as in the paper (Liang et al., ICCV workshops 2021, figures 1 and 2) under the original's names, for each
of its ends and both of its residual connections. Windows are shifted as in Swin Transformer (Liu et al., ICCV 2021,
figure 4): the picture is rolled, cut into whole windows, and pixels that were not neighbours are kept apart by a
mask of −100. It shares no line with the project. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(23)
torch.set_num_threads(1)

MEAN = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)


class Made(dict):
    """Seeded parameters, made when they are first asked for: halves, which the file keeps them as."""

    def seeded(self, name, *shape, gain=1.0, mean=0.0):
        if name not in self:
            self[name] = (mean + gain * torch.randn(shape)).half().float()
        return self[name]

    def conv(self, name, x, out, kernel=3):
        inputs = x.shape[1]
        weight = self.seeded(f"{name}.weight", out, inputs, kernel, kernel, gain=(inputs * kernel**2) ** -0.5)
        return F.conv2d(x, weight, self.seeded(f"{name}.bias", out, gain=0.1), padding=kernel // 2)

    def linear(self, name, x, out, gain=1.0):
        weight = self.seeded(f"{name}.weight", out, x.shape[-1], gain=gain * x.shape[-1] ** -0.5)
        return F.linear(x, weight, self.seeded(f"{name}.bias", out, gain=0.2))

    def norm(self, name, x):
        c = x.shape[-1]
        weight = self.seeded(f"{name}.weight", c, gain=0.3, mean=1.0)
        return F.layer_norm(x, (c,), weight, self.seeded(f"{name}.bias", c, gain=0.3), 1e-5)


def windows(x, side):
    """B×H×W×… → B×windows×side²×…"""
    b, h, w = x.shape[:3]
    x = x.reshape(b, h // side, side, w // side, side, -1).transpose(2, 3)
    return x.reshape(b, h // side * (w // side), side * side, -1)


def unwindows(x, side, h, w):
    x = x.reshape(x.shape[0], h // side, w // side, side, side, -1).transpose(2, 3)
    return x.reshape(x.shape[0], h, w, -1)


def position_index(side):
    """Of every pair (p, q) of a window's pixels, the table's row."""
    p = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), -1).reshape(-1, 1, 2)
    dy, dx = (p - p.transpose(0, 1) + side - 1).unbind(-1)
    return dy * (2 * side - 1) + dx


def shift_mask(h, w, side, shift):
    """−100 between pixels of a rolled window that come from different sides of the picture's edge."""
    def part(length):
        return (torch.arange(length) >= length - side).int() + (torch.arange(length) >= length - shift).int()

    parts = windows((3 * part(h)[:, None] + part(w)[None, :])[None, :, :, None].float(), side)[0, :, :, 0]
    return torch.where(parts[:, :, None] == parts[:, None, :], 0.0, -100.0)


def attention(m, name, x, side, shift, heads):
    """On B×H×W×C."""
    b, h, w, c = x.shape
    rolled = windows(x.roll((-shift, -shift), (1, 2)), side)
    qkv = m.linear(f"{name}.qkv", rolled, 3 * c, gain=1.5).reshape(*rolled.shape[:3], 3, heads, -1)
    q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
    table = m.seeded(f"{name}.relative_position_bias_table", (2 * side - 1) ** 2, heads)
    scores = q * (c // heads) ** -0.5 @ k.transpose(-1, -2) + table[position_index(side)].permute(2, 0, 1)
    if shift:
        scores = scores + shift_mask(h, w, side, shift)[:, None]
    y = (scores.softmax(-1) @ v).transpose(2, 3).reshape(*rolled.shape)
    return unwindows(m.linear(f"{name}.proj", y, c), side, h, w).roll((shift, shift), (1, 2))


def layer(m, name, x, side, shift, heads, hidden):
    x = x + attention(m, f"{name}.attn", m.norm(f"{name}.norm1", x), side, shift, heads)
    y = F.gelu(m.linear(f"{name}.mlp.fc1", m.norm(f"{name}.norm2", x), hidden))
    return x + m.linear(f"{name}.mlp.fc2", y, x.shape[-1])


def residual_conv(m, name, x, convs):
    """On B×C×H×W."""
    c = x.shape[1]
    if convs == 1:
        return m.conv(name, x, c)
    y = F.leaky_relu(m.conv(f"{name}.0", x, c // 4), 0.2)
    y = F.leaky_relu(m.conv(f"{name}.2", y, c // 4, 1), 0.2)
    return m.conv(f"{name}.4", y, c)


def end(m, x, upsampler, scale, features, before):
    if upsampler == "pixelshuffledirect":
        return F.pixel_shuffle(m.conv("upsample.0", x, 3 * scale**2), scale)
    if before:
        x = F.leaky_relu(m.conv("conv_before_upsample.0", x, features), 0.01)
    if upsampler == "pixelshuffle":
        for stage, factor in enumerate({2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}[scale]):
            x = F.pixel_shuffle(m.conv(f"upsample.{2 * stage}", x, factor**2 * x.shape[1]), factor)
        return m.conv("conv_last", x, 3)
    for name in ("conv_up1", "conv_up2")[: scale // 2]:
        x = F.leaky_relu(m.conv(name, F.interpolate(x, scale_factor=2, mode="nearest"), features), 0.2)
    return m.conv("conv_last", F.leaky_relu(m.conv("conv_hr", x, features), 0.2), 3)


def swinir(height, width, scale, upsampler, c, depths, heads, side, ratio=2.0, convs=1, features=6, before=True,
           buffers=False):
    m, values = Made(), {"input": torch.rand(1, 3, height, width)}
    first = m.conv("conv_first", values["input"] - MEAN, c)
    x = m.norm("patch_embed.norm", first.permute(0, 2, 3, 1))
    for i, (depth, count) in enumerate(zip(depths, heads)):
        y = x
        for j in range(depth):
            name = f"layers.{i}.residual_group.blocks.{j}"
            y = layer(m, name, y, side, j % 2 * (side // 2), count, int(c * ratio))
            if i == 0 and j == 1:
                values[name] = y.permute(0, 3, 1, 2)
            if buffers:
                m[f"{name}.attn.relative_position_index"] = position_index(side)
                if j % 2:
                    m[f"{name}.attn_mask"] = shift_mask(2 * side, 2 * side, side, side // 2)
        x = x + residual_conv(m, f"layers.{i}.conv", y.permute(0, 3, 1, 2), convs).permute(0, 2, 3, 1)
    x = m.norm("norm", x).permute(0, 3, 1, 2)
    x = residual_conv(m, "conv_after_body", x, convs) + first
    values["add_mean"] = end(m, x, upsampler, scale, features, before) + MEAN
    return dict(m), values


cases = {
    "light_x2": swinir(12, 8, 2, "pixelshuffledirect", 8, (2, 1), (4, 2), 4, buffers=True),
    "light_x3": swinir(9, 6, 3, "pixelshuffledirect", 4, (2,), (2,), 3),
    "light_x4": swinir(5, 10, 4, "pixelshuffledirect", 6, (3,), (3,), 5, ratio=1.5),
    "mini_x2": swinir(16, 16, 2, "pixelshuffledirect", 24, (2,), (6,), 8),
    "classical_x3_bare": swinir(4, 8, 3, "pixelshuffle", 6, (2,), (2,), 4, before=False),
    "classical_x4": swinir(8, 4, 4, "pixelshuffle", 6, (2,), (1,), 4, features=5),
    "classical_x8": swinir(4, 4, 8, "pixelshuffle", 4, (2,), (2,), 4, features=3),
    "real_x2": swinir(8, 12, 2, "nearest+conv", 6, (1,), (2,), 4, features=4),
    "real_x4_3conv": swinir(8, 4, 4, "nearest+conv", 12, (2,), (3,), 4, convs=3, features=4),
}


def half(tensor):
    return tensor.half() if tensor.is_floating_point() else tensor


tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name.removeprefix("layers."): f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": half(tensor) for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "swinir.safetensors")
