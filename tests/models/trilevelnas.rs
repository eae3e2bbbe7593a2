//! TrilevelNAS: that the published genotypes are read off their tensors, and what they cost.

use sparsr::Model;
use sparsr::low_level::models::trilevelnas::{Config, OPERATIONS, Operation, Step, Variant};
use sparsr::low_level::tensor::Parameter;
use sparsr::low_level::weights::Weights;

use crate::support::seeded::Made;
use crate::{assert_costs, spoilt};

/// What a search has found: of each cell the operations, and the widths behind all but the last.
struct Genotype {
    variant: Variant,
    /// 0 is a cell, 1 an upsampling layer.
    path: &'static [u8],
    operations: &'static [[u8; OPERATIONS]],
    /// By their places in [`WIDTHS`].
    widths: &'static [[usize; OPERATIONS - 1]],
}

/// A twelfth of 64 channels times 4, 6, 8, 10 and 12, in multiples of eight.
const WIDTHS: [usize; 5] = [24, 32, 40, 56, 64];

/// As the authors' evaluation lists them: A no. 1 and 2, B no. 1, 2 and 3.
const PUBLISHED: [Genotype; 5] = [
    Genotype {
        variant: Variant::A,
        path: &[0, 0, 0, 1, 0, 1],
        operations: &[[0, 1, 0, 0, 1], [3, 3, 3, 1, 2], [0, 0, 1, 0, 3], [1, 1, 0, 1, 1]],
        widths: &[[4, 0, 0, 0], [1, 1, 4, 0], [4, 4, 2, 1], [0, 4, 1, 1]],
    },
    Genotype {
        variant: Variant::A,
        path: &[0, 0, 0, 0, 0, 1, 1],
        operations: &[[3, 3, 3, 3, 3], [0, 1, 3, 1, 3], [3, 3, 3, 2, 3], [3, 3, 3, 2, 2], [1, 3, 3, 3, 2]],
        widths: &[[3, 0, 4, 2], [4, 4, 4, 0], [1, 1, 2, 2], [2, 2, 4, 2], [2, 0, 0, 0]],
    },
    Genotype {
        variant: Variant::B,
        path: &[0, 0, 0],
        operations: &[[3, 0, 3, 3, 3], [3, 0, 1, 3, 1], [2, 0, 0, 0, 0]],
        widths: &[[1, 1, 0, 2], [0, 3, 0, 0], [4, 0, 0, 0]],
    },
    Genotype {
        variant: Variant::B,
        path: &[0, 0, 0, 0, 0, 1],
        operations: &[[0, 0, 3, 3, 0], [3, 2, 3, 1, 1], [1, 0, 1, 0, 3], [3, 3, 1, 1, 3], [3, 1, 1, 1, 1]],
        widths: &[[1, 0, 4, 0], [1, 2, 3, 2], [4, 4, 0, 1], [4, 3, 0, 0], [1, 4, 4, 0]],
    },
    Genotype {
        variant: Variant::B,
        path: &[0, 0, 1, 1],
        operations: &[[0, 0, 0, 2, 0], [3, 3, 1, 1, 0]],
        widths: &[[2, 0, 3, 3], [4, 3, 1, 0]],
    },
];

impl Genotype {
    /// The checkpoint of such a network of so many channels, whose other widths are no more.
    fn tensors(&self, c: usize) -> Vec<(String, Parameter)> {
        let mut made = Made::default();
        made.conv("conv_first.conv", [c, 3, 3, 3]);
        let mut cells = self.operations.iter().zip(self.widths);
        for (i, step) in self.path.iter().enumerate() {
            if *step == 1 {
                made.conv(&format!("cells.{i}.upconv.conv"), [c, c, 3, 3]);
                continue;
            }
            let (operations, places) = cells.next().unwrap();
            let mut inputs = c;
            for (j, number) in operations.iter().enumerate() {
                let out = places.get(j).map_or(c, |place| WIDTHS[*place].min(c));
                operation(&mut made, &format!("cells.{i}.ops.{j}._op"), *number, [out, inputs]);
                inputs = out;
            }
        }
        let last = if self.variant == Variant::A { 3 } else { 48 };
        made.conv("conv_last.conv", [last, c, 3, 3]);
        made.0
    }

