//! Single operators: what each kernel makes of the same work, and how far it is above the naive one.
//!
//! Every kernel's output is held against the CPU engine before it is timed.

mod support;

use criterion::{Criterion, Throughput};
use sparsr::low_level::cpu;
use sparsr::low_level::graph::{Builder, Conv2d, Graph, Parameters};
use sparsr::low_level::kernel::conv2d_direct::Conv2dDirect;
use sparsr::low_level::kernel::epilogue::Epilogue;
use sparsr::low_level::kernel::{Dispatch, Kernel, Specialization, conv2d_direct};
use sparsr::low_level::plan::{Algorithm, Buffer, Limits, Options, Plan};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor, packed_len};

use support::{INPUT, Machine, OUTPUT};

static NAIVE: Kernel = Kernel {
    name: "naive_conv2d",
    source: include_str!("naive_conv2d.wgsl"),
    params: ("NaiveConv2dParams", &[]),
    constants: &[],
    needs: &[],
};

fn main() {
    let mut criterion = support::criterion();
    let machine = Machine::open();
    for (channels, kernel) in [(64, 3), (32, 3), (16, 3), (64, 1)] {
        convolution(&mut criterion, &machine, channels, kernel);
    }
    pointwise(&mut criterion, &machine);
    criterion.final_summary();
}

/// A convolution and its numbers.
struct Convolution {
    op: Conv2d,
    weight: Parameter,
    bias: Parameter,
}

impl Convolution {
    /// `[out, in, k, k]`.
    fn new(dims: [usize; 4]) -> Self {
        let (weight, bias) = (support::seeded::parameter(dims, 2), support::seeded::parameter([dims[0]], 3));
        Self { op: Conv2d::same(dims[2]), weight, bias }
    }

    fn outputs(&self) -> usize {
        self.bias.values().len()
    }
}

/// An operator and the numbers that it is run on.
struct Case {
    name: String,
    graph: Graph,
    parameters: Parameters,
    input: Tensor,
}

impl Case {
    fn new(name: &str, (graph, parameters): (Graph, Parameters)) -> Self {
        let shape = graph.node(graph.input()).shape;
        let name = format!("{name} {}x{}", shape.width, shape.height);
        Self { name, graph, parameters, input: support::seeded::noise(shape, 1) }
    }

    /// By one algorithm, for this device or for one without subgroup operations.
    fn plan(&self, algorithm: Algorithm, limits: &Limits) -> Plan {
        support::rerunnable(&self.graph, &Options { algorithm, ..Options::default() }, limits)
    }

    /// Verifies and times each plan; `throughput` is what one run of the operator does.
    fn bench(&self, criterion: &mut Criterion, machine: &Machine, throughput: Throughput, plans: &[Plan]) {
        let expected =
            cpu::run(&self.graph, &self.parameters, &self.input).expect("the input has the graph's shape");
        let mut group = support::group(criterion, &self.name);
        for plan in plans {
            let kernels: Vec<&str> = plan.steps.iter().map(|step| step.dispatch.kernel.name).collect();
            let kernels = kernels.join(" ");
            let (plan, work) = ((plan, &self.parameters), throughput.clone());
            machine.bench(&mut group, &kernels, work, plan, |session| {
                let found = session.run_tensor(&self.input).expect("the device is there");
                // By matrices factors are rounded to f16.
                let tolerance = if kernels.contains("cooperative") { 1e-3 } else { 1e-5 };
                support::assert_within(tolerance, &found, &expected, &format!("{} by {kernels}", self.name));
            });
        }
        group.finish();
    }
}

