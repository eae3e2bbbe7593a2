"""EDSR's baseline (Lim et al., CVPR workshops 2017), under the names of the authors' EDSR-PyTorch."""

import numpy as np

BLOCKS, CHANNELS, SCALE = 16, 64, 2
MEAN = 255 * np.float32([0.4488, 0.4371, 0.4040])  # DIV2K's


def build(net, w):
    """Appends the network of weights `w` to `net`; gives its output."""

    def conv(name, x, relu=False):
        return net.conv(x, w[f"{name}.weight"], w[f"{name}.bias"], relu)

    x = y = conv("head.0", conv("sub_mean", net.picture))
    for i in range(BLOCKS):
        y = net.add(conv(f"body.{i}.body.2", conv(f"body.{i}.body.0", y, relu=True)), y)
    y = net.add(conv(f"body.{BLOCKS}", y), x)
    y = net.pixel_shuffle(conv("tail.0.0", y), SCALE)
    return conv("add_mean", conv("tail.1", y))


def seed(w):
    w.mean_shift("sub_mean", -MEAN)
    w.conv("head.0", 3, CHANNELS)
    for i in range(BLOCKS):
        w.conv(f"body.{i}.body.0", CHANNELS, CHANNELS, gain=1.4)
        w.conv(f"body.{i}.body.2", CHANNELS, CHANNELS, gain=0.3)
    w.conv(f"body.{BLOCKS}", CHANNELS, CHANNELS, gain=0.5)
    w.conv("tail.0.0", CHANNELS, SCALE**2 * CHANNELS)
    w.conv("tail.1", CHANNELS, 3, gain=0.7)
    w.mean_shift("add_mean", MEAN)
