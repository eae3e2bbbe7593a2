//! What a search chooses among: for each place of each cell an operation and a width, and how many cells there are.
//!
//! The supernet holds every operation of every place at full width. A network of the space has the first channels of them, so
//! that one in which all is decided makes the same numbers as the supernet does.

use super::{Genotype, Layer, OPERATIONS, Operation, Step, Variant};
use crate::error::{Error, Result};
use crate::tensor::Parameter;
use crate::weights::Weights;

/// Networks of variant B.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Width of the cells' ends, and the largest.
    pub channels: usize,
    /// The most cells.
    pub cells: usize,
    /// Whether there may be fewer.
    pub fewer: bool,
    /// What a place may be, each once.
    pub operations: Vec<Operation>,
    /// How wide all places of a cell but the last may be: numbers that rise to `channels`.
    pub widths: Vec<usize>,
    /// 1 to 4.
    pub scale: usize,
}

/// A choice, and how it is called among the supernet's parameters: a logit an option, `[options]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The parameter.
    pub name: String,
    /// Among how many.
    pub options: usize,
}

impl Space {
    /// What is to be chosen: of every place of every cell an operation, `….alpha`, and a width, `….ratio`; and how many
    /// cells there are, `gamma`. What has one option is no choice.
    pub fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (i, j) in places(self.cells) {
            choices.push(Choice { name: alpha(i, j), options: self.operations.len() });
            if j + 1 < OPERATIONS {
                choices.push(Choice { name: ratio(i, j), options: self.widths.len() });
            }
        }
        choices.push(Choice { name: GAMMA.into(), options: if self.fewer { self.cells } else { 1 } });
        choices.retain(|choice| choice.options > 1);
        choices
    }

    /// Whether a parameter of the supernet is a choice's.
    pub fn is_choice(name: &str) -> bool {
        name == GAMMA || name.ends_with(".alpha") || name.ends_with(".ratio")
    }

    /// How many networks there are.
    pub fn len(&self) -> f64 {
        let of_cell = (self.operations.len() as f64).powi(OPERATIONS as i32)
            * (self.widths.len() as f64).powi(OPERATIONS as i32 - 1);
        let cells = if self.fewer { 1..=self.cells } else { self.cells..=self.cells };
        cells.map(|cells| of_cell.powi(cells as i32)).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() < 1.0
    }

    /// The supernet's convolutions: in place j of cell i `cells.<i>.ops.<j>.<operation>` has every operation at full width.
    pub fn layers(&self) -> Vec<Layer> {
        let plain = Genotype { path: vec![], widths: vec![], ..self.at(&|_| 0) };
        let mut layers = plain.layers();
        let last = layers.split_off(1);
        for (i, j) in places(self.cells) {
            for operation in &self.operations {
                let name = format!("cells.{i}.ops.{j}.{}", operation.name());
                layers.extend(operation.layers(&name, [self.channels; 2]));
            }
        }
        layers.extend(last);
        layers
    }

    /// The network of which `option` tells, by a choice's name, which of its options is taken.
    pub fn at(&self, option: &dyn Fn(&str) -> usize) -> Genotype {
        let of = |options: usize, name: String| if options > 1 { option(&name).min(options - 1) } else { 0 };
        let cells = if self.fewer { 1 + of(self.cells, GAMMA.into()) } else { self.cells };
        let operation = |i: usize, j: usize| self.operations[of(self.operations.len(), alpha(i, j))];
        let width = |i: usize, j: usize| self.widths[of(self.widths.len(), ratio(i, j))];
        Genotype {
            channels: self.channels,
            variant: Variant::B,
            path: (0..cells).map(|i| Step::Cell(std::array::from_fn(|j| operation(i, j)))).collect(),
            widths: (0..cells).map(|i| std::array::from_fn(|j| width(i, j))).collect(),
            scale: self.scale,
        }
    }

    /// The network that a supernet's logits are for.
    ///
    /// # Errors
    /// [`Error::Weights`] if a choice is not among the tensors.
    pub fn chosen(&self, supernet: &Weights) -> Result<Genotype> {
        for Choice { name, options } in self.choices() {
            supernet_tensor(supernet, &name, &[options])?;
        }
        Ok(self.at(&|name| supernet.get(name).map_or(0, |logits| largest(logits.values()))))
    }

    /// The choices of which several options are the largest alike, so that no radius tells them apart.
    pub fn undecided(&self, supernet: &Weights) -> Vec<String> {
        let is_open = |choice: &Choice| {
            let logits = supernet.get(&choice.name).map_or(&[][..], Parameter::values);
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            logits.iter().filter(|logit| **logit == most).count() != 1
        };
        self.choices().into_iter().filter(is_open).map(|choice| choice.name).collect()
    }

    /// The tensors of the network that a supernet's logits are for, with its numbers. Where widths differ, the skip of a
    /// residual block, which the supernet has no weight for, hands channels on as they are.
    ///
    /// # Errors
    /// [`Error::Weights`] if the tensors are not this space's.
    pub fn network(&self, supernet: &Weights) -> Result<Weights> {
        let genotype = self.chosen(supernet)?;
        let mut tensors = Vec::new();
        for Layer { name, dims, bias } in genotype.layers() {
            let weight = format!("{name}.weight");
            let of = self.name_in_supernet(&genotype, &name);
            let numbers = match of.ends_with(".skip") {
                true => identity(dims),
                false => first_channels(supernet, &format!("{of}.weight"), dims)?,
            };
            tensors.push((weight, numbers));
            if bias {
                let numbers = supernet_tensor(supernet, &format!("{of}.bias"), &dims[..1])?;
                tensors.push((format!("{name}.bias"), numbers.clone()));
            }
        }
        Ok(Weights::new(supernet.source(), tensors))
    }

    /// What a convolution of a network is called in the supernet.
    fn name_in_supernet(&self, genotype: &Genotype, name: &str) -> String {
        let place = |name: &str| {
            let mut parts = name.strip_prefix("cells.")?.split('.');
            let (i, j) = (parts.next()?.parse::<usize>().ok()?, parts.nth(1)?.parse::<usize>().ok()?);
            match genotype.path.get(i)? {
                Step::Cell(operations) => operations.get(j),
                Step::Up => None,
            }
        };
        place(name)
            .map_or(name.to_owned(), |operation| name.replace("._op.", &format!(".{}.", operation.name())))
    }
}