    fn path(&self) -> Vec<Step> {
        const ALL: [Operation; 4] =
            [Operation::Skip, Operation::Conv3x3, Operation::Residual, Operation::Dwsblock];
        let mut cells = self.operations.iter();
        let step = |step: &u8| match step {
            0 => Step::Cell(cells.next().unwrap().map(|number| ALL[usize::from(number)])),
            _ => Step::Up,
        };
        self.path.iter().map(step).collect()
    }

    fn config(&self, channels: usize) -> Config {
        Config { channels, variant: self.variant, path: self.path(), scale: 4 }
    }
}

fn operation(made: &mut Made, name: &str, number: u8, [out, inputs]: [usize; 2]) {
    let mut layer = |conv: &str, bn: &str, dims: [usize; 4]| {
        made.weight(&format!("{name}.{conv}.weight"), dims);
        for (part, number) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
            made.0.push((format!("{name}.{bn}.{part}"), Parameter::new([dims[0]], vec![number; dims[0]])));
        }
    };
    let wide = 4 * inputs;
    match number {
        0 => layer("conv", "bn", [out, inputs, 1, 1]),
        1 => layer("conv1", "bn1", [out, inputs, 3, 3]),
        2 => {
            layer("conv1", "bn1", [out, inputs, 3, 3]);
            layer("conv2", "bn2", [out, out, 3, 3]);
        }
        _ => {
            layer("conv1", "bn1", [wide, inputs, 1, 1]);
            layer("conv2", "bn2", [wide, 1, 3, 3]);
            layer("conv3", "bn3", [out, wide, 1, 1]);
        }
    }
    if number > 1 && inputs != out {
        layer("skip", if number == 2 { "bn3" } else { "bn4" }, [out, inputs, 1, 1]);
    }
}

fn weights(tensors: Vec<(String, Parameter)>) -> Weights {
    Weights::new("some.pth", tensors)
}

#[test]
fn genotypes_are_read_off_the_tensors() {
    let descriptions = [
        "variant A, path 01001 33312 00103 up 11011 up, 64 channels",
        "variant A, path 33333 01313 33323 33322 13332 up up, 64 channels",
        "variant B, path 30333 30131 20000, 64 channels",
        "variant B, path 00330 32311 10103 33113 31111 up, 64 channels",
        "variant B, path 00020 33110 up up, 64 channels",
    ];
    for (genotype, description) in PUBLISHED.iter().zip(descriptions) {
        let weights = weights(genotype.tensors(64));
        assert_eq!(Config::detect(&weights).unwrap().unwrap(), genotype.config(64));
        let model = Model::from_weights("some", weights).unwrap();
        assert_eq!((model.architecture(), model.scales()), ("trilevelnas", vec![4]));
        assert_eq!(model.description(), description);
    }
}

#[test]
fn parameters_and_work_are_as_worked_out_by_hand() {
    // Without batch normalisation. The authors' code counts its parameters too, 4.9 to 16.0 thousand of them.
    let rows = [[335.427, 68.93], [665.987, 78.06], [234.192, 13.48], [509.072, 29.31], [264.496, 15.22]];
    for (genotype, expected) in PUBLISHED.iter().zip(rows) {
        let model = Model::from_weights("some", weights(genotype.tensors(64))).unwrap();
        assert_costs(&model, expected, [0.001, 0.01]);
    }
}

#[test]
fn upsampling_layers_of_variant_a_tell_the_scale() {
    let model = |path| {
        let genotype = Genotype { path, operations: &[[0; 5]], widths: &[[0; 4]], ..PUBLISHED[0] };
        Model::from_weights("some", weights(genotype.tensors(4)))
    };
    for (path, scale) in [(&[0][..], 1), (&[0, 1], 2), (&[0, 1, 1], 4), (&[0, 1, 1, 1], 8)] {
        assert_eq!(model(path).unwrap().scales(), [scale], "{path:?}");
    }
    let message = model(&[0, 1, 1, 1, 1]).unwrap_err().to_string();
    assert!(message.contains("expected at most 3 upsampling layers"), "{message}");
}

