#!/usr/bin/env python3
"""Trains SMSR x2 on a CPU in a given number of minutes, and evaluates the result.

    train_smsr.py --data FOLDER... --minutes 105 --work DIR --export smsr-x2.safetensors
    train_smsr.py --eval FOLDER_OF_HR_PICTURES --weights smsr-x2.safetensors

Every schedule is a function of elapsed time over `--minutes`, so a run ends when it should
however busy the machine is; an interrupted run (SIGTERM) goes on from its checkpoint, and
`--minutes` may then be changed.  Four phases:

    open     masks are all one: the plain network, at half the cost of a masked one
    gumbel   spatial and channel masks are drawn by Gumbel-softmax; the temperature anneals;
             L1 + lambda * sparsity, lambda warmed up, then steered towards `--density`
    spatial  the same with the channel partition rounded and frozen: cheaper again
    hard     masks strictly thresholded, mask branches frozen: what is optimised is what
             inference computes

The exported file is valid at every moment (atomic rename).  Outside the hard phase it is
replaced only by a better one, measured with hard masks on held-out training pictures.
"""

import argparse
import copy
import json
import math
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file

from images import Pairs, crop_multiple, find, imresize, load_rgb, psnr_y
from smsr import SMSR, folded_state, from_state

# (name, ends at this share of the time, LR patch, batch, share of flattest crops left out).
# Small detailed patches first: more steps, and more to learn from each.  At last larger ones of
# all kinds: channel attention averages over the picture, and must have seen flat ones too.
PHASES = [("open", 0.17, 24, 16, 0.4), ("gumbel", 0.36, 24, 16, 0.4),
          ("spatial", 0.62, 24, 16, 0.4), ("hard", 0.80, 24, 16, 0.4),
          ("hard", 1.00, 32, 16, 0.1)]
UNIT = 64.0                     # see SMSR.unit
PEAK_RATE, LAST_RATE = 1e-3, 5e-6
EMA_DECAY = 0.999
TAU_FIRST, TAU_LAST = 1.0, 0.4
LAMBDA, WARM_UP = 0.1, 300      # the paper's weight, where the steering starts; iterations
HOLD = 600                      # iterations that a revived mask is held open
LICENCE = "CC-BY-SA-4.0"
DATA_NOTE = ("Trained from scratch on CID22 reference photographs (Cloudinary, CC BY-SA 4.0), "
             "CLIC 2025 photographs (Unsplash licence) and CC0 wallpapers.")


def phase_at(progress):
    """The phase's name, (LR patch, batch, drop), and the progress within all parts of that name."""
    name, _, *crops = next((p for p in PHASES if progress < p[1]), PHASES[-1])
    ends = [0.0] + [p[1] for p in PHASES]
    span = [e for p, part in zip(PHASES, zip(ends, ends[1:])) if p[0] == name for e in part]
    return name, crops, (progress - span[0]) / (span[-1] - span[0])


def one_thread():
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def to_tensor(u8):
    return torch.from_numpy(u8).permute(0, 3, 1, 2).float()     # channels_last in memory


@torch.no_grad()
def upscale(net, lr):
    """u8 HWC to u8 HWC; odd sides are padded by repetition, as the mask branch needs even ones."""
    h, w = lr.shape[:2]
    x = F.pad(to_tensor(lr[None]), (0, w % 2, 0, h % 2), mode="replicate")
    y, masks, _ = net(x, "hard")
    y = y[0, :, :h * net.scale, :w * net.scale].clamp(0, 255).round()
    rho = [m[:, :, :h, :w].mean().item() for m in masks]
    return y.permute(1, 2, 0).numpy().astype(np.uint8), rho


def measure(net, pairs):
    """One row per picture: PSNR-Y, bicubic PSNR-Y, mask densities, share of multiply-adds."""
    rows = []
    for lr, hr in pairs:
        sr, rho = upscale(net, lr)
        full, kept = net.multiply_adds(rho)
        rows.append((psnr_y(sr, hr, net.scale), psnr_y(imresize(lr, 2), hr, net.scale),
                     rho, kept / full))
    return rows


def mean_row(rows):
    return [np.mean([r[i] for r in rows], 0).tolist() for i in range(4)]


def evaluate(weights, folder):
    with safe_open(weights, "pt") as f:
        net = from_state({k: f.get_tensor(k) for k in f.keys()})
        print(json.dumps(f.metadata()))
    files = find(folder)
    hrs = [crop_multiple(load_rgb(p), 2) for p in files]
    rows = measure(net, [(imresize(hr, 0.5), hr) for hr in hrs])
    print(f"{'picture':16} {'psnr_y':>8} {'bicubic':>8} {'kept':>6}  mask density per module")
    for name, row in zip([p.stem for p in files] + ["mean"], rows + [mean_row(rows)]):
        rho = " ".join(f"{r:.3f}" for r in row[2])
        print(f"{name:16} {row[0]:8.3f} {row[1]:8.3f} {row[3]:6.3f}  {rho}")
    print("dense channels per layer:", net.partition(), "of", net.width)


