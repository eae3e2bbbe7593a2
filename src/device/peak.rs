//! What a device can do at best, as plain data: `gpu` measures it, a profile is held against it.

/// What a device can do at best, measured.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Peak {
    /// Multiply-adds a second in f32.
    pub multiply_adds_per_second: f64,
    /// Multiply-adds a second in f16, where the device has it.
    pub f16: Option<f64>,
    /// Multiply-adds a second by cooperative matrices of f16 with sums in f32, where the device has them.
    pub cooperative: Option<f64>,
    /// Bytes a second, read and written ones added, of a copy within the device's memory.
    pub bytes_per_second: f64,
}
