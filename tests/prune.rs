//! Structured pruning: which channels belong together, that taking them away changes nothing where they are zero, and
//! that what comes out is a checkpoint as any other.

mod support;

use std::collections::BTreeMap;

use sparsr::learn::prune::{self, Target};
use sparsr::low_level::cpu;
use sparsr::low_level::gpu::Session;
use sparsr::low_level::graph::{
    Activation, Among, Attention, AveragePool, BinaryKind, Builder, Channels, Constant, Conv2d,
    ConvTranspose2d, GlobalPoolKind, Group, Kept, LayerNorm, MaxPool, Op, ParameterId, PixelUnshuffle,
    ResizeKind, Value, WeightOperation, Why,
};
use sparsr::low_level::models::edsr;
use sparsr::low_level::plan::{Options, Plan};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::{Stored, Weights};
use sparsr::{Model, Result};

use support::golden::{self, Golden};
use support::{adapter, compare, seeded};

fn channels(model: &Model) -> Channels {
    prune::channels(model).unwrap()
}

/// Of each group some channels, by lot.
fn some(channels: &Channels, seed: u64) -> Kept {
    let lots = prune::random(channels, seed);
    let counts = channels.groups().iter().zip(&lots);
    let counts: Vec<usize> =
        counts.map(|(group, lots)| 1 + (lots[0] * group.channels as f64) as usize).collect();
    prune::best(channels, &prune::random(channels, seed + 1), &counts).unwrap()
}

/// The same network whose channels that are not kept are made by zeros.
fn with_zeros(model: &Model, channels: &Channels, kept: &Kept) -> Model {
    let tensors = model.weights().iter().map(|(name, numbers)| (name.to_owned(), numbers.clone())).collect();
    let name_of = |id| model.net().parameters().name(id).to_owned();
    let tensors = zeroed(tensors, &name_of, channels, kept);
    let metadata = model.weights().metadata().clone();
    let made = Model::from_weights(model.name(), Weights::new("zeroed", tensors).with_metadata(metadata));
    made.and_then(|made| made.at_scale(model.scale())).unwrap()
}

/// Tensors with zeros for what makes the channels that are not kept.
fn zeroed(
    mut tensors: BTreeMap<String, Parameter>,
    name_of: &dyn Fn(ParameterId) -> String,
    channels: &Channels,
    kept: &Kept,
) -> BTreeMap<String, Parameter> {
    for (number, group) in channels.groups().iter().enumerate() {
        let kept = kept.of(number);
        let gone: Vec<usize> = (0..group.channels).filter(|channel| !kept.contains(channel)).collect();
        for place in group.places.iter().filter(|place| place.role.makes()) {
            let own = tensors.get_mut(&name_of(place.parameter)).unwrap();
            let indices: Vec<usize> =
                gone.iter().flat_map(|channel| place.indices[*channel].clone()).collect();
            *own = without(own, place.axis, &indices);
        }
    }
    tensors
}

/// Zeros at these indices along one of the first two of four axes.
fn without(numbers: &Parameter, axis: usize, indices: &[usize]) -> Parameter {
    let dims = numbers.dims();
    let (axis, within) = if dims.len() == 1 { (0, 1) } else { (axis, dims[axis + 1..].iter().product()) };
    let values = numbers.values().iter().enumerate();
    let values =
        values.map(|(at, value)| if indices.contains(&(at / within % dims[axis])) { 0.0 } else { *value });
    Parameter::new(dims, values.collect::<Vec<_>>())
}

fn picture(model: &Model) -> Tensor {
    let [width, height] = model.extended([16, 13]);
    let range = model.net().unfolded().range();
    seeded::picture(width, height, 1).to_tensor(range)
}

fn output(model: &Model) -> Tensor {
    let picture = picture(model);
    cpu::run(&model.graph(picture.shape()).unwrap(), model.net().numbers(), &picture).unwrap()
}

/// `name channels: made by so many convolutions, read by so many`.
fn told(channels: &Channels) -> Vec<String> {
    let line = |group: &Group| {
        format!("{} {}: {}, {}", group.name, group.channels, group.made_by.len(), group.read_by.len())
    };
    channels.groups().iter().map(line).collect()
}

/// The golden network of this name.
fn network(name: &str) -> Model {
    golden::all().into_iter().map(|golden| golden.model).find(|model| model.name() == name).unwrap()
}

