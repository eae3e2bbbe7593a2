"""Writes rrdb.safetensors: small seeded RRDBNet networks, their input, output and what lies between.

    python rrdb.py          (torch, safetensors)

The network as in the paper (Wang et al., *ESRGAN*, ECCV workshops 2018, figure 4), under the names of the three codes
that checkpoints come from. It shares no line with the project. Names: `<case>.weights.<key>`,
`<case>.values.<node>`.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(43)
torch.set_num_threads(1)


def basicsr(doublings):
    return dict(first="conv_first", dense="body.{i}.rdb{j}", conv="conv{k}", block="body.{i}", body="conv_body",
                up="conv_up{}", high="conv_hr", last="conv_last")


def trunk(doublings):
    return dict(first="conv_first", dense="RRDB_trunk.{i}.RDB{j}", conv="conv{k}", block="RRDB_trunk.{i}",
                body="trunk_conv", up="upconv{}", high="HRconv", last="conv_last")


def sequence(doublings):
    """Convolutions of one sequence: an enlargement and an activation stand around each of the doublings'."""
    ends = {"high": f"model.{3 * doublings + 2}", "last": f"model.{3 * doublings + 4}"}
    return dict(first="model.0", dense="model.1.sub.{i}.RDB{j}", conv="conv{k}.0", block="model.1.sub.{i}",
                body="model.1.sub.{blocks}", up="model.{}", **ends)


def rrdb(scheme, c, growth, blocks, doublings, picture, unshuffle=1, plus=False):
    names = scheme(doublings)
    w, values = {}, {"input": picture}

    def conv(name, x, out, kernel=3, bias=True, gain=1.0):
        inputs = x.shape[1]
        w[f"{name}.weight"] = torch.randn(out, inputs, kernel, kernel) * gain / (inputs * kernel**2) ** 0.5
        if bias:
            w[f"{name}.bias"] = torch.randn(out) / 5
        return F.conv2d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), padding=kernel // 2)

    def lrelu(x):
        return F.leaky_relu(x, 0.2)

    def dense(name, x):
        made = [x]
        for k in range(1, 5):
            y = lrelu(conv(f"{name}.{names['conv'].format(k=k)}", torch.cat(made, 1), growth, gain=1.4))
            if plus and k == 2:
                y = y + conv(f"{name}.conv1x1", x, growth, kernel=1, bias=False)
            if plus and k == 4:
                y = y + made[2]
            made.append(y)
        return 0.2 * conv(f"{name}.{names['conv'].format(k=5)}", torch.cat(made, 1), c, gain=4.0) + x

    x = values[names["first"]] = conv(names["first"], F.pixel_unshuffle(picture, unshuffle), c)
    y = x
    for i in range(blocks):
        block = y
        for j in (1, 2, 3):
            name = names["dense"].format(i=i, j=j)
            block = dense(name, block)
            if i == 0:
                values[name] = block
        y = values[names["block"].format(i=i)] = 0.2 * block + y
    y = values["trunk"] = x + conv(names["body"].format(blocks=blocks), y, c)
    for j in range(1, doublings + 1):
        up = names["up"].format(3 * j if scheme is sequence else j)
        y = lrelu(conv(up, F.interpolate(y, scale_factor=2, mode="nearest"), c, gain=1.4))
    values[names["last"]] = conv(names["last"], lrelu(conv(names["high"], y, c, gain=1.4)), 3)
    return w, values


def picture(height, width):
    return torch.rand(1, 3, height, width)


cases = {
    "basicsr_x4": rrdb(basicsr, 4, 3, 2, 2, picture(3, 4)),
    "basicsr_x2": rrdb(basicsr, 3, 2, 1, 2, picture(6, 10), unshuffle=2),
    "basicsr_x1": rrdb(basicsr, 3, 2, 1, 2, picture(8, 12), unshuffle=4),
    "trunk_x4": rrdb(trunk, 3, 2, 1, 2, picture(5, 1)),
    "trunk_x2": rrdb(trunk, 3, 2, 1, 1, picture(5, 7)),
    "sequence_x4": rrdb(sequence, 3, 2, 2, 2, picture(3, 4)),
    "sequence_x1": rrdb(sequence, 2, 3, 1, 0, picture(7, 5)),
    "sequence_x2": rrdb(sequence, 3, 2, 1, 1, picture(5, 4)),
    "sequence_x8": rrdb(sequence, 2, 2, 1, 3, picture(2, 3)),
    "plus_x4": rrdb(sequence, 3, 2, 1, 2, picture(3, 3), plus=True),
}
tensors = {}
for case, (weights, values) in cases.items():
    print(case, {name: f"{tensor.std():.2g}" for name, tensor in values.items()})
    tensors |= {f"{case}.weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{case}.values.{name}": tensor for name, tensor in values.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "rrdb.safetensors")
