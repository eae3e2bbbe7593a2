//! The first line of a y4m stream: what the frames are, and what is said of them besides.
//!
//! ```text
//!   YUV4MPEG2 W1920 H1080 F24000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED
//! ```
//!
//! `W` and `H` are columns and rows, `I` is how lines are interlaced, `C` how colour lies and how deep it is. All that
//! is not changed goes to the output as it came: rate (`F`), pixels' aspect (`A`) and comments (`X…`).

use super::colour::Range;

/// How every stream begins.
const MAGIC: &[u8] = b"YUV4MPEG2";

/// The most that a frame may have, which no video comes near to.
const LARGEST: usize = 1 << 30;

/// What colour formats are called, and how they lie.
const FORMATS: &[(&str, Format)] = &[
    ("420jpeg", Format::new(8, Some(Chroma { halved: [true; 2], first: [Siting::Between; 2] }))),
    ("420mpeg2", Format::new(8, Some(LEFT_420))),
    // Where DV has it; ffmpeg calls so whatever lies on the first column and row.
    ("420paldv", Format::new(8, Some(Chroma { halved: [true; 2], first: [Siting::On; 2] }))),
    ("420", Format::new(8, Some(Chroma { halved: [true; 2], first: [Siting::Between; 2] }))),
    ("420p10", Format::new(10, Some(LEFT_420))),
    ("422", Format::new(8, Some(LEFT_422))),
    ("422p10", Format::new(10, Some(LEFT_422))),
    ("444", Format::new(8, Some(EVERYWHERE))),
    ("444p10", Format::new(10, Some(EVERYWHERE))),
    ("mono", Format::new(8, None)),
];

/// As MPEG-2 and all that came after it has it.
const LEFT_420: Chroma = Chroma { halved: [true; 2], first: [Siting::On, Siting::Between] };
const LEFT_422: Chroma = Chroma { halved: [true, false], first: [Siting::On; 2] };
const EVERYWHERE: Chroma = Chroma { halved: [false; 2], first: [Siting::On; 2] };

/// What is read and written, for who brings something else.
const READ: &str = "8 and 10 bits of 4:2:0, 4:2:2 and 4:4:4, and 8 of gray, are read";

/// How the samples of a frame lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Of a sample; more than 8 lie in two bytes, the lower one first.
    pub bits: u32,
    /// `None` of gray.
    pub chroma: Option<Chroma>,
}

/// How chroma lies among luma: along columns and along rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chroma {
    /// Whether there are half as many samples.
    pub halved: [bool; 2],
    /// Where, if so, the first one lies.
    pub first: [Siting; 2],
}

/// Where the first of half as many samples lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Siting {
    /// On the first of the others.
    On,
    /// Between the first two.
    Between,
}

/// What the first line says.
#[derive(Clone, Debug)]
pub struct Header {
    /// What stands between the spaces, in order.
    params: Vec<Vec<u8>>,
    pub width: usize,
    pub height: usize,
    pub format: Format,
    /// `None` if it is not said.
    pub range: Option<Range>,
    /// How many there are; `None` if it is not said.
    pub frames: Option<u64>,
}

impl Format {
    const fn new(bits: u32, chroma: Option<Chroma>) -> Self {
        Self { bits, chroma }
    }

    /// Bytes of a sample.
    pub fn bytes(&self) -> usize {
        if self.bits > 8 { 2 } else { 1 }
    }

    /// Columns and rows of a chroma plane.
    pub fn chroma_size(&self, [width, height]: [usize; 2]) -> [usize; 2] {
        let side = |length: usize, halved: bool| if halved { length.div_ceil(2) } else { length };
        match self.chroma {
            None => [0; 2],
            Some(Chroma { halved, .. }) => [side(width, halved[0]), side(height, halved[1])],
        }
    }

    /// Bytes of a frame.
    pub fn frame_bytes(&self, size: [usize; 2]) -> usize {
        let [luma, chroma] = [size, self.chroma_size(size)].map(|[width, height]| width * height);
        self.bytes() * (luma + 2 * chroma)
    }
}

