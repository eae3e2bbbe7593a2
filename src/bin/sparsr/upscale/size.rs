//! The options for the size that is wanted, and the network of a checkpoint with several that goes there.

use sparsr::Size;

/// How large the picture becomes.
#[derive(clap::Args, Debug, Default)]
#[group(id = "size", multiple = false)]
pub struct Args {
    /// So many times as large, such as 1.5: by the smallest of a checkpoint's networks that reaches it, which runs again
    /// on what it made where it must, and then down to the pixel [default: the network's scale]
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    scale: Option<f64>,

    /// So many pixels wide; the shape stays
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..))]
    width: Option<u32>,

    /// So many pixels high; the shape stays
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..))]
    height: Option<u32>,

    /// As large as it can be within so many pixels
    #[arg(long, value_name = "WxH", value_parser = within)]
    fit: Option<[u32; 2]>,

    /// So many millions of pixels
    #[arg(long, value_name = "MILLIONS", value_parser = positive)]
    megapixels: Option<f64>,
}

impl Args {
    pub fn size(&self) -> Size {
        match *self {
            Self { scale: Some(factor), .. } => Size::Times(factor),
            Self { width: Some(width), .. } => Size::Width(width),
            Self { height: Some(height), .. } => Size::Height(height),
            Self { fit: Some(within), .. } => Size::Within(within),
            Self { megapixels: Some(millions), .. } => Size::Megapixels(millions),
            _ => Size::Network,
        }
    }

    /// What stands behind a stem if nothing else is asked for.
    pub fn suffix(&self, scale: usize) -> String {
        match self.size() {
            Size::Times(factor) => format!("-x{factor}"),
            Size::Width(width) => format!("-w{width}"),
            Size::Height(height) => format!("-h{height}"),
            Size::Within([width, height]) => format!("-{width}x{height}"),
            Size::Megapixels(millions) => format!("-{millions}mp"),
            _ => format!("-x{scale}"),
        }
    }
}

/// Of a checkpoint's scales, upwards, the smallest that reaches a factor, or else the largest.
pub fn reaching(scales: &[usize], factor: f64) -> Option<usize> {
    scales.iter().find(|scale| **scale as f64 >= factor).or(scales.last()).copied()
}

pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".into())
}

pub fn within(text: &str) -> Result<[u32; 2], String> {
    let sides =
        text.split_once('x').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    sides
        .filter(|sides: &[u32; 2]| !sides.contains(&0))
        .ok_or_else(|| "expected WxH, such as 1920x1080".into())
}
