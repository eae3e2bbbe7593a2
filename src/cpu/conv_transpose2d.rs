//! Transposed convolution: every input pixel adds its window to the output.
//!
//! Seen from the output: pixels whose places leave the same remainders by the stride look through the same taps, so
//! each such set is a product.

use super::layer::Weights;
use super::map::{Map, Unit};
use super::product::{Matrix, Panels, Rows, Segment};
use crate::graph::ConvTranspose2d;
use crate::tensor::Shape;

/// The outputs of one set of pixels.
struct Phase {
    /// Rows and columns of the kernel that have an input for these pixels.
    taps: Vec<[usize; 2]>,
    panels: Panels,
}

/// What a thread keeps from unit to unit.
#[derive(Default)]
struct Scratch {
    patches: Vec<f32>,
    places: Vec<usize>,
}

pub(super) fn conv_transpose2d(op: &ConvTranspose2d, weights: Weights<'_>, x: &Map, y: &mut Map) {
    let output = y.shape();
    let remainders = (0..op.stride).flat_map(|row| (0..op.stride).map(move |column| [row, column]));
    let phases: Vec<Phase> = remainders.map(|remainders| phase(op, weights, remainders)).collect();
    y.by_unit(|unit, y, scratch: &mut Scratch| {
        for (index, phase) in phases.iter().enumerate() {
            let of_phase = |p: &usize| {
                let [row, column] = [p / output.width, p % output.width].map(|place| place % op.stride);
                row * op.stride + column == index
            };
            phase.fill(op, x, unit, unit.pixels.clone().filter(of_phase), (&mut *y, output), scratch);
        }
    });
}

/// The pixels whose row and column leave these remainders.
fn phase(op: &ConvTranspose2d, weights: Weights<'_>, remainders: [usize; 2]) -> Phase {
    let Weights { weight: numbers, bias } = weights;
    let [inputs, outputs, side, _] = numbers.dims();
    let [rows, columns]: [Vec<usize>; 2] = remainders.map(|remainder| {
        // Not through a negative number: `side · stride` is at least what is taken away.
        let meets = |tap: &usize| (remainder + op.padding + side * op.stride - tap).is_multiple_of(op.stride);
        (0..side).filter(meets).collect()
    });
    let taps: Vec<[usize; 2]> = rows.iter().flat_map(|ky| columns.iter().map(|kx| [*ky, *kx])).collect();
    let start = |o: usize| bias.map_or(0.0, |bias| bias[o]);
    let weight = |k: usize, o: usize| {
        let ([ky, kx], i) = (taps[k / inputs], k % inputs);
        numbers.at(i, o, ky * side + kx)
    };
    let size = [taps.len() * inputs, outputs];
    let panels = Panels::new(&Matrix { size, runs: &vec![inputs; taps.len()], start, weight });
    Phase { taps, panels }
}

impl Phase {
    fn fill(
        &self,
        op: &ConvTranspose2d,
        x: &Map,
        unit: &Unit,
        pixels: impl Iterator<Item = usize>,
        (y, output): (&mut [f32], Shape),
        Scratch { patches, places }: &mut Scratch,
    ) {
        let input = x.shape();
        // The input pixel that lies under a tap.
        let under = |place: usize, tap: usize, length: usize| {
            (place + op.padding).checked_sub(tap).map(|at| at / op.stride).filter(|at| *at < length)
        };
        patches.clear();
        places.clear();
        for p in pixels {
            places.push(p - unit.pixels.start);
            for [ky, kx] in &self.taps {
                let row = under(p / output.width, *ky, input.height);
                match row.zip(under(p % output.width, *kx, input.width)) {
                    Some((row, column)) => {
                        let pixel = &x.row(unit.n, row)[column * input.channels..][..input.channels];
                        patches.extend_from_slice(pixel);
                    }
                    None => patches.resize(patches.len() + input.channels, 0.0),
                }
            }
        }
        let depth = self.taps.len() * input.channels;
        let segments = [Segment { values: patches, stride: depth, at: 0, len: depth }];
        let bases: Vec<usize> = (0..places.len()).collect();
        let rows = Rows { segments: &segments, bases: &bases, places, stride: output.channels, first: 0 };
        self.panels.multiply(&rows, y);
    }
}
