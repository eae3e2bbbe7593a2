//! A network as a search finds it, without numbers: its path, the operations of each cell and how wide they are.

use super::{OPERATIONS, Operation, Step, Variant};

/// A network's structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genotype {
    /// Width of the cells' ends.
    pub channels: usize,
    /// Which variant.
    pub variant: Variant,
    /// From the first convolution to the last.
    pub path: Vec<Step>,
    /// Of each cell, how wide all of its operations but the last are.
    pub widths: Vec<[usize; OPERATIONS - 1]>,
    /// 2, 3 or 4; of variant A as its upsampling layers say.
    pub scale: usize,
}

/// A convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its tensors' name, without `.weight` and `.bias`.
    pub name: String,
    /// Of its weight: outputs, inputs of a group, and the kernel's sides.
    pub dims: [usize; 4],
    /// Whether it has a bias.
    pub bias: bool,
}

impl Genotype {
    /// Every convolution, in the order of the path.
    pub fn layers(&self) -> Vec<Layer> {
        let c = self.channels;
        let plain = |name: String, out, inputs| Layer { name, dims: [out, inputs, 3, 3], bias: true };
        let mut layers = vec![plain("conv_first.conv".into(), c, 3)];
        let mut widths = self.widths.iter();
        for (i, step) in self.path.iter().enumerate() {
            match step {
                Step::Up => layers.push(plain(format!("cells.{i}.upconv.conv"), c, c)),
                Step::Cell(operations) => {
                    let mut inputs = c;
                    let own = widths.next().copied().unwrap_or([c; OPERATIONS - 1]);
                    for (j, operation) in operations.iter().enumerate() {
                        let out = own.get(j).copied().unwrap_or(c);
                        let name = format!("cells.{i}.ops.{j}._op");
                        layers.extend(operation.layers(&name, [out, inputs]));
                        inputs = out;
                    }
                }
            }
        }
        let shuffle = if self.variant == Variant::A { 1 } else { self.scale };
        layers.push(plain("conv_last.conv".into(), 3 * shuffle * shuffle, c));
        layers
    }
}

impl Operation {
    /// Its convolutions, to and from so many channels.
    pub(super) fn layers(self, name: &str, [out, inputs]: [usize; 2]) -> Vec<Layer> {
        let layer = |part: &str, dims| Layer { name: format!("{name}.{part}"), dims, bias: false };
        let wide = 4 * inputs;
        let mut layers = match self {
            Self::Skip => vec![layer("conv", [out, inputs, 1, 1])],
            Self::Conv3x3 => vec![layer("conv1", [out, inputs, 3, 3])],
            Self::Residual => vec![layer("conv1", [out, inputs, 3, 3]), layer("conv2", [out, out, 3, 3])],
            Self::Dwsblock => vec![
                layer("conv1", [wide, inputs, 1, 1]),
                layer("conv2", [wide, 1, 3, 3]),
                layer("conv3", [out, wide, 1, 1]),
            ],
        };
        if inputs != out && matches!(self, Self::Residual | Self::Dwsblock) {
            layers.push(layer("skip", [out, inputs, 1, 1]));
        }
        layers
    }
}