impl Header {
    /// The line, without its end.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        if words.next() != Some(MAGIC) {
            let reason =
                "expected a y4m stream, which begins with YUV4MPEG2, as ffmpeg -f yuv4mpegpipe writes it";
            return Err(format!("{reason}; found {}", quoted(line)));
        }
        let params: Vec<Vec<u8>> = words.map(<[u8]>::to_vec).collect();
        let found = |letter: &[u8]| -> Option<String> {
            let param = params.iter().find_map(|param| param.strip_prefix(letter))?;
            Some(String::from_utf8_lossy(param).into_owned())
        };
        let [width, height] = [size(found(b"W"), "W, its columns,")?, size(found(b"H"), "H, its rows,")?];
        progressive(found(b"I").as_deref())?;
        let subsampling = found(b"XYSCSS=").map(|name| name.to_ascii_lowercase());
        let format = format(&found(b"C").or(subsampling).unwrap_or("420".into()))?;
        if width.saturating_mul(height).saturating_mul(3 * format.bytes()) > LARGEST {
            return Err(format!(
                "its frames of {width}x{height} have more than a GiB, which no frame has here"
            ));
        }
        let range = match found(b"XCOLORRANGE=").as_deref() {
            Some("FULL") => Some(Range::Full),
            Some("LIMITED") => Some(Range::Limited),
            _ => None,
        };
        let frames = found(b"XLENGTH=").and_then(|count| count.parse().ok());
        Ok(Self { width, height, format, range, frames, params })
    }

    pub fn size(&self) -> [usize; 2] {
        [self.width, self.height]
    }

    /// The header of the enlarged frames, in this range, with its end.
    pub fn enlarged(&self, scale: usize, range: Range) -> Vec<u8> {
        let mut line = MAGIC.to_vec();
        for param in &self.params {
            line.push(b' ');
            match &**param {
                [b'W', ..] => line.extend(format!("W{}", scale * self.width).bytes()),
                [b'H', ..] => line.extend(format!("H{}", scale * self.height).bytes()),
                [b'X', name @ ..] if name.starts_with(b"COLORRANGE=") => {
                    line.extend(format!("XCOLORRANGE={}", range.in_header()).bytes());
                }
                other => line.extend(other),
            }
        }
        line.push(b'\n');
        line
    }
}

/// What was found instead of what was expected, no longer than a sentence bears.
pub fn quoted(line: &[u8]) -> String {
    const SHOWN: usize = 40;
    let more = if line.len() > SHOWN { " …" } else { "" };
    format!("`{}`{more}", line[..line.len().min(SHOWN)].escape_ascii())
}

fn size(found: Option<String>, name: &str) -> Result<usize, String> {
    let number =
        found.as_deref().and_then(|text| text.parse().ok()).filter(|side| (1..1 << 20).contains(side));
    number.ok_or_else(|| {
        let found = found.map_or("nothing".into(), |text| format!("`{text}`"));
        format!("expected a header with {name} a number from 1 on, found {found}")
    })
}

fn progressive(interlacing: Option<&str>) -> Result<(), String> {
    let what = match interlacing {
        None | Some("p" | "?" | "") => return Ok(()),
        Some("t") => "interlaced, the upper line first (It)",
        Some("b") => "interlaced, the lower line first (Ib)",
        Some("m") => "now interlaced and now not (Im)",
        Some(other) => return Err(format!("its header says I{other}, which is no way to interlace")),
    };
    Err(format!("its frames are {what}, and only whole ones are enlarged: ffmpeg -vf bwdif makes them of it"))
}

