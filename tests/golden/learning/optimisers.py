"""Writes optimisers.safetensors: twenty steps of Adam and of AdamW on a small EDSR, x2.

    python optimisers.py          (torch, safetensors)

Both start at `start.<key>` and see `batch.<i>.low` and `batch.<i>.high`, i = step mod 4, steps from 0; the loss is the
mean of |output − high| in 0 … 255. For `adam` and `adamw`: `<case>.losses` before each step, `<case>.norms` of all
gradients together before they are clipped, and behind the last step `<case>.parameters.<key>` and their average
`<case>.averages.<key>`.

    adam     rate 1e-3, betas 0.9 and 0.99, epsilon 1e-8
    adamw    the same, decay 0.05, gradients clipped to a norm of `<case>.limit`, which half of the steps exceed

The average begins as the start; behind step n, from 1, it is d · average + (1 − d) · parameters with
d = min(0.9, (1 + n) / (10 + n)). Everything is computed in f64 from numbers that f32 holds.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from definitions import Net, edsr

torch.set_num_threads(1)
STEPS, BATCHES, DECAY = 20, 4, 0.9
random = torch.Generator().manual_seed(1)


def network(net, picture):
    return edsr(net, picture, 4, 2, 2)


def batch():
    high = F.interpolate(torch.rand(2, 3, 5, 6, generator=random), size=(10, 12), mode="bicubic").clamp(0, 1) * 255
    high = high.double().round()
    return F.avg_pool2d(high, 2).float().double(), high


def run(kind, start, batches, limit, **how):
    net = Net(parameters={name: tensor.clone().requires_grad_() for name, tensor in start.items()})
    average = {name: tensor.clone() for name, tensor in start.items()}
    optimiser = kind(net.w.values(), lr=1e-3, betas=(0.9, 0.99), eps=1e-8, **how)
    losses, norms = [], []
    for step in range(STEPS):
        low, high = batches[step % BATCHES]
        loss = F.l1_loss(network(net, low), high)
        optimiser.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(net.w.values(), limit)))
        optimiser.step()
        n = step + 1
        d = min(DECAY, (1 + n) / (10 + n))
        for name, tensor in net.w.items():
            average[name] = d * average[name] + (1 - d) * tensor.detach()
        losses.append(loss.item())
    saved = {"losses": torch.tensor(losses), "norms": torch.tensor(norms)}
    saved |= {f"parameters.{name}": tensor for name, tensor in net.w.items()}
    return saved | {f"averages.{name}": tensor for name, tensor in average.items()}


batches = [batch() for _ in range(BATCHES)]
made = Net(2, white=255)
network(made, batches[0][0])
start = {name: tensor.detach() for name, tensor in made.w.items()}
tensors = {f"start.{name}": tensor for name, tensor in start.items()}
for i, (low, high) in enumerate(batches):
    tensors |= {f"batch.{i}.low": low, f"batch.{i}.high": high}
adam = run(torch.optim.Adam, start, batches, float("inf"))
limit = adam["norms"].median().item()
adamw = run(torch.optim.AdamW, start, batches, limit, weight_decay=0.05) | {"limit": torch.tensor([limit])}
for name, case in (("adam", adam), ("adamw", adamw)):
    print(name, "losses", case["losses"].numpy().round(2), "norms", case["norms"].numpy().round(1))
    tensors |= {f"{name}.{key}": tensor for key, tensor in case.items()}

path = pathlib.Path(__file__).with_suffix(".safetensors")
save_file({name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")
