//! Pictures in a host's memory, in every order of channels and every type of samples: the same as [`Pixels`], to the bit, and
//! nothing touched between the rows.

mod support;

use std::fmt::Debug;

use sparsr::{
    Error, Model, Options, Packed, Pixels, Result, Sample, Samples, Tiling, Upscaler, View, ViewMut,
};
use support::seeded;

/// Three bands of rows; no side is a multiple of anything.
const SIZE: [usize; 2] = [37, 150];

/// Orders of three channels.
const COLOURS: [Option<Packed>; 3] = [None, Some(Packed::Rgb), Some(Packed::Bgr)];

fn upscaler(model: &Model, tiling: Tiling) -> Upscaler {
    let mut options = Options::default();
    options.tiling = tiling;
    Upscaler::on_cpu(model, options).unwrap()
}

fn tiny() -> Model {
    Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap()
}

/// A view's memory: one plane or three, of `[width, height]` pixels, with samples between the rows.
#[derive(Clone, Debug, PartialEq)]
struct Memory<T> {
    planes: Vec<Vec<T>>,
    size: [usize; 2],
    order: Option<Packed>,
    stride: usize,
}

/// Whether a sample of a plane is one of a pixel.
fn holds_pixel<T>(memory: &Memory<T>, at: usize) -> bool {
    at % memory.stride < memory.size[0] * memory.order.map_or(1, Packed::samples)
}

impl<T: Sample + PartialEq> Memory<T> {
    /// With `between` samples behind each row but the last, all of them `fill`.
    fn new(size: [usize; 2], order: Option<Packed>, between: usize, fill: T) -> Self {
        let row = size[0] * order.map_or(1, Packed::samples);
        let stride = row + between;
        let planes = vec![vec![fill; stride * (size[1] - 1) + row]; if order.is_some() { 1 } else { 3 }];
        Self { planes, size, order, stride }
    }

    /// Where the sample of a channel, alpha being the fourth, lies.
    fn place(&self, pixel: usize, channel: usize) -> (usize, usize) {
        let (x, y) = (pixel % self.size[0], pixel / self.size[0]);
        let row = y * self.stride;
        match self.order {
            None => (channel, row + x),
            Some(Packed::Gray) => (0, row + x),
            Some(order @ (Packed::Bgr | Packed::Bgra)) => {
                (0, row + order.samples() * x + [2, 1, 0, 3][channel])
            }
            Some(order) => (0, row + order.samples() * x + channel),
        }
    }

    /// With these samples, so many a pixel.
    fn filled(mut self, samples: &[T], channels: usize) -> Self {
        for (at, sample) in samples.iter().enumerate() {
            let (plane, at) = self.place(at / channels, at % channels);
            self.planes[plane][at] = *sample;
        }
        self
    }

    /// Its samples, so many a pixel.
    fn samples(&self, channels: usize) -> Vec<T> {
        let places =
            (0..channels * self.size[0] * self.size[1]).map(|at| self.place(at / channels, at % channels));
        places.map(|(plane, at)| self.planes[plane][at]).collect()
    }

    fn view(&self) -> Result<View<'_, T>> {
        match (&*self.planes, self.order) {
            ([r, g, b], None) => View::planar([r, g, b], self.size, self.stride),
            ([all], Some(order)) => View::packed(all, self.size, order, self.stride),
            _ => unreachable!("one plane or three"),
        }
    }

    fn view_mut(&mut self) -> Result<ViewMut<'_, T>> {
        match (&mut *self.planes, self.order) {
            ([r, g, b], None) => ViewMut::planar([r, g, b], self.size, self.stride),
            ([all], Some(order)) => ViewMut::packed(all, self.size, order, self.stride),
            _ => unreachable!("one plane or three"),
        }
    }

    fn assert_untouched(&self, fill: T, what: &str) {
        for plane in &self.planes {
            let between = plane.iter().enumerate().filter(|(at, _)| !holds_pixel(self, *at));
            between.for_each(|(at, sample)| assert!(*sample == fill, "{what}: sample {at} is {sample:?}"));
        }
    }
}

/// What becomes of these samples on their way through memory of one order into memory of another.
fn through<T: Sample + PartialEq>(
    upscaler: &mut Upscaler,
    (samples, channels, fill): (&[T], usize, T),
    [from, to]: [Option<Packed>; 2],
    [before, behind]: [usize; 2],
) -> Vec<T> {
    let what = format!("{from:?} to {to:?}, {before} and {behind} between rows");
    let from = Memory::new(SIZE, from, before, fill).filled(samples, channels);
    let mut to = Memory::new(SIZE.map(|side| 2 * side), to, behind, fill);
    let kept = from.clone();
    let done = upscaler.upscale_into(&from.view().unwrap(), &mut to.view_mut().unwrap()).unwrap();
    assert!(done.macs_kept > 0.0 && from == kept, "{what}");
    to.assert_untouched(fill, &what);
    to.samples(channels)
}

