"""Makes operators.safetensors: what PyTorch's operators give, on awkward shapes.

    pip install torch numpy safetensors
    python tests/golden/operators.py

Names are `operator/case/tensor`. Inputs are seeded by the case's name, so a new case leaves the others
as they are. Attributes (stride, padding, …) stand in the table of tests/reference.rs.
"""

import pathlib
import zlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_num_threads(1)
tensors = {}


class Case:
    """Seeded random tensors under one name; whatever is made or set is saved."""

    def __init__(self, name):
        self.name = name
        self.seed = torch.Generator().manual_seed(zlib.crc32(name.encode()))

    def make(self, tensor, *shape):
        return self.save(tensor, torch.randn(shape, generator=self.seed))

    def save(self, tensor, values):
        tensors[f"{self.name}/{tensor}"] = values.contiguous()
        return values


def conv2d(name, x, out, k, bias=True, **attributes):
    case = Case(f"conv2d/{name}")
    x = case.make("input", *x)
    weight = case.make("weight", out, x.shape[1] // attributes.get("groups", 1), k, k)
    bias = case.make("bias", out) if bias else None
    case.save("output", F.conv2d(x, weight, bias, **attributes))


conv2d("pointwise", (1, 12, 5, 3), 5, 1)
conv2d("pointwise_padded", (1, 3, 2, 3), 4, 1, padding=1)
conv2d("same3", (2, 3, 5, 3), 4, 3, padding=1)
conv2d("same5", (1, 2, 7, 5), 3, 5, padding=2)
conv2d("valid3", (1, 4, 13, 3), 2, 3, bias=False)
conv2d("wide_padding", (1, 1, 3, 2), 2, 3, padding=2)
conv2d("one_pixel", (1, 5, 1, 1), 4, 3, padding=1)
conv2d("stride2", (1, 3, 7, 5), 4, 3, stride=2, padding=1)
conv2d("stride2_even", (1, 3, 6, 4), 4, 3, stride=2, padding=1)
conv2d("stride3_valid", (1, 2, 13, 5), 2, 5, stride=3)
conv2d("groups", (2, 6, 4, 3), 6, 3, padding=1, groups=3)
conv2d("depthwise", (1, 5, 5, 3), 5, 3, padding=1, groups=5)


def masked_conv2d(name, x, out, k, dense_inputs, dense_outputs, density=0.0, one_pixel=False, bias=True):
    """SMSR's sparse mask convolution in its training form: convolve everything, multiply by the mask."""
    case = Case(f"masked_conv2d/{name}")
    x = case.make("input", *x)
    weight = case.make("weight", out, x.shape[1], k, k)
    bias = case.make("bias", out) if bias else None
    n, channels, height, width = x.shape
    mask = (torch.rand((n, 1, height, width), generator=case.seed) < density).float()
    if one_pixel:
        mask[-1, 0, -1, 0] = 1
    case.save("mask", mask)
    from_dense, from_sparse = x.clone(), x.clone()
    from_dense[:, dense_inputs:] = 0
    from_sparse[:, :dense_inputs] = 0
    from_dense = F.conv2d(from_dense, weight, bias, padding=k // 2)
    from_sparse = F.conv2d(from_sparse, weight, padding=k // 2)
    output = from_dense + mask * from_sparse
    output[:, dense_outputs:] *= mask
    case.save("output", output)


masked_conv2d("half", (1, 5, 7, 5), 4, 3, dense_inputs=2, dense_outputs=3, density=0.5)
masked_conv2d("batch", (2, 4, 4, 3), 3, 3, dense_inputs=1, dense_outputs=2, density=0.4)
masked_conv2d("none", (1, 4, 4, 3), 3, 3, dense_inputs=2, dense_outputs=1, density=0.0)
masked_conv2d("one", (1, 3, 13, 3), 4, 3, dense_inputs=1, dense_outputs=2, one_pixel=True)
masked_conv2d("all", (1, 3, 4, 3), 4, 3, dense_inputs=2, dense_outputs=2, density=1.0)
masked_conv2d("all_dense", (1, 3, 4, 3), 4, 3, dense_inputs=3, dense_outputs=4, density=0.5)
masked_conv2d("all_sparse", (1, 3, 4, 3), 4, 3, dense_inputs=0, dense_outputs=0, density=0.5)
masked_conv2d("sparse_to_dense", (1, 3, 4, 3), 4, 3, dense_inputs=0, dense_outputs=4, density=0.5)
masked_conv2d("pointwise", (1, 12, 5, 3), 3, 1, dense_inputs=5, dense_outputs=1, density=0.5, bias=False)
masked_conv2d("same5", (1, 2, 5, 4), 3, 5, dense_inputs=1, dense_outputs=1, density=0.5)


def conv_transpose2d(name, x, out, k, bias=True, **attributes):
    case = Case(f"conv_transpose2d/{name}")
    x = case.make("input", *x)
    weight = case.make("weight", x.shape[1], out, k, k)
    bias = case.make("bias", out) if bias else None
    case.save("output", F.conv_transpose2d(x, weight, bias, **attributes))


conv_transpose2d("k3s2p1o1", (1, 4, 5, 4), 2, 3, stride=2, padding=1, output_padding=1)
conv_transpose2d("k2s2", (2, 3, 3, 2), 5, 2, stride=2)
conv_transpose2d("k4s2p1", (1, 3, 5, 3), 2, 4, stride=2, padding=1)
conv_transpose2d("k3s1", (1, 2, 3, 5), 3, 3, bias=False)
conv_transpose2d("k3s4", (1, 2, 3, 2), 1, 3, stride=4, output_padding=3)
conv_transpose2d("one_pixel", (1, 5, 1, 1), 3, 3, stride=2, padding=1, output_padding=1)


def activation(name, function, x=(2, 3, 3, 3)):
    case = Case(f"activation/{name}")
    x = case.make("input", *x) * 3
    case.save("input", x)
    case.save("output", function(case, x))


activation("relu", lambda case, x: F.relu(x))
activation("leaky_relu", lambda case, x: F.leaky_relu(x, 0.1))
activation("prelu", lambda case, x: F.prelu(x, case.make("slope", 3)))
activation("prelu_shared", lambda case, x: F.prelu(x, case.make("slope", 1)))
activation("gelu", lambda case, x: F.gelu(x))
activation("sigmoid", lambda case, x: torch.sigmoid(x))


def of_inputs(name, function, *shapes):
    case = Case(name)
    inputs = [case.make(f"input{index}", *shape) for index, shape in enumerate(shapes)]
    case.save("output", function(*inputs))


for kind, function in [("add", torch.add), ("multiply", torch.mul)]:
    of_inputs(f"binary/{kind}", function, (2, 3, 3, 2), (2, 3, 3, 2))
    of_inputs(f"binary/{kind}_pixel", function, (2, 3, 3, 2), (2, 3, 1, 1))
    of_inputs(f"binary/{kind}_channel", function, (2, 3, 3, 2), (2, 1, 3, 2))

of_inputs("concat/three", lambda *x: torch.cat(x, 1), (2, 3, 3, 2), (2, 1, 3, 2), (2, 5, 3, 2))
of_inputs("concat/single", lambda *x: torch.cat(x, 1), (1, 3, 3, 2))


def of_input(name, shape, function):
    case = Case(name)
    case.save("output", function(case.make("input", *shape)))


of_input("average_pool/2", (2, 2, 7, 5), lambda x: F.avg_pool2d(x, 2))
of_input("average_pool/3", (1, 2, 13, 3), lambda x: F.avg_pool2d(x, 3))
of_input("global_average_pool/odd", (2, 3, 7, 5), lambda x: F.adaptive_avg_pool2d(x, 1))
of_input("global_average_pool/one_pixel", (1, 3, 1, 1), lambda x: F.adaptive_avg_pool2d(x, 1))
for scale in (2, 3, 4):
    of_input(f"pixel_shuffle/{scale}", (1, 2 * scale**2, 3, 2), lambda x: F.pixel_shuffle(x, scale))
    for kind in ("bicubic", "nearest"):
        of_input(f"resize/{kind}{scale}", (1, 1, 5, 3), lambda x: F.interpolate(x, scale_factor=scale, mode=kind))
of_input("resize/bicubic_one_pixel", (1, 3, 1, 1), lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"))
of_input("resize/bicubic_row", (1, 1, 1, 13), lambda x: F.interpolate(x, scale_factor=3, mode="bicubic"))


def spatial_mask(name, shape):
    """Whole numbers, so that there are ties."""
    case = Case(f"spatial_mask/{name}")
    logits = case.save("input", torch.randint(-1, 2, shape, generator=case.seed).float())
    # argmax names the first of equal values: a tie is 0.
    case.save("output", logits.argmax(1, keepdim=True).float())


spatial_mask("ties", (2, 2, 7, 5))

path = pathlib.Path(__file__).with_suffix(".safetensors")
save_file(tensors, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")
