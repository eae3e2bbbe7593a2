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
    /// Numbers of formats, of ends that are buffers.
    formats: &'static [&'static str],
}

macro_rules! shader {
    ($name:literal of $($file:literal)*: $entries:expr, $switches:expr, $formats:expr) => {
        Shader {
            name: concat!($name, " (", $($file, " "),*, ")"),
            wgsl: concat!($(include_str!(concat!("../../shaders/texture/", $file, ".wgsl"))),*),
            entries: $entries,
            switches: $switches,
            formats: $formats,
        }
    };
}

const COMPUTE: &[(ShaderStage, &str)] = &[(ShaderStage::Compute, "main")];
const RENDER: &[(ShaderStage, &str)] = &[(ShaderStage::Vertex, "corner"), (ShaderStage::Fragment, "main")];
const LOAD: &[&str] = &["WIDE", "ENCODED", "MIRRORED"];
const STORE: &[&str] = &["WIDE", "DECODED", "HALF", "OPAQUE"];
const INPUT: &str = "INPUT_FORMAT";
const OUTPUT: &str = "OUTPUT_FORMAT";

const SHADERS: [Shader; 7] = [
    shader!("load" of "params" "input_texture" "load": COMPUTE, LOAD, &[]),
    shader!("load" of "params" "input_buffer" "load": COMPUTE, LOAD, &[INPUT]),
    shader!("check" of "params" "check": COMPUTE, &["WIDE"], &[]),
    shader!("store" of "params" "input_texture" "store" "output_texture": RENDER, STORE, &[]),
    shader!("store" of "params" "input_buffer" "store" "output_texture": RENDER, STORE, &[INPUT]),
    shader!("store" of "params" "input_texture" "store" "output_buffer": COMPUTE, STORE, &[OUTPUT]),
    shader!("store" of "params" "input_buffer" "store" "output_buffer": COMPUTE, STORE, &[INPUT, OUTPUT]),
];

#[test]
fn shaders_of_textures_translate_to_every_backend() {
    for Shader { name, wgsl, entries, switches, formats } in SHADERS {
        let module = naga::front::wgsl::parse_str(wgsl)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(wgsl)));
        let info = Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let (bits, formats_of) = (switches.len() as u32, formats.len() as u32);
        for number in 0..1_u32 << (bits + 2 * formats_of) {
            let switch = |at: usize| f64::from(number >> at & 1);
            let format = |at: usize| f64::from(number >> (bits as usize + 2 * at) & 3);
            let switches = switches.iter().enumerate().map(|(at, key)| ((*key).to_owned(), switch(at)));
            let formats = formats.iter().enumerate().map(|(at, key)| ((*key).to_owned(), format(at)));
            let overrides = switches.chain(formats).collect();
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