#[test]
fn groups_are_found_from_the_graph() {
    let rows: [(&str, &[&str]); 12] = [
        (
            "edsr basicsr_x4",
            &[
                "conv_first 3: 4, 4",
                "body.0.conv1 3: 1, 1",
                "body.1.conv1 3: 1, 1",
                "upsample.0 3: 1, 1",
                "upsample.2 3: 1, 1",
            ],
        ),
        ("ledsr torch_weight_norm", &["head.0 5: 3, 3", "body.0.body.0 6: 1, 1"]),
        (
            "rcan basicsr_x3",
            &[
                "conv_first 5: 5, 7",
                "body.0.residual_group.0.rcab.0 5: 1, 1",
                "body.0.residual_group.0.rcab.3.attention.1 1: 1, 1",
                "body.0.residual_group.1.rcab.0 5: 1, 1",
                "body.0.residual_group.1.rcab.3.attention.1 1: 1, 1",
                "upsample.0 5: 1, 1",
            ],
        ),
        (
            "imdn x1",
            &[
                "fea_conv 8: 3, 3",
                "IMDB1.c1[0..2] 2: 1, 2",
                "IMDB1.c1[2..8] 6: 1, 1",
                "IMDB1.c2[0..2] 2: 1, 2",
                "IMDB1.c2[2..8] 6: 1, 1",
                "IMDB1.c3[0..2] 2: 1, 2",
                "IMDB1.c3[2..8] 6: 1, 1",
                "IMDB1.c4 2: 1, 2",
                "IMDB1.cca.conv_du.0 3: 1, 1",
                "c.0 8: 1, 1",
            ],
        ),
        (
            "rfdn pruned_x2",
            &[
                "fea_conv 5: 2, 3",
                "B1.c1_d 2: 1, 1",
                "B1.c1_r 5: 1, 2",
                "B1.c2_d 2: 1, 1",
                "B1.c2_r 5: 1, 2",
                "B1.c3_d 2: 1, 1",
                "B1.c3_r 5: 1, 1",
                "B1.c4 2: 1, 1",
                "B1.c5 5: 1, 4",
                "B1.esa.conv1 3: 1, 2",
                "B1.esa.conv2 3: 1, 1",
                "B1.esa.conv_max 3: 1, 1",
                "B1.esa.conv3 3: 1, 1",
                "B1.esa.conv3_ 3: 2, 1",
                "B2.c1_d 2: 1, 1",
                "B2.c1_r 5: 1, 2",
                "B2.c2_d 2: 1, 1",
                "B2.c2_r 5: 1, 2",
                "B2.c3_d 2: 1, 1",
                "B2.c3_r 5: 1, 1",
                "B2.c4 2: 1, 1",
                "B2.c5 5: 1, 2",
                "B2.esa.conv1 3: 1, 2",
                "B2.esa.conv2 3: 1, 1",
                "B2.esa.conv_max 3: 1, 1",
                "B2.esa.conv3 3: 1, 1",
                "B2.esa.conv3_ 3: 2, 1",
                "c.0 5: 1, 1",
            ],
        ),
        ("srvgg prelu_x2", &["body.0 5: 1, 1", "body.2 5: 1, 1", "body.4 5: 1, 1"]),
        (
            "rrdb trunk_x2",
            &[
                "conv_first 3: 5, 17",
                "RRDB_trunk.0.RDB1.conv1 2: 1, 4",
                "RRDB_trunk.0.RDB1.conv2 2: 1, 3",
                "RRDB_trunk.0.RDB1.conv3 2: 1, 2",
                "RRDB_trunk.0.RDB1.conv4 2: 1, 1",
                "RRDB_trunk.0.RDB2.conv1 2: 1, 4",
                "RRDB_trunk.0.RDB2.conv2 2: 1, 3",
                "RRDB_trunk.0.RDB2.conv3 2: 1, 2",
                "RRDB_trunk.0.RDB2.conv4 2: 1, 1",
                "RRDB_trunk.0.RDB3.conv1 2: 1, 4",
                "RRDB_trunk.0.RDB3.conv2 2: 1, 3",
                "RRDB_trunk.0.RDB3.conv3 2: 1, 2",
                "RRDB_trunk.0.RDB3.conv4 2: 1, 1",
                "upconv1 3: 1, 1",
                "HRconv 3: 1, 1",
            ],
        ),
        (
            "acnet single_x2",
            &[
                "conv1 5: 17, 18",
                "upsample.up.body.0 5: 2, 2",
                "conv18_1.0 5: 1, 1",
                "conv19_1.0 5: 2, 1",
                "conv18_2.0 5: 1, 1",
                "conv20.0 5: 1, 1",
                "conv21.0 5: 1, 1",
            ],
        ),
        (
            "span plain_x1",
            &[
                "conv_1 3: 3, 4",
                "block_1.c1_r 3: 1, 1",
                "block_1.c2_r 3: 1, 1",
                "block_2.c1_r 3: 1, 2",
                "block_2.c2_r 3: 1, 1",
                "conv_2 3: 1, 1",
                "conv_cat 3: 1, 1",
            ],
        ),
        (
            "span branches_x3_unnormed",
            &[
                "conv_1 3: 2, 3",
                "block_1.c1_r 3: 1, 2",
                "block_1.c2_r 3: 1, 1",
                "conv_2 3: 1, 1",
                "conv_cat 3: 1, 1",
            ],
        ),
        ("carn carn_m_x4", &["b1.c3.body.0 6: 1, 3", "b2.c3.body.0 6: 1, 2", "b3.c3.body.0 6: 1, 1"]),
        ("smsr x2", &[]),
    ];
    for (name, expected) in rows {
        assert_eq!(told(&channels(&network(name))), expected, "{name}");
    }
}

