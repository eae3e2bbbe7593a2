//! Single operators: what each kernel makes of the same work, and how far it is above the naive one.
//!
//! Every kernel's output is held against the CPU engine before it is timed.

mod support;

use criterion::{Criterion, Throughput};
use sparsr::graph::{Builder, Constant, Conv2d, Graph, MaskedConv2d, Op};
use sparsr::kernel::conv2d_direct::Conv2dDirect;
use sparsr::kernel::epilogue::Epilogue;
use sparsr::kernel::{Dispatch, Kernel, Specialization, conv2d_direct};
use sparsr::plan::{Buffer, Ends, Limits, Options, Plan};
use sparsr::reference;
use sparsr::tensor::{Shape, Tensor, packed_len};

use support::Machine;

static NAIVE: Kernel = Kernel {
    name: "naive_conv2d",
    source: include_str!("naive_conv2d.wgsl"),
    params: ("NaiveConv2dParams", &[]),
    constants: &[],
    subgroups: false,
};

fn main() {
    let mut criterion = support::criterion();
    let machine = Machine::open();
    for (channels, kernel) in [(64, 3), (32, 3), (16, 3), (64, 1)] {
        convolution(&mut criterion, &machine, channels, kernel);
    }
    for density in [0.3, 1.0] {
        masked_convolution(&mut criterion, &machine, density);
    }
    pointwise(&mut criterion, &machine);
    criterion.final_summary();
}

/// An operator and the numbers that it is run on.
struct Case {
    name: String,
    graph: Graph,
    input: Tensor,
}

impl Case {
    fn new(name: &str, graph: Graph) -> Self {
        let shape = graph.node(graph.input()).shape;
        let name = format!("{name} {}x{}", shape.width, shape.height);
        Self { name, graph, input: support::seeded::noise(shape, 1) }
    }

    /// The planner's choice for this device, or for one without subgroup operations.
    fn plan(&self, limits: Limits) -> Plan {
        Plan::new(&self.graph, &Options::default(), &limits).expect("a bench's operator fits into any device")
    }

    /// Verifies and times each plan; `throughput` is what one run of the operator does.
    fn bench(
        &self,
        criterion: &mut Criterion,
        machine: &Machine,
        throughput: Throughput,
        plans: &[(&str, Plan)],
    ) {
        let expected = reference::run(&self.graph, &self.input).expect("the input has the graph's shape");
        let mut group = support::group(criterion, &self.name);
        group.throughput(throughput);
        for (kernel, plan) in plans {
            assert_eq!(plan.steps[0].dispatch.kernel.name, *kernel, "the planner's choice");
            machine.bench(&mut group, kernel, plan, |session| {
                let found = session.run_tensor(&self.input).expect("the device is there");
                support::assert_close(&found, &expected, &format!("{} by {kernel}", self.name));
            });
        }
        group.finish();
    }
}

fn convolution(criterion: &mut Criterion, machine: &Machine, channels: usize, kernel: usize) {
    let shape = shape(channels);
    let weight = support::seeded::parameter([channels, channels, kernel, kernel], 2);
    let conv = Conv2d::same(weight, Some(support::seeded::parameter([channels], 3)));
    let (mut b, x) = Builder::new("convolution", shape, 1.0);
    let y = b.conv2d("conv2d", x, conv.clone()).expect("channels match");
    let case = Case::new(&format!("conv2d {kernel}x{kernel} {channels}→{channels}"), b.finish(y));

    let portable = case.plan(portable(machine));
    let mut plans = vec![("conv2d_direct", direct(&portable, &conv, shape))];
    if channels == 64 && kernel == 3 {
        plans.insert(0, (NAIVE.name, naive(&portable, &conv, shape)));
    }
    plans.push(("conv2d_tiled", portable));
    if machine.broadcasts() {
        plans.push(("conv2d_subgroup", case.plan(*machine.gpu.limits())));
    }
    let flops = Throughput::Elements(2 * case.graph.macs().total());
    case.bench(criterion, machine, flops, &plans);
}

