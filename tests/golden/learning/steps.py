"""Writes steps.safetensors: a hundred steps of small networks.

    python steps.py          (torch, safetensors)

They begin with `<case>.parameters.<key>` of networks.safetensors and see its `input` and `target` mirrored, from left to
right at steps 1, 3, 5, …, from top to bottom at 2, 3, 6, 7, …, steps from 0. The loss is the mean of |output − target|;
the optimiser Adam, rate 1e-3, betas 0.9 and 0.99, epsilon 1e-8. `<case>.losses` are those before each step, in f64 from
numbers that f32 holds.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from definitions import Net, acnet, esrt

torch.set_num_threads(1)
STEPS, RATE = 100, 1e-3
NETWORKS = {
    "acnet_x2": lambda net, x: acnet(net, x, 3, 2),
    "esrt_x2": lambda net, x: esrt(net, x, 2, 4, 2, 1, 8),
}


def mirrored(x, step):
    return x.flip([axis for axis, bit in ((3, 1), (2, 2)) if step & bit])


def losses(tensors, network, dtype):
    tensors = {key: tensor.to(dtype) for key, tensor in tensors.items()}
    given = "parameters."
    w = {key.removeprefix(given): t.requires_grad_() for key, t in tensors.items() if key.startswith(given)}
    net, optimiser = Net(parameters=w), torch.optim.Adam(w.values(), lr=RATE, betas=(0.9, 0.99), eps=1e-8)
    for step in range(STEPS):
        loss = F.l1_loss(network(net, mirrored(tensors["input"], step)), mirrored(tensors["target"], step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield loss.item()


folder, made = pathlib.Path(__file__).parent, {}
networks = load_file(folder / "networks.safetensors")
for case, network in NETWORKS.items():
    own = {key.removeprefix(f"{case}."): tensor for key, tensor in networks.items() if key.startswith(f"{case}.")}
    in_f64, in_f32 = (torch.tensor(list(losses(own, network, dtype))) for dtype in (torch.float64, torch.float32))
    print(f"{case}: {in_f64[0]:.4g} to {in_f64[-1]:.4g}, in f32 {(in_f32 / in_f64 - 1).abs().max():.1e} off at most")
    made[f"{case}.losses"] = in_f64.float()
save_file(made, folder / "steps.safetensors")