/// A convolution with bias.
fn conv(b: &mut Builder, name: &str, x: Value, out: usize, op: Conv2d) -> Value {
    let within = b.shape(x).channels / op.groups;
    let weight = seeded::parameter([out, within, op.kernel, op.kernel], seeded::seed(name));
    let bias = seeded::parameter([out], seeded::seed(name) + 1);
    let weights = seeded::weighted(b, name, &weight, Some(&bias)).unwrap();
    b.conv2d(name, x, weights, op).unwrap()
}

/// What stands between the convolution `a`, of 4 channels, and the last one.
type Between = fn(&mut Builder, Value) -> Result<Value>;

/// Every operator between two convolutions: the groups, then what stays but for the result.
#[rustfmt::skip]
const BETWEEN: &[(&str, Between, &[&str], &[&str])] = &[
    ("nothing", |_, x| Ok(x), &["a 4: 1, 1"], &[]),
    ("activations", |b, x| {
        let ops = [Activation::Relu, Activation::LeakyRelu { slope: 0.1 }, Activation::Gelu, Activation::Silu, Activation::Tanh];
        ops.into_iter().try_fold(x, |x, op| b.activation("act", x, op))
    }, &["a 4: 1, 1"], &[]),
    ("slopes", |b, x| seeded::activation(b, "prelu", x, Activation::Prelu, 4), &["a 4: 1, 1"], &[]),
    ("one slope", |b, x| seeded::activation(b, "prelu", x, Activation::Prelu, 1), &["a 4: 1, 1"], &[]),
    ("a sigmoid that is read", |b, x| b.activation("act", x, Activation::Sigmoid), &[], &["a 4: not zero where they are read"]),
    ("a sigmoid that multiplies", |b, x| {
        let y = b.activation("act", x, Activation::Sigmoid)?;
        b.multiply("times", x, y)
    }, &["a 4: 1, 1"], &[]),
    ("a gate", |b, x| {
        let y = b.global_average_pool("mean", x)?;
        let y = conv(b, "down", y, 2, Conv2d::same(1));
        let y = conv(b, "up", y, 4, Conv2d::same(1));
        let y = b.activation("act", y, Activation::Sigmoid)?;
        b.multiply("times", x, y)
    }, &["a 4: 1, 2", "down 2: 1, 1"], &[]),
    ("a gate in front", |b, x| {
        let y = conv(b, "gate", x, 4, Conv2d::same(1));
        let y = b.activation("act", y, Activation::Sigmoid)?;
        b.multiply("times", y, x)
    }, &["a 4: 1, 2"], &[]),
    ("a mask", |b, x| {
        let y = conv(b, "mask", x, 1, Conv2d::same(1));
        b.multiply("times", x, y)
    }, &["a 4: 1, 2"], &[]),
    ("a sum", |b, x| {
        let y = conv(b, "b", x, 4, Conv2d::same(1));
        b.add("sum", x, y)
    }, &["a 4: 2, 2"], &[]),
    ("a difference", |b, x| {
        let y = conv(b, "b", x, 4, Conv2d::same(1));
        b.binary("sum", BinaryKind::Subtract, x, y)
    }, &["a 4: 2, 2"], &[]),
    ("a quotient", |b, x| {
        let y = conv(b, "b", x, 4, Conv2d::same(1));
        b.binary("quotient", BinaryKind::Divide, x, y)
    }, &[], &["a 4: divided by", "b 4: divided by"]),
    ("a number that is added", |b, x| {
        let one = b.number("one", 1.0)?;
        b.add("sum", x, one)
    }, &[], &["a 4: not zero where they are read"]),
    ("a number that is learnt and added", |b, x| {
        let own = b.parameter("own", &seeded::parameter([4], 1))?;
        b.add("sum", x, own)
    }, &["a 4: 1, 1"], &[]),
    ("fixed weights", |b, x| {
        let weight = seeded::noise(Shape::new(4, 4, 1, 1), 1);
        let weight = b.append("fixed.weight", Op::Constant(Constant::new(weight)), &[])?;
        b.conv2d("fixed", x, weight, Conv2d::same(1))
    }, &[], &["a 4: among fixed numbers", "fixed 4: among fixed numbers"]),
    ("depthwise", |b, x| Ok(conv(b, "dw", x, 4, Conv2d { groups: 4, ..Conv2d::same(3) })), &["a 4: 1, 1"], &[]),
    ("in two groups", |b, x| Ok(conv(b, "two", x, 4, Conv2d { groups: 2, ..Conv2d::same(3) })),
        &[], &["a 4: in groups of channels", "two 4: in groups of channels"]),
    ("depthwise to twice as many", |b, x| Ok(conv(b, "two", x, 8, Conv2d { groups: 4, ..Conv2d::same(3) })),
        &[], &["a 4: in groups of channels", "two 8: in groups of channels"]),
    ("transposed and back", |b, x| {
        let weight = b.parameter("up.weight", &seeded::parameter([4, 3, 3, 3], 1))?;
        let up = ConvTranspose2d { kernel: 3, stride: 2, padding: 1, output_padding: 1 };
        let y = b.append("up", Op::ConvTranspose2d(up), &[x, weight])?;
        b.append("pool", Op::AveragePool(AveragePool { size: 2 }), &[y])
    }, &["a 4: 1, 1", "up 3: 1, 1"], &[]),
    ("normalised", |b, x| {
        let v = b.parameter("wn.weight_v", &seeded::parameter([5, 4, 3, 3], 1))?;
        let g = b.parameter("wn.weight_g", &seeded::parameter([5, 1, 1, 1], 2))?;
        let weight = b.weight("wn.weight", WeightOperation::Norm, &[v, g])?;
        b.conv2d("wn", x, weight, Conv2d::same(3))
    }, &["a 4: 1, 1", "wn 5: 1, 1"], &[]),
    ("unshuffled and shuffled", |b, x| {
        let y = b.append("apart", Op::PixelUnshuffle(PixelUnshuffle { scale: 2 }), &[x])?;
        b.pixel_shuffle("together", y, 2)
    }, &["a 4: 1, 1"], &[]),
    ("shuffled", |b, x| {
        let y = b.pixel_shuffle("together", x, 2)?;
        b.append("pool", Op::AveragePool(AveragePool { size: 2 }), &[y])
    }, &["a 1: 1, 1"], &[]),
    ("pooled and enlarged", |b, x| {
        let y = b.append("pool", Op::MaxPool(MaxPool { size: 3, stride: 2 }), &[x])?;
        b.resize_to("large", y, ResizeKind::Bilinear, x)
    }, &["a 4: 1, 1"], &[]),
    ("its deviation", |b, x| {
        let y = b.global_pool("deviation", x, GlobalPoolKind::Deviation)?;
        b.add("sum", x, y)
    }, &["a 4: 1, 1"], &[]),
    ("side by side, and a part", |b, x| {
        let y = conv(b, "b", x, 3, Conv2d::same(1));
        let y = b.concat("cat", &[x, y])?;
        b.slice("part", y, 3, 3)
    }, &["a[0..3] 3: 1, 1", "a[3..4] 1: 1, 2", "b[0..2] 2: 1, 1", "b[2..3] 1: 1, 0"], &[]),
    ("layer norm", |b, x| {
        let of = |b: &mut Builder, name| b.parameter(name, &seeded::parameter([4], 1));
        let [weight, bias] = [of(b, "ln.weight")?, of(b, "ln.bias")?];
        b.append("ln", Op::LayerNorm(LayerNorm { epsilon: 1e-5 }), &[x, weight, bias])
    }, &[], &["a 4: under layer normalisation"]),
    ("attention", |b, x| {
        let qkv = conv(b, "qkv", x, 12, Conv2d::same(1));
        let table = b.parameter("table", &seeded::parameter([49, 2], 1))?;
        let op = Attention { heads: 2, scale: 1.0, among: Among::squares(4, 0) };
        b.append("attention", Op::Attention(op), &[qkv, table])
    }, &["a 4: 1, 1"], &["qkv 12: in heads of attention"]),
];

