"""SwinIR-light (Liang et al., ICCV workshops 2021), under the original's names.

Images are C×H×W, tokens (H·W)×C. Windows are shifted as in the original: the image is rolled, and a mask keeps
apart what the roll brought together. No value has more than four axes, which is all that ncnn has.
"""

import numpy as np

CHANNELS, DEPTHS, HEADS, WINDOW, HIDDEN, SCALE = 60, (6, 6, 6, 6), 6, 8, 120, 2
DEPTH = CHANNELS // HEADS
PIXELS = WINDOW**2
MEAN = np.float32([0.4488, 0.4371, 0.4040])  # DIV2K's


def build(net, w):
    """Appends the network of weights `w` to `net`, whose sides are multiples of `WINDOW`; gives its output."""

    def conv(name, x):
        return net.conv(x, w[f"{name}.weight"], w[f"{name}.bias"])

    identity = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    mask = net.constant(shift_mask(net.height, net.width))
    first = conv("conv_first", net.conv(net.picture, identity, -MEAN))
    x = norm(net, w, "patch_embed.norm", net.tokens(first))
    for i, depth in enumerate(DEPTHS):
        y = x
        for j in range(depth):
            y = layer(net, w, f"layers.{i}.residual_group.blocks.{j}", y, mask if j % 2 else None)
        x = net.add(net.tokens(conv(f"layers.{i}.conv", net.image(y, CHANNELS))), x)
    y = net.add(conv("conv_after_body", net.image(norm(net, w, "norm", x), CHANNELS)), first)
    return net.conv(net.pixel_shuffle(conv("upsample.0", y), SCALE), identity, MEAN)


def norm(net, w, name, x):
    return net.layer_norm(x, w[f"{name}.weight"], w[f"{name}.bias"])


def layer(net, w, name, x, mask):
    """On tokens. With a mask windows are shifted."""

    def linear(part, x):
        return net.linear(x, w[f"{name}.{part}.weight"], w[f"{name}.{part}.bias"])

    y = to_windows(net, norm(net, w, f"{name}.norm1", x), -WINDOW // 2 if mask else 0)
    qkv = net.linear(y, *scaled_queries(w[f"{name}.attn.qkv.weight"], w[f"{name}.attn.qkv.bias"]))
    queries, keys, values = (heads(net, part) for part in net.thirds(qkv))
    bias = net.constant(position_bias(w[f"{name}.attn.relative_position_bias_table"]))
    scores = net.add(net.product(queries, keys, transposed=True), bias)
    scores = net.add(scores, mask) if mask else scores
    y = net.swap_middle(net.product(net.softmax(scores), values))
    y = linear("attn.proj", net.reshape(y, (net.height * net.width, CHANNELS)))
    x = net.add(from_windows(net, y, WINDOW // 2 if mask else 0), x)

    y = net.gelu(linear("mlp.fc1", norm(net, w, f"{name}.norm2", x)))
    return net.add(linear("mlp.fc2", y), x)


def scaled_queries(*qkv):
    """The weight and bias that make queries, keys and values, with the scores' factor in the queries'."""
    factor = np.repeat(np.float32([DEPTH**-0.5, 1, 1]), CHANNELS)
    return [(factor * values.T).T for values in qkv]


def heads(net, x):
    """(windows · pixels)×C → windows×heads×pixels×depth."""
    return net.swap_middle(net.reshape(x, (-1, PIXELS, HEADS, DEPTH)))


def to_windows(net, x, shift):
    """The tokens of the rolled image, window by window."""
    height, width = net.height, net.width
    if shift:
        x = net.roll(net.reshape(x, (height, width, CHANNELS)), shift)
    x = net.reshape(x, (height // WINDOW, WINDOW, width // WINDOW, WINDOW * CHANNELS))
    return net.reshape(net.swap_middle(x), (height * width, CHANNELS))


def from_windows(net, x, shift):
    """The inverse of `to_windows`."""
    height, width = net.height, net.width
    x = net.reshape(x, (height // WINDOW, width // WINDOW, WINDOW, WINDOW * CHANNELS))
    x = net.swap_middle(x)
    if shift:
        x = net.roll(net.reshape(x, (height, width, CHANNELS)), shift)
    return net.reshape(x, (height * width, CHANNELS))


def position_bias(table):
    """1×heads×pixels×pixels: of every pair of a window's pixels, the table's row for their difference."""
    y, x = np.divmod(np.arange(PIXELS), WINDOW)
    rows = (y[:, None] - y + WINDOW - 1) * (2 * WINDOW - 1) + x[:, None] - x + WINDOW - 1
    return table[rows].transpose(2, 0, 1)[None]


def shift_mask(height, width):
    """windows×1×pixels×pixels: −100 between pixels of a rolled window that were no neighbours, else 0."""

    def part(side):
        return (np.arange(side) >= side - WINDOW).astype(int) + (np.arange(side) >= side - WINDOW // 2)

    parts = 3 * part(height)[:, None] + part(width)
    parts = parts.reshape(height // WINDOW, WINDOW, width // WINDOW, WINDOW).swapaxes(1, 2).reshape(-1, 1, PIXELS)
    return np.where(parts[..., None] == parts[:, :, None], 0.0, -100.0)


def seed(w):
    w.conv("conv_first", 3, CHANNELS)
    w.norm("patch_embed.norm", CHANNELS)
    for i, depth in enumerate(DEPTHS):
        for j in range(depth):
            seed_layer(w, f"layers.{i}.residual_group.blocks.{j}")
        w.conv(f"layers.{i}.conv", CHANNELS, CHANNELS, gain=0.5)
    w.norm("norm", CHANNELS)
    w.conv("conv_after_body", CHANNELS, CHANNELS, gain=0.3)
    w.conv("upsample.0", CHANNELS, 3 * SCALE**2, gain=0.5)


def seed_layer(w, name):
    w.norm(f"{name}.norm1", CHANNELS)
    w.linear(f"{name}.attn.qkv", CHANNELS, 3 * CHANNELS)
    w.normal(f"{name}.attn.relative_position_bias_table", ((2 * WINDOW - 1) ** 2, HEADS), 0.5)
    w.linear(f"{name}.attn.proj", CHANNELS, CHANNELS, gain=0.5)
    w.norm(f"{name}.norm2", CHANNELS)
    w.linear(f"{name}.mlp.fc1", CHANNELS, HIDDEN)
    w.linear(f"{name}.mlp.fc2", HIDDEN, CHANNELS, gain=0.5)
