//! The shaders between textures and pixels, which are no kernels of plans: they bind textures, and one of them renders.

use naga::ShaderStage;
use naga::back::{hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// A shader, where it begins, and what switches it.
struct Shader {
    name: &'static str,
    wgsl: &'static str,
    entries: &'static [(ShaderStage, &'static str)],
    switches: &'static [&'static str],
}

const SHADERS: [Shader; 3] = [
    Shader {
        name: "load",
        wgsl: include_str!("../../shaders/texture/load.wgsl"),
        entries: &[(ShaderStage::Compute, "main")],
        switches: &["WIDE", "ENCODED", "MIRRORED"],
    },
    Shader {
        name: "check",
        wgsl: include_str!("../../shaders/texture/check.wgsl"),
        entries: &[(ShaderStage::Compute, "main")],
        switches: &["WIDE"],
    },
    Shader {
        name: "store",
        wgsl: include_str!("../../shaders/texture/store.wgsl"),
        entries: &[(ShaderStage::Vertex, "corner"), (ShaderStage::Fragment, "main")],
        switches: &["WIDE", "DECODED", "HALF", "OPAQUE"],
    },
];

#[test]
fn shaders_of_textures_translate_to_every_backend() {
    for Shader { name, wgsl, entries, switches } in SHADERS {
        let module = naga::front::wgsl::parse_str(wgsl)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(wgsl)));
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        for on in 0..1_u32 << switches.len() {
            let value = |at: usize| f64::from(on >> at & 1);
            let overrides =
                switches.iter().enumerate().map(|(at, key)| ((*key).to_owned(), value(at))).collect();
            for entry in entries {
                let (module, info) = process_overrides(&module, &info, Some(*entry), &overrides)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                let options = spv::Options { lang_version: (1, 3), ..Default::default() };
                spv::write_vec(&module, &info, &options, None).unwrap();
                let options =
                    msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
                msl::write_string(&module, &info, &options, &msl::PipelineOptions::default()).unwrap();
                let options = hlsl::Options { fake_missing_bindings: true, ..Default::default() };
                hlsl::Writer::new(&mut String::new(), &options, &hlsl::PipelineOptions::default())
                    .write(&module, &info, None)
                    .unwrap_or_else(|error| panic!("{name}: HLSL: {error}"));
            }
        }
    }
}
