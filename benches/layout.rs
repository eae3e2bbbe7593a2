//! How should activations lie in memory? The same work in three layouts:
//!
//! ```text
//! fours    N · C/4 · H · W · 4    a load is four channels of a pixel, neighbours are pixels     (ours)
//! last     N · H · W · C          a load is four channels of a pixel, neighbours are channels
//! planes   N · C · H · W          a load is four pixels of a channel
//! ```
//!
//! The work: a register-tiled 3×3 convolution, which is where the time of a network goes, and a gather of a
//! mask's active pixels, which is what sparse execution adds. Every output is held against the CPU engine,
//! or a plain copy, before it is timed. Concatenation is not among the work: the plan never makes the one
//! that a network of this family would need (a 1×1 convolution of parts is a sum over the parts).

mod support;

use criterion::{Criterion, Throughput};
use sparsr::low_level::cpu;
use sparsr::low_level::graph::{Builder, Conv2d, Parameters};
use sparsr::low_level::kernel::{Dispatch, Kernel, Specialization};
use sparsr::low_level::plan::{Buffer, Plan};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor, pack};

use support::Machine;

/// A candidate: where numbers lie, and the kernels written for it.
struct Layout {
    name: &'static str,
    /// The place of channel `c` of pixel `p`, in one picture.
    place: fn(shape: Shape, c: usize, p: usize) -> usize,
    conv2d: Kernel,
    gather: Kernel,
}

/// A shader of this bench, in as many files as it has parts.
macro_rules! kernel {
    ($name:literal, $params:literal, $($file:literal),+) => {
        Kernel {
            name: $name,
            source: concat!($(include_str!($file)),+),
            params: ($params, &[]),
            constants: &[],
            needs: &[],
        }
    };
}

static LAYOUTS: [Layout; 3] = [
    Layout {
        name: "fours",
        place: |shape, c, p| (c / 4 * shape.pixels() + p) * 4 + c % 4,
        conv2d: kernel!(
            "conv2d_fours",
            "LayoutConv2dParams",
            "layout/fours.wgsl",
            "layout/conv2d_fours.wgsl"
        ),
        gather: kernel!(
            "gather_fours",
            "LayoutGatherParams",
            "layout/fours.wgsl",
            "layout/gather_fours.wgsl"
        ),
    },
    Layout {
        name: "last",
        place: |shape, c, p| p * shape.channels + c,
        conv2d: kernel!("conv2d_last", "LayoutConv2dParams", "layout/last.wgsl", "layout/conv2d_fours.wgsl"),
        gather: kernel!("gather_last", "LayoutGatherParams", "layout/last.wgsl", "layout/gather_fours.wgsl"),
    },
    Layout {
        name: "planes",
        place: |shape, c, p| c * shape.pixels() + p,
        conv2d: kernel!("conv2d_planes", "LayoutConv2dParams", "layout/conv2d_planes.wgsl"),
        gather: kernel!("gather_planes", "LayoutGatherParams", "layout/gather_planes.wgsl"),
    },
];

fn main() {
    let mut criterion = support::criterion();
    let machine = Machine::open();
    for channels in [64, 16] {
        convolution(&mut criterion, &machine, channels);
    }
    gather(&mut criterion, &machine, 0.3);
    criterion.final_summary();
}

fn convolution(criterion: &mut Criterion, machine: &Machine, channels: usize) {
    let shape = shape(channels);
    let input = support::seeded::noise(shape, 1);
    let weight = support::seeded::parameter([channels, channels, 3, 3], 2);
    let (mut b, x) = Builder::new("convolution", shape, 1.0);
    let w = b.parameter("conv2d.weight", &weight).expect("the only parameter");
    let y = b.conv2d("conv2d", x, w, Conv2d::same(3)).expect("channels match");
    let (graph, parameters) = b.finish(y).unwrap();
    let expected = cpu::run(&graph, &parameters, &input).expect("the input has the graph's shape");

    let name = format!("conv2d 3x3 {channels}→{channels} {}x{} by layout", shape.width, shape.height);
    let mut group = support::group(criterion, &name);
    let work = Throughput::Elements(2 * graph.macs().total());
    for layout in &LAYOUTS {
        let groups = channels as u32 / 4;
        let params = [shape.width as u32, shape.height as u32, groups, groups];
        let workgroups = [params[0].div_ceil(32), params[1].div_ceil(8), groups / 2];
        let dispatch = dispatch(&layout.conv2d, &params, workgroups);
        let plan = plan(dispatch, vec![layout.arrange(&input), by_block(&weight)], shape);
        machine.bench(&mut group, layout.name, work.clone(), (&plan, &Parameters::new()), |session| {
            let found = session.run_tensor(&unread()).expect("the device is there");
            support::assert_close(&layout.restore(shape, &pack(&found)), &expected, layout.name);
        });
    }
    group.finish();
}