fn convolution(criterion: &mut Criterion, machine: &Machine, channels: usize, kernel: usize) {
    let shape = shape(channels);
    let conv = Convolution::new([channels, channels, kernel, kernel]);
    let (mut b, x) = Builder::new("convolution", shape, 1.0);
    let weights =
        support::seeded::weighted(&mut b, "conv2d", &conv.weight, Some(&conv.bias)).expect("two names");
    let y = b.conv2d("conv2d", x, weights, conv.op.clone()).expect("channels match");
    let case = Case::new(&format!("conv2d {kernel}x{kernel} {channels}→{channels}"), b.finish(y).unwrap());

    let mut plans = vec![direct(&conv, shape)];
    if channels == 64 && kernel == 3 {
        plans.insert(0, naive(&conv, shape));
    }
    let algorithms: &[Algorithm] =
        if kernel == 3 { &[Algorithm::Direct, Algorithm::Winograd] } else { &[Algorithm::Direct] };
    for algorithm in algorithms {
        plans.push(case.plan(*algorithm, &portable(machine)));
        if machine.broadcasts() {
            plans.push(case.plan(*algorithm, machine.gpu.limits()));
        }
    }
    if machine.gpu.limits().cooperative_side.is_some() {
        plans.push(case.plan(Algorithm::Cooperative, machine.gpu.limits()));
    }
    let flops = Throughput::Elements(2 * case.graph.macs().total());
    case.bench(criterion, machine, flops, &plans);
}

/// One load, one store: the bytes that a device moves.
fn pointwise(criterion: &mut Criterion, machine: &Machine) {
    let shape = shape(64);
    let (mut b, x) = Builder::new("relu", shape, 1.0);
    let y = b.relu("relu", x).expect("any shape");
    let case = Case::new("relu 64", b.finish(y).unwrap());
    let bytes = Throughput::Bytes(2 * 4 * packed_len(shape) as u64);
    case.bench(criterion, machine, bytes, &[case.plan(Algorithm::Auto, &portable(machine))]);
}

/// 128×128, or an odd size where nothing is timed.
fn shape(channels: usize) -> Shape {
    if support::testing() { Shape::new(1, channels, 29, 37) } else { Shape::new(1, channels, 128, 128) }
}

fn portable(machine: &Machine) -> Limits {
    Limits { subgroup_lanes: None, ..*machine.gpu.limits() }
}

/// The convolution by the kernel that takes what the others do not.
fn direct(conv: &Convolution, shape: Shape) -> Plan {
    let dispatch = conv2d_direct::dispatch(&Conv2dDirect {
        input: shape,
        output: shape.with_channels(conv.outputs()),
        kernel: conv.op.kernel,
        stride: conv.op.stride,
        padding: conv.op.padding,
        groups: conv.op.groups,
        epilogue: Epilogue::default(),
    });
    alone(dispatch, &[INPUT, INPUT, WEIGHT, BIAS, OUTPUT], conv2d_direct::pack(&conv.weight), conv, shape)
}

/// The same by the baseline.
fn naive(conv: &Convolution, shape: Shape) -> Plan {
    let (inputs, outputs) = (shape.channels, conv.outputs());
    let params = [shape.width, shape.height, inputs, outputs, conv.op.kernel].map(|size| size as u32);
    let dispatch = Dispatch {
        kernel: &NAIVE,
        specialization: Specialization::default(),
        params: bytemuck::bytes_of(&params).to_vec(),
        workgroups: [params[0].div_ceil(8), params[1].div_ceil(8), outputs as u32],
    };
    alone(dispatch, &[INPUT, WEIGHT, BIAS, OUTPUT], conv.weight.values().to_vec(), conv, shape)
}

const WEIGHT: Buffer = Buffer::Constant(0);
const BIAS: Buffer = Buffer::Constant(1);

/// A plan of one dispatch, with the weights as that reads them. Channels are a multiple of four.
fn alone(
    dispatch: Dispatch,
    bindings: &[Buffer],
    weight: Vec<f32>,
    conv: &Convolution,
    shape: Shape,
) -> Plan {
    let (bias, output) = (conv.bias.values().to_vec(), shape.with_channels(conv.outputs()));
    support::alone(dispatch, bindings.to_vec(), vec![weight, bias], shape, output)
}
