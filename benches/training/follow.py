"""The same start, data and draws as a run of `sparsr train`, in PyTorch: its losses step by step.

    python follow.py RUN.safetensors --steps 100 --rate 2e-4 > theirs.csv
    python follow.py RUN.safetensors --steps 100 --rate 2e-4 --ours ours.csv
    python follow.py RUN.safetensors --steps 100 --rate 2e-4 --beside cpu

`RUN.safetensors` holds `weights.<key>`, every parameter as it is before the first step, keys as in a checkpoint, and
for steps 0, 1, … `batch.<step>.low` and `batch.<step>.high`, N×3×H×W of 0 … 255, and where SMSR's masks are drawn
`batch.<step>.uniforms.<name>`, as in `tests/golden/learning/definitions.py`. Where there are fewer batches than steps
they come round again. The keys tell which network it is: EDSR, ESRT or ACNet x2, or SMSR x2 in its training form.

The loss is the mean of |output − high|, with SMSR + lambda · sparsity, in the network's range: 0 … 1 for ESRT and ACNet,
0 … 255 for the others. The optimiser is Adam, betas 0.9 and 0.99, epsilon 1e-8, of a constant rate. Stored means are not
learnt. Standard output is `step,loss`, the loss before the step.

With `--ours`, losses in that form, it compares: the loss within 1e-4, relative, of each of 20 steps, and the mean of
each ten within 2e-3 of them all. With `--beside DEVICE` ours are made here, by `sparsr.training` of the wheel; crops are
square, and SMSR has no such form. Deep networks from scratch soon go their own ways at a high rate, PyTorch's f32 and its
f64 too: what `--f64` prints tells, and a lower rate helps.
"""

import argparse
import csv
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests/golden/learning"))

from definitions import Net, acnet, edsr, esrt, smsr  # noqa: E402

EACH, EACH_OF, TENS = 1e-4, 20, 2e-3


def batches(tensors, dtype, white=255):
    """`low` and `high`, 0 … white, and whatever else, step by step."""
    steps = {}
    for name, tensor in tensors.items():
        if name.startswith("batch."):
            _, step, rest = name.split(".", 2)
            tensor = tensor.to(dtype)
            steps.setdefault(int(step), {})[rest] = tensor / (255 / white) if rest in ("low", "high") else tensor
    return [steps[step] for step in range(len(steps))]


def count(names, prefix, suffix):
    return next(i for i in range(len(names) + 1) if f"{prefix}{i}{suffix}" not in names)


def white_of(w):
    """What the network's range ends at."""
    return 1 if "body.0.attention.atten.qkv.weight" in w or "conv1_1.0.weight" in w else 255


def network_of(w, args):
    """From parameters and a batch to a picture and a sparsity, or None."""
    if "body.0.body.ch_mask" in w:
        _, c, layers, _ = w["body.0.body.ch_mask"].shape
        sizes = {"mask_channels": len(w["body.0.spa_mask.0.bias"]), "squeezed": len(w["body.0.ca.conv_du.0.bias"])}
        modules = count(w, "body.", ".body.ch_mask")

        def network(net, batch):
            uniforms = {name.removeprefix("uniforms."): tensor for name, tensor in batch.items()}
            return smsr(net, batch["low"], c, modules, layers, 2, args.mode, uniforms, args.tau, **sizes)
    elif "body.0.attention.atten.qkv.weight" in w:
        block, attention = "body.0.encoder1.encoder", "body.0.attention.atten"
        names = ["head.0.weight", f"{block}.layer1.conv.weight", f"{block}.atten.conv_du.0.bias", f"{attention}.reduce.weight"]
        sizes = [len(w[name]) for name in names]

        def network(net, batch):
            return esrt(net, batch["low"], 2, *sizes), None
    elif "conv1_1.0.weight" in w:
        layers = sum(name.endswith("_3.0.weight") for name in w)

        def network(net, batch):
            return acnet(net, batch["low"], len(w["conv1_1.0.weight"]), 2, layers), None
    else:
        keys, block = ("pytorch", ".body.0.weight") if "head.0.weight" in w else ("basicsr", ".conv1.weight")
        c = len(w["head.0.weight" if keys == "pytorch" else "conv_first.weight"])
        blocks = count(w, "body.", block)
        scale = {(16, 8): 2.0}.get((c, blocks), 1.0) if args.res_scale is None else args.res_scale

        def network(net, batch):
            return edsr(net, batch["low"], c, blocks, 2, scale, keys), None
    return network


