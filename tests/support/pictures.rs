//! Small pictures of every type that travels.

use image::{ColorType, DynamicImage, Rgba, RgbaImage};

#[allow(dead_code, reason = "some tests need one type alone")]
pub const TYPES: [ColorType; 8] = [
    ColorType::L8,
    ColorType::La8,
    ColorType::Rgb8,
    ColorType::Rgba8,
    ColorType::L16,
    ColorType::La16,
    ColorType::Rgb16,
    ColorType::Rgba16,
];

/// A soft picture in which rows, columns and channels differ, transparency included.
pub fn picture(color: ColorType, width: u32, height: u32) -> DynamicImage {
    let rgba = RgbaImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32 / width as f32, y as f32 / height as f32);
        let wave = (5.0 * x + 3.0 * y).sin();
        Rgba(
            [40.0 + 170.0 * x, 200.0 - 150.0 * y, 120.0 + 80.0 * wave, 255.0 - 90.0 * x * y].map(|v| v as u8),
        )
    });
    let rgba = DynamicImage::from(rgba);
    match color {
        ColorType::L8 => rgba.to_luma8().into(),
        ColorType::La8 => rgba.to_luma_alpha8().into(),
        ColorType::Rgb8 => rgba.to_rgb8().into(),
        ColorType::Rgba8 => rgba,
        ColorType::L16 => rgba.to_luma16().into(),
        ColorType::La16 => rgba.to_luma_alpha16().into(),
        ColorType::Rgb16 => rgba.to_rgb16().into(),
        ColorType::Rgba16 => rgba.to_rgba16().into(),
        other => unreachable!("{other:?} is no integer type"),
    }
}
