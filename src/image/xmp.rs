//! The notes in an XMP packet that enlarging and turning make untrue.
//!
//! A property stands in the packet as an attribute, `tiff:ImageWidth="600"`, or as an element,
//! `<tiff:ImageWidth>600</tiff:ImageWidth>`. Its value is replaced there, and all else is left as it is, byte for byte.
//! A packet that is not UTF-8 is left alone.

const WIDTHS: [&str; 2] = ["tiff:ImageWidth", "exif:PixelXDimension"];
const HEIGHTS: [&str; 2] = ["tiff:ImageLength", "exif:PixelYDimension"];
const RESOLUTIONS: [&str; 2] = ["tiff:XResolution", "tiff:YResolution"];

/// Where a panorama lies in its sphere, in pixels.
const PANORAMA_ACROSS: [&str; 3] =
    ["GPano:CroppedAreaImageWidthPixels", "GPano:FullPanoWidthPixels", "GPano:CroppedAreaLeftPixels"];
const PANORAMA_DOWN: [&str; 3] =
    ["GPano:CroppedAreaImageHeightPixels", "GPano:FullPanoHeightPixels", "GPano:CroppedAreaTopPixels"];

/// Elements that hold thumbnails.
const THUMBNAILS: [&str; 2] = ["xmp:Thumbnails", "xap:Thumbnails"];

/// The packet of the picture when it has been turned upright.
pub(super) fn upright(packet: &[u8]) -> Vec<u8> {
    edited(packet, |packet| set(packet, "tiff:Orientation", |_| Some("1".into())))
}

/// The packet of the enlarged picture: its size, its resolution times `scale`, no thumbnail.
pub(super) fn enlarged(packet: &[u8], from: [u32; 2], to: [u32; 2], scale: [f64; 2]) -> Vec<u8> {
    edited(packet, |mut packet| {
        for (names, size) in [(WIDTHS, to[0]), (HEIGHTS, to[1])] {
            for name in names {
                packet = set(packet, name, |_| Some(size.to_string()));
            }
        }
        for (name, scale) in RESOLUTIONS.into_iter().zip(scale).filter(|(_, scale)| *scale != 1.0) {
            packet = set(packet, name, |old| {
                let (above, below) = old.split_once('/').unwrap_or((old, "1"));
                let [above, below]: [f64; 2] = [above.parse().ok()?, below.parse().ok()?];
                Some(format!("{}/{below}", (above * scale).round()))
            });
        }
        for (names, axis) in [(PANORAMA_ACROSS, 0), (PANORAMA_DOWN, 1)] {
            let scale = f64::from(to[axis]) / f64::from(from[axis].max(1));
            for name in names {
                packet =
                    set(packet, name, |old| Some((old.parse::<f64>().ok()? * scale).round().to_string()));
            }
        }
        THUMBNAILS.into_iter().fold(packet, without)
    })
}

fn edited(packet: &[u8], edit: impl FnOnce(String) -> String) -> Vec<u8> {
    match std::str::from_utf8(packet) {
        Ok(text) => edit(text.to_owned()).into_bytes(),
        Err(_) => packet.to_vec(),
    }
}

/// Gives every property of this name the value that `new` makes of its old one.
fn set(packet: String, name: &str, new: impl Fn(&str) -> Option<String>) -> String {
    let (mut edited, mut rest) = (String::new(), packet.as_str());
    while let Some(at) = rest.find(name) {
        let (before, behind) = rest.split_at(at + name.len());
        edited.push_str(before);
        rest = behind;
        let value = value(behind).filter(|_| !before[..at].ends_with('/'));
        if let Some(new) = value.clone().and_then(|value| new(&behind[value])) {
            let value = value.expect("it has a new one");
            edited.push_str(&behind[..value.start]);
            edited.push_str(&new);
            rest = &behind[value.end..];
        }
    }
    edited + rest
}

/// Where the value is, in what stands behind a property's name.
fn value(behind: &str) -> Option<std::ops::Range<usize>> {
    let trimmed = behind.trim_start();
    let (open, close) = match trimmed.strip_prefix('=') {
        Some(equals) => {
            let quote = equals.trim_start().chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            (quote, quote)
        }
        None => trimmed.starts_with('>').then_some(('>', '<'))?,
    };
    let start = behind.find(open)? + 1;
    let end = start + behind[start..].find(close)?;
    Some(start..end)
}

/// The packet without the first element of this name.
fn without(packet: String, name: &str) -> String {
    let (opening, closing) = (format!("<{name}"), format!("</{name}>"));
    match (packet.find(&opening), packet.find(&closing)) {
        (Some(start), Some(end)) if start < end => {
            packet[..start].to_owned() + &packet[end + closing.len()..]
        }
        _ => packet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_set_in_both_forms() {
        let cases = [
            (r#"<a tiff:ImageWidth="6" b="6"/>"#, r#"<a tiff:ImageWidth="12" b="6"/>"#),
            (r"<a tiff:ImageWidth = '6'/>", r"<a tiff:ImageWidth = '12'/>"),
            (
                "<exif:PixelYDimension>4</exif:PixelYDimension>",
                "<exif:PixelYDimension>8</exif:PixelYDimension>",
            ),
            ("<tiff:XResolution>300/2</tiff:XResolution>", "<tiff:XResolution>600/2</tiff:XResolution>"),
            (
                "<GPano:CroppedAreaTopPixels>5</GPano:CroppedAreaTopPixels>",
                "<GPano:CroppedAreaTopPixels>10</GPano:CroppedAreaTopPixels>",
            ),
            ("<a/><xmp:Thumbnails><rdf:Alt/></xmp:Thumbnails><b/>", "<a/><b/>"),
            (
                "<dc:title>tiff:ImageWidth and tiff:XResolution</dc:title>",
                "<dc:title>tiff:ImageWidth and tiff:XResolution</dc:title>",
            ),
            ("tiff:ImageWidth", "tiff:ImageWidth"),
            ("<tiff:ImageWidth>", "<tiff:ImageWidth>"),
            ("<tiff:ImageWidth=", "<tiff:ImageWidth="),
        ];
        for (packet, expected) in cases {
            let new = enlarged(packet.as_bytes(), [6, 4], [12, 8], [2.0; 2]);
            assert_eq!(String::from_utf8(new).unwrap(), expected);
        }
        assert_eq!(upright(br#"<a tiff:Orientation="6"/>"#), br#"<a tiff:Orientation="1"/>"#);
        assert_eq!(upright(b"\xff\xfe<\0"), b"\xff\xfe<\0");
    }
}
