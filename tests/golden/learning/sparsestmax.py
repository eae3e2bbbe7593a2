"""Writes sparsestmax.safetensors: sparsestmax and its gradient, by PyTorch's own differentiation of the definition.

    python sparsestmax.py          (torch, safetensors)

Names are `<case>/<tensor>`: `logits`, `radius` and `incoming` go in, `weights` and `gradient`, of Σ incoming · weights,
come out; one number a channel. The definition is that of Shao et al., CVPR 2019, section 3.2; where logits are tied, so that
no direction leads away from the middle, what is reached is kept. All in f64 from numbers that f32 holds. It shares no line
with the project.
"""

import pathlib

import torch
from safetensors.torch import save_file

torch.set_num_threads(1)


def sparsemax(v):
    """Martins and Astudillo, ICML 2016, algorithm 1."""
    ordered, _ = v.sort(descending=True)
    sums = ordered.cumsum(0)
    counts = torch.arange(1, len(v) + 1, dtype=v.dtype)
    k = int((1 + counts * ordered > sums).nonzero().max()) + 1
    return (v - (sums[k - 1] - 1) / k).clamp(min=0)


def middle(w):
    face = (w > 0).to(w.dtype)
    return face / face.sum()


def sparsestmax(v, radius, steps):
    w = sparsemax(v)
    u = middle(w.detach())
    supported = v.detach()[u > 0]
    if (supported == supported[0]).all() or (w - u).norm() >= radius:
        return w, steps
    p = u + radius * (w - u) / (w - u).norm()
    if p.min() >= 0:
        return p, steps + 1
    moved = (middle(sparsemax(p.detach())) - u).square().sum()
    return sparsestmax(p, max(radius**2 - moved.item(), 0.0) ** 0.5, steps + 1)


tensors, recursions = {}, set()


def case(name, logits, radius):
    logits = torch.tensor(logits, dtype=torch.float32).double().requires_grad_()
    radius = torch.tensor([radius], dtype=torch.float32).double()
    weights, steps = sparsestmax(logits, radius.item(), 0)
    incoming = torch.randn(len(logits), generator=seed).double()
    (gradient,) = torch.autograd.grad(weights, logits, incoming)
    recursions.add(steps)
    print(f"{name}: {steps} steps, {[round(number, 4) for number in weights.tolist()]}")
    made = {"logits": logits, "radius": radius, "incoming": incoming, "weights": weights, "gradient": gradient}
    tensors.update({f"{name}/{part}": tensor for part, tensor in made.items()})


seed = torch.Generator().manual_seed(19)
for radius in (0.0, 0.2, 0.45, 0.6, 0.75, 0.81649659, 1.0):
    case(f"three/{radius}", [0.31, 0.11, 0.23], radius)
for radius in (0.0, 0.3, 0.5, 0.7, 0.8, 0.86, 0.87, 1.0):
    case(f"four/{radius}", [0.02, 0.11, -0.07, 0.05], radius)
    case(f"four_apart/{radius}", [0.9, -0.4, 0.7, 0.35], radius)
for count in (2, 5, 9, 16):
    drawn = torch.randn(count, generator=seed)
    for size in (0.03, 1.0):
        for radius in (0.1, 0.5, 0.65, 0.8, 0.9, 0.95):
            case(f"drawn{count}_{size}/{radius}", (size * drawn).tolist(), radius)
for radius in (0.0, 0.5, 1.0):
    case(f"tied/{radius}", [0.25, 0.25, 0.25, 0.25], radius)
    case(f"tied_pair/{radius}", [0.4, 0.4, 0.1], radius)
    case(f"tied_below/{radius}", [0.3, 0.1, 0.1, 0.1], radius)
    case(f"one_hot/{radius}", [-1.0, 3.0, 0.5], radius)
    case(f"alone/{radius}", [0.7], radius)
assert {0, 1, 2, 3} <= recursions, recursions

path = pathlib.Path(__file__).with_suffix(".safetensors")
save_file({name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes, {sorted(recursions)} steps")
