"""The learning baseline: EDSRmini from scratch in PyTorch, to be laid beside `sparsr train` with the same settings.

    python edsrmini.py prepare --train FOLDER... --heldout NAMES.txt --cache pairs.npz
    python edsrmini.py train --cache pairs.npz --set5 FOLDER --seed 1 --csv edsrmini_seed1.csv [--iterations 20000]

| | |
|---|---|
| network | EDSR, 16 channels, 8 blocks, x2, residuals times 2, pictures of 0 … 255 less DIV2K's mean, which is not learnt |
| start | PyTorch's of a convolution: weights and biases uniform within 1/√(inputs · 9) |
| data | every picture but those held out, at its own size, cut from the right and bottom to even sides; low resolution by MATLAB's bicubic of the whole picture |
| batch | 16 crops of 24×24 low-resolution pixels: any picture as likely as another, any place in it as well, any of its 8 orientations |
| loss | the mean of |output − target| over all numbers, in 0 … 255 |
| optimiser | Adam, betas 0.9 and 0.99, epsilon 1e-8, no decay, no clipping |
| rate | of iteration t = 0 … T − 1: min((t + 1) / 300, 1) · (1e-5 + (1e-3 − 1e-5) · (1 + cos(π · t / T)) / 2), T = 20000 |
| average | of the parameters after n iterations: d · average + (1 − d) · parameters, d = min(0.999, (1 + n) / (10 + n)) |
| measure | PSNR on Set5 x2 of the averaged parameters: whole pictures, 8-bit output, MATLAB's unrounded luma, border of 2 |

It ends with a line of the CSV every 2000 iterations: iteration, mean loss since the last line, PSNR of each picture
and their mean, seconds of processor time.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "benches/training"), str(ROOT / "tests/golden/learning")]

from images import crop_multiple, find, imresize, load_rgb, psnr_y  # noqa: E402

CHANNELS, BLOCKS, SCALE = 16, 8, 2
PATCH, BATCH = 24, 16
PEAK, LAST, WARM_UP = 1e-3, 1e-5, 300
DECAY = 0.999
EVERY = 2000


def prepare(args):
    """Decodes and shrinks every picture once."""
    heldout = {Path(name).stem for name in Path(args.heldout).read_text().split()}
    files = [path for folder in args.train for path in find(folder)]
    kept = [path for path in files if path.stem not in heldout]
    arrays = {}
    for path in kept:
        high = crop_multiple(load_rgb(path), SCALE)
        arrays[f"{path.parent.name}/{path.stem}.high"] = high
        arrays[f"{path.parent.name}/{path.stem}.low"] = imresize(high, 1 / SCALE)
    np.savez(args.cache, **arrays)
    print(f"{len(kept)} pictures of {len(files)}, {sum(a.nbytes for a in arrays.values()) / 1e6:.0f} MB")


class Crops:
    """Pairs in memory, and random crops of them: u8, N×H×W×3."""

    def __init__(self, cache, seed):
        file = np.load(cache)
        names = sorted({name.rsplit(".", 1)[0] for name in file.files})
        self.pairs = [(file[f"{name}.low"], file[f"{name}.high"]) for name in names]
        self.random = np.random.default_rng(seed)

    def batch(self):
        crops = [self.crop() for _ in range(BATCH)]
        return [np.stack(side) for side in zip(*crops)]

    def crop(self):
        low, high = self.pairs[self.random.integers(len(self.pairs))]
        y, x = (self.random.integers(side - PATCH + 1) for side in low.shape[:2])
        pair = [picture[s * y:s * (y + PATCH), s * x:s * (x + PATCH)] for picture, s in ((low, 1), (high, SCALE))]
        turn, flip = self.random.integers(4), self.random.integers(2)
        turned = [np.rot90(picture, turn) for picture in pair]
        return [picture[:, ::-1] if flip else picture for picture in turned]


def rate(t, iterations):
    cosine = (1 + math.cos(math.pi * t / iterations)) / 2
    return min((t + 1) / WARM_UP, 1) * (LAST + (PEAK - LAST) * cosine)


def train(args):
    import torch
    import torch.nn.functional as F
    from definitions import Net, edsr

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    net = Net(default=True, dtype=torch.float32)
    network = lambda net, x: edsr(net, x, CHANNELS, BLOCKS, SCALE, res_scale=2.0)
    network(net, torch.zeros(1, 3, 8, 8))
    parameters = list(net.w.values())
    average = Net(parameters={name: tensor.detach().clone() for name, tensor in net.w.items()})
    optimiser = torch.optim.Adam(parameters, lr=PEAK, betas=(0.9, 0.99), eps=1e-8, fused=True)
    crops = Crops(args.cache, args.seed)
    pictures = [crop_multiple(load_rgb(path), SCALE) for path in find(args.set5)]
    pictures = [(imresize(high, 1 / SCALE), high) for high in pictures]

    def tensor(picture):
        return torch.from_numpy(np.ascontiguousarray(picture)).permute(0, 3, 1, 2).float()

    @torch.no_grad()
    def psnrs():
        for low, high in pictures:
            y = network(average, tensor(low[None]))[0].clamp(0, 255).round()
            yield psnr_y(y.permute(1, 2, 0).numpy().astype(np.uint8), high, SCALE)

    losses = []
    with open(args.csv, "w") as csv:
        def line(iteration):
            each = list(psnrs())
            numbers = [np.mean(losses) if losses else math.nan, *each, np.mean(each), time.process_time()]
            print(iteration, *(f"{number:.4f}" for number in numbers), sep=",", file=csv, flush=True)
            losses.clear()

        print("iteration,loss", *(path.stem for path in find(args.set5)), "mean,processor_seconds", sep=",", file=csv)
        line(0)
        for t in range(args.iterations):
            low, high = map(tensor, crops.batch())
            for group in optimiser.param_groups:
                group["lr"] = rate(t, args.iterations)
            loss = F.l1_loss(network(net, low), high)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            n = t + 1
            decay = min(DECAY, (1 + n) / (10 + n))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.w.values()), parameters, 1 - decay)
            losses.append(loss.item())
            if n % EVERY == 0 or n == args.iterations:
                line(n)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = arguments.add_subparsers(dest="command", required=True)
    first = commands.add_parser("prepare")
    first.add_argument("--train", nargs="+", required=True)
    first.add_argument("--heldout", required=True, help="names of pictures that are left out")
    first.add_argument("--cache", required=True)
    second = commands.add_parser("train")
    second.add_argument("--cache", required=True)
    second.add_argument("--set5", required=True, help="the pictures in high resolution")
    second.add_argument("--seed", type=int, required=True)
    second.add_argument("--csv", required=True)
    second.add_argument("--iterations", type=int, default=20000)
    args = arguments.parse_args()
    {"prepare": prepare, "train": train}[args.command](args)


if __name__ == "__main__":
    main()
