//! MultiLap of `compression.py`: the loss, and its gradient with respect to what was made.

use sparsr::low_level::graph::{Builder, Criterion, Parameters};
use sparsr::low_level::tensor::{Shape, Tensor};

use crate::{differences, golden, run, tensor};

#[test]
fn multi_lap_is_pytorchs() {
    let golden = golden("compression");
    let [made, teacher, loss, gradient] = ["output", "teacher", "loss", "gradient"]
        .map(|name| tensor(golden.get(&format!("multilap.{name}")).unwrap()));
    for (case, copies, weight) in [("one picture", 1, 1.0), ("three, weighted", 3, 0.5)] {
        let [made, teacher] = [&made, &teacher].map(|picture| repeated(picture, copies));
        let (mut b, x) = Builder::new("MultiLap", made.shape(), 1.0);
        let target = b.constant("teacher", teacher).unwrap();
        let value = b.losses("loss", x, target, &[(Criterion::MultiLap, weight)]).unwrap();
        let graph = b.finish(value).unwrap().0.gradient(value, &[x]).unwrap();
        let share = f64::from(weight) / copies as f64;
        let found = run(&graph, &Parameters::new(), &[&made]).into_iter().map(|mut outputs| {
            let gradient = outputs.pop().unwrap();
            let shares = gradient.values().iter().map(|number| (f64::from(*number) / share) as f32);
            let of_one = Tensor::new(gradient.shape(), shares.collect());
            vec![outputs.remove(0), of_one]
        });
        let loss = Tensor::new(loss.shape(), vec![weight * loss.values()[0]]);
        let expected = [("loss".into(), loss), ("gradient".into(), repeated(&gradient, copies))];
        let wrong = differences(case, &found.collect::<Vec<_>>(), &expected, 1.0);
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}

/// The same picture several times.
fn repeated(picture: &Tensor, copies: usize) -> Tensor {
    let shape = Shape { batch: copies, ..picture.shape() };
    Tensor::new(shape, picture.values().repeat(copies))
}
