"""Makes operators.safetensors: what PyTorch's operators give, on awkward shapes.

    pip install torch numpy safetensors
    python tests/golden/operators.py

Names are `operator/case/tensor`. Inputs are seeded by the case's name, so a new case leaves the others
as they are. Attributes (stride, padding, …) stand in the table of tests/reference.rs.
"""

import pathlib
import zlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_num_threads(1)
tensors = {}


class Case:
    """Seeded random tensors under one name; whatever is made or set is saved."""

    def __init__(self, name):
        self.name = name
        self.seed = torch.Generator().manual_seed(zlib.crc32(name.encode()))

    def make(self, tensor, *shape):
        return self.save(tensor, torch.randn(shape, generator=self.seed))

    def save(self, tensor, values):
        tensors[f"{self.name}/{tensor}"] = values.contiguous()
        return values


def conv2d(name, x, out, k, bias=True, **attributes):
    case = Case(f"conv2d/{name}")
    x = case.make("input", *x)
    weight = case.make("weight", out, x.shape[1] // attributes.get("groups", 1), k, k)
    bias = case.make("bias", out) if bias else None
    case.save("output", F.conv2d(x, weight, bias, **attributes))


conv2d("pointwise", (1, 12, 5, 3), 5, 1)
conv2d("pointwise_padded", (1, 3, 2, 3), 4, 1, padding=1)
conv2d("same3", (2, 3, 5, 3), 4, 3, padding=1)
conv2d("same5", (1, 2, 7, 5), 3, 5, padding=2)
conv2d("valid3", (1, 4, 13, 3), 2, 3, bias=False)
conv2d("wide_padding", (1, 1, 3, 2), 2, 3, padding=2)
conv2d("one_pixel", (1, 5, 1, 1), 4, 3, padding=1)
conv2d("stride2", (1, 3, 7, 5), 4, 3, stride=2, padding=1)
conv2d("stride2_even", (1, 3, 6, 4), 4, 3, stride=2, padding=1)
conv2d("stride3_valid", (1, 2, 13, 5), 2, 5, stride=3)
conv2d("groups", (2, 6, 4, 3), 6, 3, padding=1, groups=3)
conv2d("depthwise", (1, 5, 5, 3), 5, 3, padding=1, groups=5)


def masked_conv2d(name, x, out, k, dense_inputs, dense_outputs, density=0.0, one_pixel=False, bias=True):
    """SMSR's sparse mask convolution in its training form: convolve everything, multiply by the mask."""
    case = Case(f"masked_conv2d/{name}")
    x = case.make("input", *x)
    weight = case.make("weight", out, x.shape[1], k, k)
    bias = case.make("bias", out) if bias else None
    n, channels, height, width = x.shape
    mask = (torch.rand((n, 1, height, width), generator=case.seed) < density).float()
    if one_pixel:
        mask[-1, 0, -1, 0] = 1
    case.save("mask", mask)
    from_dense, from_sparse = x.clone(), x.clone()
    from_dense[:, dense_inputs:] = 0
    from_sparse[:, :dense_inputs] = 0
    from_dense = F.conv2d(from_dense, weight, bias, padding=k // 2)
    from_sparse = F.conv2d(from_sparse, weight, padding=k // 2)
    output = from_dense + mask * from_sparse
    output[:, dense_outputs:] *= mask
    case.save("output", output)


masked_conv2d("half", (1, 5, 7, 5), 4, 3, dense_inputs=2, dense_outputs=3, density=0.5)
masked_conv2d("batch", (2, 4, 4, 3), 3, 3, dense_inputs=1, dense_outputs=2, density=0.4)
masked_conv2d("none", (1, 4, 4, 3), 3, 3, dense_inputs=2, dense_outputs=1, density=0.0)
masked_conv2d("one", (1, 3, 13, 3), 4, 3, dense_inputs=1, dense_outputs=2, one_pixel=True)
masked_conv2d("all", (1, 3, 4, 3), 4, 3, dense_inputs=2, dense_outputs=2, density=1.0)
masked_conv2d("all_dense", (1, 3, 4, 3), 4, 3, dense_inputs=3, dense_outputs=4, density=0.5)
masked_conv2d("all_sparse", (1, 3, 4, 3), 4, 3, dense_inputs=0, dense_outputs=0, density=0.5)
masked_conv2d("sparse_to_dense", (1, 3, 4, 3), 4, 3, dense_inputs=0, dense_outputs=4, density=0.5)
masked_conv2d("pointwise", (1, 12, 5, 3), 3, 1, dense_inputs=5, dense_outputs=1, density=0.5, bias=False)
masked_conv2d("same5", (1, 2, 5, 4), 3, 5, dense_inputs=1, dense_outputs=1, density=0.5)


def conv_transpose2d(name, x, out, k, bias=True, **attributes):
    case = Case(f"conv_transpose2d/{name}")
    x = case.make("input", *x)
    weight = case.make("weight", x.shape[1], out, k, k)
    bias = case.make("bias", out) if bias else None
    case.save("output", F.conv_transpose2d(x, weight, bias, **attributes))


conv_transpose2d("k3s2p1o1", (1, 4, 5, 4), 2, 3, stride=2, padding=1, output_padding=1)
conv_transpose2d("k2s2", (2, 3, 3, 2), 5, 2, stride=2)
conv_transpose2d("k4s2p1", (1, 3, 5, 3), 2, 4, stride=2, padding=1)
conv_transpose2d("k3s1", (1, 2, 3, 5), 3, 3, bias=False)
conv_transpose2d("k3s4", (1, 2, 3, 2), 1, 3, stride=4, output_padding=3)
conv_transpose2d("one_pixel", (1, 5, 1, 1), 3, 3, stride=2, padding=1, output_padding=1)


def activation(name, function, x=(2, 3, 3, 3)):
    case = Case(f"activation/{name}")
    x = case.make("input", *x) * 3
    case.save("input", x)
    case.save("output", function(case, x))


activation("relu", lambda case, x: F.relu(x))
activation("leaky_relu", lambda case, x: F.leaky_relu(x, 0.1))
activation("prelu", lambda case, x: F.prelu(x, case.make("slope", 3)))
activation("prelu_shared", lambda case, x: F.prelu(x, case.make("slope", 1)))
activation("gelu", lambda case, x: F.gelu(x))
activation("sigmoid", lambda case, x: torch.sigmoid(x))


def of_inputs(name, function, *shapes):
    case = Case(name)
    inputs = [case.make(f"input{index}", *shape) for index, shape in enumerate(shapes)]
    case.save("output", function(*inputs))


for kind, function in [("add", torch.add), ("multiply", torch.mul)]:
    of_inputs(f"binary/{kind}", function, (2, 3, 3, 2), (2, 3, 3, 2))
    of_inputs(f"binary/{kind}_pixel", function, (2, 3, 3, 2), (2, 3, 1, 1))
    of_inputs(f"binary/{kind}_channel", function, (2, 3, 3, 2), (2, 1, 3, 2))

of_inputs("concat/three", lambda *x: torch.cat(x, 1), (2, 3, 3, 2), (2, 1, 3, 2), (2, 5, 3, 2))
of_inputs("concat/single", lambda *x: torch.cat(x, 1), (1, 3, 3, 2))


def of_input(name, shape, function):
    case = Case(name)
    case.save("output", function(case.make("input", *shape)))


of_input("average_pool/2", (2, 2, 7, 5), lambda x: F.avg_pool2d(x, 2))
of_input("average_pool/3", (1, 2, 13, 3), lambda x: F.avg_pool2d(x, 3))
of_input("global_average_pool/odd", (2, 3, 7, 5), lambda x: F.adaptive_avg_pool2d(x, 1))
of_input("global_average_pool/one_pixel", (1, 3, 1, 1), lambda x: F.adaptive_avg_pool2d(x, 1))
for scale in (2, 3, 4):
    of_input(f"pixel_shuffle/{scale}", (1, 2 * scale**2, 3, 2), lambda x: F.pixel_shuffle(x, scale))
    for kind in ("bicubic", "nearest"):
        of_input(f"resize/{kind}{scale}", (1, 1, 5, 3), lambda x: F.interpolate(x, scale_factor=scale, mode=kind))
of_input("resize/bicubic_one_pixel", (1, 3, 1, 1), lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"))
of_input("resize/bicubic_row", (1, 1, 1, 13), lambda x: F.interpolate(x, scale_factor=3, mode="bicubic"))


def spatial_mask(name, shape):
    """Whole numbers, so that there are ties."""
    case = Case(f"spatial_mask/{name}")
    logits = case.save("input", torch.randint(-1, 2, shape, generator=case.seed).float())
    # argmax names the first of equal values: a tie is 0.
    case.save("output", logits.argmax(1, keepdim=True).float())


spatial_mask("ties", (2, 2, 7, 5))


activation("silu", lambda case, x: F.silu(x))
activation("tanh", lambda case, x: torch.tanh(x))

for kind, function in [("subtract", torch.sub), ("divide", torch.div)]:
    of_inputs(f"binary/{kind}", function, (2, 3, 3, 2), (2, 3, 3, 2))
    of_inputs(f"binary/{kind}_pixel", function, (2, 3, 3, 2), (2, 3, 1, 1))
    of_inputs(f"binary/{kind}_channel", function, (2, 3, 3, 2), (2, 1, 3, 2))

of_input("slice/middle", (2, 9, 3, 2), lambda x: x[:, 3:8])
of_input("slice/half", (1, 6, 2, 3), lambda x: x.chunk(2, 1)[1].clone())

of_input("max_pool/7_3", (2, 2, 13, 10), lambda x: F.max_pool2d(x, 7, 3))
of_input("max_pool/2_2", (1, 3, 7, 5), lambda x: F.max_pool2d(x, 2, 2))
of_input("adaptive_max_pool/8", (1, 2, 25, 31), lambda x: F.adaptive_max_pool2d(x, (25 // 8, 31 // 8)))
of_input("adaptive_max_pool/3", (2, 2, 13, 7), lambda x: F.adaptive_max_pool2d(x, (13 // 3, 7 // 3)))
of_input("global_deviation/odd", (2, 3, 7, 5), lambda x: x.std((2, 3), unbiased=False, keepdim=True))
of_input("global_deviation/one_pixel", (1, 3, 1, 1), lambda x: x.std((2, 3), unbiased=False, keepdim=True))
of_input("global_norm/odd", (2, 3, 7, 5), lambda x: torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True))

for scale in (2, 3, 4):
    of_input(f"pixel_unshuffle/{scale}", (2, 2, 2 * scale, 3 * scale), lambda x: F.pixel_unshuffle(x, scale))
for scale in (2, 3, 4):
    of_input(f"resize/bilinear{scale}", (1, 2, 5, 3), lambda x: F.interpolate(x, scale_factor=scale, mode="bilinear"))
of_input("resize/bilinear_one_pixel", (1, 3, 1, 1), lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"))


def resize_to(name, shape, size, numbers=torch.float64, **how):
    """To the size of a second input, which is one channel of zeros. Places are as exact as the numbers."""
    case = Case(f"resize_to/{name}")
    x = case.make("input0", *shape)
    case.save("input1", torch.zeros(shape[0], 1, *size))
    case.save("output", F.interpolate(x.to(numbers), size=size, **how).float())


for name, how in [
    ("bilinear", {"mode": "bilinear", "align_corners": False}),
    ("corners", {"mode": "bilinear", "align_corners": True}),
    ("nearest", {"mode": "nearest", "numbers": torch.float32}),
]:
    resize_to(f"{name}_up", (2, 2, 5, 3), (17, 11), **how)
    resize_to(f"{name}_down", (1, 2, 19, 23), (7, 9), **how)
    resize_to(f"{name}_up_and_down", (1, 1, 3, 29), (13, 10), **how)
    resize_to(f"{name}_to_one_pixel", (1, 1, 4, 3), (1, 1), **how)

of_input("unfold/3", (2, 3, 4, 5), lambda x: F.unfold(x, 3, padding=1).view(2, 27, 4, 5))
of_input("unfold/5", (1, 2, 3, 4), lambda x: F.unfold(x, 5, padding=2).view(1, 50, 3, 4))
of_input("fold/3", (2, 27, 4, 5), lambda x: F.fold(x.flatten(2), (4, 5), 3, padding=1))


def layer_norm(name, shape, epsilon):
    case = Case(f"layer_norm/{name}")
    x = case.make("input", *shape)
    weight, bias = case.make("weight", shape[1]), case.make("bias", shape[1])
    tokens = x.permute(0, 2, 3, 1)
    case.save("output", F.layer_norm(tokens, shape[1:2], weight, bias, epsilon).permute(0, 3, 1, 2))


layer_norm("channels", (2, 7, 3, 4), 1e-5)
layer_norm("large_epsilon", (1, 4, 2, 3), 0.5)


def attend(tokens, heads, add=0.0):
    """(sets, tokens, 3 · heads · depth) → (sets, tokens, heads · depth)."""
    sets, count, channels = tokens.shape
    depth = channels // 3 // heads
    query, key, value = tokens.view(sets, count, 3, heads, depth).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-2, -1) * depth**-0.5 + add
    return (scores.softmax(-1) @ value).transpose(1, 2).reshape(sets, count, heads * depth)


def pair_bias(table, ys, xs, size):
    """A number a head and pair of tokens, (heads, tokens, tokens), from the table of offsets."""
    dy, dx = ys[:, None] - ys[None, :], xs[:, None] - xs[None, :]
    near = (dy.abs() < size) & (dx.abs() < size)
    at = (dy + size - 1) * (2 * size - 1) + dx + size - 1
    return table[torch.where(near, at, 0)].permute(2, 0, 1)


def to_windows(x, size):
    n, c, h, w = x.shape
    x = x.view(n, c, h // size, size, w // size, size)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(-1, size * size, c)


def from_windows(tokens, size, n, h, w):
    x = tokens.view(n, h // size, w // size, size, size, -1)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(n, -1, h, w)


def attention_in_windows(name, shape, heads, size, shift):
    """As in the paper: a cyclic shift, whole windows, and −100 between tokens that were not neighbours before."""
    case = Case(f"attention/{name}")
    x = case.make("input", *shape)
    table = case.make("bias", (2 * size - 1) ** 2, heads)
    n, _, h, w = shape
    within = torch.arange(size * size)
    add = pair_bias(table, within // size, within % size, size)
    if shift:
        x = x.roll((-shift, -shift), (2, 3))
        part = lambda length: (torch.arange(length) >= length - shift).float()
        parts = (2 * part(h)[:, None] + part(w)[None, :]).expand(n, 1, h, w)
        parts = to_windows(parts, size)
        add = add + torch.where(parts == parts.transpose(1, 2), 0.0, -100.0)[:, None]
    y = from_windows(attend(to_windows(x, size), heads, add), size, n, h, w)
    case.save("output", y.roll((shift, shift), (2, 3)) if shift else y)


attention_in_windows("windows", (2, 18, 8, 12), 2, 4, 0)
attention_in_windows("windows_shifted", (2, 18, 8, 12), 2, 4, 2)
attention_in_windows("windows_shifted_by_one", (1, 15, 9, 6), 1, 3, 1)


def attention_in_cut_windows(name, shape, heads, size, shift):
    """Where the picture ends within a window: everything attends to everything, but for what lies in other windows."""
    case = Case(f"attention/{name}")
    x = case.make("input", *shape)
    table = case.make("bias", (2 * size - 1) ** 2, heads)
    _, _, h, w = shape
    ys, xs = torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h)
    window = lambda places: torch.div(places - shift, size, rounding_mode="floor")
    row, column = window(ys), window(xs)
    together = (row[:, None] == row[None, :]) & (column[:, None] == column[None, :])
    add = pair_bias(table, ys, xs, size).masked_fill(~together, -torch.inf)
    y = attend(x.flatten(2).transpose(1, 2), heads, add)
    case.save("output", y.transpose(1, 2).view(shape[0], -1, h, w))


attention_in_cut_windows("windows_cut", (1, 12, 7, 5), 2, 3, 0)
attention_in_cut_windows("windows_cut_and_shifted", (2, 12, 7, 5), 2, 3, 2)


def attention_in_runs(name, shape, heads, count):
    case = Case(f"attention/{name}")
    x = case.make("input", *shape)
    tokens = x.flatten(2).transpose(1, 2)
    runs = tokens.split(tokens.shape[1] // count, 1)
    y = torch.cat([attend(run, heads) for run in runs], 1)
    case.save("output", y.transpose(1, 2).view(shape[0], -1, *shape[2:]))


attention_in_runs("runs", (2, 18, 5, 7), 2, 4)
attention_in_runs("runs_that_fit", (1, 15, 4, 6), 1, 4)

path = pathlib.Path(__file__).with_suffix(".safetensors")
save_file(tensors, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")
