//! How far a graph looks: what a window must hold around the pixels that are kept of it.
//!
//! Every operator maps output pixels to the input pixels that they are made from; folded backwards over the
//! nodes that gives the margin, so no model states one. Windows then lie inside the picture, so that convolutions
//! meet their zero padding just where a run over the whole picture does, and a pixel that lies at least
//! `radius` from each of the window's edges that is not an edge of the picture has the same number in both.

use std::ops::Range;

use super::{Graph, Node, Op, Value};

/// The margin and the grid of windows, in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceptiveField {
    /// How far from a kept pixel the picture matters; a multiple of `alignment`.
    pub radius: usize,
    /// What windows' places and sizes must be multiples of, so that strided operators meet the same pixels.
    pub alignment: usize,
}

impl ReceptiveField {
    /// The same field on a coarser grid.
    #[must_use]
    pub fn aligned_to(self, alignment: usize) -> Self {
        let alignment = lcm(self.alignment, alignment);
        Self { radius: self.radius.next_multiple_of(alignment), alignment }
    }
}

impl Graph {
    /// The receptive field of the outputs and of `keep`. `None` if something looks at the whole picture, or has
    /// no place in it, so that only the whole picture will do.
    pub fn receptive_field(&self, keep: &[Value]) -> Option<ReceptiveField> {
        let scales = self.scales()?;
        let alignment = self.alignment_of(&scales);
        let mut regions: Vec<Option<Range<isize>>> = vec![None; self.nodes.len()];
        let weights = self.weights();
        for value in keep.iter().copied().chain(self.outputs.iter().map(|output| output.value)) {
            let pixels = scales[value.index()].map_or(1, |[over, below]| alignment * over / below);
            regions[value.index()] = Some(0..pixels as isize);
        }
        let mut radius = 0;
        for (value, node) in self.values().rev() {
            let Some(region) = regions[value.index()].take() else { continue }; // nothing wanted depends on it
            if let (Op::Input(_), Some([over, below])) = (&node.op, scales[value.index()]) {
                let [over, below] = [over, below].map(|length| length as isize);
                let right = (region.end * below + over - 1).div_euclid(over) - alignment as isize;
                radius = radius.max(-(region.start * below).div_euclid(over)).max(right);
            }
            for (at, input) in node.inputs.iter().enumerate().filter(|(_, input)| !weights[input.index()]) {
                let needed = node.op.operator().input_region(at, region.clone())?;
                let all = regions[input.index()].get_or_insert_with(|| needed.clone());
                *all = all.start.min(needed.start)..all.end.max(needed.end);
            }
        }
        Some(ReceptiveField { radius: (radius as usize).next_multiple_of(alignment), alignment })
    }

    /// What the picture's sides must be multiples of. `None` if a value's size is no multiple of the picture's.
    pub(crate) fn alignment(&self) -> Option<usize> {
        self.scales().map(|scales| self.alignment_of(&scales))
    }

    fn alignment_of(&self, scales: &[Option<[usize; 2]>]) -> usize {
        let alignment = scales.iter().flatten().fold(1, |all, [_, below]| lcm(all, *below));
        let own = |node: &Node| {
            // In the picture's pixels, of what is cut at multiples of `own` at a value's own scale.
            let [over, below] = node.inputs.first().and_then(|input| scales[input.index()]).unwrap_or([1, 1]);
            let own = node.op.operator().alignment() * below;
            own / gcd(own, over)
        };
        self.nodes.iter().fold(alignment, |all, node| lcm(all, own(node)))
    }

