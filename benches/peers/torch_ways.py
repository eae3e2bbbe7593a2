"""The ways in which PyTorch runs a `TorchGraph`, on the CPU and on CUDA: the same few lines for both."""

import torch


class FromPixels(torch.nn.Module):
    """A network from 8-bit pixels to 8-bit pixels, H×W×3."""

    def __init__(self, network, white, dtype, channels_last):
        super().__init__()
        self.network, self.white, self.dtype = network, white, dtype
        self.format = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, pixels):
        picture = pixels.permute(2, 0, 1)[None].to(self.dtype) * (self.white / 255)
        large = self.network(picture.contiguous(memory_format=self.format))
        large = large[0].permute(1, 2, 0).float() * (255 / self.white)
        return large.round().clamp(0, 255).to(torch.uint8)


def runner(graph, output, white, pixels, threads, device, dtype, channels_last, tf32, way):
    """A function from pixels to pixels. `pixels` are an example, for CUDA's graph has the picture's size.

    What it returns lies in the computer's memory, so the device has finished.
    """
    torch.set_num_threads(threads)
    torch._dynamo.config.recompile_limit = 64  # of one function, for all networks: 8 would not do
    torch.backends.cudnn.benchmark = True
    dtype = getattr(torch, dtype)
    module = FromPixels(graph.finish(output, channels_last), white, dtype, channels_last)
    module = module.to(device, dtype).eval()

    def set_tf32():
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32

    with torch.inference_mode():
        set_tf32()
        call = WAYS[way](module, torch.from_numpy(pixels).to(device))

    def run(pixels):
        with torch.inference_mode():
            set_tf32()
            return call(torch.from_numpy(pixels).to(device)).cpu().numpy()

    return run


def captured(module, example):
    """A CUDA graph of the module, replayed on copies into its input."""
    picture = example.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # first calls choose algorithms and allocate, which a graph cannot
        for _ in range(3):
            module(picture)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        large = module(picture)

    def replay(pixels):
        picture.copy_(pixels)
        graph.replay()
        return large

    return replay


# `fullgraph`: what is not compiled as a whole is an error, never slower in silence.
WAYS = {
    "eager": lambda module, _: module,
    "compiled": lambda module, _: torch.compile(module, fullgraph=True, dynamic=False),
    "CUDA graph": captured,
    "compiled, CUDA graph": lambda module, _: torch.compile(
        module, fullgraph=True, dynamic=False, mode="reduce-overhead"),
}
