//! Enlarges a picture with the built-in network: `cargo run --release --example upscale -- photo.png photo-x2.png`.

use sparsr::{Gpu, Model, Options, Upscaler};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = std::env::args().skip(1);
    let (Some(from), Some(to)) = (files.next(), files.next()) else {
        return Err("expected two files: the picture, and where the large one goes".into());
    };
    let model = Model::builtin("smsr-x2")?; // or Model::load("model.pth".as_ref())
    let options = Options::default();
    let mut upscaler = match Gpu::new() {
        Ok(gpu) => Upscaler::new(&gpu, &model, options)?, // or Gpu::from_device(device, queue): your own
        Err(_) => Upscaler::on_cpu(&model, options)?,
    };
    let large = upscaler.upscale(&image::open(from)?)?;
    large.save(&to)?;
    println!("{to}, by {}", upscaler.device());
    Ok(())
}
