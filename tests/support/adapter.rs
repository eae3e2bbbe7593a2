//! The device under test.

use std::sync::OnceLock;

use sparsr::{Gpu, Without};

/// The variable that says that a machine has no adapter and that this is wanted.
const NO_GPU: &str = "SPARSR_NO_GPU";

/// The best adapter, opened once a test program, so that its pipelines are shared; `None`, said aloud, where
/// [`NO_GPU`] is set.
///
/// # Panics
/// If there is none: what no adapter has run has not been tested.
pub fn gpu(test: &str) -> Option<Gpu> {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    if std::env::var_os(NO_GPU).is_some_and(|value| value != "0") {
        super::skip::told(format_args!("{test}, since {NO_GPU} is set"));
        return None;
    }
    let open =
        || Gpu::new().unwrap_or_else(|error| panic!("{error}; or set {NO_GPU}=1 to skip what needs one"));
    Some(GPU.get_or_init(|| masked(open())).clone())
}

/// The device without what [`Without::VARIABLE`] names.
fn masked(gpu: Gpu) -> Gpu {
    let without = Without::of_process().unwrap_or_else(|error| panic!("{error}"));
    without.features.into_iter().fold(gpu, Gpu::without)
}
