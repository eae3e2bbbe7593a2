//! ESRT: what its tensors tell, what it costs, that it looks at the whole picture.

use sparsr::Model;
use sparsr::low_level::graph::{Graph, Op, Value};
use sparsr::low_level::models::esrt::Config;
use sparsr::low_level::tensor::Shape;

use crate::support::seeded;

#[test]
fn sizes_are_read_off_the_tensors() {
    for (channels, scale) in [(4, 2), (6, 3), (16, 4)] {
        let weights = seeded::esrt(channels, scale);
        assert_eq!(Config::detect(&weights).unwrap().unwrap(), Config { channels, scale });
        assert_eq!(Model::from_weights("seeded", weights).unwrap().scales(), [scale]);
    }
    assert!(Config::detect(&seeded::edsr(&seeded::TINY_EDSR)).is_none());
}

/// Multiply-adds of the attention alone, without what makes queries, keys and values.
fn attention(graph: &Graph) -> u64 {
    let nodes = graph.nodes().iter().filter(|node| matches!(node.op, Op::Attention(_)));
    nodes.map(|node| node.op.operator().macs(&[], node.shape).total()).sum()
}

#[test]
fn parameters_and_work_are_as_worked_out_by_hand() {
    // Thousands of parameters, 10⁹ multiply-adds for 1280×720 pixels, and those of the attention, whose work grows
    // with the square of the picture; and how they are rounded.
    let rows = [(2, [677.8, 161.0, 3822.0]), (3, [770.3, 82.0, 755.0]), (4, [751.8, 58.4, 239.0])];
    for (scale, expected) in rows {
        let model = Model::from_weights("seeded", seeded::esrt(32, scale)).unwrap();
        let graph = model.graph(Shape::new(1, 3, 40, 40)).unwrap();
        let pictures = (1280 * 720) as f64 / (1600 * scale * scale) as f64;
        let attention = attention(&graph) as f64;
        let found = [
            model.parameters() as f64 / 1e3,
            (graph.macs().total() as f64 - attention) * pictures / 1e9,
            attention * pictures * pictures / 1e9,
        ];
        for ((found, expected), unit) in found.into_iter().zip(expected).zip([0.1, 1.0, 1.0]) {
            assert!((found - expected).abs() <= unit / 2.0, "x{scale}: {found}, and not {expected}");
        }
    }
}

#[test]
fn it_looks_at_the_whole_picture() {
    let model = Model::from_weights("seeded", seeded::esrt(4, 2)).unwrap();
    for [height, width] in [[2, 2], [8, 16], [9, 7]] {
        assert_eq!(model.graph(Shape::new(1, 3, height, width)).unwrap().receptive_field(&[]), None);
    }
    assert!(model.graph(Shape::new(1, 3, 1, 5)).is_err());
}

#[test]
fn passes_share_their_weights() {
    let model = Model::from_weights("seeded", seeded::esrt(4, 2)).unwrap();
    let graph = model.graph(Shape::new(1, 3, 4, 4)).unwrap();
    let name = "body.0.encoder2.decoder_low.layer4.conv";
    let passes = graph.nodes().iter().filter(|node| node.name == name);
    let weights: Vec<Value> = passes
        .map(|node| match &node.op {
            Op::Conv2d(_) => node.inputs[1],
            op => panic!("{name} is a convolution, found {}", op.operator().name()),
        })
        .collect();
    assert_eq!(weights.len(), 5);
    assert!(weights.iter().all(|weight| *weight == weights[0]));
}
