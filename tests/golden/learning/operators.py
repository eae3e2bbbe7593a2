"""Writes operators.safetensors: the gradients of PyTorch's operators, by incoming gradients that are not one.

    python operators.py          (torch, safetensors)

Names are `<operator>/<case>/<tensor>`: `input0`, `input1`, … as the project's operators take them, `incoming`, which has
the output's shape, and `gradient0`, `gradient1`, … of Σ incoming · output. Attributes (stride, padding, …) stand in the
table of tests/learning.rs. Inputs are seeded by the case's name, so a new case leaves the others as they are.
Everything is computed in f64 from numbers that f32 holds; functions with a kink are given none near it.
"""

import pathlib
import zlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from definitions import attend

torch.set_num_threads(1)
tensors = {}


def away(x):
    """From zero, by a tenth at least."""
    return x + 0.1 * torch.where(x < 0, -1, 1)


def case(name, function, *shapes, prepare=lambda x: x):
    seed = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    inputs = [prepare(torch.randn(shape, generator=seed)).double().requires_grad_() for shape in shapes]
    output = function(*inputs)
    incoming = torch.randn(output.shape, generator=seed).double()
    gradients = torch.autograd.grad(output, inputs, incoming)
    for at, (given, gradient) in enumerate(zip(inputs, gradients)):
        assert gradient.any(), name
        tensors[f"{name}/input{at}"], tensors[f"{name}/gradient{at}"] = given, gradient
    tensors[f"{name}/incoming"] = incoming


def conv2d(name, x, out, k, groups=1, bias=True, **how):
    weight = (out, x[1] // groups, k, k)
    shapes = (x, weight, (out,)) if bias else (x, weight)
    case(f"conv2d/{name}", lambda x, w, b=None: F.conv2d(x, w, b, groups=groups, **how), *shapes)


conv2d("same3", (2, 3, 5, 4), 4, 3, padding=1)
conv2d("same3_without_bias", (2, 5, 3, 6), 2, 3, padding=1, bias=False)
conv2d("one_pixel", (3, 3, 1, 1), 4, 3, padding=1)
conv2d("wide", (2, 9, 4, 9), 17, 3, padding=1)
conv2d("valid3", (2, 2, 5, 4), 3, 3)
conv2d("stride2_valid", (2, 3, 7, 9), 4, 3, stride=2)
conv2d("stride2", (2, 3, 7, 5), 4, 3, stride=2, padding=1)
conv2d("stride2_even", (2, 2, 6, 8), 3, 3, stride=2, padding=1)
conv2d("stride3_pointwise", (2, 3, 5, 8), 2, 1, stride=3)
conv2d("pointwise", (2, 7, 5, 3), 5, 1)
conv2d("same5", (2, 2, 6, 5), 3, 5, padding=2)
conv2d("depthwise", (2, 6, 5, 4), 6, 3, padding=1, groups=6)
conv2d("depthwise_stride2", (2, 5, 7, 5), 5, 3, stride=2, groups=5)
conv2d("groups_stride2", (2, 6, 6, 4), 9, 3, stride=2, padding=1, groups=3)
conv2d("groups", (2, 6, 4, 3), 9, 3, padding=1, groups=3)


def conv_transpose2d(name, x, out, k, **how):
    case(f"conv_transpose2d/{name}", lambda x, w, b: F.conv_transpose2d(x, w, b, **how), x, (x[1], out, k, k), (out,))


conv_transpose2d("k3s2p1o1", (2, 4, 5, 4), 2, 3, stride=2, padding=1, output_padding=1)
conv_transpose2d("k5s3p2o2", (2, 3, 3, 2), 5, 5, stride=3, padding=2, output_padding=2)


def activation(name, function, *slopes):
    case(f"activation/{name}", function, (2, 3, 4, 3), *slopes, prepare=away)


activation("relu", F.relu)
activation("leaky_relu", lambda x: F.leaky_relu(x, 0.1))
activation("prelu", F.prelu, (3,))
activation("prelu_shared", F.prelu, (1,))
activation("gelu", F.gelu)
activation("silu", F.silu)
activation("sigmoid", torch.sigmoid)
activation("tanh", torch.tanh)

for kind, function in [("add", torch.add), ("subtract", torch.sub), ("multiply", torch.mul), ("divide", torch.div)]:
    for how, b in [("", (2, 3, 4, 3)), ("_pixel", (2, 3, 1, 1)), ("_channel", (2, 1, 4, 3)), ("_filter", (2, 1, 1, 1)),
                   ("_number", (1, 1, 1, 1))]:
        case(f"binary/{kind}{how}", function, (2, 3, 4, 3), b, prepare=away)

case("concat/three", lambda *x: torch.cat(x, 1), (2, 3, 3, 2), (2, 1, 3, 2), (2, 5, 3, 2))
case("slice/middle", lambda x: x[:, 3:8], (2, 9, 3, 2))
case("average_pool/2", lambda x: F.avg_pool2d(x, 2), (2, 2, 8, 6))
case("average_pool/3", lambda x: F.avg_pool2d(x, 3), (2, 2, 6, 9))
case("max_pool/7_3", lambda x: F.max_pool2d(x, 7, 3), (2, 2, 14, 11))
case("max_pool/2_2", lambda x: F.max_pool2d(x, 2, 2), (2, 3, 7, 5))
case("global_pool/mean", lambda x: x.mean((2, 3), keepdim=True), (2, 3, 4, 5))
case("global_pool/deviation", lambda x: x.std((2, 3), unbiased=False, keepdim=True), (2, 3, 4, 5))
case("global_pool/norm", lambda x: torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True), (2, 3, 4, 5))
for scale in (2, 3):
    case(f"pixel_shuffle/{scale}", lambda x: F.pixel_shuffle(x, scale), (2, 2 * scale**2, 3, 2))
    case(f"pixel_unshuffle/{scale}", lambda x: F.pixel_unshuffle(x, scale), (2, 2, 2 * scale, 3 * scale))
    for kind in ("nearest", "bilinear", "bicubic"):
        case(f"resize/{kind}{scale}", lambda x: F.interpolate(x, scale_factor=scale, mode=kind), (2, 2, 5, 3))

