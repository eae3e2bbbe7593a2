//! How numbers are kept: as f32 or, where a device can, as f16.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How numbers are kept. They are computed in f32 always.
///
/// Printed as, and parsed from, `auto`, `f32` and `f16`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// As f16 where that is faster and makes the same picture: on a GPU that can, if the network agrees. A picture that
    /// does not come out in f16 is made in f32, and so are those after it.
    #[default]
    Auto,
    /// As 32-bit floating point.
    F32,
    /// As 16-bit floating point, but for what needs more: pictures, masks' own branches, large values.
    F16,
}

impl Precision {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Auto, Self::F32, Self::F16];

    /// What is said where f16 is asked for and not there.
    pub(crate) fn unsupported(device: &str) -> Error {
        Error::Unsupported(format!(
            "{device}: it cannot keep numbers as 16-bit floating point; choose the precision f32 or auto, or another \
             device"
        ))
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|precision| precision.to_string() == text);
        named.ok_or_else(|| Error::parse("auto, f32 or f16", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_is_parsed_as_it_is_printed() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse::<Precision>().unwrap(), precision);
        }
        let error = "half".parse::<Precision>().unwrap_err();
        assert_eq!(error.to_string(), "expected auto, f32 or f16, found `half`");
    }
}