#[test]
fn what_is_not_computed_is_left_out_as_long_as_it_is_nothing() {
    let tensors = PUBLISHED[4].tensors(8);
    let model = Model::from_weights("some", weights(tensors.clone())).unwrap();
    let bare = tensors.iter().filter(|(name, _)| !name.contains(".bn")).cloned();
    let counted = ["total_ops", "conv_first.conv.total_ops", "cells.0.ops.0._op.relu.total_params"];
    let counted = counted.map(|name| (name.to_owned(), Parameter::new([1], vec![7.0])));
    let bare = Model::from_weights("some", weights(bare.chain(counted).collect())).unwrap();
    assert_eq!((bare.parameters(), bare.description()), (model.parameters(), model.description()));

    let seen = |name: &str, value: f32| {
        let mut tensors = tensors.clone();
        let (_, found) = tensors.iter_mut().find(|(found, _)| found == name).unwrap();
        *found = Parameter::new(found.dims(), vec![value; found.values().len()]);
        Model::from_weights("some", weights(tensors)).map_err(|error| error.to_string())
    };
    let name = "cells.1.ops.0._op.bn3.running_mean";
    assert!(seen(name, 0.0).is_ok());
    assert_eq!(
        seen(name, 0.25).unwrap_err(),
        format!(
            "some.pth: {name}: expected zeros, since the network has no batch normalisation, found others"
        )
    );
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let cases: [(&str, Option<&[usize]>, &str); 8] = [
        ("conv_first.conv.bias", None, "conv_first.conv.bias: expected a tensor of shape [8], found none"),
        (
            "conv_last.conv.weight",
            Some(&[24, 8, 3, 3]),
            "conv_last.conv.weight: expected 3, 12, 27 or 48 output channels (x1 to x4), found 24",
        ),
        (
            "cells.0.ops.4._op.conv.weight",
            None,
            "cells.0.ops.4._op.conv.weight: expected a tensor of shape [8, 8, 1, 1], found none",
        ),
        (
            "cells.0.ops.3._op.conv2.weight",
            None,
            "cells.0.ops.3._op.conv2.weight: expected a tensor of shape [8, 8, 3, 3], found none",
        ),
        (
            "cells.1.ops.0._op.conv2.weight",
            Some(&[32, 32, 3, 3]),
            "cells.1.ops.0._op.conv2.weight: expected [32, 1, 3, 3], found [32, 32, 3, 3]",
        ),
        (
            "cells.1.ops.3._op.conv1.weight",
            Some(&[7, 8, 3, 3]),
            "cells.1.ops.4._op.conv.weight: expected [8, 7, 1, 1], found [8, 8, 1, 1]",
        ),
        ("cells.3.upconv.conv.weight", None, "cells.3.upconv.conv.weight: expected a tensor of shape"),
        (
            "cells.0.ops.0._op.conv.weight",
            None,
            "the nearest is trilevelnas (TrilevelNAS, Wu et al., arXiv 2021)",
        ),
    ];
    for (name, dims, expected) in cases {
        let message = spoilt(&weights(PUBLISHED[4].tensors(8)), name, dims);
        assert!(message.starts_with("some.pth: ") && message.contains(expected), "{message}");
    }
    let with = |name: &str| {
        let more = (name.to_owned(), Parameter::new([1], vec![0.5]));
        let tensors = PUBLISHED[2].tensors(8).into_iter().chain([more]).collect();
        Model::from_weights("some", weights(tensors)).unwrap_err().to_string()
    };
    for (name, expected) in [
        (
            "cells.4.upconv.conv.bias",
            "cells.3: expected the tensors of a cell or of an upsampling layer, found none",
        ),
        ("cells_attn.0.ops.0.weight", "no others, found 1 that it does not read: cells_attn.0.ops.0.weight"),
        (
            "conv_first.conv.quantize_input.running_range",
            "found 1 that it does not read: conv_first.conv.quant",
        ),
    ] {
        assert!(with(name).contains(expected), "{}", with(name));
    }
}