/// How many cells there are: a logit for each count.
pub(super) const GAMMA: &str = "gamma";

/// Of a place's operation.
pub(super) fn alpha(i: usize, j: usize) -> String {
    format!("cells.{i}.ops.{j}.alpha")
}

/// Of a place's width.
pub(super) fn ratio(i: usize, j: usize) -> String {
    format!("cells.{i}.ops.{j}.ratio")
}

fn places(cells: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..cells).flat_map(|i| (0..OPERATIONS).map(move |j| (i, j)))
}

/// The first of the largest.
fn largest(logits: &[f32]) -> usize {
    (0..logits.len()).rev().max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0)
}

fn supernet_tensor<'w>(supernet: &'w Weights, name: &str, dims: &[usize]) -> Result<&'w Parameter> {
    supernet.get(name).filter(|found| found.dims() == dims).ok_or_else(|| {
        let reason = format!("{name}: expected a tensor of shape {dims:?}, found none, or of another");
        Error::weights(supernet.source(), reason)
    })
}

/// Of a weight the first outputs and inputs.
fn first_channels(supernet: &Weights, name: &str, dims: [usize; 4]) -> Result<Parameter> {
    let found = supernet.get(name).filter(|found| match *found.dims() {
        [out, inputs, height, width] => dims[0] <= out && dims[1] <= inputs && dims[2..] == [height, width],
        _ => false,
    });
    let whole = found.ok_or_else(|| {
        let reason = format!("{name}: expected a tensor of at least {dims:?}, found none, or a smaller one");
        Error::weights(supernet.source(), reason)
    })?;
    let [out, inputs, height, width] = dims;
    let (filter, of_filter) = (whole.dims()[1] * height * width, inputs * height * width);
    let numbers = (0..out).flat_map(|o| &whole.values()[o * filter..o * filter + of_filter]);
    Ok(Parameter::new(dims, numbers.copied().collect::<Vec<f32>>()))
}

fn identity(dims: [usize; 4]) -> Parameter {
    let [out, inputs, ..] = dims;
    let numbers = (0..out * inputs).map(|at| f32::from(u8::from(at / inputs == at % inputs)));
    Parameter::new(dims, numbers.collect::<Vec<f32>>())
}
