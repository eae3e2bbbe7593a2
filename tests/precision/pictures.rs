//! Published networks in f16 on Set5: as good as in f32, and nearly the same masks.

use std::path::Path;

use sparsr::low_level::metrics::psnr_y;
use sparsr::{Model, Pixels, Precision, Samples, Upscaled, Upscaler};

use crate::support::{compare, shared_data};
use crate::{gpu, options};

/// What f16 may take away, in dB.
const LOST: f64 = 0.02;

/// The share of mask pixels that may differ.
const FLIPPED: f64 = 1e-3;

/// Checkpoint, scale.
const NETWORKS: &[(&str, usize)] = &[
    ("smsr_x2/smsr_x2.safetensors", 2),
    ("models/imdn_x2/IMDN_x2.pth", 2),
    ("models/rlfn_x4/rlfn_x4.pth", 4),
    ("models/bsrn_x2/net_g_BSRN_x2.pth", 2),
    ("models/carn_m_x2/carn_m.pth", 2),
    ("models/rfdn_aim_x4/RFDN_AIM.pth", 4),
    ("models/rlfn_x2/rlfn_x2.pth", 2),
    ("models/safmn_ntire23_x4/team15_SAFMN.pth", 4),
    ("models/span_ntire25_team46_x4/team46_span.pth", 4),
];

const ALL: [&str; 5] = ["baby.png", "bird.png", "butterfly.png", "head.png", "woman.png"];

/// The variable that asks for all networks and all of Set5: for every day three and one picture are enough.
const EVERY: &str = "SPARSR_SET5";

fn read(path: &Path) -> Pixels {
    let rgb = image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).to_rgb8();
    Pixels::new(rgb.width() as usize, rgb.height() as usize, Samples::U8(rgb.into_raw())).unwrap()
}

/// How many mask pixels differ, and of how many.
fn flips(a: &Upscaled, b: &Upscaled) -> [usize; 2] {
    let pairs = a.masks.iter().zip(&b.masks).flat_map(|(a, b)| a.active.iter().zip(&b.active));
    let (all, flipped): (Vec<_>, Vec<_>) = pairs.partition(|(a, b)| a == b);
    [flipped.len(), flipped.len() + all.len()]
}

#[test]
fn published_networks_are_as_good_in_f16() {
    let test = "published_networks_are_as_good_in_f16";
    let (Some(gpu), Some(set5)) = (gpu(test), shared_data::path(test, "set5")) else { return };
    let every = std::env::var_os(EVERY).is_some();
    let (networks, pictures) = if every { (NETWORKS, &ALL[..]) } else { (&NETWORKS[..3], &ALL[2..3]) };
    for (file, scale) in networks {
        let Some(path) = shared_data::path(test, file) else { continue };
        let model = Model::load(&path).and_then(|model| model.at_scale(*scale)).unwrap();
        let mut cpu = Upscaler::on_cpu(&model, options(Precision::Auto)).unwrap();
        let mut device = Upscaler::new(&gpu, &model, options(Precision::F16)).unwrap();
        let (mut sums, mut closest, mut flipped) = ([0.0; 2], f64::INFINITY, [0; 2]);
        for name in pictures {
            let [large, small] = ["HR".into(), format!("LR_x{scale}")]
                .map(|folder: String| read(&set5.join(folder).join(name)));
            let made = [&mut cpu, &mut device].map(|upscaler| upscaler.upscale_pixels(&small).unwrap());
            let truth = large.part(0..made[0].pixels.width(), 0..made[0].pixels.height()).unwrap();
            for (sum, made) in sums.iter_mut().zip(&made) {
                *sum += psnr_y(&made.pixels, &truth, *scale) / pictures.len() as f64;
            }
            closest = closest.min(compare::apart(&made[0].pixels, &made[1].pixels).psnr);
            let found = flips(&made[0], &made[1]);
            flipped = [flipped[0] + found[0], flipped[1] + found[1]];
        }
        let [wide, half] = sums;
        let [found, of] = flipped;
        println!(
            "{file}: {wide:.4} dB in f32, {half:.4} in f16 ({:+.4}), {closest:.1} dB apart, {found} of {of} mask pixels differ",
            half - wide
        );
        assert!((half - wide).abs() < LOST, "{file}: {wide:.4} dB in f32, {half:.4} in f16");
        assert!(found as f64 <= FLIPPED * of as f64, "{file}: {found} of {of} mask pixels differ");
    }
}
