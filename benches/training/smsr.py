"""SMSR (Wang et al., "Exploring Sparsity in Image Super-Resolution for Efficient
Inference", CVPR 2021) in PyTorch, at any width and depth.

Guarantees: the state dict has the key names and shapes of the authors' release, so
their checkpoint loads here and ours loads there; `mode="hard"` is the inference form.

A sparse mask module (SMM) predicts a spatial mask M from its input and holds a static
partition of every layer's channels into dense (D) and sparse (S) ones.  Sparse channels
exist only where M = 1.  With the layer's weight W, dense inputs and dense outputs

    out = relu( conv(f, A) + M * conv(f, W - A) ),    A[o,i] = W[o,i] * D_out[o] * D_in[i]

because only the dense-to-dense part ignores M.  The input of layer l is partitioned by
the mask of layer l-1 (all dense for l = 0).  The authors' first release used index l there.
The identity also holds for soft masks, and folds all channel masks into the weights:
training costs one convolution with twice the output channels, and no extra passes.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

MEAN = (0.4488, 0.4371, 0.4040)
MASK_CHANNELS = 16
CA_REDUCTION = 16


def gumbel_sigmoid(logit, tau):
    """Two-way Gumbel-softmax, second class: the difference of two Gumbel draws is logistic."""
    u = torch.rand_like(logit).clamp_(1e-6, 1 - 1e-6)
    return torch.sigmoid((logit + torch.log(u) - torch.log1p(-u)) / tau)


class MeanShift(nn.Conv2d):
    """A fixed 1x1 convolution in the checkpoint; an addition here."""

    def __init__(self, sign):
        super().__init__(3, 3, 1)
        self.weight.data = torch.eye(3).view(3, 3, 1, 1)
        self.bias.data = sign * 255.0 * torch.tensor(MEAN)
        self.requires_grad_(False)

    def forward(self, x):
        return x + self.bias.view(1, 3, 1, 1)


class ChannelAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        mid = max(width // CA_REDUCTION, 1)
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, mid, 1), nn.ReLU(), nn.Conv2d(mid, width, 1), nn.Sigmoid())

    def forward(self, x):
        return x * self.conv_du(x.mean((2, 3), keepdim=True))


class SparseLayers(nn.Module):
    """The masked 3x3 layers of one SMM and the 1x1 that collects them (key prefix `body`)."""

    def __init__(self, width, layers):
        super().__init__()
        self.ch_mask = nn.Parameter(torch.rand(1, width, layers, 2))
        self.body = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(layers))
        self.collect = nn.Conv2d(width * layers, width, 1)

    def dense_share(self, mode, tau):
        """(layers, width): 1 = dense channel, 0 = sparse; in between while it is learned."""
        logit = (self.ch_mask[0, :, :, 1] - self.ch_mask[0, :, :, 0]).t()
        if mode == "gumbel" and self.ch_mask.requires_grad:
            return 1 - gumbel_sigmoid(logit, tau)
        return (logit <= 0).float()

    def forward(self, x, mask, dense, mode):
        outs, d_in = [], torch.ones_like(dense[0])
        closed = mode == "hard" and not mask.any()
        for conv, d_out in zip(self.body, dense):
            w = conv.weight
            if mode == "open":
                x = F.relu(F.conv2d(x, w, padding=1))
            elif d_out.requires_grad:                               # partition being learned
                a = w * (d_out.view(-1, 1, 1, 1) * d_in.view(1, -1, 1, 1))
                za, zb = F.conv2d(x, torch.cat((a, w - a)), padding=1).chunk(2, 1)
                x = F.relu(torch.addcmul(za, mask, zb))
            else:                                                   # only the rows of A that exist
                a = w * (d_out.view(-1, 1, 1, 1) * d_in.view(1, -1, 1, 1))
                z = torch.zeros_like(x) if closed else F.conv2d(x, w - a, padding=1) * mask
                if d_out.any() and d_in.any():
                    rows = d_out.nonzero().flatten()
                    z = z.index_add(1, rows, F.conv2d(x, a[rows], padding=1))
                x = F.relu(z)
            outs.append(x)
            d_in = d_out
        return self.collect(torch.cat(outs, 1))


class SMM(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        m = MASK_CHANNELS
        self.spa_mask = nn.Sequential(
            nn.Conv2d(width, m, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
            nn.Conv2d(m, m, 3, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(m, 2, 3, stride=2, padding=1, output_padding=1))
        self.body = SparseLayers(width, layers)
        self.ca = ChannelAttention(width)

    @torch.no_grad()
    def open_mask(self):
        """(Re)starts the mask branch: logit difference about 2, open nearly everywhere."""
        for m in (self.spa_mask[0], self.spa_mask[3], self.spa_mask[5]):
            nn.init.kaiming_normal_(m.weight)
            nn.init.zeros_(m.bias)
        self.spa_mask[5].weight.mul_(0.1)
        self.spa_mask[5].bias.copy_(torch.tensor([-1.0, 1.0]))

    @torch.no_grad()
    def revive(self):
        """Opens a mask that is closed everywhere without changing the module's output: the
        1x1 starts again from zero on the sparse channels."""
        self.open_mask()
        dense = self.body.dense_share("hard", 1.0)
        self.body.collect.weight.mul_(dense.reshape(1, -1, 1, 1))

    def forward(self, x, mode, tau):
        mask, sparsity = None, None
        dense = self.body.dense_share(mode, tau)
        if mode != "open":
            # A closed pixel passes no gradient (ReLU at zero), so hard masks cannot be learned
            # by a straight-through estimator: they only ever close.  They are taken as given.
            with torch.set_grad_enabled(mode == "gumbel" and torch.is_grad_enabled()):
                logits = self.spa_mask(x)
                d = logits[:, 1:2] - logits[:, 0:1]
                mask = gumbel_sigmoid(d, tau) if mode == "gumbel" else (d > 0).float()
            # mean over channels, layers and pixels of M*S + D
            rho, dd = mask.mean(), dense.mean()
            sparsity = rho * (1 - dd) + dd
        return self.ca(self.body(x, mask, dense, mode)) + x, mask, sparsity


class SMSR(nn.Module):
    """RGB in 0..255, even height and width.  modes: "open" (M = 1, for dense
    pre-training), "gumbel" (soft noisy masks), "hard" (inference).

    `unit` divides the input of the head and multiplies the output of the tail, so that
    training sees activations of order one; `folded_state` moves it into the weights."""

    def __init__(self, scale=2, width=32, modules=5, layers=4, unit=1.0):
        super().__init__()
        self.scale, self.width, self.layers, self.unit = scale, width, layers, unit
        self.sub_mean, self.add_mean = MeanShift(-1), MeanShift(1)
        self.head = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        self.body = nn.ModuleList(SMM(width, layers) for _ in range(modules))
        self.collect = nn.Sequential(
            nn.Conv2d(width * modules, width, 1), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1))
        self.tail = nn.Sequential(
            nn.Conv2d(width, 3 * scale * scale, 3, padding=1), nn.PixelShuffle(scale))
        self.initialise()

    def initialise(self):
        """Start as (almost) the bicubic skip, with open masks: residual branches are
        scaled down and the tail is near zero, so a high rate is safe without normalisation."""
        for m in self.modules():
            if isinstance(m, nn.Conv2d) and not isinstance(m, MeanShift):
                nn.init.kaiming_normal_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
        with torch.no_grad():
            self.head[2].weight.mul_(math.sqrt(0.5))
            self.collect[2].weight.mul_(0.3)
            self.tail[0].weight.mul_(0.03)
            for smm in self.body:
                smm.body.collect.weight.mul_(0.3)
                # logit difference about 1: mostly sparse, as trained networks end up
                smm.body.ch_mask.normal_(0.0, 0.5)[..., 1] += 1.0
                smm.open_mask()

    def forward(self, lr, mode="hard", tau=1.0):
        """Returns (sr, [mask per module], mean sparsity); the last two are None if open."""
        x0 = self.sub_mean(lr)
        x = fea = self.head(x0 / self.unit)
        feas, masks, sparsity = [], [], []
        for smm in self.body:
            fea, m, s = smm(fea, mode, tau)
            feas.append(fea)
            masks.append(m)
            sparsity.append(s)
        y = self.tail(self.collect(torch.cat(feas, 1)) + x) * self.unit
        # torch's bicubic (a = -0.75), as the authors; not MATLAB's
        y = y + F.interpolate(x0, scale_factor=self.scale, mode="bicubic", align_corners=False)
        s = None if mode == "open" else torch.stack(sparsity).mean()
        return self.add_mean(y), masks, s

    @torch.no_grad()
    def polarise(self):
        """Replaces every channel-mask logit pair by a clear-cut one of the same rounding, so
        that no precision of storage can change the partition, and freezes the pairs."""
        for smm in self.body:
            c = smm.body.ch_mask
            dense = (c[..., 1] - c[..., 0] <= 0).float()
            c.copy_(torch.stack((dense * 2 - 1, 1 - dense * 2), -1))
            c.requires_grad_(False)

    def partition(self):
        """Dense channels of every layer of every module."""
        return [[int(d.sum()) for d in smm.body.dense_share("hard", 1.0)] for smm in self.body]

    def multiply_adds(self, rho):
        """(dense network, masked network) multiply-adds per LR pixel at mask densities rho."""
        c, k, n = self.width, len(self.body), self.layers
        m = MASK_CHANNELS
        fixed = 9 * (3 * c + c * c) + k * (9 * c * m + 9 * m * m / 4 + 9 * m * 2 / 4)
        fixed += k * c * c + 9 * c * c + 9 * c * 3 * self.scale ** 2
        full = fixed + k * n * (9 * c * c + c * c)
        kept = fixed
        for dense, r in zip(self.partition(), rho):
            d_in = c
            for d in dense:
                kept += 9 * (d_in * d + r * d_in * (c - d) + r * (c - d_in) * c)
                kept += c * (d + r * (c - d))
                d_in = d
        return full, kept


def folded_state(state, unit):
    """The state dict of a network trained with `unit`, for use with unit = 1."""
    out = {k: v.detach().clone().float().contiguous() for k, v in state.items()}
    out["head.0.weight"] /= unit
    out["tail.0.weight"] *= unit
    out["tail.0.bias"] *= unit
    return out


def from_state(state):
    """Builds the network that a state dict (unit = 1) describes."""
    width = state["head.0.weight"].shape[0]
    modules = 1 + max(int(k.split(".")[1]) for k in state if k.startswith("body."))
    layers = state["body.0.body.ch_mask"].shape[2]
    scale = math.isqrt(state["tail.0.weight"].shape[0] // 3)
    net = SMSR(scale, width, modules, layers)
    net.load_state_dict({k: v.float() for k, v in state.items()})
    return net.eval()
