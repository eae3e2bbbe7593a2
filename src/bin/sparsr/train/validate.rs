//! How good the network is meanwhile: PSNR and SSIM of Y on the validation pictures, through the library's tiles, and
//! previews beside bicubic.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageFormat, Rgb, RgbImage, imageops};
use sparsr::learn::data::through_jpeg;
use sparsr::low_level::metrics::{SSIM_WINDOW, psnr_y, resize_bicubic_matlab, ssim_y};
use sparsr::{Cancel, Model, Options, Pixels, Samples, Upscaler};

use super::machine::Machine;
use super::settings::Settings;
use crate::Result;
use crate::eval::{pictures_in, small_picture, stem};
use crate::files::rgb8;

/// Columns and rows of a preview's half, at most.
const PREVIEW: u32 = 320;

/// White between the halves.
const GAP: u32 = 4;

pub struct Validation<'a> {
    machine: &'a Machine,
    pictures: Vec<Picture>,
    border: usize,
    /// The mean of what bicubic reaches.
    pub bicubic: Figures,
    upscaler: Option<Upscaler>,
    cancel: Cancel,
}

struct Picture {
    name: String,
    low: Pixels,
    high: Pixels,
    bicubic: Pixels,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    pub psnr_y: f64,
    pub ssim_y: f64,
}

/// A picture's name and its preview.
pub type Preview = (String, Vec<u8>);

impl<'a> Validation<'a> {
    /// Reads the pictures; nothing, if there are none to be.
    pub fn open(settings: &Settings, machine: &'a Machine, cancel: &Cancel) -> Result<Option<Self>> {
        let (roots, scale, border) =
            (&settings.config.datasets.val, settings.config.scale as usize, settings.border());
        let mut pictures = Vec::new();
        for (number, folder) in roots.dataroot_gt.iter().enumerate() {
            let small =
                roots.dataroot_lq.get(number).map(|folder| pictures_in(Path::new(folder))).transpose()?;
            for path in pictures_in(Path::new(folder))? {
                let picture = Picture::read(&path, small.as_deref(), scale, border)?;
                match &roots.jpeg_quality[..] {
                    [] => pictures.push(picture),
                    all => pictures.extend(picture.through_jpegs(all)?),
                }
            }
        }
        if pictures.is_empty() {
            return Ok(None);
        }
        let bicubic = mean(pictures.iter().map(|picture| picture.figures(&picture.bicubic, border)));
        Ok(Some(Self { machine, pictures, border, bicubic, upscaler: None, cancel: cancel.clone() }))
    }

    /// The mean of what the network reaches, and a preview of each picture if they are wanted.
    pub fn measure(&mut self, model: &Model, with_previews: bool) -> Result<(Figures, Vec<Preview>)> {
        let upscaler = match &mut self.upscaler {
            Some(upscaler) => {
                upscaler.set_model(model)?;
                upscaler
            }
            none => {
                let mut options = Options::default();
                options.control.cancel = self.cancel.clone();
                none.insert(self.machine.upscaler(model, options)?)
            }
        };
        let (mut figures, mut previews) = (Vec::new(), Vec::new());
        for picture in &self.pictures {
            let large = upscaler.upscale_pixels(&picture.low)?.pixels;
            figures.push(picture.figures(&large, self.border));
            if with_previews {
                previews.push((picture.name.clone(), preview(&picture.bicubic, &large)?));
            }
        }
        Ok((mean(figures.into_iter()), previews))
    }

    pub fn len(&self) -> usize {
        self.pictures.len()
    }
}

impl Picture {
    fn read(path: &Path, small: Option<&[PathBuf]>, scale: usize, border: usize) -> Result<Self> {
        let high = rgb8(path)?;
        let [width, height] = [high.width() / scale, high.height() / scale];
        let needed = SSIM_WINDOW + 2 * border;
        if width.min(height) * scale < needed {
            return Err(format!("{}: SSIM needs at least {needed} pixels a side", path.display()).into());
        }
        let high = high.part(0..width * scale, 0..height * scale)?;
        let low = match small {
            None => resize_bicubic_matlab(&high, width, height),
            Some(small) => small_picture(path, small, scale, [width, height])?,
        };
        let bicubic = resize_bicubic_matlab(&low, high.width(), high.height());
        Ok(Self { name: stem(path), low, high, bicubic })
    }

    /// The same as each of these JPEGs leaves it.
    fn through_jpegs(&self, qualities: &[u64]) -> Result<Vec<Self>> {
        let jpeg = |quality: &u64| {
            let low = through_jpeg(&self.low, *quality as u8, true)?;
            let bicubic = resize_bicubic_matlab(&low, self.high.width(), self.high.height());
            Ok(Self { name: format!("{}-q{quality}", self.name), low, high: self.high.clone(), bicubic })
        };
        qualities.iter().map(jpeg).collect()
    }

    fn figures(&self, large: &Pixels, border: usize) -> Figures {
        Figures { psnr_y: psnr_y(large, &self.high, border), ssim_y: ssim_y(large, &self.high, border) }
    }
}

fn mean(figures: impl ExactSizeIterator<Item = Figures>) -> Figures {
    let count = figures.len() as f64;
    figures.fold(Figures::default(), |sum, one| Figures {
        psnr_y: sum.psnr_y + one.psnr_y / count,
        ssim_y: sum.ssim_y + one.ssim_y / count,
    })
}

/// The middle of both, side by side, as a PNG.
fn preview(bicubic: &Pixels, network: &Pixels) -> Result<Vec<u8>> {
    let (left, right) = (middle(bicubic)?, middle(network)?);
    let (width, height) = left.dimensions();
    let mut both = RgbImage::from_pixel(2 * width + GAP, height, Rgb([255; 3]));
    imageops::replace(&mut both, &left, 0, 0);
    imageops::replace(&mut both, &right, (width + GAP).into(), 0);
    let mut bytes = Cursor::new(Vec::new());
    both.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn middle(pixels: &Pixels) -> Result<RgbImage> {
    let span = |side: usize| {
        let kept = side.min(PREVIEW as usize);
        (side - kept) / 2..(side + kept) / 2
    };
    let part = pixels.part(span(pixels.width()), span(pixels.height()))?;
    let samples = match part.samples() {
        Samples::U8(samples) => samples.clone(),
        Samples::U16(samples) => samples.iter().map(|sample| (sample >> 8) as u8).collect(),
    };
    Ok(RgbImage::from_raw(part.width() as u32, part.height() as u32, samples).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_has_the_middle_of_both() {
        let plane = |gray: u8| Pixels::new(401, 30, Samples::U8(vec![gray; 3 * 401 * 30])).unwrap();
        let image = image::load_from_memory(&preview(&plane(10), &plane(200)).unwrap()).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (2 * PREVIEW + GAP, 30));
        let row = [0, PREVIEW - 1, PREVIEW, PREVIEW + GAP - 1, PREVIEW + GAP, 2 * PREVIEW + GAP - 1];
        assert_eq!(row.map(|x| image.get_pixel(x, 29)[0]), [10, 10, 255, 255, 200, 200]);
    }

    #[test]
    fn a_mean_is_a_mean() {
        let figures = [(30.0, 0.9), (34.0, 0.8)].map(|(psnr_y, ssim_y)| Figures { psnr_y, ssim_y });
        let Figures { psnr_y, ssim_y } = mean(figures.into_iter());
        assert!((psnr_y - 32.0).abs() < 1e-12 && (ssim_y - 0.85).abs() < 1e-12);
    }
}
