//! The options for how files are read and written.

use sparsr::{Alpha, Animation, Compression, Dpi, FileOptions, Pages, Size};

use super::size::positive;

/// How files are read and written.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// How transparency is enlarged: by bicubic interpolation, or by the network as a gray picture
    #[arg(long, value_name = "bicubic|network", default_value = "bicubic", value_parser = alpha)]
    alpha: Alpha,

    /// The frames of an animation that are taken: `all`, where the output's format holds animations (.gif, .png, .webp), or
    /// the first
    #[arg(long, value_name = "all|first", default_value = "all", value_parser = animation)]
    animation: Animation,

    /// The pages of a TIFF that are taken: `all`, where the output is a TIFF, too, or the first
    #[arg(long, value_name = "all|first", default_value = "all", value_parser = pages)]
    pages: Pages,

    /// The quality of JPEGs, 1 to 100; from 90 on colour has its full resolution
    #[arg(long, value_name = "1-100", default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,

    /// How hard PNGs are pressed: `small` takes fifteen times as long as `fast` for 2 % less
    #[arg(long, value_name = "fast|small", default_value = "fast", value_parser = compression)]
    compress: Compression,

    /// What shines through transparency where the output's format has none; without it such a picture is an error
    #[arg(long, value_name = "RRGGBB|white|black", value_parser = colour)]
    background: Option<[u8; 3]>,

    /// Leave out all that the file says beside the pixels, but for their colours' meaning
    #[arg(long)]
    strip: bool,

    /// The resolution that is noted: `scale` grows with the picture, which keeps its size on paper, `keep` stays
    #[arg(long, value_name = "scale|keep", default_value = "scale", value_parser = dpi)]
    dpi: Dpi,

    /// The largest picture that is read, in millions of pixels
    #[arg(long, value_name = "MEGAPIXELS", value_parser = positive)]
    limit: Option<f64>,

    /// Take a damaged picture as far as it goes, with a warning, instead of an error
    #[arg(long)]
    lenient: bool,
}

impl Args {
    pub fn files(&self, size: Size, replace: bool) -> FileOptions {
        let mut options = FileOptions::default();
        (options.size, options.alpha, options.replace) = (size, self.alpha, replace);
        (options.animation, options.pages) = (self.animation, self.pages);
        let encoding = &mut options.encoding;
        (encoding.quality, encoding.compression, encoding.dpi) = (self.quality, self.compress, self.dpi);
        (encoding.background, encoding.strip) = (self.background, self.strip);
        let limit = self.limit.map(|megapixels| (megapixels * 1e6) as u64);
        (options.reading.limit, options.reading.lenient) = (limit, self.lenient);
        options
    }
}

fn alpha(text: &str) -> Result<Alpha, String> {
    one_of(text, &[("bicubic", Alpha::Bicubic), ("network", Alpha::Network)])
}

fn animation(text: &str) -> Result<Animation, String> {
    one_of(text, &[("all", Animation::All), ("first", Animation::First)])
}

fn pages(text: &str) -> Result<Pages, String> {
    one_of(text, &[("all", Pages::All), ("first", Pages::First)])
}

fn compression(text: &str) -> Result<Compression, String> {
    one_of(text, &[("fast", Compression::Fast), ("small", Compression::Small)])
}

fn dpi(text: &str) -> Result<Dpi, String> {
    one_of(text, &[("scale", Dpi::Scale), ("keep", Dpi::Keep)])
}

fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    found.ok_or_else(|| format!("expected {}", names.join(" or ")))
}

fn colour(text: &str) -> Result<[u8; 3], String> {
    let digits = match text {
        "white" => "ffffff",
        "black" => "000000",
        _ => text.trim_start_matches('#'),
    };
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 6);
    let [_, red, green, blue] =
        number.ok_or("expected six hexadecimal digits, white or black")?.to_be_bytes();
    Ok([red, green, blue])
}
