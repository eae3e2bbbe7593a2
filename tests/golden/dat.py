"""Writes dat.safetensors: small seeded DAT networks, their input, output and what lies between.

    python dat.py          (torch, safetensors)

The network as in the paper (Chen et al., ICCV 2023, figures 2 to 4) under the original's names, with both of its ends and
both of its residual connections. Queries, keys and values are padded by zeros to whole windows, rolled where windows are
shifted, and pixels that were not neighbours are kept apart by a mask of −100, as in the original. It shares no line with
the project. Names: `<case>.weights.<key>`, `<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(31)
torch.set_num_threads(1)

MEAN = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)


class Made(dict):
    """Seeded parameters, made when they are first asked for: halves, which the file keeps them as."""

    def seeded(self, name, *shape, gain=1.0, mean=0.0):
        if name not in self:
            self[name] = (mean + gain * torch.randn(shape)).half().float()
        return self[name]

    def conv(self, name, x, out, kernel=3, groups=1):
        inputs = x.shape[1] // groups
        weight = self.seeded(f"{name}.weight", out, inputs, kernel, kernel, gain=(inputs * kernel**2) ** -0.5)
        bias = self.seeded(f"{name}.bias", out, gain=0.1)
        return F.conv2d(x, weight, bias, padding=kernel // 2, groups=groups)

    def linear(self, name, x, out, gain=1.0):
        weight = self.seeded(f"{name}.weight", out, x.shape[-1], gain=gain * x.shape[-1] ** -0.5)
        return F.linear(x, weight, self.seeded(f"{name}.bias", out, gain=0.2))

    def norm(self, name, x):
        """Over the last axis."""
        c = x.shape[-1]
        weight = self.seeded(f"{name}.weight", c, gain=0.3, mean=1.0)
        return F.layer_norm(x, (c,), weight, self.seeded(f"{name}.bias", c, gain=0.3), 1e-5)

    def batch_norm(self, name, x):
        c = x.shape[1]
        mean, spread = self.seeded(f"{name}.running_mean", c, gain=0.3), self.seeded(f"{name}.running_var", c)
        self[f"{name}.running_var"] = variance = spread.abs() + 0.2
        self[f"{name}.running_var"] = variance = variance.half().float()
        self[f"{name}.num_batches_tracked"] = torch.tensor(7)
        weight = self.seeded(f"{name}.weight", c, gain=0.3, mean=1.0)
        return F.batch_norm(x, mean, variance, weight, self.seeded(f"{name}.bias", c, gain=0.3), False, 0.0, 1e-5)


def last(x):
    return x.permute(0, 2, 3, 1)


def first(x):
    return x.permute(0, 3, 1, 2)


def windows(x, rows, columns):
    """B×H×W×C → (B·windows)×(rows·columns)×C"""
    b, h, w, c = x.shape
    x = x.reshape(b, h // rows, rows, w // columns, columns, c).transpose(2, 3)
    return x.reshape(-1, rows * columns, c)


def unwindows(x, rows, columns, h, w):
    x = x.reshape(-1, h // rows, w // columns, rows, columns, x.shape[-1]).transpose(2, 3)
    return x.reshape(x.shape[0], h, w, -1)


def position_bias(m, name, rows, columns, heads, inner):
    y, x = torch.arange(1 - rows, rows), torch.arange(1 - columns, columns)
    offsets = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2).float()
    m[f"{name}.rpe_biases"] = offsets
    y = m.linear(f"{name}.pos.pos_proj", offsets, inner)
    y = m.linear(f"{name}.pos.pos1.2", F.relu(m.norm(f"{name}.pos.pos1.0", y)), inner)
    y = m.linear(f"{name}.pos.pos2.2", F.relu(m.norm(f"{name}.pos.pos2.0", y)), inner)
    table = m.linear(f"{name}.pos.pos3.2", F.relu(m.norm(f"{name}.pos.pos3.0", y)), heads, gain=2.0)
    place = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), -1).reshape(-1, 2)
    dy, dx = (place[:, None] - place[None]).unbind(-1)
    index = (dy + rows - 1) * (2 * columns - 1) + dx + columns - 1
    m[f"{name}.relative_position_index"] = index
    return table[index].permute(2, 0, 1)


def mask(h, w, rows, columns):
    """−100 between pixels of a rolled window that come from different sides of the picture's edge."""
    def part(length, side):
        at = torch.arange(length)
        return (at >= length - side).int() + (at >= length - side // 2).int()

    parts = (3 * part(h, rows)[:, None] + part(w, columns)[None, :]).float()
    parts = windows(parts[None, :, :, None], rows, columns)[:, :, 0]
    return torch.where(parts[:, :, None] == parts[:, None, :], 0.0, -100.0)


def among_pixels(m, name, qkv, split, shifted, heads, inner):
    """Of B×H×W×3C."""
    b, h, w, c = *qkv.shape[:3], qkv.shape[3] // 3
    side = max(split)
    padded = F.pad(first(qkv), (0, -w % side, 0, -h % side))
    tall, wide = padded.shape[2:]
    parts = last(padded).reshape(b, tall, wide, 3, c)
    halves = []
    for i, (rows, columns) in enumerate((split, split[::-1])):
        own = parts[..., i * (c // 2) : (i + 1) * (c // 2)]
        if shifted:
            own = own.roll((-(rows // 2), -(columns // 2)), (1, 2))
        q, k, v = (windows(part, rows, columns).unflatten(-1, (heads // 2, -1)).transpose(1, 2) for part in own.unbind(3))
        scores = q * (c // heads) ** -0.5 @ k.transpose(-1, -2)
        scores = scores + position_bias(m, f"{name}.attns.{i}", rows, columns, heads // 2, inner)
        if shifted:
            apart = mask(tall, wide, rows, columns)
            scores = (scores.unflatten(0, (b, -1)) + apart[:, None]).flatten(0, 1)
            m[f"{name}.attn_mask_{i}"] = apart
        y = unwindows((scores.softmax(-1) @ v).transpose(1, 2).flatten(2), rows, columns, tall, wide)
        if shifted:
            y = y.roll((rows // 2, columns // 2), (1, 2))
        halves.append(y[:, :h, :w])
    return first(torch.cat(halves, -1))


def among_channels(m, name, qkv, heads):
    b, h, w, c = *qkv.shape[:3], qkv.shape[3] // 3
    q, k, v = (first(part).reshape(b, heads, c // heads, h * w) for part in qkv.split(c, -1))
    temperature = m.seeded(f"{name}.temperature", heads, 1, 1, gain=1.0, mean=3.0)
    scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-1, -2) * temperature
    return (scores.softmax(-1) @ v).reshape(b, c, h, w)


def channel_gate(m, name, x):
    c = x.shape[1]
    y = F.gelu(m.batch_norm(f"{name}.2", m.conv(f"{name}.1", x.mean((2, 3), keepdim=True), c // 8, 1)))
    return m.conv(f"{name}.4", y, c, 1).sigmoid()


def pixel_gate(m, name, x):
    y = F.gelu(m.batch_norm(f"{name}.1", m.conv(f"{name}.0", x, x.shape[1] // 16, 1)))
    return m.conv(f"{name}.3", y, 1, 1).sigmoid()


def block(m, name, x, split, group, at, heads, hidden, inner):
    """On B×H×W×C."""
    attn, c = f"{name}.attn", x.shape[-1]
    qkv = m.linear(f"{attn}.qkv", m.norm(f"{name}.norm1", x), 3 * c, gain=1.5)
    beside = F.gelu(m.batch_norm(f"{attn}.dwconv.1", m.conv(f"{attn}.dwconv.0", first(qkv[..., 2 * c :]), c, 3, c)))
    if at % 2 == 0:
        shifted = at > 0 and (at - 2) % 4 == 0 if group % 2 == 0 else at % 4 == 0
        attended = among_pixels(m, attn, qkv, split, shifted, heads, inner)
        y = attended * channel_gate(m, f"{attn}.channel_interaction", beside)
        y = y + beside * pixel_gate(m, f"{attn}.spatial_interaction", attended)
    else:
        attended = among_channels(m, attn, qkv, heads)
        y = attended * pixel_gate(m, f"{attn}.spatial_interaction", beside)
        y = y + beside * channel_gate(m, f"{attn}.channel_interaction", attended)
    x = x + m.linear(f"{attn}.proj", last(y), c)
    y = F.gelu(m.linear(f"{name}.ffn.fc1", m.norm(f"{name}.norm2", x), hidden))
    y, gate = y.chunk(2, -1)
    gate = m.conv(f"{name}.ffn.sg.conv", first(m.norm(f"{name}.ffn.sg.norm", gate)), hidden // 2, 3, hidden // 2)
    return x + m.linear(f"{name}.ffn.fc2", y * last(gate), c)


def residual_conv(m, name, x, convs):
    """On B×C×H×W."""
    c = x.shape[1]
    if convs == 1:
        return m.conv(name, x, c)
    y = F.leaky_relu(m.conv(f"{name}.0", x, c // 4), 0.2)
    y = F.leaky_relu(m.conv(f"{name}.2", y, c // 4, 1), 0.2)
    return m.conv(f"{name}.4", y, c)


def dat(height, width, scale, light, c, depths, heads, split, ratio=2, convs=1, features=6, inner=2):
    m, values = Made(), {"input": torch.rand(1, 3, height, width)}
    shallow = m.conv("conv_first", values["input"] - MEAN, c)
    x = m.norm("before_RG.1", last(shallow))
    for i, (depth, count) in enumerate(zip(depths, heads)):
        y = x
        for j in range(depth):
            name = f"layers.{i}.blocks.{j}"
            y = block(m, name, y, split, i, j, count, c * ratio, inner)
            if i == 0:
                values[name] = first(y)
        x = x + last(residual_conv(m, f"layers.{i}.conv", first(y), convs))
    x = residual_conv(m, "conv_after_body", first(m.norm("norm", x)), convs) + shallow
    if light:
        x = F.pixel_shuffle(m.conv("upsample.0", x, 3 * scale**2), scale)
    else:
        x = F.leaky_relu(m.conv("conv_before_upsample.0", x, features), 0.01)
        for stage, factor in enumerate({2: (2,), 3: (3,), 4: (2, 2)}[scale]):
            x = F.pixel_shuffle(m.conv(f"upsample.{2 * stage}", x, factor**2 * features), factor)
        x = m.conv("conv_last", x, 3)
    values["add_mean"] = x + MEAN
    return dict(m), values


cases = {
    "light_x2": dat(9, 13, 2, True, 16, (3,), (4,), (2, 4), convs=3),
    "light_x3": dat(8, 8, 3, True, 16, (2,), (2,), (4, 8)),
    "light_x4": dat(5, 3, 4, True, 24, (3,), (6,), (4, 2), convs=3, ratio=3),
    "large_x2": dat(7, 6, 2, False, 16, (2, 2), (4, 2), (1, 3)),
    "large_x4": dat(4, 12, 4, False, 16, (1, 3), (2, 2), (4, 4), features=4),
}


def half(tensor):
    return tensor.half() if tensor.is_floating_point() else tensor


tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name.removeprefix("layers."): f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": half(tensor) for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "dat.safetensors")
