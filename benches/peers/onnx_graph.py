"""A network's operations as an ONNX graph, and the graph in ONNX Runtime and OpenVINO on the CPU."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 20, 10


class OnnxGraph:
    """Each method appends nodes and returns their output's name; images are 1×C×H×W, tokens N×C, f32."""

    def __init__(self, height, width):
        self.picture, self.height, self.width = "picture", height, width
        self.nodes, self.constants = [], []

    # Images.

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

    def global_average(self, x):
        return self.node("GlobalAveragePool", x)

    def positive(self, x):
        return self.node("Cast", self.node("Greater", x, self.constant(np.float32(0))), to=TensorProto.FLOAT)

    def first(self, x, channels):
        return self.slice(x, 0, channels, axis=1)

    def bicubic(self, x, scale):
        return self.resize(x, scale, mode="cubic", cubic_coeff_a=-0.75)

    def nearest(self, x, scale):
        # Floor of asymmetric coordinates: each pixel becomes a square of them.
        how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.resize(x, scale, mode="nearest", **how)

    def pixel_shuffle(self, x, scale):
        return self.node("DepthToSpace", x, blocksize=scale, mode="CRD")

    def concat(self, xs):
        return self.node("Concat", *xs, axis=1)

    # Anything.

    def relu(self, x):
        return self.node("Relu", x)

    def prelu(self, x, slopes):
        return self.node("PRelu", x, self.constant(slopes.reshape(-1, 1, 1)))

    def gelu(self, x):
        return self.node("Gelu", x)

    def sigmoid(self, x):
        return self.node("Sigmoid", x)

    def add(self, a, b):
        return self.node("Add", a, b)

    def multiply(self, a, b):
        return self.node("Mul", a, b)

    # Tokens.

    def tokens(self, x):
        return self.node("Transpose", self.reshape(x, (-1, self.height * self.width)), perm=[1, 0])

    def image(self, x, channels):
        return self.reshape(self.node("Transpose", x, perm=[1, 0]), (1, channels, self.height, self.width))

    def layer_norm(self, x, weight, bias):
        return self.node("LayerNormalization", x, self.constant(weight), self.constant(bias), axis=-1)

    def linear(self, x, weight, bias):
        return self.node("Gemm", x, self.constant(weight), self.constant(bias), transB=1)

    def thirds(self, x):
        return self.node("Split", x, outputs=3, axis=-1, num_outputs=3)

    def product(self, a, b, transposed=False):
        return self.node("MatMul", a, self.node("Transpose", b, perm=[0, 1, 3, 2]) if transposed else b)

    def softmax(self, x):
        return self.node("Softmax", x, axis=-1)

    def reshape(self, x, shape):
        return self.node("Reshape", x, self.constant(np.int64(shape)))

    def swap_middle(self, x):
        """The two axes in the middle of four change places."""
        return self.node("Transpose", x, perm=[0, 2, 1, 3])

    def roll(self, x, shift):
        """The first two axes of three, cyclically."""
        for axis, side in enumerate((self.height, self.width)):
            at = -shift % side
            x = self.node("Concat", self.slice(x, at, side, axis), self.slice(x, 0, at, axis), axis=axis)
        return x

    # What the others are made of.

    def resize(self, x, scale, **attributes):
        return self.node("Resize", x, "", self.constant(np.float32([1, 1, scale, scale])), **attributes)

    def slice(self, x, begin, end, axis):
        return self.node("Slice", x, *(self.constant(np.int64([i])) for i in (begin, end, axis)))

    def node(self, kind, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, values):
        name = f"c{len(self.constants)}"
        values = np.ascontiguousarray(values)
        values = values.astype(np.float32) if values.dtype == np.float64 else values
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def finish(self, output):
        """The checked model, serialised."""
        shape = [1, 3, self.height, self.width]
        ends = [[helper.make_tensor_value_info(self.picture, TensorProto.FLOAT, shape)],
                [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, 3, None, None])]]
        graph = helper.make_graph(self.nodes, "network", *ends, self.constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def in_onnx_runtime(model, threads):
    """A function from a picture (3×H×W) to the enlarged one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait would spin, and processor time would count it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda picture: session.run(None, {"picture": picture[None]})[0][0]


def in_openvino(model, threads):
    """A function from a picture (3×H×W) to the enlarged one. f32 is asked for: bf16 would be taken."""
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads,
               "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    compiled = openvino.Core().compile_model(openvino.Core().read_model(model), "CPU", options)
    request = compiled.create_infer_request()
    return lambda picture: request.infer([picture[None]], share_inputs=True)[0][0]
