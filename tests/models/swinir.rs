//! SwinIR: what its tensors tell, what it costs, how far it looks.

use sparsr::Model;
use sparsr::low_level::graph::ReceptiveField;
use sparsr::low_level::models::Convention;
use sparsr::low_level::models::swinir::{Config, Upsampler};
use sparsr::low_level::tensor::{Parameter, Shape};
use sparsr::low_level::weights::Weights;

use crate::support::seeded;

/// As published: channels, blocks of so many layers each, six heads, windows of 8×8.
fn published(channels: usize, blocks: usize, depth: usize, upsampler: Upsampler, scale: usize) -> Config {
    let (depths, heads) = (vec![depth; blocks], vec![6; blocks]);
    Config { channels, depths, heads, window: 8, upsampler, scale, ..seeded::tiny_swinir() }
}

fn light(scale: usize) -> Config {
    published(60, 4, 6, Upsampler::PixelShuffleDirect, scale)
}

fn mini(scale: usize) -> Config {
    published(24, 3, 4, Upsampler::PixelShuffleDirect, scale)
}

fn classical(scale: usize) -> Config {
    published(180, 6, 6, Upsampler::PixelShuffle, scale)
}

#[test]
fn sizes_are_read_off_the_tensors() {
    let tiny = seeded::tiny_swinir();
    let ends = |upsampler, scale| Config { upsampler, scale, ..tiny.clone() };
    let no_mean = Convention { white: 1.0, mean: [0.0; 3] };
    let gray = |upsampler, scale| Config { colours: 1, convention: no_mean, ..ends(upsampler, scale) };
    // The network for JPEG's traces is told by its windows.
    let jpeg = |config: Config| {
        let convention = Convention { white: 255.0, ..config.convention };
        Config { window: 7, convention, ..config }
    };
    let rows = [
        tiny.clone(),
        ends(Upsampler::Residual, 1),
        jpeg(ends(Upsampler::Residual, 1)),
        gray(Upsampler::Residual, 1),
        jpeg(gray(Upsampler::Residual, 1)),
        gray(Upsampler::PixelShuffleDirect, 2),
        gray(Upsampler::PixelShuffle, 4),
        ends(Upsampler::PixelShuffleDirect, 3),
        ends(Upsampler::PixelShuffleDirect, 4),
        ends(Upsampler::PixelShuffle, 2),
        ends(Upsampler::PixelShuffle, 3),
        ends(Upsampler::PixelShuffle, 4),
        ends(Upsampler::PixelShuffle, 8),
        ends(Upsampler::NearestConv, 2),
        ends(Upsampler::NearestConv, 4),
        Config { window: 7, depths: vec![3, 1, 2], heads: vec![1, 2, 3], ..tiny.clone() },
        mini(2),
    ];
    for expected in rows {
        let weights = seeded::swinir(&expected);
        assert_eq!(Config::detect(&weights).unwrap().unwrap(), expected);
        let model = Model::from_weights("seeded", weights).unwrap();
        assert_eq!(model.scales(), [expected.scale]);
        assert_eq!(model.alignment(), expected.window);
    }
    assert!(Config::detect(&seeded::edsr(&seeded::TINY_EDSR)).is_none());
    assert_eq!(
        Model::from_weights("mini", seeded::swinir(&mini(2))).unwrap().description(),
        "4-4-4 transformer layers, 24 channels, windows of 8×8, pixelshuffledirect"
    );
}

#[test]
fn parameters_and_work_are_as_worked_out_by_hand() {
    // Thousands of parameters and 10⁹ multiply-adds for 1280×720 pixels at x2, x3 and x4, and how they are rounded.
    type Row = (fn(usize) -> Config, [[f64; 2]; 3], [[f64; 2]; 3]);
    let rows: [Row; 3] = [
        (light, [[910.2, 240.9], [918.0, 107.9], [930.0, 61.35]], [[0.1, 0.1], [1.0, 0.1], [1.0, 0.01]]),
        (mini, [[98.9, 26.76], [102.0, 12.2], [107.0, 7.1]], [[0.1, 0.01], [1.0, 0.1], [1.0, 0.1]]),
        (classical, [[11_750.0, 2872.0], [11_940.0, 1296.0], [11_900.0, 753.0]], [[10.0, 1.0]; 3]),
    ];
    for (config, figures, units) in rows {
        for ((scale, expected), units) in (2..).zip(figures).zip(units) {
            let model = Model::from_weights("seeded", seeded::swinir(&config(scale))).unwrap();
            let a_window = model.graph(Shape::new(1, 3, 8, 8)).unwrap().macs().total();
            let windows = (1280 * 720) as f64 / (64 * scale * scale) as f64;
            let found = [model.parameters() as f64 / 1e3, a_window as f64 * windows / 1e9];
            for ((found, expected), unit) in found.into_iter().zip(expected).zip(units) {
                assert!(
                    (found - expected).abs() <= unit / 2.0,
                    "{} x{scale}: {found}, and not {expected}",
                    model.description()
                );
            }
        }
    }
}