def export(state, path, width):
    """Writes f16 to `path` and f32 beside it."""
    meta = {"architecture": "smsr", "scale": "2", "width": str(width), "licence": LICENCE,
            "data": DATA_NOTE}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, dtype in ((path, torch.float16),
                          (path.with_suffix(".f32.safetensors"), torch.float32)):
        part = target.with_suffix(".part")
        save_file({k: v.to(dtype).contiguous() for k, v in state.items()}, part, metadata=meta)
        os.chmod(part, 0o644)
        os.replace(part, target)


class Trainer:
    def __init__(self, args):
        self.args = args
        torch.manual_seed(args.seed)
        self.rng = np.random.default_rng(args.seed)
        shape = dict(width=args.width, modules=args.modules, layers=args.layers)
        self.net = SMSR(2, unit=UNIT, **shape).to(memory_format=torch.channels_last)
        # One single-threaded twin per core, each with its share of the batch: they meet once an
        # iteration, where threads inside the operators would meet (and wait for one another on
        # a busy machine) at every operator.  Twins share storage of weights, not of gradients.
        self.twins = [self.net] + [copy.deepcopy(self.net) for _ in range(args.threads - 1)]
        for twin in self.twins[1:]:
            for p, q in zip(self.net.parameters(), twin.parameters()):
                q.data = p.data
        self.pool = ThreadPoolExecutor(args.threads, initializer=one_thread)
        self.ema = SMSR(2, unit=1.0, **shape).eval()
        # Masks must travel far in a short run: faster rates for their branches and logits.
        rate = lambda n: 10.0 if "ch_mask" in n else 2.0 if "spa_mask" in n else 1.0
        groups = {}
        for n, p in self.net.named_parameters():
            if p.requires_grad:
                groups.setdefault(rate(n), []).append(p)
        self.opt = torch.optim.Adam([{"params": ps, "factor": f} for f, ps in groups.items()],
                                    betas=(0.9, 0.99), fused=True)
        self.s = {"elapsed": 0.0, "it": 0, "phase": "open", "ema_n": 0, "lambda": 0.0,
                  "norm": 0.0, "density": 1.0, "best": 0.0, "revived": {}}
        self.shadow = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.ckpt = Path(args.work) / "checkpoint.pt"
        if self.ckpt.exists():
            c = torch.load(self.ckpt, weights_only=True)
            self.net.load_state_dict(c["net"])
            self.opt.load_state_dict(c["opt"])
            self.s, self.shadow = c["s"], c["shadow"]
            self.rng = np.random.default_rng([args.seed, self.s["it"]])
            if self.s["phase"] in ("spatial", "hard"):
                self.polarise()

    def log(self, text):
        line = f"{time.strftime('%H:%M:%S')} {text}"
        print(line, flush=True)

    def enter(self, phase):
        self.log(f"phase {phase} at iteration {self.s['it']}")
        if phase in ("spatial", "hard"):
            self.polarise()
        self.shadow = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.s.update(phase=phase, ema_n=0, best=0.0, norm=0.0)

    def polarise(self):
        for twin in self.twins:
            twin.polarise()

    def revive(self, k):
        """Once per module: a mask closed everywhere never learns again.  It is reopened and
        held open while the module learns to be useful."""
        self.log(f"module {k}: mask reopened")
        self.net.body[k].revive()
        for n, v in self.net.state_dict().items():
            if n.startswith((f"body.{k}.spa_mask", f"body.{k}.body.collect")):
                self.shadow[n].copy_(v)
        self.s["revived"][str(k)] = self.s["it"]

    def gradient(self, net, lr, hr, phase, tau):
        """Leaves this part's share of the batch's mean gradient in `net`."""
        net.zero_grad(set_to_none=True)
        mode = "gumbel" if phase == "spatial" else phase
        sr, _, sparsity = net(to_tensor(lr), mode, tau)
        loss = l1 = F.l1_loss(sr, to_tensor(hr))
        if sparsity is not None:
            loss = l1 + self.s["lambda"] * sparsity
        (loss / len(self.twins)).backward()
        return float(l1.detach()), 1.0 if sparsity is None else float(sparsity.detach())

    def step(self, data, progress):
        s = self.s
        phase, crops, q = phase_at(progress)
        if phase != s["phase"]:
            self.enter(phase)
        tau = TAU_LAST
        if phase == "gumbel":
            tau = TAU_FIRST + (TAU_LAST - TAU_FIRST) * min(q / 0.7, 1.0)
            if s["ema_n"] < WARM_UP:
                s["lambda"] = LAMBDA * s["ema_n"] / WARM_UP
        rate = LAST_RATE + (PEAK_RATE - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
        rate *= min((s["it"] + 1) / 300, 1.0)
        for g in self.opt.param_groups:
            g["lr"] = rate * g["factor"]

        for k, it in s["revived"].items():
            for twin in self.twins:
                twin.body[int(k)].spa_mask.requires_grad_(s["it"] >= it + HOLD)

        lr, hr = data.batch(self.rng, *crops)
        parts = zip(self.twins, np.array_split(lr, len(self.twins)),
                    np.array_split(hr, len(self.twins)))
        jobs = [self.pool.submit(self.gradient, *part, phase, tau) for part in parts]
        l1, sparsity = np.mean([job.result() for job in jobs], 0).tolist()
        # A part whose mask is closed everywhere has no gradient for what lies behind it.
        for first, *others in zip(*(t.parameters() for t in self.twins)):
            for other in others:
                if first.grad is None:
                    first.grad = other.grad
                elif other.grad is not None:
                    first.grad += other.grad
        # The gradient's scale is unknown beforehand: clip at twice its running mean.
        limit = 2 * s["norm"] if s["norm"] else math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self.net.parameters(), limit))
        s["norm"] = min(norm, limit) if not s["norm"] else 0.98 * s["norm"] + 0.02 * min(norm, limit)
        if math.isfinite(norm):
            self.opt.step()

        s["it"] += 1
        s["ema_n"] += 1
        decay = min(EMA_DECAY, (1 + s["ema_n"]) / (10 + s["ema_n"]))
        live = self.net.state_dict()
        torch._foreach_lerp_(list(self.shadow.values()),
                             [live[k] for k in self.shadow], 1 - decay)
        if phase != "open":
            s["density"] += 0.02 * (sparsity - s["density"])
            s["lambda"] *= math.exp(0.006 * (s["density"] - self.args.density))
            s["lambda"] = min(max(s["lambda"], 0.02), 1.0)
        return l1, phase, rate, tau

    def check(self, data):
        """Validates the averaged weights with hard masks, exports, writes a checkpoint."""
        s = self.s
        state = folded_state(self.shadow, UNIT)
        self.ema.load_state_dict(state)
        psnr, bicubic, rho, kept = mean_row(measure(self.ema, data.val))
        self.log(f"check it {s['it']} val {psnr:.3f} bicubic {bicubic:.3f} kept {kept:.3f} rho "
                 + " ".join(f"{r:.2f}" for r in rho) + f" dense {self.ema.partition()}")
        if s["phase"] == "hard" or psnr > s["best"]:
            s["best"] = psnr
            export(state, self.args.export, self.args.width)
        if s["phase"] in ("gumbel", "spatial"):
            for k, r in enumerate(rho):
                if r < 0.005 and str(k) not in s["revived"]:
                    self.revive(k)
        part = self.ckpt.with_suffix(".part")
        torch.save({"net": self.net.state_dict(), "opt": self.opt.state_dict(), "s": s,
                    "shadow": self.shadow}, part)
        os.replace(part, self.ckpt)

    def run(self):
        began = time.time()
        data = Pairs(self.args.data, limit=self.args.limit)
        self.log(f"{len(data.pairs)} pictures, {len(data.cells)} cells, {len(data.val)} held out, "
                 f"{sum(p.numel() for p in self.net.parameters())} parameters, "
                 f"prepared in {time.time() - began:.0f} s")
        s, total = self.s, self.args.minutes * 60
        start = time.time() - s["elapsed"]
        last_log = last_check = time.time()
        losses, l_it = [], s["it"]
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        while (progress := (time.time() - start) / total) < 1 and not stop:
            s["elapsed"] = time.time() - start
            l1, phase, rate, tau = self.step(data, progress)
            losses.append(l1)
            now = time.time()
            if now - last_log > 30:
                self.log(f"{phase} {progress:.3f} it {s['it']} l1 {np.mean(losses):.3f} "
                         f"rate {rate:.2e} tau {tau:.2f} lambda {s['lambda']:.3f} "
                         f"density {s['density']:.3f} norm {s['norm']:.2f} "
                         f"{(s['it'] - l_it) / (now - last_log):.2f} it/s")
                last_log, losses, l_it = now, [], s["it"]
            if now - last_check > self.args.check_seconds:
                self.check(data)
                last_check = time.time()
        s["elapsed"] = time.time() - start
        self.check(data)
        self.log("stopped" if stop else "done")


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--data", nargs="+", help="folders of lossless training photographs")
    a.add_argument("--minutes", type=float, default=105)
    a.add_argument("--work", default="smsr-training", help="folder of the checkpoint")
    a.add_argument("--export", default="smsr-x2.safetensors")
    a.add_argument("--width", type=int, default=32)
    a.add_argument("--modules", type=int, default=5)
    a.add_argument("--layers", type=int, default=4)
    a.add_argument("--density", type=float, default=0.45,
                   help="share of feature values to keep on training crops (mean of M*S + D)")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--limit", type=int, help="use only the first pictures (for a trial)")
    a.add_argument("--check-seconds", type=float, default=180)
    a.add_argument("--eval", metavar="FOLDER", help="evaluate --weights on HR pictures")
    a.add_argument("--weights", default="smsr-x2.safetensors")
    args = a.parse_args()
    torch.set_num_threads(args.threads if args.eval else 1)
    if args.eval:
        return evaluate(args.weights, args.eval)
    Path(args.work).mkdir(parents=True, exist_ok=True)
    Trainer(args).run()


if __name__ == "__main__":
    main()
