//! The device under test.

use std::sync::OnceLock;

use sparsr::{Feature, Gpu};

/// The variable that says that a machine has no adapter and that this is wanted.
const NO_GPU: &str = "SPARSR_NO_GPU";

/// The variable that names features, with commas between, that the device is used without.
const WITHOUT: &str = "SPARSR_WITHOUT";

/// The best adapter, opened once a test program, so that its pipelines are shared; `None`, said aloud, where
/// [`NO_GPU`] is set.
///
/// # Panics
/// If there is none: what no adapter has run has not been tested.
pub fn gpu(test: &str) -> Option<Gpu> {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    if std::env::var_os(NO_GPU).is_some_and(|value| value != "0") {
        eprintln!("skipped: {test}, since {NO_GPU} is set");
        return None;
    }
    let open =
        || Gpu::new().unwrap_or_else(|error| panic!("{error}; or set {NO_GPU}=1 to skip what needs one"));
    Some(GPU.get_or_init(|| masked(open())).clone())
}

/// The device without what [`WITHOUT`] names.
fn masked(gpu: Gpu) -> Gpu {
    let names = std::env::var(WITHOUT).unwrap_or_default();
    let feature = |name: &str| {
        let named = Feature::ALL.into_iter().find(|feature| feature.to_string() == name);
        named.unwrap_or_else(|| {
            panic!("{WITHOUT}: `{name}` is none of {:?}", Feature::ALL.map(|f| f.to_string()))
        })
    };
    names.split(',').filter(|name| !name.is_empty()).map(feature).fold(gpu, Gpu::without)
}
