//! A batch that is gone through in parts, each by a run of its own. Values into which nothing goes that is one part's
//! alone, such as weights that are computed, are made once for all parts; so is the order in which kernels read weights.

use rayon::prelude::*;

use super::buffers::Pool;
use super::check_runs;
use super::held::Held;
use super::order::Order;
use crate::error::Result;
use crate::graph::{Graph, Op, Parameters};
use crate::tensor::Tensor;

/// What [`run_all`](super::run_all) makes of the inputs of each part. An input that is the same tensor in all parts is
/// common to them.
pub fn run_parts(
    graph: &Graph,
    parameters: &Parameters,
    parts: &[Vec<&Tensor>],
    pool: &Pool,
) -> Result<Vec<Vec<Tensor>>> {
    parts.iter().try_for_each(|part| check_runs(graph, part))?;
    let Some(first) = parts.first() else { return Ok(Vec::new()) };
    let is_common = common(graph, parts);
    let order = Order::in_two(graph, &[], &is_common);
    pool.with(|buffers| {
        let mut held = Held::new(graph, parameters, order.clone(), buffers);
        held.make_all(first, |value| is_common[value.index()]);
        let common = held.into_common(&is_common);
        let run = |part: &Vec<&Tensor>| {
            pool.with(|buffers| {
                let mut held = Held::new(graph, parameters, order.clone(), buffers).behind(&common);
                held.make_all(part, |value| !is_common[value.index()]);
                held.take_outputs()
            })
        };
        let made = parts.par_iter().map(run).collect();
        common.maps.into_values().for_each(|map| buffers.give_back(map));
        Ok(made)
    })
}

/// Of every value whether it is the same in all parts.
fn common(graph: &Graph, parts: &[Vec<&Tensor>]) -> Vec<bool> {
    let mut inputs = 0..;
    let mut common: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        common.push(match node.op {
            Op::Input(_) => {
                let at = inputs.next().unwrap_or_default();
                parts.iter().all(|part| std::ptr::eq(part[at], parts[0][at]))
            }
            _ => node.inputs.iter().all(|input| common[input.index()]),
        });
    }
    common
}

#[cfg(test)]
mod tests {
    use super::super::buffers::Buffers;
    use super::super::run_all;
    use super::super::testing::{noise, parameter};
    use super::*;
    use crate::graph::{Axes, Builder, Conv2d, Input, TrainingOperation};
    use crate::tensor::Shape;

    /// A convolution whose weight hangs on an input that all parts have, its parts, and a sum over channels.
    #[test]
    fn each_part_is_a_run_of_its_own() {
        let (shape, of_rows) = (Shape::new(2, 3, 9, 7), Shape::new(32, 1, 1, 1));
        let (mut b, x) = Builder::new("parts", shape, 1.0);
        let rows = b.append("rows", Op::Input(Input { shape: of_rows }), &[]).unwrap();
        let weight = b.parameter("weight", &parameter([32, 3, 3, 3], 1)).unwrap();
        let weight = b.multiply("scaled", weight, rows).unwrap();
        let conv = b.conv2d("conv", x, weight, Conv2d::same(3)).unwrap();
        let [first, second] = [0, 16].map(|start| b.slice("half", conv, start, 16).unwrap());
        let sum = b.add("sum", first, second).unwrap();
        let channels = b.append("channels", Op::Training(TrainingOperation::Sum(Axes::CHANNELS)), &[sum]);
        let outputs = [("channels", channels.unwrap()), ("common", weight)];
        let (graph, parameters) = b.finish_all(outputs);
        let (rows, pictures) = (noise(of_rows, 2), [3, 4, 5].map(|seed| noise(shape, seed)));
        let parts: Vec<Vec<&Tensor>> = pictures.iter().map(|picture| vec![picture, &rows]).collect();
        let pool = Pool::default();
        for _ in 0..2 {
            let found = run_parts(&graph, &parameters, &parts, &pool).unwrap();
            for (part, found) in parts.iter().zip(found) {
                let alone = run_all(&graph, &parameters, part, &mut Buffers::default()).unwrap();
                assert_eq!(found, alone);
            }
        }
        assert!(run_parts(&graph, &parameters, &[vec![&rows, &rows]], &pool).is_err());
    }
}