#[test]
fn every_operator_ties_or_says_why_it_does_not() {
    for (name, between, groups, stays) in BETWEEN {
        let (mut b, x) = Builder::new(*name, Shape::new(1, 3, 8, 8), 1.0);
        let x = conv(&mut b, "a", x, 4, Conv2d::same(3));
        let x = between(&mut b, x).unwrap();
        let y = conv(&mut b, "last", x, 3, Conv2d::same(3));
        let (graph, parameters) = b.finish(y).unwrap();
        let channels = Channels::of(&graph);
        assert_eq!(told(&channels), *groups, "{name}");
        let fixed =
            channels.fixed().iter().map(|fixed| format!("{} {}: {}", fixed.name, fixed.channels, fixed.why));
        let fixed: Vec<String> =
            fixed.filter(|fixed| fixed != "last 3: of the result" && !fixed.starts_with("mask")).collect();
        assert_eq!(fixed, *stays, "{name}");

        let numbers: Vec<Vec<usize>> =
            channels.groups().iter().map(|group| (0..group.channels).step_by(2).collect()).collect();
        let kept = Kept::new(&channels, &numbers).unwrap();
        let narrowed = (
            graph.narrowed(&channels, &kept).unwrap(),
            parameters.narrowed(&graph, &channels, &kept).unwrap(),
        );
        let whole: BTreeMap<String, Parameter> =
            parameters.iter().map(|(name, numbers)| (name.to_owned(), numbers)).collect();
        let name_of = |id| parameters.name(id).to_owned();
        let zeroed = parameters.with(zeroed(whole, &name_of, &channels, &kept)).unwrap();
        let picture = seeded::noise(Shape::new(1, 3, 8, 8), 3);
        let run = |graph, parameters| {
            cpu::run_all(graph, parameters, &[&picture], &mut cpu::Buffers::default()).unwrap().remove(0)
        };
        compare::close(&run(&narrowed.0, &narrowed.1), &run(&graph, &zeroed), 1e-5)
            .unwrap_or_else(|reason| panic!("{name}: {reason}"));
    }
}

