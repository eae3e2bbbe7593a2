"""Writes networks.safetensors: the loss of small seeded networks, and the gradient of every parameter.

    python networks.py          (torch, safetensors)

Names: `<case>.parameters.<key>`, keys as in a checkpoint; `<case>.input` and `<case>.target`, N×3×H×W, in the range
that the network's pictures have; `<case>.loss`, one number, the mean of |output − target| over all numbers;
`<case>.gradients.<key>`, for each parameter that the loss depends on. The end of a case's name is the scale.

SMSR as it is trained has besides `<case>.tau` and `<case>.lambda`, one number each, and `<case>.uniforms.<name>`, see
`definitions.smsr`; its loss is the mean of |output − target|, in 0 … 255, plus lambda · sparsity, and
`<case>.sparsity` is there too.

Everything is computed in f64 from numbers that f32 holds. A seed is passed over at which a parameter idles, or at
which f32 does not come to nearly the same: a kink lies too close, or sums cancel.
"""

import itertools
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from definitions import Net, acnet, bsrn, edsr, esrt, imdn, ledsr, rcan, rfdn, rlfn, rrdb, smsr, span, srvgg, swinir

torch.set_num_threads(1)
MODULES, LAYERS, CHANNELS = 2, 2, 8  # of SMSR
NEARLY = 4e-6  # relative, of one parameter's gradient
tensors = {}


def distance(a, b):
    """Relative, of all numbers together."""
    return float((a - b).norm() / a.norm())


def apart_from(out, noise):
    """A target."""
    return (out + 0.3 * out.std() * noise).detach().float().double()


def losses(net, given, network):
    """The loss, what else is kept of it, and the gradient of each parameter that it depends on."""
    out, sparsity = network(net, given)
    if "target" not in given:
        # Around the output, so that no number's error is far larger than another's.
        given["target"] = apart_from(out, torch.randn(out.shape, generator=net.seed))
    loss = F.l1_loss(out, given["target"])
    kept = {}
    if sparsity is not None:
        loss, kept = loss + given["lambda"] * sparsity, {"sparsity": sparsity}
    found = torch.autograd.grad(loss, list(net.w.values()), allow_unused=True)
    found = {name: gradient for name, gradient in zip(net.w, found) if gradient is not None}
    return {"loss": loss, **kept}, found


def attempt(seed, white, size, network, make_given):
    net = Net(seed, white=white)
    given = {"input": (torch.rand(2, 3, *size, generator=net.seed) * white).double(), **make_given(net.seed)}
    made, gradients = losses(net, given, network)
    single = Net(parameters={key: tensor.detach().float().requires_grad_() for key, tensor in net.w.items()})
    _, in_f32 = losses(single, {key: tensor.float() for key, tensor in given.items()}, network)
    if not all(gradient.any() for gradient in gradients.values()):
        return None
    apart = max(distance(gradient, in_f32[key]) for key, gradient in gradients.items())
    return apart, net.w, given | made, gradients


def case(name, white, size, network, given=lambda random: {}, nearly=NEARLY):
    """`network(net, given)` makes a picture and a sparsity, or None."""
    for seed in itertools.count(1):
        found = attempt(seed, white, size, network, given)
        if found and found[0] < nearly:
            break
    apart, parameters, values, gradients = found
    norms = [float(gradient.norm()) for gradient in gradients.values()]
    print(f"{name}: seed {seed}, loss {values['loss']:.4g}, {sum(t.numel() for t in parameters.values())} numbers, "
          f"gradients of {len(gradients)} parameters of {len(parameters)}, "
          f"{min(norms):.1e} to {max(norms):.1e} long, {apart:.1e} in f32")
    saved = {key: value.reshape(1) if value.dim() == 0 else value for key, value in values.items()}
    saved |= {f"parameters.{key}": tensor for key, tensor in parameters.items()}
    saved |= {f"gradients.{key}": tensor for key, tensor in gradients.items()}
    tensors.update({f"{name}.{key}": tensor.detach().float().contiguous() for key, tensor in saved.items()})


def plain(name, white, size, network):
    case(name, white, size, lambda net, given: (network(net, given["input"]), None))


def drawn(height, width):
    """What SMSR's masks are drawn by."""
    def given(random):
        uniform = lambda *shape: torch.rand(shape, generator=random).clamp(1e-6, 1 - 1e-6).double()
        pixels = {f"uniforms.body.{k}.spa_mask": uniform(2, 1, height, width) for k in range(MODULES)}
        channels = {f"uniforms.body.{k}.body.{l}": uniform(1, CHANNELS, 1, 1)
                    for k in range(MODULES) for l in range(LAYERS)}
        return pixels | channels | {"tau": torch.tensor(0.75).double(), "lambda": torch.tensor(40.0).double()}

    return given


def gumbel(net, given):
    uniforms = {key.removeprefix("uniforms."): value for key, value in given.items()}
    return smsr(net, given["input"], CHANNELS, MODULES, LAYERS, 2, "gumbel", uniforms, given["tau"])


def without_draws(mode):
    return lambda net, x: smsr(net, x, CHANNELS, MODULES, LAYERS, 2, mode)[0]


def esrt_below(net, given):
    """All of the target lies above the output: by errors of both signs the sums of factors' gradients would cancel."""
    out = esrt(net, given["input"], 2, 4, 2, 1, 8)
    if "target" not in given:
        given["target"] = apart_from(out, torch.randn(out.shape, generator=net.seed).abs())
    return out, None


plain("edsr_x2", 255, (6, 7), lambda net, x: edsr(net, x, 6, 2, 2, res_scale=2.0))
plain("edsr_basicsr_x3", 255, (5, 4), lambda net, x: edsr(net, x, 5, 2, 3, res_scale=0.1, keys="basicsr"))
case("smsr_gumbel_x2", 255, (8, 6), gumbel, drawn(8, 6))
plain("smsr_open_x2", 255, (6, 8), without_draws("open"))
plain("smsr_hard_x2", 255, (8, 6), without_draws("hard"))
plain("swinir_x2", 1, (8, 12), lambda net, x: swinir(net, x, 12, (2,), 3, 4, 2))
plain("rfdn_x2", 255, (15, 19), lambda net, x: rfdn(net, x, 8, 1, 2))
plain("rlfn_x2", 255, (18, 16), lambda net, x: rlfn(net, x, 5, 1, 2, f=3))
plain("imdn_x2", 1, (6, 5), lambda net, x: imdn(net, x, 8, 2, 1, 2, squeezed=3))
plain("srvgg_x2", 1, (5, 7), lambda net, x: srvgg(net, x, 6, 2, 2))
plain("rcan_x2", 255, (6, 5), lambda net, x: rcan(net, x, 6, 1, 2, 2, squeezed=2))
plain("rrdb_x2", 1, (5, 4), lambda net, x: rrdb(net, x, 4, 3, 1))
plain("span_x2", 1, (6, 5), lambda net, x: span(net, x, 4, 1, 2))
plain("bsrn_x2", 1, (17, 15), lambda net, x: bsrn(net, x, 8, 1, 2, squeezed=3))
plain("acnet_x2", 1, (5, 6), lambda net, x: acnet(net, x, 3, 2))
plain("ledsr_x2", 255, (6, 5), lambda net, x: ledsr(net, x, 6, 2, 2))
with torch.backends.mkldnn.flags(enabled=False):  # it adds up a bias's gradient one number after the other
    case("esrt_x2", 1, (12, 10), esrt_below, nearly=NEARLY / 2)

path = pathlib.Path(__file__).with_suffix(".safetensors")
save_file(tensors, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")
