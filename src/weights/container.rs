//! Which kind of file this is, by its first bytes; and for what is no checkpoint, what it seems to be.

use super::Reading;

/// The files that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// A length in eight bytes, then a header in JSON.
    Safetensors,
    /// PyTorch since 1.6.
    Zip,
    /// PyTorch before 1.6: a run of pickles.
    Pickle,
}

/// How other files begin that are given in place of a checkpoint.
const STRANGERS: [(&[u8], &str); 12] = [
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"RIFF", "a RIFF file, such as a WebP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file it points to"),
    (b"<", "an HTML page; perhaps a download gave a page in place of the file"),
    (b"{", "a JSON text"),
];

impl Container {
    /// Tells the readable kinds apart.
    ///
    /// # Errors
    /// What was expected, and what the bytes seem to be.
    pub(super) fn recognise(bytes: &[u8]) -> Reading<Self> {
        match bytes {
            // The header's length is below 4 GiB, and the header is a JSON object.
            [_, _, _, _, 0, 0, 0, 0, b'{', ..] => Ok(Self::Safetensors),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Ok(Self::Zip),
            [0x80, ..] => Ok(Self::Pickle),
            _ => Err(format!(
                "expected a safetensors file or a PyTorch checkpoint (.pth, .pt), found {}",
                describe(bytes)
            )),
        }
    }
}

fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "an empty file".to_owned();
    }
    if let Some((_, name)) = STRANGERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return (*name).to_owned();
    }
    let start = &bytes[..bytes.len().min(16)];
    match std::str::from_utf8(start) {
        Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
            format!("a text that begins with {text:?}")
        }
        _ => format!("{} bytes that begin with {start:02x?}", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "found an empty file"),
            (b"\x89PNG\r\n\x1a\n", "found a PNG picture"),
            (b"\xff\xd8\xff\xe0", "found a JPEG picture"),
            (b"version https://git-lfs.github.com/spec/v1", "found a Git LFS pointer"),
            (b"<!DOCTYPE html>", "found an HTML page"),
            (b"learning rate\n2e-4", r#"found a text that begins with "learning rate\n2e""#),
            (b"\0\x01\x02", "found 3 bytes that begin with [00, 01, 02]"),
            (b"PK", r#"found a text that begins with "PK""#),
        ];
        for (bytes, expected) in cases {
            let reason = Container::recognise(bytes).unwrap_err();
            assert!(reason.starts_with("expected a safetensors file or a PyTorch checkpoint"), "{reason}");
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[test]
    fn checkpoints_are_told_apart() {
        let cases: [(&[u8], Container); 4] = [
            (b"\x02\0\0\0\0\0\0\0{}", Container::Safetensors),
            // A header whose length happens to begin as a pickle does.
            (b"\x80\x02\0\0\0\0\0\0{}", Container::Safetensors),
            (b"PK\x03\x04", Container::Zip),
            (b"\x80\x02\x8a\x0a", Container::Pickle),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Container::recognise(bytes), Ok(expected), "{bytes:02x?}");
        }
    }
}