#[test]
fn sliced_networks_are_what_the_whole_ones_are_with_zeros() {
    let mut pruned = BTreeMap::<String, usize>::new();
    for Golden { model, architecture, .. } in golden::all() {
        let channels = channels(&model);
        if channels.groups().is_empty() {
            continue; // one of several scales in a file that cannot hold it alone; masks
        }
        *pruned.entry(architecture).or_insert(0) += channels.groups().len();
        for seed in 0..2 {
            let kept = some(&channels, seed);
            let whole = with_zeros(&model, &channels, &kept);
            let sliced = prune::sliced(&whole, &channels, &kept);
            let sliced = sliced.unwrap_or_else(|error| panic!("{}: {error}", model.name()));
            compare::close(&output(&sliced), &output(&whole), 1e-5)
                .unwrap_or_else(|reason| panic!("{}: {reason}", model.name()));

            let bytes = sliced.to_safetensors(Stored::F32).unwrap();
            let read =
                Model::from_weights(model.name(), Weights::from_bytes("sliced", &bytes).unwrap()).unwrap();
            assert_eq!(read.architecture(), model.architecture());
            assert_eq!(output(&read).values(), output(&sliced).values(), "{}", model.name());
        }
    }
    assert_eq!(pruned.len(), 17, "every architecture but SMSR: {pruned:?}");
}