for kind, how in [("bilinear", {"mode": "bilinear", "align_corners": False}),
                  ("corners", {"mode": "bilinear", "align_corners": True}), ("nearest", {"mode": "nearest"})]:
    for way, shape, size in [("up", (2, 2, 5, 3), (13, 11)), ("down", (2, 2, 9, 11), (4, 5)),
                             ("from_one_pixel", (2, 2, 1, 1), (3, 4))]:
        case(f"resize_to/{kind}_{way}", lambda x: F.interpolate(x, size=size, **how), shape)


def layer_norm(x, weight, bias):
    return F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], weight, bias, 1e-5).permute(0, 3, 1, 2)


case("layer_norm/channels", layer_norm, (2, 7, 3, 4), (7,), (7,))


def attention(heads, side, shift):
    def function(qkv, table):
        return attend(qkv.permute(0, 2, 3, 1), table, side, shift, heads).permute(0, 3, 1, 2)
    return function


def runs(heads, count):
    """ESRT's: in runs of neighbours, without a table."""
    def function(qkv):
        tokens = qkv.flatten(2).transpose(1, 2)
        outs = []
        for run in tokens.split(tokens.shape[1] // count, 1):
            q, k, v = run.reshape(*run.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
            y = (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)).softmax(-1) @ v
            outs.append(y.transpose(1, 2).flatten(2))
        return torch.cat(outs, 1).transpose(1, 2).reshape(qkv.shape[0], -1, *qkv.shape[2:])
    return function


case("attention/windows", attention(2, 4, 0), (2, 18, 4, 8), (49, 2))
case("attention/windows_shifted", attention(2, 4, 2), (2, 18, 8, 8), (49, 2))
case("attention/windows_shifted_by_one", attention(1, 3, 1), (2, 9, 6, 3), (25, 1))
case("attention/runs", runs(2, 4), (2, 12, 5, 7))
for k in (3, 5):
    case(f"unfold/{k}", lambda x: F.unfold(x, k, padding=k // 2).view(2, -1, 4, 3), (2, 2, 4, 3))
    case(f"fold/{k}", lambda x: F.fold(x.flatten(2), (4, 3), k, padding=k // 2), (2, 2 * k**2, 4, 3))

def normalised(v, g):
    return g.view(-1, 1, 1, 1) * v / v.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


case("weight/norm", normalised, (4, 3, 3, 3), (4,))
case("weight/norm_axes", normalised, (4, 3, 3, 3), (4, 1, 1, 1))
case("weight/transpose", lambda w: w.transpose(0, 1), (4, 3, 3, 3))
case("weight/pad", lambda w: F.pad(w, (0, 0, 1, 1)), (4, 3, 1, 3))
case("weight/channel_logit", lambda x: (x[..., 1, 0] - x[..., 1, 1]).view(1, -1, 1, 1), (1, 5, 3, 2))

for kind, function in [("l1", torch.abs), ("charbonnier", lambda d: torch.sqrt(d * d + 1e-3)), ("mse", torch.square)]:
    case(f"loss/{kind}", lambda output, target: function(output - target).mean().view(1, 1, 1, 1),
         (2, 3, 4, 5), (2, 3, 4, 5))

path = pathlib.Path(__file__).with_suffix(".safetensors")
save_file({name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")
