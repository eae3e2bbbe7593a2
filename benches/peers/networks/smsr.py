"""SMSR (Wang et al., CVPR 2021) as a dense network: every pixel is computed, then masked.

The result is exactly the paper's function at inference. As fast as a dense network can have it:

- The channels of a masked layer are ordered, those computed everywhere first: which they are is fixed by
  training. So hardly more is convolved than without masks: one small convolution in a layer that has
  channels of both kinds on either side.
- What is zero outside the mask is not masked again before the 1×1 convolution that collects it.
- The mask, logit 1 > logit 0, needs the logits' difference alone: one channel.
"""

import numpy as np

# Kernels want whole blocks of channels, so parts are rounded up. Of 1, 8, 16 and 32, ncnn and ONNX Runtime
# are fastest with 8 on a processor with AVX-512, by a quarter and a few percent against 1.
BLOCK = 8


def build(net, w):
    """Appends the network of weights `w` (the authors' names, f32) to `net`; gives its output."""

    def conv(name, x, relu=False):
        return net.conv(x, w[f"{name}.weight"], w[f"{name}.bias"], relu)

    centred = conv("sub_mean", net.picture)
    x = conv("head.2", conv("head.0", centred, relu=True))

    features, feature = [], x
    while f"body.{len(features)}.body.ch_mask" in w:
        feature = sparse_mask_module(net, w, conv, f"body.{len(features)}", feature)
        features.append(feature)

    y = conv("collect.2", conv("collect.0", net.concat(features), relu=True))
    y = conv("tail.0", net.add(y, x))
    scale = round((w["tail.0.weight"].shape[0] / 3) ** 0.5)
    y = net.add(net.pixel_shuffle(y, scale), net.bicubic(centred, scale))
    return conv("add_mean", y)


def sparse_mask_module(net, w, conv, name, x):
    mask = spatial_mask(net, w, conv, f"{name}.spa_mask", x)
    y = sparse_mask_convolutions(net, w, f"{name}.body", x, mask)
    factors = conv(f"{name}.ca.conv_du.0", net.global_average(y), relu=True)
    factors = net.sigmoid(conv(f"{name}.ca.conv_du.2", factors))
    return net.add(net.multiply(y, factors), x)


def spatial_mask(net, w, conv, name, x):
    """1 where work is needed, else 0: a branch at half the size makes two logits a pixel."""
    h = net.average_pool(conv(f"{name}.0", x, relu=True))
    h = conv(f"{name}.3", h, relu=True)
    weight, bias = w[f"{name}.5.weight"], w[f"{name}.5.bias"]
    return net.positive(net.deconv(h, weight[:, 1:] - weight[:, :1], bias[1:] - bias[:1]))


def sparse_mask_convolutions(net, w, name, x, mask):
    """The masked layers and the 1×1 convolution that collects them. Columns and rows of weights follow the
    channels' order."""
    collect = w[f"{name}.collect.weight"]
    channels = len(collect)
    inputs, dense_inputs = np.arange(channels), channels
    outputs, columns = [], []
    for layer in range(collect.shape[1] // channels):
        logits = w[f"{name}.ch_mask"][0, :, layer]
        dense = logits[:, 0] > logits[:, 1]
        order, dense_outputs = np.argsort(~dense, kind="stable"), int(dense.sum())

        weight = w[f"{name}.body.{layer}.weight"][order][:, inputs]
        x = masked_layer(net, weight, x, mask, dense_inputs, dense_outputs)
        outputs.append(x)
        columns.append(layer * channels + order)
        inputs, dense_inputs = order, dense_outputs

    weight = collect[:, np.concatenate(columns)]
    return net.conv(net.concat(outputs), weight, w[f"{name}.collect.bias"])


def masked_layer(net, weight, x, mask, dense_inputs, dense_outputs):
    """With D, S the channels computed everywhere and those computed on the mask M:

    y_D = relu(conv_DD(x_D) + M conv_SD(x_S)),   y_S = M relu(conv(x))
    """
    channels = len(weight)
    if dense_inputs == channels:
        dense = np.arange(channels) < dense_outputs
        gate = net.conv(mask, from_one_channel(~dense), dense.astype(np.float32))  # 1 in D, M in S
        return net.multiply(net.conv(x, weight, None, relu=True), gate)
    if dense_inputs == 0 or dense_outputs == 0:
        return net.multiply(net.conv(x, weight, None, relu=True), mask)

    taken, made = blocks(dense_inputs, channels), blocks(dense_outputs, channels)
    everywhere, masked = weight[:made, :taken].copy(), weight[:made].copy()
    everywhere[dense_outputs:] = 0
    everywhere[:, dense_inputs:] = 0
    masked[:dense_outputs, :dense_inputs] = 0
    y = net.multiply(net.conv(x, masked, None), mask)
    y = net.relu(net.add(net.conv(net.first(x, taken), everywhere, None), y))
    if made == channels:
        return y
    return net.concat([y, net.multiply(net.conv(x, weight[made:], None, relu=True), mask)])


def blocks(channels, most):
    """So many channels, rounded up to whole blocks."""
    return min(-(-channels // BLOCK) * BLOCK, most)


def from_one_channel(values):
    """A 1×1 convolution's weights, from one channel to as many as there are values."""
    return values.astype(np.float32).reshape(-1, 1, 1, 1)
