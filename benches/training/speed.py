"""Seconds a training step takes in PyTorch, on this machine's processors or, with `--device cuda`, on its GPU.

    python speed.py edsr --ways eager,compiled --threads 2 [--rounds 7] [--steps 20]
    python speed.py edsrmini --threads 1 --beside "COMMAND"

| network | | crops |
|---|---|---|
| `edsr` | the baseline: 16 blocks, 64 channels, x2 | 16 of LR 48 |
| `edsrmini` | 8 blocks, 16 channels, residuals times 2 | 16 of LR 48 |
| `smsr32` | SMSR of width 32 by [`smsr.py`](smsr.py), soft masks of pixels and channels | 16 of LR 24 |

A step is the forward pass, the loss, the backward pass, Adam and the average of the parameters, on crops that are
there already, in channels-last. Ways: `eager`; `compiled`, by torch.compile; `twins`, one thread to a part of the batch; on a GPU also `tf32` and `f16`, compiled, with products of
that precision. In rounds every way takes its steps in turn, so that a load on the machine
meets all alike; with `--beside` the command takes its turn too: the last line that it prints is seconds of the wall's
clock and of the processors, a step. Standard output is a line a round and way, and at last the medians.
"""

import argparse
import copy
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "benches/training"), str(ROOT / "tests/golden/learning")]

from definitions import Net, edsr  # noqa: E402

DECAY, WARM = 0.999, 3


class Edsr(torch.nn.Module):
    """Loss of a batch."""

    def __init__(self, *sizes, res_scale):
        super().__init__()
        self.network = lambda net, x: edsr(net, x, *sizes, 2, res_scale)
        net = Net(default=True, dtype=torch.float32)
        self.network(net, torch.zeros(1, 3, 8, 8))
        self.names = list(net.w)
        self.learnt = torch.nn.ParameterList(net.w.values())

    def forward(self, low, high):
        net = Net(parameters=dict(zip(self.names, self.learnt)))
        return F.l1_loss(self.network(net, low), high)


class Smsr(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        from smsr import SMSR
        self.net = SMSR(2, width, unit=64.0)

    def forward(self, low, high):
        out, _, sparsity = self.net(low, "gumbel", 0.7)
        return F.l1_loss(out, high) + 0.1 * sparsity


NETWORKS = {
    "edsr": (lambda: Edsr(64, 16, res_scale=1.0), 48),
    "edsrmini": (lambda: Edsr(16, 8, res_scale=2.0), 48),
    "smsr32": (lambda: Smsr(32), 24),
}


class Way:
    """A network with its optimiser and average, and how a step of it is done."""

    def __init__(self, network, way, threads, device):
        network = network.to(device)
        self.way, self.device = way, device
        self.network = network.to(memory_format=torch.channels_last)
        self.learnt = [p for p in network.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.learnt]
        self.optimiser = torch.optim.Adam(self.learnt, lr=1e-5, betas=(0.9, 0.99), fused=True)
        self.threads = 1 if way == "twins" else threads
        if way == "twins":
            self.twins = [network] + [copy.deepcopy(network) for _ in range(threads - 1)]
            for twin in self.twins[1:]:
                for p, q in zip(network.parameters(), twin.parameters()):
                    q.data = p.data
            self.pool = ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1))
            self.backward = self.by_twins
        else:
            self.loss = network if way == "eager" else torch.compile(network)
            self.backward = self.by_loss

    def by_loss(self, low, high):
        with torch.autocast(self.device, torch.float16, enabled=self.way == "f16"):
            loss = self.loss(low, high)
        loss.backward()

    def by_twins(self, low, high):
        def part(twin, low, high):
            twin.zero_grad()
            (twin(low, high) / len(self.twins)).backward()

        parts = zip(self.twins, low.chunk(len(self.twins)), high.chunk(len(self.twins)))
        for job in [self.pool.submit(part, *each) for each in parts]:
            job.result()
        for first, *others in zip(*(twin.parameters() for twin in self.twins)):
            for other in others:
                if first.grad is not None and other.grad is not None:
                    first.grad += other.grad

    def step(self, low, high):
        self.optimiser.zero_grad()
        self.backward(low, high)
        self.optimiser.step()
        torch._foreach_lerp_(self.average, [p.detach() for p in self.learnt], 1 - DECAY)

    def round(self, low, high, steps):
        """Seconds a step, of the wall's clock and of the processors."""
        torch.set_num_threads(self.threads)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.way == "tf32"
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(steps):
            self.step(low, high)
        if self.device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - wall) / steps, (time.process_time() - processor) / steps


def beside(command):
    printed = subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE, text=True).stdout
    return tuple(map(float, printed.strip().splitlines()[-1].split()))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("network", choices=NETWORKS)
    arguments.add_argument("--ways", default="eager,compiled")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments.add_argument("--patch", type=int, help="LR pixels of a crop's side")
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--steps", type=int, default=20, help="of a round")
    arguments.add_argument("--beside", metavar="COMMAND")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)

    make, patch = NETWORKS[args.network]
    side = args.patch or patch
    crops = lambda side: (torch.rand(args.batch, 3, side, side, device=args.device) * 255).contiguous(
        memory_format=torch.channels_last)
    low, high = crops(side), crops(2 * side)
    ways = {way: Way(make(), way, args.threads, args.device) for way in args.ways.split(",")}
    rounds = {name: (lambda way=way: way.round(low, high, args.steps)) for name, way in ways.items()}
    for way in ways.values():
        way.round(low, high, WARM)
    if args.beside:
        rounds["beside"] = lambda: beside(args.beside)

    taken = {name: [] for name in rounds}
    print("round,way,wall,processor")
    for at in range(args.rounds):
        for name, run in rounds.items():
            taken[name].append(run())
            print(at, name, *(f"{seconds:.6f}" for seconds in taken[name][-1]), sep=",", flush=True)
    for name, seconds in taken.items():
        wall, processor = (statistics.median(times) for times in zip(*seconds))
        print(f"median,{name},{wall:.6f},{processor:.6f}")


if __name__ == "__main__":
    main()
