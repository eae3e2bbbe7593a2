//! Which candidate computes a part of a convolution, and what the work under a mask costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sum::Part;
use crate::graph::{Graph, Op, Value};
use crate::kernel::winograd::Winograd;
use crate::kernel::{Pixels, conv2d_pruned, product};
use crate::plan::choices::{Candidate, Choices, Class, Costs, Density, Side};
use crate::plan::{Algorithm, Limits, Options};

/// Where nothing is known: skipping must leave half of the pixels.
const UNMEASURED: Costs = Costs { dense: 1.0, tile: None, pixels: 2.0 };

/// What decides: the options, the device's limits and the tables; and what was asked for so far.
pub(super) struct Chooser<'a> {
    pub options: &'a Options,
    pub limits: &'a Limits,
    shipped: Arc<Choices>,
    /// Classes that a choice was made for, with the multiply-adds of their convolutions.
    pub classes: BTreeMap<Class, u64>,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(options: &'a Options, limits: &'a Limits) -> Self {
        Self { options, limits, shipped: Choices::shipped(limits), classes: BTreeMap::new() }
    }

    /// The preferred one of those that can: of the caller's table, then of the shipped one. Where an algorithm is
    /// asked for, the preferred one of it, if any of it can.
    pub(super) fn choose(&mut self, part: &Part<'_>) -> Candidate {
        let (class, macs) = (self.class(part), macs(part));
        *self.classes.entry(class).or_default() += macs;
        let can = |candidate| self.can(part, candidate);
        let asked = match self.options.algorithm {
            Algorithm::Auto | Algorithm::Cooperative => None,
            Algorithm::Direct => Some(Algorithm::Direct),
            Algorithm::Winograd => {
                let any = Candidate::Winograd(product::Tile::usual(self.limits.subgroup_lanes));
                let by =
                    |candidate: Candidate| candidate.algorithm() == Algorithm::Winograd && can(candidate);
                if can(any) {
                    return self.first(class, by).unwrap_or(any);
                }
                Some(Algorithm::Direct)
            }
        };
        let by =
            |candidate: Candidate| asked.is_none_or(|asked| candidate.algorithm() == asked) && can(candidate);
        self.first(class, by).unwrap_or(Candidate::PLAIN)
    }

    /// How the pixels of a list are multiplied.
    pub(super) fn choose_product(&mut self, part: &Part<'_>) -> product::Tile {
        let product =
            |candidate: Candidate| matches!(candidate, Candidate::Product(_)) && self.can(part, candidate);
        match self.first(self.class(part), product) {
            Some(Candidate::Product(tile)) => tile,
            _ => product::Tile::usual(self.limits.subgroup_lanes),
        }
    }

    /// What the work under a mask costs: that of the convolution with the most weights. Tiles are Winograd's.
    pub(super) fn costs(&self, graph: &Graph, mask: Value) -> Costs {
        let convolutions = graph.values().filter_map(|(_, node)| match &node.op {
            Op::MaskedConv2d(op) if node.inputs[1] == mask => {
                let weight = graph.node(node.inputs[2]).shape;
                Some((op, weight, node.shape.batch * node.shape.pixels()))
            }
            _ => None,
        });
        // Of equal ones the first.
        let heaviest = convolutions.rev().max_by_key(|(_, weight, _)| weight.len());
        let Some((op, weight, pixels)) = heaviest else { return Costs { pixels: 1.0, ..UNMEASURED } };
        let class = Class::of(op.kernel, [weight.channels, weight.batch], pixels, true);
        if self.matrices().is_some() && self.prefers_matrices(class) {
            return UNMEASURED; // and pixel by pixel
        }
        let asked = match self.options.algorithm {
            Algorithm::Winograd if class.side != Side::Three => Algorithm::Direct,
            Algorithm::Cooperative => Algorithm::Auto,
            asked => asked,
        };
        let may = |candidate: Candidate| {
            candidate.runs_on(self.limits) && (asked == Algorithm::Auto || candidate.algorithm() == asked)
        };
        let first = self.first(class, may).map(Candidate::algorithm);
        let by_tiles = asked == Algorithm::Winograd || first == Some(Algorithm::Winograd);
        let known = self.tables().find_map(|table| table.costs(class, by_tiles, may, self.limits));
        known.unwrap_or(Costs { tile: by_tiles.then_some(1.0), ..UNMEASURED })
    }

    /// The preferred candidate of a class that is `wanted`.
    fn first(&self, class: Class, wanted: impl Fn(Candidate) -> bool) -> Option<Candidate> {
        self.tables().find_map(|table| table.first(class, &wanted)).map(|ranked| ranked.candidate)
    }

    fn tables(&self) -> impl Iterator<Item = &Choices> {
        self.options.choices.as_deref().into_iter().chain([&*self.shipped])
    }

    /// Whether a candidate can compute a part on this device.
    fn can(&self, part: &Part<'_>, candidate: Candidate) -> bool {
        candidate.runs_on(self.limits)
            && match candidate {
                Candidate::Tiled(_) => part.sum.terms.len() == 1 && part.pixels != Pixels::Listed,
                Candidate::Product(_) => true,
                Candidate::Pruned(_) => self.entries(part).is_some(),
                Candidate::Matrices => false, // asked before, see `by_matrices`
                Candidate::Winograd(_) => {
                    let (inputs, outputs) =
                        (part.inputs(&part.sum.terms[0]), part.channels.end - part.channels.start);
                    part.sum.kernel() == 3
                        && inputs == part.sum.x.channels
                        && Winograd::chunk_bytes(inputs.max(outputs)) <= self.limits.binding_bytes
                }
            }
    }

    pub(super) fn class(&self, part: &Part<'_>) -> Class {
        let (kernel, pixels) = (part.sum.kernel(), part.sum.x.batch * part.sum.x.pixels());
        let class = Class::of(kernel, channels(part), pixels, part.pixels == Pixels::Listed);
        class.with_density(self.entries(part).map_or(Density::All, |entries| Density::of(entries, kernel)))
    }

    /// The room that lists of a part's weight take, if it is known to be sparse: that of one input, of which all channels
    /// from the first on that lists are cut at.
    pub(super) fn entries(&self, part: &Part<'_>) -> Option<usize> {
        let [term] = &part.sum.terms[..] else { return None };
        let is_cut = term.weight.start.is_multiple_of(conv2d_pruned::staged(part.sum.kernel()));
        let entries = self.options.zeros.longest(term.weight.id)?;
        (is_cut && part.pixels != Pixels::Listed).then_some(entries)
    }
}

/// Of the inputs together, and of the output.
fn channels(part: &Part<'_>) -> [usize; 2] {
    let inputs = part.sum.terms.iter().map(|term| part.inputs(term)).sum();
    [inputs, part.channels.end - part.channels.start]
}

/// Multiply-adds of all its pixels, listed or not.
fn macs(part: &Part<'_>) -> u64 {
    let [inputs, outputs] = channels(part);
    (inputs * outputs * part.sum.kernel() * part.sum.kernel() * part.sum.x.batch * part.sum.x.pixels()) as u64
}
