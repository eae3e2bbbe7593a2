"""A network's operations as a PyTorch module: a `torch.fx.GraphModule`, which is straight-line Python."""

import operator

import numpy as np
import torch
import torch.nn.functional as F


class TorchGraph:
    """Each method appends a call and returns its node; images are 1×C×H×W, tokens N×C."""

    def __init__(self, height, width):
        self.height, self.width = height, width
        self.graph, self.constants, self.convolutions = torch.fx.Graph(), torch.nn.Module(), []
        self.picture = self.graph.placeholder("picture")

    # Images.

    def conv(self, x, weight, bias, relu=False):
        padding, weight = weight.shape[-1] // 2, self.constant(weight)
        self.convolutions.append(weight.target)
        bias = None if bias is None else self.constant(bias)
        y = self.call(F.conv2d, x, weight, bias, padding=padding)
        return self.relu(y) if relu else y

    def deconv(self, x, weight, bias):
        parameters = self.constant(weight), self.constant(bias)
        return self.call(F.conv_transpose2d, x, *parameters, stride=2, padding=1, output_padding=1)

    def average_pool(self, x):
        return self.call(F.avg_pool2d, x, 2)

    def global_average(self, x):
        return self.call(F.adaptive_avg_pool2d, x, 1)

    def positive(self, x):
        return self.graph.call_method("type_as", (self.call(torch.gt, x, 0), x))

    def first(self, x, channels):
        return self.call(torch.narrow, x, 1, 0, channels)

    def bicubic(self, x, scale):
        return self.call(F.interpolate, x, scale_factor=scale, mode="bicubic")

    def nearest(self, x, scale):
        return self.call(F.interpolate, x, scale_factor=scale, mode="nearest")

    def pixel_shuffle(self, x, scale):
        return self.call(F.pixel_shuffle, x, scale)

    def concat(self, xs):
        return self.call(torch.cat, xs, 1)

    # Anything.

    def relu(self, x):
        return self.call(F.relu, x)

    def prelu(self, x, slopes):
        return self.call(F.prelu, x, self.constant(slopes))

    def gelu(self, x):
        return self.call(F.gelu, x)

    def sigmoid(self, x):
        return self.call(torch.sigmoid, x)

    def add(self, a, b):
        return self.call(torch.add, a, b)

    def multiply(self, a, b):
        return self.call(torch.mul, a, b)

    # Tokens.

    def tokens(self, x):
        return self.call(torch.t, self.reshape(x, (-1, self.height * self.width)))

    def image(self, x, channels):
        return self.reshape(self.call(torch.t, x), (1, channels, self.height, self.width))

    def layer_norm(self, x, weight, bias):
        return self.call(F.layer_norm, x, weight.shape, self.constant(weight), self.constant(bias))

    def linear(self, x, weight, bias):
        return self.call(F.linear, x, self.constant(weight), self.constant(bias))

    def thirds(self, x):
        parts = self.call(torch.chunk, x, 3, -1)
        return [self.call(operator.getitem, parts, i) for i in range(3)]

    def product(self, a, b, transposed=False):
        return self.call(torch.matmul, a, self.call(torch.transpose, b, -2, -1) if transposed else b)

    def softmax(self, x):
        return self.call(torch.softmax, x, -1)

    def reshape(self, x, shape):
        return self.call(torch.reshape, x, shape)

    def swap_middle(self, x):
        """The two axes in the middle of four change places."""
        return self.call(torch.transpose, x, 1, 2)

    def roll(self, x, shift):
        """The first two axes of three, cyclically."""
        return self.call(torch.roll, x, (shift, shift), (0, 1))

    # What the others are made of.

    def call(self, function, *arguments, **options):
        return self.graph.call_function(function, arguments, options)

    def constant(self, values):
        name = f"c{len(list(self.constants.buffers()))}"
        self.constants.register_buffer(name, torch.tensor(np.ascontiguousarray(values), dtype=torch.float32))
        return self.graph.get_attr(name)

    def finish(self, output, channels_last):
        """The module. Channels-last, its convolutions' weights are."""
        self.graph.output(output)
        module = torch.fx.GraphModule(self.constants, self.graph)
        for name in self.convolutions if channels_last else ():
            setattr(module, name, getattr(module, name).contiguous(memory_format=torch.channels_last))
        return module
