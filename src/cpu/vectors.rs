//! Which vectors the engine computes with: the widest that the processor has, less those that are to be left unused.
//! Chosen once a process. Every kernel of the engine takes its [`Arch`] from here.

use std::sync::OnceLock;

use pulp::Arch;

use crate::device::{Vectors, Without};
use crate::error::{Error, Result};

/// The most lanes that a vector has.
pub(super) const LANES: usize = 16;

/// What the engine computes with in this process: the widest vectors that the processor has and
/// [`Without::VARIABLE`] does not name. Without AVX2 there is no AVX-512 either.
///
/// # Errors
/// [`Error::Unsupported`] if the variable has a name that is unknown.
pub fn vectors() -> Result<Vectors> {
    static CHOSEN: OnceLock<Result<Vectors, String>> = OnceLock::new();
    let choose = || {
        let without = Without::of_process().map_err(|error| error.to_string())?;
        Ok(widest(&found(), &without.vectors))
    };
    CHOSEN.get_or_init(choose).clone().map_err(Error::Unsupported)
}

/// The instructions of [`vectors`].
///
/// # Panics
/// If there is no choice: whoever runs a graph asks for it first.
pub(super) fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| arch_of(vectors().expect("a run asks for the choice before it computes")))
}

/// The widest of `found` whose instructions are all there.
fn widest(found: &[Vectors], without: &[Vectors]) -> Vectors {
    let is_there = |vectors: &Vectors| match vectors {
        Vectors::Avx512 => !without.contains(&Vectors::Avx512) && !without.contains(&Vectors::Avx2),
        other => !without.contains(other),
    };
    found.iter().copied().filter(is_there).max().unwrap_or(Vectors::Scalar)
}

/// What the processor has.
#[cfg(target_arch = "x86_64")]
fn found() -> Vec<Vectors> {
    let avx2 = pulp::x86::V3::try_new().map(|_| Vectors::Avx2);
    let avx512 = pulp::x86::V4::try_new().map(|_| Vectors::Avx512);
    avx2.into_iter().chain(avx512).collect()
}

/// What the processor has.
#[cfg(target_arch = "aarch64")]
fn found() -> Vec<Vectors> {
    pulp::aarch64::Neon::try_new().map(|_| Vectors::Neon).into_iter().collect()
}

/// Nothing that is known here by a name.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn found() -> Vec<Vectors> {
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
fn arch_of(vectors: Vectors) -> Arch {
    let avx512 = || pulp::x86::V4::try_new().map(Arch::V4);
    let avx2 = || pulp::x86::V3::try_new().map(Arch::V3);
    let arch = match vectors {
        Vectors::Avx512 => avx512(),
        Vectors::Avx2 => avx2(),
        _ => None,
    };
    arch.unwrap_or(Arch::Scalar)
}

#[cfg(target_arch = "aarch64")]
fn arch_of(vectors: Vectors) -> Arch {
    let neon = || pulp::aarch64::Neon::try_new().map(Arch::Neon);
    let arch = if vectors == Vectors::Neon { neon() } else { None };
    arch.unwrap_or(Arch::Scalar)
}

/// Whatever the crate for vectors finds.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn arch_of(_: Vectors) -> Arch {
    Arch::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Vectors::{Avx2, Avx512, Neon, Scalar};

    #[test]
    fn the_widest_that_is_not_left_out_is_taken() {
        let cases: [(&[Vectors], &[Vectors], Vectors); 8] = [
            (&[Avx2, Avx512], &[], Avx512),
            (&[Avx2, Avx512], &[Avx512], Avx2),
            (&[Avx2, Avx512], &[Avx512, Avx2], Scalar),
            (&[Avx2, Avx512], &[Avx2], Scalar),
            (&[Avx2], &[Neon], Avx2),
            (&[Neon], &[Avx2], Neon),
            (&[Neon], &[Neon], Scalar),
            (&[], &[Avx512], Scalar),
        ];
        for (found, without, expected) in cases {
            assert_eq!(widest(found, without), expected, "{found:?} without {without:?}");
        }
    }

    /// What is left out of this very process is not computed with, and the instructions are those that are told.
    #[test]
    fn the_choice_of_this_process_leaves_out_what_it_should() {
        let (chosen, without) = (vectors().unwrap(), Without::of_process().unwrap());
        assert!(!without.vectors.contains(&chosen), "{chosen} without {without:?}");
        assert_eq!(lanes(), if chosen == Scalar { 1 } else { width(chosen) }, "{chosen}");
        eprintln!("computed with {chosen}");
    }

    fn width(vectors: Vectors) -> usize {
        match vectors {
            Scalar => 1,
            Neon => 4,
            Avx2 => 8,
            Avx512 => 16,
        }
    }

    fn lanes() -> usize {
        struct Lanes;
        impl pulp::WithSimd for Lanes {
            type Output = usize;

            fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        arch().dispatch(Lanes)
    }
}
