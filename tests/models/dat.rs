//! DAT: what its tensors tell, that it looks at the whole picture, and what is wrong with files that are nearly one.

use sparsr::Model;
use sparsr::low_level::graph::Op;
use sparsr::low_level::models::dat::Config;
use sparsr::low_level::tensor::{Parameter, Shape};
use sparsr::low_level::weights::Weights;

use crate::support::golden::{self, Golden};

fn networks() -> impl Iterator<Item = Golden> {
    golden::all().into_iter().filter(|golden| golden.architecture == "dat")
}

fn of(golden: &Golden) -> Config {
    Config::detect(&Weights::new("dat", golden.weights.clone())).unwrap().unwrap()
}

#[test]
fn sizes_are_read_off_the_tensors() {
    let found: Vec<Config> = networks().map(|golden| of(&golden)).collect();
    let network = |channels, depths: &[usize], heads: &[usize], split, light, scale| {
        let (depths, heads) = (depths.to_vec(), heads.to_vec());
        Config { channels, depths, heads, split, light, scale }
    };
    let expected = [
        network(16, &[2, 2], &[4, 2], [1, 3], false, 2),
        network(16, &[1, 3], &[2, 2], [4, 4], false, 4),
        network(16, &[3], &[4], [2, 4], true, 2),
        network(16, &[2], &[2], [4, 8], true, 3),
        network(24, &[3], &[6], [4, 2], true, 4),
    ];
    assert_eq!(found, expected);
}

/// Every second block attends among channels, the others in windows of two forms.
#[test]
fn it_looks_at_the_whole_picture_of_any_size() {
    for golden in networks() {
        for [height, width] in [[1, 1], [16, 24], [17, 5]] {
            let graph = golden.model.graph(Shape::new(1, 3, height, width)).unwrap();
            let count = |is: fn(&Op) -> bool| graph.nodes().iter().filter(|node| is(&node.op)).count();
            let in_windows = count(|op| matches!(op, Op::Attention(_)));
            let among_channels = count(|op| matches!(op, Op::ChannelAttention(_)));
            assert_eq!(in_windows / 2 + among_channels, of(&golden).depths.iter().sum::<usize>());
            assert_eq!(graph.receptive_field(&[]), None);
        }
    }
}

/// The offsets tell a window's size: without them, or with others, nothing does.
#[test]
fn offsets_that_tell_no_window_are_refused() {
    let golden = networks().next().unwrap();
    let name = "layers.0.blocks.0.attn.attns.0.rpe_biases";
    let error = |numbers: Option<Parameter>| {
        let mut weights = golden.weights.clone();
        weights.retain(|(other, _)| other != name);
        weights.extend(numbers.map(|numbers| (name.to_owned(), numbers)));
        Model::from_weights("dat", Weights::new("dat", weights)).unwrap_err().to_string()
    };
    for (numbers, found) in [
        (None, "found none"),
        (Some(Parameter::new([2, 2], vec![-3.0, 1.0, 0.0, 0.0])), "found other numbers"),
        (Some(Parameter::new([3, 2], vec![-1.0; 6])), "found [3, 2] numbers for windows of [2, 2]"),
    ] {
        let message = error(numbers);
        let expected =
            format!("{name}: expected the offsets of a window's pixels, which tell its size, {found}");
        assert!(message.contains(&expected), "{message}");
    }
}
