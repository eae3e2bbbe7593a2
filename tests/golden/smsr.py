"""Writes smsr.safetensors: two small seeded SMSR networks, their input, output and what lies between.

    python smsr.py          (torch, safetensors)

The network as in the paper (Wang et al., CVPR 2021, section 3) and under the authors' key names, in the
plainest inference form: dense and sparse parts are convolved apart, masks are multiplied. It shares no line
with the project. Names: `x2.weights.<key>`, `x2.values.<node>`, and the same for `x3`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(21)
torch.set_num_threads(1)

MODULES, LAYERS, MASK_CHANNELS, SQUEEZED = 2, 3, 4, 2
MEAN = torch.tensor([114.444, 111.4605, 103.02])


def make(scale, c):
    """Seeded parameters, every sum of the order of its inputs."""
    w = {}

    def conv(name, out, inputs, k, bias=True):
        w[f"{name}.weight"] = torch.randn(out, inputs, k, k) / (inputs * k * k) ** 0.5
        if bias:
            w[f"{name}.bias"] = torch.randn(out)

    conv("head.0", c, 3, 3)
    conv("head.2", c, c, 3)
    for k in range(MODULES):
        conv(f"body.{k}.spa_mask.0", MASK_CHANNELS, c, 3)
        conv(f"body.{k}.spa_mask.3", MASK_CHANNELS, MASK_CHANNELS, 3)
        w[f"body.{k}.spa_mask.5.weight"] = torch.randn(MASK_CHANNELS, 2, 3, 3) / 6
        w[f"body.{k}.spa_mask.5.bias"] = torch.randn(2)
        w[f"body.{k}.body.ch_mask"] = torch.randn(1, c, LAYERS, 2)
        for layer in range(LAYERS):
            conv(f"body.{k}.body.body.{layer}", c, c, 3, bias=False)
        conv(f"body.{k}.body.collect", c, c * LAYERS, 1)
        conv(f"body.{k}.ca.conv_du.0", SQUEEZED, c, 1)
        conv(f"body.{k}.ca.conv_du.2", c, SQUEEZED, 1)
    conv("collect.0", c, c * MODULES, 1)
    conv("collect.2", c, c, 3)
    conv("tail.0", 3 * scale * scale, c, 3)
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        w[f"{name}.weight"] = torch.eye(3).view(3, 3, 1, 1)
        w[f"{name}.bias"] = sign * MEAN
    return w


def run(w, scale, picture):
    """Output and values by the names of the project's nodes."""
    values = {"input": picture}

    def conv(name, x):
        weight = w[f"{name}.weight"]
        return F.conv2d(x, weight, w.get(f"{name}.bias"), padding=weight.shape[-1] // 2)

    def mask(k, x):
        x = F.avg_pool2d(F.relu(conv(f"body.{k}.spa_mask.0", x)), 2)
        x = F.relu(conv(f"body.{k}.spa_mask.3", x))
        name = f"body.{k}.spa_mask.5"
        logits = F.conv_transpose2d(
            x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, padding=1, output_padding=1)
        margin = logits[:, 1:] - logits[:, :1]
        assert margin.abs().min() > 1e-3, "no rounding may decide a mask"
        values[name], values[f"body.{k}.spa_mask"] = logits, (margin > 0).float()
        return values[f"body.{k}.spa_mask"]

    def module(k, x):
        m, outputs, dense_in = mask(k, x), [], torch.ones(x.shape[1])
        for layer in range(LAYERS):
            dense_out = w[f"body.{k}.body.ch_mask"].softmax(3).round()[0, :, layer, 0]
            d_in, d_out = dense_in.view(1, -1, 1, 1), dense_out.view(1, -1, 1, 1)
            of_dense = conv(f"body.{k}.body.body.{layer}", x * d_in)
            of_sparse = conv(f"body.{k}.body.body.{layer}", x * (1 - d_in)) * m
            x = F.relu((of_dense + of_sparse) * d_out + (of_dense + of_sparse) * m * (1 - d_out))
            outputs.append(x)
            dense_in = dense_out
        return conv(f"body.{k}.body.collect", torch.cat(outputs, 1))

    centred = picture - MEAN.view(1, 3, 1, 1)
    x = feature = values["head.2"] = conv("head.2", F.relu(conv("head.0", centred)))
    features = []
    for k in range(MODULES):
        y = values[f"body.{k}.body.collect"] = module(k, feature)
        factors = F.relu(conv(f"body.{k}.ca.conv_du.0", y.mean((2, 3), keepdim=True)))
        factors = torch.sigmoid(conv(f"body.{k}.ca.conv_du.2", factors))
        feature = values[f"body.{k}"] = y * factors + feature
        features.append(feature)
    y = F.relu(conv("collect.0", torch.cat(features, 1)))
    y = values["collect"] = conv("collect.2", y) + x
    y = F.pixel_shuffle(conv("tail.0", y), scale)
    y = y + F.interpolate(centred, scale_factor=scale, mode="bicubic", align_corners=False)
    values["add_mean"] = y + MEAN.view(1, 3, 1, 1)
    return values


tensors = {}
for scale, channels, (height, width) in ((2, 10, (6, 14)), (3, 8, (10, 4))):
    weights = make(scale, channels)
    values = run(weights, scale, torch.randint(0, 256, (1, 3, height, width)).float())
    densities = [values[f"body.{k}.spa_mask"].mean().item() for k in range(MODULES)]
    print(f"x{scale}: mask densities {densities}, output {values['add_mean'].std():.0f}")
    assert all(0.1 < density < 0.9 for density in densities)
    tensors |= {f"x{scale}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"x{scale}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "smsr.safetensors")
