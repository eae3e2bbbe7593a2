//! Pictures and models that benches run on: ours, made ones, and others' where their folder lies beside the
//! checkout.

use std::path::Path;

use sparsr::{Model, Pixels, Samples};

use super::{seeded, shared_data};

/// The test suite's photograph.
pub fn harbour() -> Pixels {
    // In the program, so that a bench can be carried to a machine without the sources.
    let file = include_bytes!("../../tests/pictures/harbour.png");
    decoded(image::load_from_memory(file).expect("a PNG file of ours"))
}

/// A picture continued by its mirror images, or cropped, to a size.
pub fn mirrored(picture: &Pixels, width: usize, height: usize) -> Pixels {
    let Samples::U8(samples) = picture.samples() else { panic!("a picture of 8 bits") };
    let at = |place: usize, side: usize| {
        let place = place % (2 * side);
        if place < side { place } else { 2 * side - 1 - place }
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let firsts = places.map(|(x, y)| at(y, picture.height()) * picture.width() + at(x, picture.width()));
    let samples = firsts.flat_map(|pixel| samples[3 * pixel..3 * pixel + 3].to_vec()).collect();
    Pixels::new(width, height, Samples::U8(samples)).unwrap()
}

/// One colour: nothing to do for a sparse network.
pub fn flat(width: usize, height: usize) -> Pixels {
    Pixels::new(width, height, Samples::U8([90, 120, 150].repeat(width * height))).unwrap()
}

/// Noise: texture everywhere.
pub fn noise(width: usize, height: usize) -> Pixels {
    seeded::picture(width, height, 5)
}

/// A smooth half beside a textured one.
pub fn halves(width: usize, height: usize) -> Pixels {
    let noise = seeded::numbers(7, width * height);
    let mut samples = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let smooth = 0.5 + 0.3 * (3.0 * u + 2.0 * v).sin();
            let texture = 0.25 * (1.3 * x as f32).sin() * (1.1 * y as f32).cos() + 0.1 * noise[y * width + x];
            let value = smooth + if u < 0.5 { 0.0 } else { texture };
            samples.extend([1.0, 0.9, 0.8].map(|tint| (255.0 * tint * value).round() as u8)); // saturates
        }
    }
    Pixels::new(width, height, Samples::U8(samples)).unwrap()
}

/// The SMSR authors' x2 network and Set5 at half its size; `None`, said aloud, where the folder is absent.
pub fn authors(bench: &str) -> Option<(Model, Vec<(&'static str, Pixels)>)> {
    let model = shared_data::path(bench, "smsr_x2/smsr_x2.safetensors")?;
    let folder = shared_data::path(bench, "set5/LR_x2")?;
    let model = Model::load(&model).expect("a checkpoint of the authors");
    let names = ["baby", "bird", "butterfly", "head", "woman"];
    Some((model, names.map(|name| (name, open(&folder.join(format!("{name}.png"))))).to_vec()))
}

/// The middle of a picture, at most so large.
pub fn middle(picture: &Pixels, most_wide: usize, most_high: usize) -> Pixels {
    let (width, height) = (picture.width().min(most_wide), picture.height().min(most_high));
    let (left, top) = ((picture.width() - width) / 2, (picture.height() - height) / 2);
    picture.part(left..left + width, top..top + height).unwrap()
}

fn open(path: &Path) -> Pixels {
    decoded(image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn decoded(picture: image::DynamicImage) -> Pixels {
    let picture = picture.into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Pixels::new(width, height, Samples::U8(picture.into_raw())).unwrap()
}