fn gather(criterion: &mut Criterion, machine: &Machine, density: f64) {
    let shape = shape(64);
    let input = support::seeded::noise(shape, 1);
    let mask = support::masks::blobs(shape, density);
    let list: Vec<usize> = (0..shape.pixels()).filter(|p| mask.values()[*p] > 0.5).collect();
    let compact = shape.with_size(1, list.len());
    let expected = Tensor::from_fn(compact, |n, c, _, entry| input.plane(n, c)[list[entry]]);

    let name = format!("gather 64 channels {}x{} density {density} by layout", shape.width, shape.height);
    let mut group = support::group(criterion, &name);
    let work = Throughput::Bytes(2 * 4 * compact.len() as u64);
    for layout in &LAYOUTS {
        let params = [shape.pixels() as u32, shape.channels as u32 / 4, list.len() as u32];
        let dispatch = dispatch(&layout.gather, &params, [(params[1] * params[2]).div_ceil(64), 1, 1]);
        // Constants are numbers; the shader reads the same bits as indices.
        let indices = list.iter().map(|p| f32::from_bits(*p as u32)).collect();
        let plan = plan(dispatch, vec![layout.arrange(&input), indices], compact);
        machine.bench(&mut group, layout.name, work.clone(), (&plan, &Parameters::new()), |session| {
            let found = session.run_tensor(&unread()).expect("the device is there");
            assert_eq!(layout.restore(compact, &pack(&found)), expected, "{}", layout.name);
        });
    }
    group.finish();
}

impl Layout {
    /// N, C, H, W → this layout.
    fn arrange(&self, tensor: &Tensor) -> Vec<f32> {
        let shape = tensor.shape();
        let mut arranged = vec![0.0; shape.len()];
        for c in 0..shape.channels {
            for (p, value) in tensor.plane(0, c).iter().enumerate() {
                arranged[(self.place)(shape, c, p)] = *value;
            }
        }
        arranged
    }

    /// This layout → N, C, H, W.
    fn restore(&self, shape: Shape, arranged: &[f32]) -> Tensor {
        Tensor::from_fn(shape, |_, c, y, x| arranged[(self.place)(shape, c, y * shape.width + x)])
    }
}

/// 128×128, or a size that fills no workgroup where nothing is timed. The kernels want widths in fours.
fn shape(channels: usize) -> Shape {
    if support::testing() { Shape::new(1, channels, 29, 36) } else { Shape::new(1, channels, 128, 128) }
}

/// `[out, in, 3, 3]` → `[out / 8][in][ky][kx][8]`: the same for every candidate.
fn by_block(weight: &Parameter) -> Vec<f32> {
    let &[out, within, ..] = weight.dims() else { panic!("a weight has four axes") };
    let tap = |o: usize, i: usize, k: usize| weight.values()[(o * within + i) * 9 + k];
    let blocks = (0..out).step_by(8).flat_map(|first| (0..within).map(move |i| (first, i)));
    blocks
        .flat_map(|(first, i)| (0..9).flat_map(move |k| (first..first + 8).map(move |o| (o, i, k))))
        .map(|(o, i, k)| tap(o, i, k))
        .collect()
}

fn dispatch(kernel: &'static Kernel, params: &[u32], workgroups: [u32; 3]) -> Dispatch {
    let params = bytemuck::cast_slice(params).to_vec();
    Dispatch { kernel, specialization: Specialization::default(), params, workgroups }
}

/// One step from constants, in whatever layout they are, to as many numbers as `shape` has.
///
/// A session packs what goes in and unpacks what comes out, into and from channels of fours. So the operands
/// go in as constants, and the output counts as one row of four channels: its packed form is the slot as the
/// shader left it.
fn plan(dispatch: Dispatch, constants: Vec<Vec<f32>>, shape: Shape) -> Plan {
    let output = Shape::new(1, 4, 1, shape.len() / 4);
    let operands = (0..constants.len() as u32).map(Buffer::Constant);
    let bindings = operands.chain([support::OUTPUT]).collect();
    support::alone(dispatch, bindings, constants, unread().shape(), output)
}

/// What a session is given where all operands are constant.
fn unread() -> Tensor {
    Tensor::zeros(Shape::new(1, 1, 1, 1))
}
