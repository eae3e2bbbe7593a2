"""Writes compression.safetensors: what pruning and distillation add to learning.

    python compression.py          (torch, safetensors)

`ssa`, sparsity structure alignment (Zhang et al., *Aligned Structured Sparsity Learning*, NeurIPS 2021): of `gamma`,
layers × filters, and a rate of 0.4, S_l = sigmoid(gamma_l − t_l), where t_l is the gamma that ⌈rate · filters⌉ of the
layer lie below; `loss` = −mean over all pairs of layers of ⟨S_l, S_m⟩, and its `gradient`, which goes through t too.

`growth`, growing L2 in Adam (rate 1e-3, betas 0.9 and 0.99, epsilon 1e-8): of `start`, with the loss
½ Σ (p − `target`)², reg · p is added to the gradient before the step; in steps 5, 10, … of 200, counted from 1, first
0.02 is added to the reg of those where `pruned` is 1, as long as no reg is above 0.5. `steps` are p behind each tenth.

`obproxsg` (Chen et al., *Orthant Based Proximal Stochastic Gradient Method*, ECML 2020; here as in CDISM), rate 0.2,
lambda 0.1, epsilon 1e-4, with the same loss. `prox` are p behind each of 20 steps p ← S(p − rate · g, rate · lambda),
S(x, t) = sign(x) · max(|x| − t, 0). From there `orthant` are p behind each of 20 steps of q = p − rate · (g +
lambda · sign(p)), which is kept where q · sign(p) > epsilon and 0 elsewhere. In them the target is `second_target`.

`multilap` (CDISM, PCS 2024): MultiLap(x, y) = Lap(x, y) + Lap(x − G(x), y − G(y)), and Lap the sum of 2^i times the mean
absolute difference of level i of five of a Laplacian pyramid. G is the 5×5 binomial filter with mirrored edges; a level
is x − expand(reduce(x)), the last one what is left; reduce takes the mean of every 2×2 of G(x), expand puts zeros
between pixels, a pixel's own in the corner, and takes 4 · G. `output`, `teacher`, `loss` and its `gradient`.

Everything is computed in f64 from numbers that f32 holds.
"""

import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_num_threads(1)
random = torch.Generator().manual_seed(1)
tensors = {}


def save(name, **values):
    tensors.update({f"{name}.{key}": value.detach().float().contiguous() for key, value in values.items()})


def normal(*shape):
    return torch.randn(shape, generator=random).double()


def ssa():
    gamma = (1 + 0.3 * normal(4, 10)).requires_grad_()
    below = math.ceil(0.4 * gamma.shape[1])
    threshold = gamma.sort(1).values[:, below:below + 1]
    gates = torch.sigmoid(gamma - threshold)
    loss = -(gates @ gates.T).mean()
    save("ssa", gamma=gamma, loss=loss.view(1), gradient=torch.autograd.grad(loss, gamma)[0])


def growth():
    start, target = 1 + 0.3 * normal(8), 1 + 0.3 * normal(8)
    pruned = torch.tensor([0, 1, 1, 0, 0, 1, 0, 1]).double()
    p = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([p], lr=1e-3, betas=(0.9, 0.99), eps=1e-8)
    reg, steps = torch.zeros(8).double(), []
    for step in range(1, 201):
        if step % 5 == 0 and reg.max() <= 0.5:
            reg = reg + 0.02 * pruned
        p.grad = (p - target + reg * p).detach()
        optimiser.step()
        if step % 10 == 0:
            steps.append(p.detach().clone())
    save("growth", start=start, target=target, pruned=pruned, steps=torch.stack(steps))


def obproxsg():
    rate, weight, epsilon = 0.2, 0.1, 1e-4
    start, target, second = 0.3 * normal(16), 0.3 * normal(16), 0.3 * normal(16)
    p, prox, orthant = start.clone(), [], []
    for _ in range(20):
        p = p - rate * (p - target)
        p = p.sign() * (p.abs() - rate * weight).clamp(min=0)
        prox.append(p)
    for _ in range(20):
        sign = p.sign()
        q = p - rate * (p - second + weight * sign)
        p = torch.where(q * sign > epsilon, q, 0)
        orthant.append(p)
    zeros = [int((p == 0).sum()) for p in (prox[-1], orthant[-1])]
    print("obproxsg: zeros behind each phase", zeros)
    assert 0 < zeros[0] < zeros[1] < 16
    save("obproxsg", start=start, target=target, second_target=second, prox=torch.stack(prox),
         orthant=torch.stack(orthant))


def blur(x):
    row = torch.tensor([1, 4, 6, 4, 1], dtype=x.dtype) / 16
    kernel = (row[:, None] * row[None, :]).expand(x.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, groups=x.shape[1])


def expand(x):
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, 2 * h, 2 * w)
    wide[:, :, ::2, ::2] = x
    return 4 * blur(wide)


def pyramid(x):
    for _ in range(4):
        less = F.avg_pool2d(blur(x), 2)
        yield x - expand(less)
        x = less
    yield x


def lap(x, y):
    return sum(2**i * (a - b).abs().mean() for i, (a, b) in enumerate(zip(pyramid(x), pyramid(y))))


def multilap():
    output = torch.rand(1, 3, 32, 48, generator=random).double().requires_grad_()
    teacher = torch.rand(1, 3, 32, 48, generator=random).double()
    loss = lap(output, teacher) + lap(output - blur(output), teacher - blur(teacher))
    gradient, = torch.autograd.grad(loss, output)
    save("multilap", output=output, teacher=teacher, loss=loss.view(1), gradient=gradient)


for made in (ssa, growth, obproxsg, multilap):
    made()
path = pathlib.Path(__file__).with_suffix(".safetensors")
save_file(tensors, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")
