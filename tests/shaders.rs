//! Every shader, without a GPU: it is registered, it validates, its host twin agrees, and naga translates it
//! to SPIR-V, Metal and HLSL under every specialisation that a plan of ours asks for. What browsers refuse and naga lets
//! pass is looked for in the texts (`shaders/grammar.rs`).

#[path = "shaders/grammar.rs"]
mod grammar;
#[path = "shaders/textures.rs"]
mod textures;
#[path = "shaders/written.rs"]
mod written;

use std::collections::BTreeSet;

use naga::back::{hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use sparsr::Feature;
use sparsr::low_level::kernel::{self, BindingKind, Kernel, Specialization};

#[test]
fn every_shader_is_registered_under_its_files_name() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wgsl"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let registered: BTreeSet<String> = kernel::ALL.iter().map(|kernel| kernel.name.to_owned()).collect();
    assert_eq!(files, registered);
}

#[test]
fn every_twin_agrees_with_its_shader() {
    for kernel in kernel::ALL {
        assert_eq!(twin_of(kernel), kernel.params.1.to_vec(), "{}: {}", kernel.name, kernel.params.0);
    }
}

#[test]
fn every_binding_follows_the_rule() {
    for kernel in kernel::ALL {
        let bindings = kernel::reflect(&kernel.wgsl(kernel.constants, &[]));
        let (first, rest) = bindings.split_first().unwrap();
        let outputs = rest.iter().rev().take_while(|kind| **kind == BindingKind::ReadWrite).count();
        let inputs = &rest[..rest.len() - outputs];
        assert_eq!(*first, BindingKind::Uniform, "{}: parameters come first", kernel.name);
        assert!(outputs > 0, "{}: the outputs come last", kernel.name);
        assert!(
            inputs.iter().all(|kind| *kind == BindingKind::Read),
            "{}: inputs are only read",
            kernel.name
        );
        assert!(rest.len() <= 8, "{}: portable devices bind at most 8 storage buffers", kernel.name);
    }
}

#[test]
fn every_shader_translates_to_every_backend() {
    let mut written = written::Written::default();
    for kernel in kernel::ALL {
        for specialization in specializations(kernel).into_iter().chain(in_f16(kernel)) {
            let hlsl = translate(kernel, &specialization);
            written.add(kernel, &specialization, hlsl);
        }
    }
    written.save();
}

#[test]
fn subgroup_operations_are_enabled_where_they_stand() {
    let words = |wgsl: &str| -> Vec<String> {
        let code: String =
            wgsl.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
        code.split(|character: char| !character.is_alphanumeric() && character != '_')
            .map(str::to_owned)
            .collect()
    };
    let for_browsers = |kernel: &&&Kernel| !kernel.needs.contains(&Feature::CooperativeMatrices);
    for kernel in kernel::ALL.iter().filter(for_browsers) {
        let native = kernel.wgsl(kernel.constants, &[]);
        // `subgroupAdd` and its like, and the built-in values such as `subgroup_size`.
        let built_in = |word: &String| {
            word.strip_prefix("subgroup").is_some_and(|rest| rest.starts_with(char::is_uppercase))
                || ["subgroup_invocation_id", "subgroup_size", "subgroup_id", "num_subgroups"]
                    .contains(&word.as_str())
        };
        let uses = words(&native).iter().any(built_in);
        let browsers = kernel.wgsl_in_browsers(kernel.constants, &[]);
        let enabled = browsers.starts_with("enable subgroups;\ndiagnostic(off, subgroup_uniformity);\n");
        assert_eq!(enabled, uses, "{}: a kernel that `needs` subgroups uses them, and no other", kernel.name);
        assert!(browsers.ends_with(&native) && (enabled || browsers == native), "{}", kernel.name);
    }
}

