//! Which kind of file this is, by its first bytes.

use super::{Reading, stranger};

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
                stranger::describe(bytes)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