/// In and out by every pair of orders, rows close together and apart, whole and in tiles.
fn check<T: Sample + PartialEq>(
    what: &str,
    orders: &[Option<Packed>],
    (samples, channels, fill): (&[T], usize, T),
    expected: &[T],
) {
    let model = tiny();
    for tiling in [Tiling::Whole, Tiling::Pixels(24)] {
        let mut upscaler = upscaler(&model, tiling);
        for (at, from) in orders.iter().enumerate() {
            for (to, order) in orders.iter().enumerate() {
                let between = [[0, 5], [3, 0], [7, 1]][(at + to) % 3];
                let found = through(&mut upscaler, (samples, channels, fill), [*from, *order], between);
                assert!(found == expected, "{what}, {from:?} to {order:?}, {tiling:?}");
            }
        }
    }
}

fn enlarged(picture: &Pixels) -> Samples {
    upscaler(&tiny(), Tiling::Whole).upscale_pixels(picture).unwrap().pixels.samples().clone()
}

fn eight(picture: &Pixels) -> Vec<u8> {
    let Samples::U8(samples) = picture.samples() else { unreachable!("8 bits") };
    samples.clone()
}

fn sixteen(picture: &Pixels) -> Vec<u16> {
    let Samples::U16(samples) = picture.samples() else { unreachable!("16 bits") };
    samples.clone()
}

/// A picture of three channels, and what becomes of it.
fn pictures16() -> [Vec<u16>; 2] {
    let small = seeded::picture16(SIZE[0], SIZE[1], 5);
    let Samples::U16(large) = enlarged(&small) else { unreachable!("16 bits stay 16 bits") };
    [sixteen(&small), large]
}

#[test]
fn colours_of_8_bits() {
    let small = seeded::picture(SIZE[0], SIZE[1], 4);
    let Samples::U8(large) = enlarged(&small) else { unreachable!("8 bits stay 8 bits") };
    check("8 bits", &COLOURS, (&eight(&small), 3, 77), &large);
}

#[test]
fn colours_of_16_bits() {
    let [small, large] = pictures16();
    check("16 bits", &COLOURS, (&small, 3, 7777), &large);
}

#[test]
fn colours_in_floating_point() {
    let [small, large] = pictures16().map(|samples| floats(&samples));
    check("f32", &COLOURS, (&small, 3, -7.5), &large);
    // What lies outside is clamped on the way in.
    let wild: Vec<f32> = small
        .iter()
        .map(|s| {
            if *s > 0.9 {
                s + 8.0
            } else if *s < 0.1 {
                -s
            } else {
                *s
            }
        })
        .collect();
    let clamped: Vec<u16> = wild.iter().map(|s| (s.clamp(0.0, 1.0) * 65535.0).round() as u16).collect();
    let picture = Pixels::new(SIZE[0], SIZE[1], Samples::U16(clamped)).unwrap();
    let Samples::U16(large) = enlarged(&picture) else { unreachable!("16 bits stay 16 bits") };
    check("clamped", &COLOURS[1..2], (&wild, 3, 9.5), &floats(&large));
}

fn floats(samples: &[u16]) -> Vec<f32> {
    samples.iter().map(|sample| f32::from(*sample) / 65535.0).collect()
}

/// A gray picture, and the mean of what the network makes of three equal channels.
fn grays() -> [Vec<u16>; 2] {
    let gray: Vec<u16> = sixteen(&seeded::picture16(SIZE[0], SIZE[1], 6)).into_iter().step_by(3).collect();
    let three = gray.iter().flat_map(|sample| [*sample; 3]).collect();
    let Samples::U16(large) = enlarged(&Pixels::new(SIZE[0], SIZE[1], Samples::U16(three)).unwrap()) else {
        unreachable!("16 bits stay 16 bits")
    };
    let mean = |rgb: &[u16]| (rgb.iter().map(|sample| f64::from(*sample)).sum::<f64>() / 3.0).round() as u16;
    [gray, large.chunks_exact(3).map(mean).collect()]
}

#[test]
fn gray() {
    let gray = [Some(Packed::Gray)];
    let [small, large] = grays();
    check("16 bits", &gray, (&small, 1, 9), &large);
    let [floats_in, floats_out] = [&small, &large].map(|samples| floats(samples));
    check("f32", &gray, (&floats_in, 1, -1.0), &floats_out);
}