#[test]
fn operators_have_the_parentheses_that_browsers_want() {
    for folder in ["shaders", "shaders/shared"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for path in paths.filter(|path| path.is_file()) {
            let faults = grammar::faults(&std::fs::read_to_string(&path).unwrap());
            assert!(faults.is_empty(), "{}: put parentheses at (line, operators) {faults:?}", path.display());
        }
    }
}

#[test]
fn a_drifted_twin_is_told_apart() {
    // The check above is worth what its failure is worth: two fields in the other order must be seen.
    let mut drifted = kernel::binary::KERNEL.params.1.to_vec();
    drifted.swap(0, 1);
    assert_ne!(twin_of(&kernel::binary::KERNEL), drifted);
}

/// Name and offset of every field of the shader's parameters.
fn twin_of(kernel: &Kernel) -> Vec<(&'static str, usize)> {
    let module = parse(&kernel.wgsl(kernel.constants, &[]));
    let of_that_name = |ty: &&naga::Type| ty.name.as_deref() == Some(kernel.params.0);
    let (_, ty) =
        module.types.iter().find(|(_, ty)| of_that_name(ty)).expect("the twin's name is the struct's");
    let naga::TypeInner::Struct { members, .. } = &ty.inner else {
        panic!("{} is a struct", kernel.params.0)
    };
    let name = |member: &naga::StructMember| -> &'static str { member.name.clone().unwrap().leak() };
    members.iter().map(|member| (name(member), member.offset as usize)).collect()
}

/// One value more than the largest of every override's codes, by the override's name.
const CODES: &[(&str, u32)] = &[
    ("ACTIVATION", 8),
    ("RESIDUAL", 3),
    ("MASKED", 2),
    ("LISTED", 2),
    ("INPUTS", 5),
    ("GROUPED", 2),
    ("FOURS", 2),
    ("KIND", 5),
    ("ONE_CHANNEL", 2),
    ("LOSS", 3),
    ("LANES", 2),
    ("ADDED", 2),
    ("WIDE", 2),
    ("ADAPTIVE", 2),
    ("CORNERS", 2),
    ("TERM", 3),
    ("ROOT", 2),
    ("PART", 2),
    ("RUN", 1),
    ("BIASED", 2),
];

/// Every value of every override, the others at their defaults, for every shape of the register tile.
fn specializations(kernel: &Kernel) -> Vec<Specialization> {
    let tiles: Vec<Vec<(&'static str, u32)>> = match kernel.constants {
        [] => vec![vec![]],
        constants => [(1, 8), (3, 16), (5, 8)]
            .into_iter()
            .map(|(size, side)| {
                let value = |name, usual| match name {
                    "KERNEL" => size,
                    "SIDE" => side,
                    "PIXELS" => [2, 4, 8][size as usize / 2],
                    _ => usual,
                };
                constants.iter().map(|(name, usual)| (*name, value(*name, *usual))).collect()
            })
            .collect(),
    };
    let module = parse(&kernel.wgsl(kernel.constants, &[]));
    let declared = module.overrides.iter().map(|(_, declared)| declared.name.clone().unwrap());
    let mut all = Vec::new();
    for name in declared {
        let (name, codes) =
            CODES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name} has codes"));
        for tile in &tiles {
            let values = if *name == "RUN" { 4096..4097 } else { 0..*codes };
            all.extend(values.map(|value| Specialization::new(tile.clone(), vec![(*name, value)])));
        }
    }
    if all.is_empty() {
        all.extend(tiles.into_iter().map(|constants| Specialization::new(constants, vec![])));
    }
    all
}

/// Each binding that may be stored as f16 alone, and all of them, for every shape of the register tile.
fn in_f16(kernel: &Kernel) -> Vec<Specialization> {
    let names: Vec<&'static str> = kernel.stored().into_iter().flatten().collect();
    let all = if names.len() > 1 { Some(names.clone()) } else { None };
    let sets = names.into_iter().map(|name| vec![name]).chain(all);
    let plain = Specialization::new(kernel.constants.to_vec(), vec![]);
    sets.map(|halves| Specialization { halves, ..plain.clone() }).collect()
}

