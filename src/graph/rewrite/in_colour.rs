//! A network of one channel for pictures in colour: it computes luma, and colour is interpolated, as the papers do.
//!
//! ```text
//! Y  = 0.299 r + 0.587 g + 0.114 b                                    (BT.601, full range)
//! y  = network(Y) + bicubic(picture − Y)
//! ```
//!
//! Chroma is a multiple of what a channel differs from luma by, and interpolation is linear: this is the same as to
//! resize Cb and Cr. Of a gray picture nothing differs, and the network makes all of what comes out.

use crate::error::Result;
use crate::graph::{BinaryKind, Builder, Conv2d, Graph, Op, Parameters, ResizeKind, Value};
use crate::tensor::Parameter;

/// What red, green and blue weigh in luma.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// The graph of one channel in, one out, as one of three.
pub(crate) fn in_colour(graph: &Graph, parameters: &Parameters, scale: usize) -> Result<(Graph, Parameters)> {
    let picture = graph.node(graph.input()).shape.with_channels(LUMA.len());
    let (mut b, picture) = Builder::new(graph.name(), picture, graph.range());
    let weight = b.parameter("luma.weight", &Parameter::new([1, 3, 1, 1], LUMA.to_vec()))?;
    let luma = b.conv2d("luma", picture, weight, Conv2d::same(1))?;

    let numbers: Vec<(&str, Parameter)> = parameters.iter().collect();
    let mut made: Vec<Value> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        made.push(match &node.op {
            Op::Input(_) => luma,
            Op::Parameter(op) => {
                let (name, numbers) = &numbers[op.id.index()];
                b.parameter(*name, numbers)?
            }
            op => {
                let inputs: Vec<Value> = node.inputs.iter().map(|input| made[input.index()]).collect();
                b.append(node.name.clone(), op.clone(), &inputs)?
            }
        });
    }

    let chroma = b.binary("chroma", BinaryKind::Subtract, picture, luma)?;
    let chroma = match scale {
        1 => chroma,
        scale => b.resize("chroma.large", chroma, ResizeKind::Bicubic, scale)?,
    };
    let y = b.add("colour", chroma, made[graph.output().index()])?;
    b.finish(y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu;
    use crate::tensor::{Shape, Tensor};

    /// A convolution that makes a channel of one, and a pixel shuffle.
    fn network(input: Shape, scale: usize) -> (Graph, Parameters) {
        let (mut b, x) = Builder::new("one channel", input, 255.0);
        let made = scale * scale;
        let numbers = (0..9 * made).map(|at| (at % 5) as f32 / 20.0).collect::<Vec<_>>();
        let weight = b.parameter("weight", &Parameter::new([made, 1, 3, 3], numbers)).unwrap();
        let bias = b.parameter("bias", &Parameter::new([made], vec![0.5; made])).unwrap();
        let y = b.conv2d("conv", x, [weight, bias], Conv2d::same(3)).unwrap();
        let y = if scale == 1 { y } else { b.pixel_shuffle("shuffle", y, scale).unwrap() };
        b.finish(y).unwrap()
    }

    /// By Y, Cb and Cr, each on its own way.
    #[test]
    fn luma_goes_through_the_network_and_chroma_is_resized() {
        let shape = Shape::new(1, 3, 5, 7);
        for scale in [1, 2, 3] {
            let (graph, parameters) = network(shape.with_channels(1), scale);
            let (whole, all) = in_colour(&graph, &parameters, scale).unwrap();
            let picture = Tensor::from_fn(shape, |_, c, y, x| ((31 * c + 17 * y + 43 * x) % 256) as f32);
            let found = cpu::run(&whole, &all, &picture).unwrap();

            let [r, g, b] = [0, 1, 2].map(|c| picture.plane(0, c));
            let of = |weigh: fn([f32; 3]) -> f32| {
                let values = (0..shape.pixels()).map(|at| weigh([r[at], g[at], b[at]])).collect();
                Tensor::new(shape.with_channels(1), values)
            };
            let luma = of(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b);
            let blue = of(|[r, g, b]| -0.168_736 * r - 0.331_264 * g + 0.5 * b);
            let red = of(|[r, g, b]| 0.5 * r - 0.418_688 * g - 0.081_312 * b);
            let luma = cpu::run(&graph, &parameters, &luma).unwrap();
            let large = |plane: &Tensor| {
                let (mut b, x) = Builder::new("chroma", plane.shape(), 1.0);
                let y = b.resize("large", x, ResizeKind::Bicubic, scale).unwrap();
                let (graph, none) = b.finish(y).unwrap();
                cpu::run(&graph, &none, plane).unwrap()
            };
            let (blue, red) = (large(&blue), large(&red));
            let size = shape.with_size(scale * shape.height, scale * shape.width);
            let expected = Tensor::from_fn(size, |_, c, y, x| {
                let [luma, blue, red] =
                    [&luma, &blue, &red].map(|plane| plane.plane(0, 0)[y * size.width + x]);
                luma + [1.402 * red, -0.344_136 * blue - 0.714_136 * red, 1.772 * blue][c]
            });
            for (found, expected) in found.values().iter().zip(expected.values()) {
                assert!((found - expected).abs() < 2e-3, "x{scale}: {found}, not {expected}");
            }
        }
    }
}