#[test]
fn sliced_networks_run_on_a_gpu() {
    let Some(gpu) = adapter::gpu("prune: sliced_networks_run_on_a_gpu") else { return };
    for name in ["edsr pytorch_x2", "rcan basicsr_x3", "ledsr torch_weight_norm"] {
        let model = network(name);
        let channels = channels(&model);
        let kept = some(&channels, 5);
        let whole = with_zeros(&model, &channels, &kept);
        let sliced = prune::sliced(&whole, &channels, &kept).unwrap();
        let picture = picture(&sliced);
        let graph = sliced.graph(picture.shape()).unwrap();
        let plan = Plan::new(&graph, &Options::default(), gpu.limits()).unwrap();
        let mut session = Session::new(&gpu, &plan, sliced.net().numbers()).unwrap();
        compare::close(&session.run_tensor(&picture).unwrap(), &output(&whole), 1e-5)
            .unwrap_or_else(|reason| panic!("{name}: {reason}"));
    }
}

/// What groups are called, without the ranges of those that lie side by side.
fn names(channels: &Channels) -> Vec<&str> {
    channels.groups().iter().filter_map(|group| group.name.split('[').next()).collect()
}

/// Whatever is chosen, what comes out is read again, or the choice is refused.
#[test]
fn no_choice_makes_an_unreadable_checkpoint() {
    for Golden { model, .. } in golden::all() {
        let channels = channels(&model);
        for seed in (10..14).filter(|_| !channels.groups().is_empty()) {
            let kept = some(&channels, seed);
            let sliced = prune::sliced(&model, &channels, &kept);
            let sliced =
                sliced.unwrap_or_else(|error| panic!("{}: {:?}: {error}", model.name(), kept.counts()));
            let narrower = self::channels(&sliced);
            let counts: Vec<usize> = narrower.groups().iter().map(|group| group.channels).collect();
            // Of one channel a depthwise convolution is an ordinary one, and the groups are others.
            if names(&narrower) == names(&channels) {
                assert_eq!(counts, kept.counts(), "{}", model.name());
            }
        }
    }
}

#[test]
fn scores_are_shares_of_the_layers_mean_summed_over_what_makes_a_channel() {
    let model = network("edsr pytorch_x2");
    let channels = channels(&model);
    let shares = |name: &str, rows: usize| {
        let weight = model.weights().get(name).unwrap();
        let norms: Vec<f32> = weight
            .values()
            .chunks(weight.values().len() / weight.dims()[0])
            .map(|filter| filter.iter().map(|number| number.abs()).sum())
            .collect();
        let mean = norms.iter().sum::<f32>() / norms.len() as f32;
        norms.chunks(rows).map(|norms| norms.iter().sum::<f32>() / mean).collect::<Vec<f32>>()
    };
    let skip = ["head.0.weight", "body.0.body.2.weight", "body.1.body.2.weight", "body.2.weight"]
        .map(|name| shares(name, 1));
    let skip = (0..6).map(|at| skip.iter().map(|shares| shares[at]).sum::<f32>()).collect::<Vec<f32>>();
    let within = |block| shares(&format!("body.{block}.body.0.weight"), 1);
    let expected = [skip, within(0), within(1), shares("tail.0.0.weight", 4)];
    let found = prune::l1(&model, &channels).unwrap();
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - f64::from(*expected)).abs() < 1e-4, "{found} {expected}");
    }
    assert_eq!(prune::best(&channels, &found, &[2, 1, 6, 3]).unwrap().counts(), [2, 1, 6, 3]);
    let lots = prune::random(&channels, 7);
    assert_eq!(lots, prune::random(&channels, 7));
    assert_ne!(lots, prune::random(&channels, 8));
}

#[test]
fn magnitudes_count_in_scores() {
    let model = network("ledsr torch_weight_norm");
    let channels = channels(&model);
    let [g, v] =
        ["weight_g", "weight_v"].map(|part| model.weights().get(&format!("body.0.body.0.{part}")).unwrap());
    let norms: Vec<f64> = v
        .values()
        .chunks(v.values().len() / 6)
        .zip(g.values())
        .map(|(filter, g)| {
            let length = filter.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            filter.iter().map(|x| f64::from(x.abs())).sum::<f64>() * f64::from(g.abs()) / length
        })
        .collect();
    let mean = norms.iter().sum::<f64>() / 6.0;
    let found = &prune::l1(&model, &channels).unwrap()[1];
    for (found, norm) in found.iter().zip(&norms) {
        assert!((found - norm / mean).abs() < 1e-4, "{found} {norm}");
    }
}

