"""SRVGGNetCompact (Wang et al., ICCV workshops 2021), of `realesr-animevideov3`'s size, under the original's
names."""

CONVOLUTIONS, CHANNELS, SCALE = 16, 64, 2


def build(net, w):
    """Appends the network of weights `w` to `net`; gives its output."""

    def conv(name, x):
        return net.conv(x, w[f"{name}.weight"], w[f"{name}.bias"])

    y = net.picture
    for i in range(CONVOLUTIONS + 1):
        y = net.prelu(conv(f"body.{2 * i}", y), w[f"body.{2 * i + 1}.weight"])
    y = net.pixel_shuffle(conv(f"body.{2 * CONVOLUTIONS + 2}", y), SCALE)
    return net.add(y, net.nearest(net.picture, SCALE))


def seed(w):
    for i in range(CONVOLUTIONS + 1):
        w.conv(f"body.{2 * i}", CHANNELS if i else 3, CHANNELS, gain=1.35)
        w.normal(f"body.{2 * i + 1}.weight", (CHANNELS,), 0.1, mean=0.25)
    w.conv(f"body.{2 * CONVOLUTIONS + 2}", CHANNELS, 3 * SCALE**2, gain=0.3)
