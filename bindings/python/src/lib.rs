//! sparsr for Python: the part that is Rust.
//!
//! ```text
//!   Python ─► arguments ─► copied samples ─► a thread that works ─► array
//!                                 the caller's thread, without the GIL ─┘ wakes: signals, progress
//! ```
//!
//! What pictures are to Python (arrays, PIL, DLPack) is in `python/sparsr`, in Python; here are arrays whose type and
//! shape are looked at before they are believed. No lock of the interpreter's is held while a network is read or run.

#![warn(missing_docs, unreachable_pub)]
#![deny(unsafe_code)]

mod errors;
mod inspect;
mod log;
mod model;
mod options;
mod trainer;
mod upscaler;
mod work;

use pyo3::prelude::*;

/// What `sparsr` is made of. Its types are in `_sparsr.pyi`.
#[pymodule(gil_used = false)]
fn _sparsr(module: &Bound<'_, PyModule>) -> PyResult<()> {
    log::begin();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<model::Model>()?;
    module.add_class::<upscaler::Upscaler>()?;
    module.add_class::<work::Progress>()?;
    module.add_class::<trainer::Trainer>()?;
    module.add_function(wrap_pyfunction!(model::load, module)?)?;
    module.add_function(wrap_pyfunction!(model::builtin_models, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::inspect, module)?)?;
    module.add_function(wrap_pyfunction!(trainer::bicubic, module)?)?;
    module.add_function(wrap_pyfunction!(options::adapters, module)?)
}