/// In 8 bits alpha and gray travel in 16, and are rounded once.
#[cfg(feature = "image")]
#[test]
fn gray_and_transparency_are_what_pictures_of_files_are() {
    use image::{DynamicImage, GrayImage, ImageBuffer, Rgba, RgbaImage};
    let [width, height] = SIZE.map(|side| side as u32);
    let mut upscaler = upscaler(&tiny(), Tiling::Whole);
    let mut enlarged = |image: &DynamicImage| upscaler.upscale(image).unwrap();

    let gray = GrayImage::from_fn(width, height, |x, y| [((x * x + 3 * y) % 256) as u8].into());
    let large = enlarged(&gray.clone().into()).into_luma8();
    check("gray, 8 bits", &[Some(Packed::Gray)], (&gray, 1, 1), &large);

    // Discs that can be seen, with magenta hidden between them.
    let disc = |x: u32, y: u32| {
        let (dx, dy) = (x as i32 % 30 - 14, y as i32 % 70 - 30);
        let alpha = (300 - dx * dx - dy * dy).clamp(0, 255) as u8;
        if alpha > 0 { Rgba([(7 * x) as u8, 120, y as u8, alpha]) } else { Rgba([255, 0, 255, 0]) }
    };
    let alphas = [Some(Packed::Rgba), Some(Packed::Bgra)];
    let discs = RgbaImage::from_fn(width, height, disc);
    let large = enlarged(&discs.clone().into()).into_rgba8();
    assert!(large.pixels().any(|pixel| pixel[3] == 0) && large.pixels().any(|pixel| pixel[3] == 255));
    check("alpha, 8 bits", &alphas, (&discs, 4, 1), &large);

    let fine: Vec<u16> =
        discs.iter().enumerate().map(|(at, s)| u16::from(*s) * 256 + (at % 200) as u16).collect();
    let image = ImageBuffer::<Rgba<u16>, Vec<u16>>::from_raw(width, height, fine.clone()).unwrap();
    let large = enlarged(&image.into()).into_rgba16().into_raw();
    check("alpha, 16 bits", &alphas, (&fine, 4, 1), &large);
    check("alpha, f32", &alphas, (&floats(&fine), 4, -1.0), &floats(&large));
}

#[test]
fn what_is_opaque_stays_so_and_its_colours_are_those_without_alpha() {
    let small = seeded::picture(SIZE[0], SIZE[1], 4);
    let Samples::U8(large) = enlarged(&small) else { unreachable!("8 bits stay 8 bits") };
    let opaque = |rgb: &[u8]| rgb.chunks_exact(3).flat_map(|c| [c[0], c[1], c[2], 255]).collect::<Vec<u8>>();
    let alphas = [Some(Packed::Rgba), Some(Packed::Bgra)];
    check("opaque", &alphas, (&opaque(&eight(&small)), 4, 3), &opaque(&large));
}

#[test]
fn a_network_of_phases_reads_its_view_again() {
    let model = seeded::tiny_smsr();
    let small = seeded::picture(SIZE[0], SIZE[1], 4);
    let mut upscaler = upscaler(&model, Tiling::Pixels(24));
    let expected = eight(&upscaler.upscale_pixels(&small).unwrap().pixels);
    let found = through(&mut upscaler, (&eight(&small), 3, 9), [Some(Packed::Bgr), None], [3, 4]);
    assert!(found == expected);
}

/// The error says all of these words.
fn says<T: Debug>(outcome: Result<T>, words: &[&str]) {
    let error = outcome.expect_err("nothing was refused");
    let text = error.to_string();
    words.iter().for_each(|word| assert!(text.contains(word), "`{word}` is not in: {text}"));
}

#[test]
fn views_of_nothing_or_of_too_little() {
    let bytes = [0_u8; 60];
    let view = |size, order, stride| View::packed(&bytes, size, order, stride);
    for size in [[0, 3], [3, 0]] {
        let said = format!("view: expected at least one pixel, found {}x{}", size[0], size[1]);
        says(view(size, Packed::Rgb, 9), &[&said]);
    }
    says(
        view([4, 3], Packed::Rgb, 11),
        &["view: expected at least 12 samples from row to row", "stride of 11"],
    );
    says(view([4, 3], Packed::Rgba, 15), &["at least 16 samples"]);
    says(view([usize::MAX, 1], Packed::Bgr, usize::MAX), &["18446744073709551615 x 3 samples"]);
    // 20 + 20 + 12 are enough, and one less is not.
    assert!(View::packed(&bytes[..52], [4, 3], Packed::Rgb, 20).is_ok());
    let few = View::packed(&bytes[..51], [4, 3], Packed::Rgb, 20);
    says(few, &["view: expected 52 samples for 4x3 pixels with a stride of 20, found 51"]);
    says(view([4, usize::MAX], Packed::Gray, 4), &["more than can be counted", "found 60"]);
    let short = View::planar([&bytes[..12], &bytes[..11], &bytes[..12]], [4, 3], 4);
    says(short, &["view: green: expected 12 samples for 4x3 pixels with a stride of 4, found 11"]);
    assert!(View::planar([&bytes[..12]; 3], [4, 3], 4).is_ok());
    says(View::planar([&bytes[..12]; 3], [4, 3], 3), &["at least 4 samples"]);

    let mut room = [0_u8; 60];
    says(ViewMut::packed(&mut room[..51], [4, 3], Packed::Rgb, 20), &["expected 52 samples"]);
    says(ViewMut::packed(&mut room, [4, 0], Packed::Rgb, 20), &["at least one pixel"]);
    let [r, rest] = [room.split_at_mut(20).0.to_vec(), room.to_vec()];
    let (mut r, mut g, mut b) = (r, rest.clone(), rest);
    says(ViewMut::planar([&mut r, &mut g, &mut b], [4, 6], 4), &["red: expected 24 samples", "found 20"]);
}

