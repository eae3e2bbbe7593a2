"""Writes the small PyTorch checkpoints beside this file, and what they hold as safetensors.

    python tests/golden/weights/make.py        # PyTorch 2.15.0, NumPy 2.4.6, safetensors 0.8.0

All but `f16.pth`, `module.pth` and `hostile.pth` hold the tensors of `expected.safetensors`.
"""

import os
import zipfile
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
torch.manual_seed(0)


def state_dict():
    """A convolution, a transposed view, two views into one storage, a scalar, an expanded view, integers."""
    shared = torch.arange(12, dtype=torch.float32)
    return OrderedDict(
        [
            ("head.weight", torch.randn(4, 3, 1, 1)),
            ("head.bias", torch.nn.Parameter(torch.randn(4))),
            ("body.0.transposed", torch.randn(3, 5).t()),
            ("body.0.left", shared[:4]),
            ("body.0.right", shared[4:].view(2, 4)[:, 1:3]),
            ("body.1.scale", torch.tensor(0.5)),
            ("body.1.expanded", torch.tensor([1.5]).expand(2, 3)),
            ("body.1.double", torch.randn(3, dtype=torch.float64)),
            ("body.1.num_batches_tracked", torch.tensor(7)),
            ("body.1.relative_position_index", torch.arange(6, dtype=torch.int32).view(2, 3)),
        ]
    )


def save(name, value, **options):
    torch.save(value, HERE / name, **options)


def deflate(source, target):
    """The same archive under another root, deflated."""
    with zipfile.ZipFile(HERE / source) as old, zipfile.ZipFile(HERE / target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(zipfile.ZipInfo("other/" + entry.split("/", 1)[1]), old.read(entry), zipfile.ZIP_DEFLATED)


class Hostile:
    def __reduce__(self):
        return os.system, ("true",)


tensors = state_dict()
save_file(
    {
        name: tensor.detach().to(torch.float32).contiguous().clone()
        for name, tensor in tensors.items()
        if tensor.is_floating_point()
    },
    HERE / "expected.safetensors",
    metadata={"scale": "2"},
)

save("zip.pth", tensors)
save("legacy.pth", tensors, _use_new_zipfile_serialization=False)
save("protocol4.pth", tensors, pickle_protocol=4, _use_new_zipfile_serialization=False)
deflate("zip.pth", "deflated.pth")

parallel = OrderedDict((f"module.{name}", tensor) for name, tensor in tensors.items())
worse = OrderedDict((name, torch.zeros_like(tensor)) for name, tensor in parallel.items())
training = {
    "epoch": 3,
    "lr": 2e-4,
    "loss": torch.tensor(0.25),
    "best": numpy.float64(31.5),
    "args": Namespace(scale=2, path=Path("runs")),
    "milestones": Counter([100, 200]),
    "optimizer": defaultdict(dict, {0: {"step": 7}}),
    "tags": {"edsr"},
    "crop": torch.Size([48, 48]),
    "device": torch.device("cpu"),
}
save(
    "wrapped.pth",
    {**training, "params": worse, "params_ema": parallel},
    _use_new_zipfile_serialization=False,
)

save("f16.pth", {"half": torch.tensor([1.5, -2.0, 65504.0]).half(), "brain": torch.tensor([1.5, -2.0, 3e38]).bfloat16()})
save("module.pth", torch.nn.Conv2d(1, 1, 1))
for name, zipped in ("beside.pth", True), ("beside_legacy.pth", False):
    save(name, {"state_dict": tensors, "arch": torch.nn.Conv2d(1, 1, 1)}, _use_new_zipfile_serialization=zipped)
save("hostile.pth", {"weight": torch.zeros(1), "extra": Hostile()}, _use_new_zipfile_serialization=False)
print(sum(file.stat().st_size for file in HERE.iterdir()), "bytes")
