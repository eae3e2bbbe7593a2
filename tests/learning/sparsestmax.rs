//! Sparsestmax, its weights and what goes back to the logits, as PyTorch differentiates the definition.

use std::collections::BTreeSet;

use sparsr::low_level::graph::{Axes, Builder, Input, Op, Parameters, TrainingOperation};
use sparsr::low_level::tensor::{Shape, Tensor};

use crate::{ENGINES, golden, run};

/// Of weights, which are 1 in sum, and of gradients as a share of the largest number. Kernels compute in f32, and where logits
/// are close a gradient is what is left of one many times as large.
const TOLERANCES: [f32; 3] = [1e-6, 1e-6, 1e-5];

const NUMBER: Shape = Shape::new(1, 1, 1, 1);

#[test]
fn weights_and_gradients_are_pytorchs() {
    let golden = golden("sparsestmax");
    let cases: BTreeSet<&str> = golden.names().map(|name| name.rsplit_once('/').unwrap().0).collect();
    assert!(cases.len() > 80, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let tensor = |name: &str| {
            let numbers = golden.get(&format!("{case}/{name}")).unwrap();
            let shape = Shape::new(1, numbers.values().len(), 1, 1);
            Tensor::new(shape, numbers.values().to_vec())
        };
        let [logits, radius, incoming] = ["logits", "radius", "incoming"].map(tensor);
        let (mut b, x) = Builder::new(case, logits.shape(), 1.0);
        let input = b.append("radius", Op::Input(Input { shape: NUMBER }), &[]).unwrap();
        let weights = b.append("weights", Op::Training(TrainingOperation::Sparsestmax), &[x, input]).unwrap();
        let coefficients = b.constant("incoming", incoming).unwrap();
        let product = b.multiply("product", weights, coefficients).unwrap();
        let loss = b.append("loss", Op::Training(TrainingOperation::Sum(Axes::ALL)), &[product]).unwrap();
        let (graph, _) = b.finish_all([("loss", loss), ("weights", weights)]).unwrap();
        let graph = graph.gradient(loss, &[x]).unwrap();
        for (((engine, _), tolerance), found) in
            ENGINES.iter().zip(TOLERANCES).zip(run(&graph, &Parameters::new(), &[&logits, &radius]))
        {
            for (found, name) in found[1..].iter().zip(["weights", "gradient"]) {
                let expected = tensor(name);
                let largest =
                    expected.values().iter().fold(1.0_f32, |largest, number| largest.max(number.abs()));
                let apart =
                    found.values().iter().zip(expected.values()).map(|(a, b)| (a - b).abs() / largest);
                let apart = apart.fold(0.0, |most, apart| if apart <= most { most } else { apart });
                if apart.is_nan() || apart > tolerance {
                    wrong.push(format!("{case}, {engine}: {name} is {apart:.1e} off"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
