//! What a convolution does to its sum before storing it. Twin of `shaders/shared/epilogue.wgsl`.

use super::activation::Function;

/// When a residual is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Residual {
    /// Never.
    #[default]
    None,
    /// `activate(sum + residual)`.
    Before,
    /// `activate(sum) + residual`.
    After,
}

/// Activation and residual add.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epilogue {
    /// Which function.
    pub function: Function,
    /// Which residual add.
    pub residual: Residual,
}

impl Epilogue {
    pub(super) fn overrides(self) -> [(&'static str, u32); 2] {
        [("ACTIVATION", self.function.code()), ("RESIDUAL", self.residual as u32)]
    }
}
