//! What is left unused although it is there: features of a GPU, vectors of the processor. For tests and comparisons.

use std::fmt;
use std::str::FromStr;

use super::Feature;
use crate::error::{Error, Result};

/// What a processor computes several numbers at once with. The CPU engine knows these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Vectors {
    /// One number at a time.
    Scalar,
    /// Arm's, of 4 numbers.
    Neon,
    /// x86's, of 8 numbers, with fused multiply-adds.
    Avx2,
    /// x86's, of 16 numbers. Who has them has AVX2.
    Avx512,
}

impl Vectors {
    /// Every one that can be left unused: each but [`Vectors::Scalar`].
    pub const OPTIONAL: [Self; 3] = [Self::Neon, Self::Avx2, Self::Avx512];
}

impl fmt::Display for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

/// What is left unused. Parsed from names of [`Feature`] and [`Vectors`] with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Without {
    /// Of a GPU. `Gpu::without` takes them away one by one.
    pub features: Vec<Feature>,
    /// Of the processor.
    pub vectors: Vec<Vectors>,
}

impl Without {
    /// The variable that names what this process leaves unused.
    pub const VARIABLE: &str = "SPARSR_WITHOUT";

    /// What [`Without::VARIABLE`] names: nothing where it is not set.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it has a name that is unknown.
    pub fn of_process() -> Result<Self> {
        let names = std::env::var_os(Self::VARIABLE).unwrap_or_default();
        let parsed = names.to_string_lossy().parse();
        parsed.map_err(|error| Error::Unsupported(format!("{}: {error}", Self::VARIABLE)))
    }
}

impl FromStr for Without {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut without = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let feature = Feature::ALL.into_iter().find(|feature| feature.to_string() == name);
            let vectors = Vectors::OPTIONAL.into_iter().find(|vectors| vectors.to_string() == name);
            if feature.is_none() && vectors.is_none() {
                return Err(unknown(name));
            }
            without.features.extend(feature);
            without.vectors.extend(vectors);
        }
        Ok(without)
    }
}

fn unknown(name: &str) -> Error {
    let features = Feature::ALL.map(|feature| feature.to_string()).join(", ");
    let vectors = Vectors::OPTIONAL.map(|vectors| vectors.to_string()).join(", ");
    Error::Unsupported(format!(
        "`{name}` is nothing that can be left unused; of a GPU there are {features}, of a processor {vectors}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_kinds_are_told_apart() {
        let found: Without = "f16,avx512, avx2,,subgroups".parse().unwrap();
        assert_eq!(found.features, [Feature::F16, Feature::Subgroups]);
        assert_eq!(found.vectors, [Vectors::Avx512, Vectors::Avx2]);
        assert_eq!("".parse::<Without>().unwrap(), Without::default());
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        for name in ["sse", "scalar", "AVX2"] {
            let error = format!("f16,{name}").parse::<Without>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{name}` is nothing")), "{error}");
            let known = Feature::ALL.map(|f| f.to_string()).into_iter();
            for name in known.chain(Vectors::OPTIONAL.map(|vectors| vectors.to_string())) {
                assert!(error.contains(&name), "{error}");
            }
        }
    }
}
