"""The operations of `smsr.build` as an ONNX graph, and the graph in ONNX Runtime's CPU provider."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 18, 10


class OnnxGraph:
    """Each method appends nodes and returns their output's name; tensors are 1×C×H×W, f32."""

    def __init__(self, height, width):
        self.picture, self.shape = "picture", [1, 3, height, width]
        self.nodes, self.constants = [], []
        self.zero = self.constant(np.float32(0))

    def conv(self, x, weight, bias, relu=False):
        pad = weight.shape[-1] // 2
        parameters = [self.constant(p) for p in (weight, bias) if p is not None]
        y = self.node("Conv", x, *parameters, pads=[pad] * 4)
        return self.relu(y) if relu else y

    def deconv(self, x, weight, bias):
        parameters = self.constant(weight), self.constant(bias)
        return self.node("ConvTranspose", x, *parameters, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])

    def average_pool(self, x):
        return self.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])

    def positive(self, x):
        return self.node("Cast", self.node("Greater", x, self.zero), to=TensorProto.FLOAT)

    def first(self, x, channels):
        begin, end, axis = (self.constant(np.int64([i])) for i in (0, channels, 1))
        return self.node("Slice", x, begin, end, axis)

    def bicubic(self, x, scale):
        scales = self.constant(np.float32([1, 1, scale, scale]))
        return self.node("Resize", x, "", scales, mode="cubic", cubic_coeff_a=-0.75)

    def pixel_shuffle(self, x, scale):
        return self.node("DepthToSpace", x, blocksize=scale, mode="CRD")

    def concat(self, xs):
        return self.node("Concat", *xs, axis=1)

    def relu(self, x):
        return self.node("Relu", x)

    def sigmoid(self, x):
        return self.node("Sigmoid", x)

    def global_average(self, x):
        return self.node("GlobalAveragePool", x)

    def add(self, a, b):
        return self.node("Add", a, b)

    def multiply(self, a, b):
        return self.node("Mul", a, b)

    def node(self, kind, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def finish(self, output):
        """The checked model, serialised."""
        ends = [[helper.make_tensor_value_info(self.picture, TensorProto.FLOAT, self.shape)],
                [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, 3, None, None])]]
        graph = helper.make_graph(self.nodes, "smsr", *ends, self.constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def runner(model, threads):
    """A function from a picture (3×H×W) to the enlarged one."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait would spin, and processor time would count it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda picture: session.run(None, {"picture": picture[None]})[0][0]