#[test]
fn targets_are_just_met() {
    let picture = [1280, 720];
    let config = edsr::Config { channels: 24, upsampled: 24, blocks: 4, ..seeded::TINY_EDSR };
    let model = Model::from_weights("seeded", seeded::edsr(&config)).unwrap();
    let channels = channels(&model);
    let cost = |counts: &[usize]| {
        let kept: Vec<Vec<usize>> = counts.iter().map(|count| (0..*count).collect()).collect();
        prune::cost(&model, &channels, &Kept::new(&channels, &kept).unwrap(), picture).unwrap()
    };
    let counts = |target| prune::counts(&model, &channels, target, picture);
    let whole = cost(&[24; 6]);
    assert_eq!(whole.parameters, model.parameters() as u64);
    assert_eq!(whole.macs, model.graph(Shape::new(1, 3, 360, 640)).unwrap().macs().total());
    assert_eq!(counts(Target::Keep(0.5)).unwrap(), [12; 6]);
    assert_eq!(counts(Target::Keep(0.01)).unwrap(), [1; 6]);
    for share in [0.1, 0.3, 0.9] {
        let most = (share * whole.macs as f64) as u64;
        let found = counts(Target::Macs(most)).unwrap();
        assert!(cost(&found).macs <= most && cost(&[found[0] + 1; 6]).macs > most, "{found:?}");
        let most = (share * whole.parameters as f64) as u64;
        let found = counts(Target::Parameters(most)).unwrap();
        assert!(cost(&found).parameters <= most && cost(&[found[0] + 1; 6]).parameters > most, "{found:?}");
    }
    for (target, expected) in [
        (Target::Keep(0.0), "expected a share to keep above 0 and at most 1, found 0"),
        (Target::Keep(1.5), "expected a share to keep above 0 and at most 1, found 1.5"),
        (
            Target::Parameters(10),
            "expected at least 212 parameters, what is left with one channel a group, and fewer than",
        ),
        (
            Target::Macs(u64::MAX),
            "multiply-adds, what is left with one channel a group, and fewer than the network's",
        ),
    ] {
        let message = counts(target).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

/// The sizes of EDSRmini tell that residuals count twice; others tell that they count once.
#[test]
fn what_sizes_told_is_told_by_metadata() {
    let config = edsr::Config { channels: 16, upsampled: 16, blocks: 8, res_scale: 2.0, ..seeded::TINY_EDSR };
    let wide = edsr::Config { channels: 20, upsampled: 20, res_scale: 1.0, ..config };
    for (config, expected) in [
        (config, "8 residual blocks, 8 channels, residuals times 2"),
        (wide, "8 residual blocks, 16 channels"),
    ] {
        let model = Model::from_weights(
            "seeded",
            seeded::edsr(&config).with_metadata([("psnr_y", "37"), ("note", "kept")]),
        )
        .unwrap();
        let channels = channels(&model);
        let count = if config.channels == 16 { 8 } else { 16 };
        let kept: Vec<Vec<usize>> = channels.groups().iter().map(|_| (0..count).collect()).collect();
        let sliced = prune::sliced(&model, &channels, &Kept::new(&channels, &kept).unwrap()).unwrap();
        assert_eq!(sliced.description(), expected);
        let metadata = sliced.weights().metadata();
        assert_eq!((metadata.get("note").map(String::as_str), metadata.get("psnr_y")), (Some("kept"), None));
    }
}

#[test]
fn groups_are_left_alone_by_what_makes_them() {
    let model = network("edsr pytorch_x2");
    let [skip, first, second, tail] =
        ["head.0 6: 4, 4", "body.0.body.0 6: 1, 1", "body.1.body.0 6: 1, 1", "tail.0.0 6: 1, 1"];
    let without = |wanted: &str| {
        let is_left =
            |group: &Group| prune::makers(&model, group).iter().any(|name| name.starts_with(wanted));
        let left =
            channels(&model).without(model.net().unfolded(), |group| is_left(group).then_some(Why::Skipped));
        let kept = some(&left, 3);
        prune::sliced(&model, &left, &kept).unwrap();
        told(&left)
    };
    assert_eq!(told(&channels(&model)), [skip, first, second, tail]);
    assert_eq!(without("tail"), [skip, first, second]);
    assert_eq!(without("body.0.body.0.weight"), [skip, second, tail]);
    assert_eq!(without("body.2"), [first, second, tail]);
    assert_eq!(without(""), [""; 0]);
}