/// The layer of SMSR that its masks leave the least of: sparse channels from half of the inputs on.
fn masked_convolution(criterion: &mut Criterion, machine: &Machine, density: f64) {
    let shape = shape(64);
    let (mut b, x) = Builder::new("masked convolution", shape, 1.0);
    let mask = Op::Constant(Constant::new(support::blobs(shape, density)));
    let mask = b.append("mask", mask, &[]).expect("a constant has its own shape");
    let conv = MaskedConv2d {
        weight: support::seeded::parameter([64, 64, 3, 3], 2),
        bias: Some(support::seeded::parameter([64], 3)),
        dense_inputs: 32,
        dense_outputs: 32,
    };
    let y = b.masked_conv2d("masked_conv2d", x, mask, conv).expect("channels match");
    let case = Case::new(&format!("masked_conv2d 3x3 64→64 density {density}"), b.finish(y));

    let mut plans = vec![("conv2d_tiled", case.plan(portable(machine)))];
    if machine.broadcasts() {
        plans.push(("conv2d_subgroup", case.plan(*machine.gpu.limits())));
    }
    let flops = Throughput::Elements(2 * case.graph.macs().total());
    case.bench(criterion, machine, flops, &plans);
}

/// One load, one store: the bytes that a device moves.
fn pointwise(criterion: &mut Criterion, machine: &Machine) {
    let shape = shape(64);
    let (mut b, x) = Builder::new("relu", shape, 1.0);
    let y = b.relu("relu", x).expect("any shape");
    let case = Case::new("relu 64", b.finish(y));
    let bytes = Throughput::Bytes(2 * 4 * packed_len(shape) as u64);
    case.bench(criterion, machine, bytes, &[("activation", case.plan(portable(machine)))]);
}

/// 128×128, or an odd size where nothing is timed.
fn shape(channels: usize) -> Shape {
    if support::testing() { Shape::new(1, channels, 29, 37) } else { Shape::new(1, channels, 128, 128) }
}

fn portable(machine: &Machine) -> Limits {
    Limits { subgroup_lanes: None, ..*machine.gpu.limits() }
}

/// The plan of a convolution, computed by the kernel that takes what the others do not.
fn direct(plan: &Plan, conv: &Conv2d, shape: Shape) -> Plan {
    let dispatch = conv2d_direct::dispatch(&Conv2dDirect {
        input: shape,
        output: shape.with_channels(conv.out_channels()),
        kernel: conv.kernel(),
        stride: conv.stride,
        padding: conv.padding,
        groups: conv.groups,
        epilogue: Epilogue::default(),
    });
    let [input, weight, bias, output] = operands(plan);
    let weights = (weight, conv2d_direct::pack(&conv.weight));
    replaced(plan, dispatch, &[input, input, weight, bias, output], weights)
}

/// The same by the baseline.
fn naive(plan: &Plan, conv: &Conv2d, shape: Shape) -> Plan {
    let (inputs, outputs) = (shape.channels, conv.out_channels());
    let params = [shape.width, shape.height, inputs, outputs, conv.kernel()].map(|size| size as u32);
    let dispatch = Dispatch {
        kernel: &NAIVE,
        specialization: Specialization::default(),
        params: bytemuck::bytes_of(&params).to_vec(),
        workgroups: [params[0].div_ceil(8), params[1].div_ceil(8), outputs as u32],
    };
    let operands = operands(plan);
    replaced(plan, dispatch, &operands, (operands[1], conv.weight.values().to_vec()))
}

/// Input, weight, bias and output of a plan that is one convolution.
fn operands(plan: &Plan) -> [Buffer; 4] {
    let &[input, _residual, _mask, weight, bias, output] = plan.steps[0].bindings.as_slice() else {
        panic!("a tiled convolution binds six buffers")
    };
    [input, weight, bias, output]
}

/// `plan` with another dispatch as its one step, and the weights as that reads them.
fn replaced(
    plan: &Plan,
    dispatch: Dispatch,
    bindings: &[Buffer],
    (weight, packed): (Buffer, Vec<f32>),
) -> Plan {
    let Buffer::Constant(weight) = weight else { panic!("weights are constant") };
    let mut plan = plan.clone();
    plan.steps[0].dispatch = dispatch;
    plan.steps[0].bindings = bindings.to_vec();
    plan.constants[weight as usize] = packed;
    plan
}