def losses(args):
    dtype = torch.float64 if args.f64 else torch.float32
    tensors = load_file(args.run)
    w = {name.removeprefix("weights."): tensor.to(dtype).requires_grad_("_mean." not in name)
         for name, tensor in tensors.items() if name.startswith("weights.")}
    net, network = Net(parameters=w, dtype=dtype), network_of(w, args)
    steps = batches(tensors, dtype, white_of(w))
    learnt = [tensor for tensor in w.values() if tensor.requires_grad]
    optimiser = torch.optim.Adam(learnt, lr=args.rate, betas=(0.9, 0.99), eps=1e-8)
    for step in range(args.steps):
        batch = steps[step % len(steps)]
        out, sparsity = network(net, batch)
        loss = F.l1_loss(out, batch["high"])
        if sparsity is not None:
            loss = loss + args.weight * sparsity
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield loss.item()


def ours_beside(args):
    """The same by the wheel for Python."""
    from sparsr.training import Trainer

    tensors = load_file(args.run)
    weights = {name.removeprefix("weights."): tensor for name, tensor in tensors.items() if name.startswith("weights.")}
    steps = batches(tensors, torch.float32, 1)
    trainer = Trainer(save(weights), size=steps[0]["low"].shape[2], device=args.beside, unit=1.0, ema=0.0)
    picture = lambda tensor: tensor.permute(0, 2, 3, 1).contiguous().numpy()
    for step in range(args.steps):
        batch = steps[step % len(steps)]
        yield trainer.step(picture(batch["low"]), picture(batch["high"]), args.rate).loss


def read(path, steps):
    with open(path) as file:
        losses = {int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)}
    return [losses[step] for step in range(steps)]


def compare(theirs, ours):
    """The largest relative distances, of steps and of tens."""
    apart = lambda a, b: abs(a - b) / abs(a)
    each = max(map(apart, theirs[:EACH_OF], ours))
    tens = range(0, len(theirs) - 9, 10)
    mean = lambda losses, at: sum(losses[at:at + 10]) / 10
    of_tens = max((apart(mean(theirs, at), mean(ours, at)) for at in tens), default=0.0)
    print(f"each of {min(EACH_OF, len(theirs))} steps within {each:.1e} (at most {EACH:.0e}), "
          f"the mean of each ten of {len(theirs)} within {of_tens:.1e} (at most {TENS:.0e})", file=sys.stderr)
    return each <= EACH and of_tens <= TENS


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", metavar="RUN.safetensors")
    arguments.add_argument("--steps", type=int, default=20)
    arguments.add_argument("--rate", type=float, default=2e-4)
    arguments.add_argument("--res-scale", type=float, help="EDSR's, if not the published network's of its size")
    arguments.add_argument("--mode", default="gumbel", choices=("open", "gumbel", "hard"), help="SMSR's")
    arguments.add_argument("--tau", type=float, default=1.0)
    arguments.add_argument("--lambda", dest="weight", type=float, default=0.1)
    arguments.add_argument("--f64", action="store_true")
    ours = arguments.add_mutually_exclusive_group()
    ours.add_argument("--ours", metavar="CSV")
    ours.add_argument("--beside", metavar="DEVICE")
    arguments.add_argument("--threads", type=int, default=1)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)

    theirs = []
    print("step,loss")
    for step, loss in enumerate(losses(args)):
        print(f"{step},{loss:.9g}", flush=True)
        theirs.append(loss)
    if args.ours or args.beside:
        sys.exit(not compare(theirs, read(args.ours, args.steps) if args.ours else list(ours_beside(args))))


if __name__ == "__main__":
    main()