#[test]
fn masks_that_a_checkpoint_holds_are_not_counted() {
    let plain = seeded::swinir(&seeded::tiny_swinir());
    let mask =
        ("layers.0.residual_group.blocks.1.attn_mask".into(), Parameter::new([4, 16, 16], vec![0.0; 1024]));
    let tensors = plain.iter().map(|(name, parameter)| (name.to_owned(), parameter.clone())).chain([mask]);
    let masked = Weights::new("masked", tensors.collect::<Vec<_>>());
    let [plain, masked] = [plain, masked].map(|weights| Model::from_weights("tiny", weights).unwrap());
    assert_eq!(masked.parameters(), plain.parameters());
}

/// By hand, backwards from a window of 8×8: a shifted layer looks half a window further, the plain one before it as far
/// again. Convolutions between them stay within that, and the first one needs a window more: 8 a pair of layers, and 8.
/// From windows of 4×4 the three last convolutions reach beyond half a window, which costs another.
#[test]
fn windows_look_only_so_far() {
    for (config, alignment, radius) in [(mini(2), 8, 56), (light(2), 8, 104), (seeded::tiny_swinir(), 4, 16)]
    {
        let model = Model::from_weights("seeded", seeded::swinir(&config)).unwrap();
        let graph = model.graph(Shape::new(1, 3, 2 * alignment, 3 * alignment)).unwrap();
        let expected = ReceptiveField { radius, alignment };
        assert_eq!(graph.receptive_field(&[]), Some(expected), "{}", model.description());
    }
}

/// The paper's 878K, 886K and 897K are without the tables of biases.
#[test]
fn the_paper_counts_no_tables() {
    for (scale, expected) in [(2, 878), (3, 886), (4, 897)] {
        let weights = seeded::swinir(&light(scale));
        let tables = weights.iter().filter(|(name, _)| name.ends_with("relative_position_bias_table"));
        let tables: usize = tables.map(|(_, table)| table.values().len()).sum();
        let all = Model::from_weights("seeded", weights).unwrap().parameters();
        assert_eq!((all - tables + 500) / 1000, expected);
    }
}

#[test]
fn a_picture_in_parts_of_windows_is_refused() {
    let model = Model::from_weights("tiny", seeded::swinir(&seeded::tiny_swinir())).unwrap();
    let error = model.graph(Shape::new(1, 3, 8, 6)).unwrap_err().to_string();
    assert_eq!(error, "swinir ×2: expected N×3×H×W, H and W multiples of 4, found 1x3x8x6");
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let tensors = seeded::swinir(&seeded::tiny_swinir());
    let spoilt = |name: &str, dims: Option<&[usize]>| crate::spoilt(&tensors, name, dims);
    let first = "layers.0.residual_group.blocks.0";
    let table = format!("{first}.attn.relative_position_bias_table");
    let second = "layers.1.residual_group.blocks.1.attn.relative_position_bias_table";
    let cases: [(&str, Option<&[usize]>, &str); 7] = [
        (&table, Some(&[48, 2]), "bias_table: expected (2 · window − 1)² rows, found 48"),
        (&table, Some(&[49, 4]), "attention expects three times 4 heads of channels, found 18"),
        (second, Some(&[25, 1]), "expected [49, 1], found [25, 1]"),
        (&format!("{first}.attn.qkv.weight"), Some(&[18, 5]), "qkv.weight: expected [18, 6], found [18, 5]"),
        ("norm.weight", None, "norm.weight: expected a tensor of shape [6], found none"),
        (
            "upsample.0.weight",
            None,
            "expected `upsample.0.weight`, `conv_up1.weight` or `conv_last.weight`, found none",
        ),
        ("upsample.0.weight", Some(&[13, 6, 3, 3]), "expected 3, 12, 27 or 48 output channels"),
    ];
    for (name, dims, expected) in cases {
        let message = spoilt(name, dims);
        assert!(message.contains(expected), "{name}: {message}");
    }
}