#[test]
fn outputs_of_another_size_or_of_other_channels() {
    let mut upscaler = upscaler(&tiny(), Tiling::Auto);
    let picture = [9_u8; 6 * 5 * 4];
    let from = |order: Packed| View::packed(&picture, [6, 5], order, 6 * order.samples()).unwrap();
    let mut room = [0_u8; 12 * 10 * 4];
    for size in [[12, 9], [11, 10], [6, 5]] {
        let mut to = ViewMut::packed(&mut room, size, Packed::Rgb, 3 * size[0]).unwrap();
        let said = format!("output: expected 2 times 6x5 pixels, found room for {}x{}", size[0], size[1]);
        says(upscaler.upscale_into(&from(Packed::Rgb), &mut to), &[&said]);
    }
    let pairs = [
        (Packed::Rgb, Packed::Gray, "red, green and blue, found gray"),
        (Packed::Gray, Packed::Bgr, "gray, found red, green and blue"),
        (Packed::Bgra, Packed::Bgr, "red, green, blue and alpha, found red, green and blue"),
        (Packed::Rgb, Packed::Rgba, "red, green and blue, found red, green, blue and alpha"),
    ];
    for (order, other, said) in pairs {
        let mut to = ViewMut::packed(&mut room, [12, 10], other, 12 * other.samples()).unwrap();
        let said = format!("output: expected the channels that go in, {said}");
        says(upscaler.upscale_into(&from(order), &mut to), &[&said]);
    }
    assert!(room.iter().all(|sample| *sample == 0), "nothing was written");
}

#[test]
fn a_nan_is_named_with_its_pixel() {
    let cases = [
        (None, 3, ["green"], 1),
        (Some(Packed::Bgr), 3, ["blue"], 2),
        (Some(Packed::Bgra), 4, ["alpha"], 3),
        (Some(Packed::Gray), 1, ["gray"], 0),
    ];
    for (order, channels, [name], channel) in cases {
        for pixel in [0, 37 * 149 + 36, 37 * 70 + 12] {
            let mut samples = vec![0.5_f32; channels * SIZE[0] * SIZE[1]];
            samples[channels * pixel + channel] = f32::NAN;
            // Between the rows there may be anything.
            let from = Memory::new(SIZE, order, 4, f32::NAN).filled(&samples, channels);
            let mut to = Memory::new(SIZE.map(|side| 2 * side), order, 2, -1.0);
            for tiling in [Tiling::Whole, Tiling::Pixels(24)] {
                let mut upscaler = upscaler(&tiny(), tiling);
                let outcome = upscaler.upscale_into(&from.view().unwrap(), &mut to.view_mut().unwrap());
                let said = format!(
                    "view: expected numbers, found NaN in {name} at x {}, y {}",
                    pixel % 37,
                    pixel / 37
                );
                assert!(matches!(outcome, Err(Error::Unsupported(_))), "{order:?}");
                says(outcome, &[&said]);
            }
            to.assert_untouched(-1.0, name);
        }
    }
}

#[test]
fn a_picture_that_is_cancelled_is_none() {
    let mut upscaler = upscaler(&tiny(), Tiling::Pixels(24));
    let control = sparsr::Control::default();
    control.cancel.cancel();
    upscaler.set_control(&control);
    let picture = seeded::picture(SIZE[0], SIZE[1], 4);
    let from = Memory::new(SIZE, Some(Packed::Rgb), 0, 0).filled(&eight(&picture), 3);
    let mut to = Memory::new(SIZE.map(|side| 2 * side), Some(Packed::Rgb), 0, 5);
    let outcome = upscaler.upscale_into(&from.view().unwrap(), &mut to.view_mut().unwrap());
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    assert!(to.samples(3).iter().all(|sample| *sample == 5), "nothing was written");
}