#[test]
fn what_may_be_f16_is_what_the_shader_declares() {
    let names = |kernel: &Kernel| kernel.stored().into_iter().flatten().collect::<Vec<_>>().join(" ");
    for (kernel, expected) in [
        (&kernel::activation::KERNEL, "input output"),
        (&kernel::attention::KERNEL, "input output"),
        (&kernel::conv2d_tiled::KERNEL, "input residual weight output"),
        (&kernel::conv2d_gather_tiled::KERNEL, "input_0 input_1 input_2 input_3 residual output"),
        (&kernel::winograd_multiply_tiled::KERNEL, ""),
        (&kernel::pixel_store::KERNEL, ""),
    ] {
        assert_eq!(names(kernel), expected, "{}", kernel.name);
    }
    for kernel in kernel::ALL {
        let bindings = kernel::reflect(&kernel.wgsl(kernel.constants, &[])).len();
        assert_eq!(kernel.stored().len() + 1, bindings, "{}: every binding is found", kernel.name);
    }
}

#[test]
fn what_is_f16_differs_in_its_type_alone() {
    let text = |halves: &[&str]| kernel::binary::KERNEL.wgsl(&[], halves);
    let expected = text(&[]).replace("alias BStored = vec4<f32>;", "alias BStored = vec4<f16>;");
    assert_eq!(text(&["b"]), format!("enable f16;\n{expected}"));
}

/// Translates to SPIR-V, MSL and HLSL; returns the last, which kernels of cooperative matrices have none of.
fn translate(kernel: &Kernel, specialization: &Specialization) -> Option<String> {
    let name = format!("{} {specialization}", kernel.name);
    let wgsl = kernel.wgsl(&specialization.constants, &specialization.halves);
    let module = parse(&wgsl);
    let half = !specialization.halves.is_empty();
    let info = validate(&module, kernel, half, &name, &wgsl);
    let overrides =
        specialization.overrides.iter().map(|(key, value)| ((*key).to_owned(), f64::from(*value))).collect();
    let (module, info) =
        process_overrides(&module, &info, Some((naga::ShaderStage::Compute, "main")), &overrides)
            .unwrap_or_else(|error| panic!("{name}: {error}"));

    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    spv::write_vec(&module, &info, &options, None).unwrap_or_else(|error| panic!("{name}: SPIR-V: {error}"));

    let options = msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
    msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
        .unwrap_or_else(|error| panic!("{name}: MSL: {error}"));

    if kernel.needs.contains(&Feature::CooperativeMatrices) {
        return None; // naga writes none in HLSL, and wgpu offers none there
    }
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_2,
        fake_missing_bindings: true,
        force_loop_bounding: false, // as `gpu/pipelines.rs` asks
        ..Default::default()
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
        .write(&module, &info, None)
        .unwrap_or_else(|error| panic!("{name}: HLSL: {error}"));
    Some(text)
}

fn parse(wgsl: &str) -> naga::Module {
    naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|error| panic!("{}", error.emit_to_string(wgsl)))
}

fn validate(module: &naga::Module, kernel: &Kernel, half: bool, name: &str, wgsl: &str) -> ModuleInfo {
    let capability = |feature: &Feature| match feature {
        Feature::Subgroups => Capabilities::SUBGROUP,
        Feature::F16 => Capabilities::SHADER_FLOAT16,
        Feature::CooperativeMatrices => Capabilities::COOPERATIVE_MATRIX,
        other => panic!("{other}: which of naga's capabilities is that?"),
    };
    let needs = kernel.needs.iter().chain(half.then_some(&Feature::F16));
    let capabilities = needs.map(capability).fold(Capabilities::empty(), Capabilities::union);
    Validator::new(ValidationFlags::all(), capabilities)
        .validate(module)
        .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(wgsl)))
}