fn format(name: &str) -> Result<Format, String> {
    let found = FORMATS.iter().find(|(known, _)| *known == name);
    found.map(|(_, format)| *format).ok_or_else(|| {
        format!("its colour is C{name}, and {READ}: ffmpeg -pix_fmt yuv420p10le makes one of them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Header, String> {
        Header::parse(line.as_bytes())
    }

    #[test]
    fn what_is_not_changed_goes_along_in_its_order() {
        let cases = [
            (
                "YUV4MPEG2 W64 H48 F5:1 Ip A1:1 C420jpeg XYSCSS=420JPEG",
                "YUV4MPEG2 W128 H96 F5:1 Ip A1:1 C420jpeg XYSCSS=420JPEG\n",
            ),
            ("YUV4MPEG2 H3 W1", "YUV4MPEG2 H6 W2\n"),
            (
                "YUV4MPEG2 C420p10 W9 H7 F30000:1001 I? A12:11 XYSCSS=420P10 XLENGTH=6 XWhatever=W3",
                "YUV4MPEG2 C420p10 W18 H14 F30000:1001 I? A12:11 XYSCSS=420P10 XLENGTH=6 XWhatever=W3\n",
            ),
        ];
        for (line, expected) in cases {
            let header = parse(line).unwrap();
            assert_eq!(String::from_utf8(header.enlarged(2, Range::Limited)).unwrap(), expected);
        }
    }

    #[test]
    fn the_range_is_read_and_said() {
        let line = |range: &str| format!("YUV4MPEG2 W2 H2 C444{range}");
        let header = parse(&line(" XCOLORRANGE=FULL")).unwrap();
        assert_eq!(header.range, Some(Range::Full));
        assert_eq!(header.enlarged(1, Range::Full), (line(" XCOLORRANGE=FULL") + "\n").into_bytes());
        assert_eq!(header.enlarged(1, Range::Limited), (line(" XCOLORRANGE=LIMITED") + "\n").into_bytes());
        assert_eq!(parse(&line(" XCOLORRANGE=LIMITED")).unwrap().range, Some(Range::Limited));
        assert_eq!(parse(&line("")).unwrap().range, None);
    }

    #[test]
    fn formats_are_named() {
        let of = |name: &str| parse(&format!("YUV4MPEG2 W5 H3{name}")).unwrap();
        let bytes = |name: &str| of(name).format.frame_bytes([5, 3]);
        assert_eq!([" C420jpeg", " C422", " C444", " Cmono"].map(bytes), [15 + 12, 15 + 18, 45, 15]);
        assert_eq!([" C420p10", " C422p10", " C444p10"].map(bytes), [54, 66, 90]);
        assert_eq!(of("").format, of(" C420").format);
        assert_eq!(of("").format, of(" C420jpeg").format);
        assert_eq!(of(" XYSCSS=420MPEG2").format, of(" C420mpeg2").format);
        assert_eq!(of(" C420p10").frames, None);
        assert_eq!(of(" XLENGTH=17").frames, Some(17));
    }

    #[test]
    fn what_is_not_read_is_named() {
        let cases = [
            ("", "begins with YUV4MPEG2"),
            ("RIFF....AVI ", "found `RIFF....AVI `"),
            ("YUV4MPEG2X W2 H2", "begins with YUV4MPEG2"),
            ("YUV4MPEG2 H2", "W, its columns, a number from 1 on, found nothing"),
            ("YUV4MPEG2 W2", "H, its rows, a number from 1 on, found nothing"),
            ("YUV4MPEG2 W0 H2", "found `0`"),
            ("YUV4MPEG2 W-3 H2", "found `-3`"),
            ("YUV4MPEG2 W99999999999999999999 H2", "found `99999999999999999999`"),
            ("YUV4MPEG2 W1000000 H1000000", "more than a GiB"),
            ("YUV4MPEG2 W2 H2 It", "upper line first"),
            ("YUV4MPEG2 W2 H2 Ib", "lower line first"),
            ("YUV4MPEG2 W2 H2 Im", "now interlaced"),
            ("YUV4MPEG2 W2 H2 Iq", "no way to interlace"),
            ("YUV4MPEG2 W2 H2 C411", "C411"),
            ("YUV4MPEG2 W2 H2 C420p16", "C420p16"),
            ("YUV4MPEG2 W2 H2 C444alpha", "C444alpha"),
        ];
        for (line, expected) in cases {
            let sentence = parse(line).unwrap_err();
            assert!(sentence.contains(expected), "{line}: {sentence}");
        }
    }
}
