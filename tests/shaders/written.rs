//! The shaders as other compilers than ours take them, written where variables of the environment say: Microsoft's DXC and
//! browsers are no part of this build, and `tests/platforms` hands them what lies there.

use std::path::{Path, PathBuf};

use sparsr::Feature;
use sparsr::low_level::kernel::{Kernel, Specialization};

/// The variable that names the folder for HLSL, a file a specialisation.
const HLSL: &str = "SPARSR_WRITE_HLSL";

/// The variable that names the folder for `shaders.json`: for each specialisation that browsers may be given its name, its
/// text, the values of its overrides, and WebGPU's names of the features that it needs.
const WGSL: &str = "SPARSR_WRITE_WGSL";

#[derive(Default)]
pub struct Written {
    hlsl: Vec<(String, String)>,
    wgsl: Vec<serde_json::Value>,
}

impl Written {
    pub fn add(&mut self, kernel: &Kernel, specialization: &Specialization, hlsl: Option<String>) {
        let Specialization { constants, overrides, halves } = specialization;
        let name = format!("{} {specialization}", kernel.name);
        if let Some(text) = hlsl {
            self.hlsl.push((name.clone(), text));
        }
        if kernel.needs.contains(&Feature::CooperativeMatrices) {
            return; // none for browsers
        }
        let stored = (!halves.is_empty()).then_some(Feature::F16);
        let features: Vec<&str> = kernel.needs.iter().copied().chain(stored).map(in_browsers).collect();
        let constants_of_pipeline: serde_json::Map<_, _> =
            overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        self.wgsl.push(serde_json::json!({
            "name": name.trim_end(),
            "wgsl": kernel.wgsl_in_browsers(constants, halves),
            "constants": constants_of_pipeline,
            "features": features,
        }));
    }

    /// Writes what is asked for.
    pub fn save(&self) {
        if let Some(folder) = asked(HLSL) {
            for ((name, text), number) in self.hlsl.iter().zip(1..) {
                write(&folder.join(format!("{number:03} {}.hlsl", name.trim_end())), text);
            }
        }
        if let Some(folder) = asked(WGSL) {
            write(&folder.join("shaders.json"), &serde_json::to_string(&self.wgsl).unwrap());
        }
    }
}

fn in_browsers(feature: Feature) -> &'static str {
    match feature {
        Feature::Subgroups => "subgroups",
        Feature::F16 => "shader-f16",
        other => panic!("{other}: what do browsers call that?"),
    }
}

fn asked(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