    /// Of every value how many of its pixels there are to the picture's, along a side, as a fraction in lowest
    /// terms; nothing for weights, and for a single pixel that stands for all. `None` if a value's size is not that multiple; of a
    /// value smaller than the picture it may be less, by what strides and windows within the picture leave over.
    pub(crate) fn scales(&self) -> Option<Vec<Option<[usize; 2]>>> {
        let (picture, weights) = (self.nodes[0].shape, self.weights());
        let mut scales: Vec<Option<[usize; 2]>> = Vec::with_capacity(self.nodes.len());
        for (node, weights) in self.nodes.iter().zip(weights) {
            if weights && !matches!(node.op, Op::Constant(_)) {
                scales.push(None);
                continue;
            }
            let own = match node.op {
                Op::Input(_) => Some([node.shape.height, picture.height]),
                Op::ResizeTo(_) => scales[node.inputs[1].index()],
                _ => node.inputs.first().and_then(|input| scales[input.index()]),
            };
            let everywhere = node.shape.pixels() == 1 && picture.pixels() > 1;
            scales.push(match own {
                Some([over, below]) if !everywhere => {
                    let [more, less] = node.op.operator().scale();
                    let (over, below) = (over * more, below * less);
                    let divisor = gcd(over, below);
                    let (over, below) = (over / divisor, below / divisor);
                    let fits = |side: usize, picture: usize| {
                        side * below == picture * over || below > over && side * below < picture * over
                    };
                    if !fits(node.shape.height, picture.height) || !fits(node.shape.width, picture.width) {
                        return None;
                    }
                    Some([over, below])
                }
                None if !everywhere => return None, // numbers for one size alone
                _ => None,
            });
        }
        Some(scales)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

pub(in crate::graph) fn lcm(a: usize, b: usize) -> usize {
    a / gcd(a, b) * b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{
        AdaptiveMaxPool, Among, Attention, Builder, Conv2d, ConvTranspose2d, Fold, GlobalPoolKind, LayerNorm,
        MaxPool, PixelUnshuffle, ResizeKind, Unfold,
    };
    use crate::tensor::{Parameter, Shape};

    /// Zeros.
    fn parameter<const AXES: usize>(b: &mut Builder, name: &str, dims: [usize; AXES]) -> Value {
        let numbers = Parameter::new(dims, vec![0.0; dims.iter().product()]);
        b.parameter(name, &numbers).unwrap()
    }

    /// A convolution of `[out, in, kernel]` that keeps the size.
    fn conv(b: &mut Builder, name: &str, x: Value, [out, inputs, kernel]: [usize; 3]) -> Value {
        let weight = parameter(b, &format!("{name}.weight"), [out, inputs, kernel, kernel]);
        b.conv2d(name, x, weight, Conv2d::same(kernel)).unwrap()
    }

    fn attention(among: Among) -> Op {
        Op::Attention(Attention { heads: 1, scale: 1.0, among })
    }

    /// Attention in windows.
    fn windows(b: &mut Builder, name: &str, x: Value, size: usize, shift: usize) -> Value {
        let table = parameter(b, &format!("{name}.table"), [(2 * size - 1) * (2 * size - 1), 1]);
        b.append(name, attention(Among::squares(size, shift)), &[x, table]).unwrap()
    }

    /// The field of one operator without weights.
    fn alone(op: Op) -> Option<ReceptiveField> {
        field(|b, x| b.append("operator", op, &[x]).unwrap())
    }

    /// The field of what `build` makes of a picture.
    fn field(build: impl FnOnce(&mut Builder, Value) -> Value) -> Option<ReceptiveField> {
        let (mut b, x) = Builder::new("graph", Shape::new(1, 3, 32, 48), 1.0);
        let output = build(&mut b, x);
        b.finish(output).unwrap().0.receptive_field(&[])
    }

    fn of(radius: usize, alignment: usize) -> Option<ReceptiveField> {
        Some(ReceptiveField { radius, alignment })
    }

    #[test]
    fn kernels_add_up_and_branches_take_the_wider() {
        let found = field(|b, x| {
            let wide = conv(b, "wide", x, [3, 3, 5]);
            let once = conv(b, "once", x, [3, 3, 3]);
            let twice = conv(b, "twice", once, [3, 3, 3]);
            let sum = b.add("sum", wide, twice).unwrap();
            conv(b, "pointwise", sum, [3, 3, 1])
        });
        assert_eq!(found, of(2, 1));
    }

    #[test]
    fn enlarging_looks_little_further() {
        assert_eq!(field(|b, x| b.resize("bicubic", x, ResizeKind::Bicubic, 2).unwrap()), of(2, 1));
        assert_eq!(field(|b, x| b.resize("nearest", x, ResizeKind::Nearest, 3).unwrap()), of(0, 1));
        for scale in [2, 3, 4] {
            let bilinear = |b: &mut Builder, x| b.resize("bilinear", x, ResizeKind::Bilinear, scale).unwrap();
            assert_eq!(field(bilinear), of(1, 1), "bilinear by {scale}");
        }
        let shuffled = field(|b, x| {
            let wide = conv(b, "wide", x, [12, 3, 3]);
            let large = b.pixel_shuffle("shuffle", wide, 2).unwrap();
            conv(b, "last", large, [3, 3, 3])
        });
        assert_eq!(shuffled, of(2, 1));
    }

    /// SMSR's mask branch, worked out by hand: see the comment.
    #[test]
    fn halving_and_doubling_ask_for_even_windows() {
        let found = field(|b, x| {
            let h = conv(b, "0", x, [3, 3, 3]);
            let h = b.average_pool("2", h, 2).unwrap();
            let h = conv(b, "3", h, [3, 3, 3]);
            let weight = parameter(b, "5.weight", [3, 3, 3, 3]);
            let up = ConvTranspose2d { kernel: 3, stride: 2, padding: 1, output_padding: 1 };
            b.conv_transpose2d("5", h, weight, up).unwrap()
        });
        // Of the pixels 0 and 1: 0 … 1 in halves, -1 … 2 before the inner convolution, -2 … 5 before the pool,
        // -3 … 6 of the picture: three to the left, five to the right; made even.
        assert_eq!(found, of(6, 2));
    }

    /// Worked out by hand: for the output of the first `stride` pixels taps reach from −padding to kernel − padding, so by
    /// the larger of padding and kernel − padding − stride past them; made a multiple of the stride.
    #[test]
    fn strides_look_as_far_as_their_last_tap() {
        // Kernel, stride, padding; radius.
        let cases = [
            (3, 2, 1, 2),
            (3, 2, 0, 2),
            (5, 2, 2, 2),
            (7, 2, 3, 4),
            (7, 2, 1, 4),
            (5, 4, 0, 4),
            (9, 4, 2, 4),
            (11, 4, 2, 8),
        ];
        for (kernel, stride, padding, radius) in cases {
            let found = field(|b, x| {
                let weight = parameter(b, "weight", [3, 3, kernel, kernel]);
                b.conv2d("conv", x, weight, Conv2d { kernel, stride, padding, groups: 1 }).unwrap()
            });
            assert_eq!(found, of(radius, stride), "kernel {kernel}, stride {stride}, padding {padding}");
        }
    }

    #[test]
    fn channels_come_from_the_pixel_or_its_neighbours() {
        let normalised = field(|b, x| {
            let [weight, bias] = ["weight", "bias"].map(|name| parameter(b, name, [3]));
            b.append("norm", Op::LayerNorm(LayerNorm { epsilon: 1e-5 }), &[x, weight, bias]).unwrap()
        });
        assert_eq!(normalised, of(0, 1));
        assert_eq!(field(|b, x| b.slice("slice", x, 1, 2).unwrap()), of(0, 1));
        assert_eq!(alone(Op::Unfold(Unfold { kernel: 5 })), of(2, 1));
        let both = field(|b, x| {
            let y = b.append("unfold", Op::Unfold(Unfold { kernel: 3 }), &[x]).unwrap();
            b.append("fold", Op::Fold(Fold { kernel: 3 }), &[y]).unwrap()
        });
        assert_eq!(both, of(2, 1));
    }

    #[test]
    fn blocks_ask_for_windows_of_whole_blocks() {
        assert_eq!(alone(Op::MaxPool(MaxPool { size: 2, stride: 2 })), of(0, 2));
        // Of the outputs' first three pixels the block has seven: four more, made six.
        assert_eq!(alone(Op::MaxPool(MaxPool { size: 7, stride: 3 })), of(6, 3));
        assert_eq!(alone(Op::PixelUnshuffle(PixelUnshuffle { scale: 4 })), of(0, 4));
        let between = field(|b, x| {
            let y = b.append("unshuffle", Op::PixelUnshuffle(PixelUnshuffle { scale: 2 }), &[x]).unwrap();
            let y = conv(b, "conv", y, [12, 12, 5]);
            b.pixel_shuffle("shuffle", y, 2).unwrap()
        });
        assert_eq!(between, of(4, 2));
    }

    /// With a shift the windows of the first and the last kept pixel reach half a window out, which is made whole.
    #[test]
    fn attention_in_windows_asks_for_whole_windows() {
        assert_eq!(field(|b, x| windows(b, "attention", x, 8, 0)), of(0, 8));
        assert_eq!(field(|b, x| windows(b, "attention", x, 8, 4)), of(8, 8));
        let twice = field(|b, x| {
            let y = conv(b, "wide", x, [9, 3, 1]);
            let y = windows(b, "first", y, 4, 0);
            let y = conv(b, "wide again", y, [9, 3, 1]);
            windows(b, "second", y, 4, 2)
        });
        assert_eq!(twice, of(4, 4));
    }

    #[test]
    fn windows_are_counted_in_pixels_of_the_picture() {
        let halved = field(|b, x| {
            let y = b.append("unshuffle", Op::PixelUnshuffle(PixelUnshuffle { scale: 2 }), &[x]).unwrap();
            windows(b, "attention", y, 4, 0)
        });
        let doubled = field(|b, x| {
            let y = b.resize("nearest", x, ResizeKind::Nearest, 2).unwrap();
            windows(b, "attention", y, 4, 0)
        });
        assert_eq!((halved, doubled), (of(0, 8), of(0, 2)));
    }

    #[test]
    fn what_looks_at_everything_or_changes_the_size_has_none() {
        let pooled = field(|b, x| {
            let mean = b.global_average_pool("mean", x).unwrap();
            b.multiply("scaled", x, mean).unwrap()
        });
        let shrunk = field(|b, x| {
            let weight = parameter(b, "valid.weight", [3, 3, 3, 3]);
            b.conv2d("valid", x, weight, Conv2d { padding: 0, ..Conv2d::same(3) }).unwrap()
        });
        assert_eq!((pooled, shrunk), (None, None));
        for kind in [GlobalPoolKind::Deviation, GlobalPoolKind::Norm] {
            assert_eq!(field(|b, x| b.global_pool("pool", x, kind).unwrap()), None, "{kind:?}");
        }
        assert_eq!(alone(Op::AdaptiveMaxPool(AdaptiveMaxPool { divisor: 8 })), None);
        assert_eq!(alone(attention(Among::Runs { count: 4 })), None);
        for kind in [ResizeKind::Bilinear, ResizeKind::BilinearCorners, ResizeKind::Nearest] {
            assert_eq!(field(|b, x| b.resize_to("resized", x, kind, x).unwrap()), None, "{kind:?}");
        }
    }
}
