//! From files to one WGSL text: `#import name` is replaced, once, by `shaders/shared/name.wgsl`.
//!
//! WGSL does not care for the order of declarations, so plain inclusion is all that is needed.

use crate::device::Feature;

/// What a shader's binding is, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindingKind {
    /// The parameters.
    Uniform,
    /// A buffer that is only read.
    Read,
    /// A buffer that is written.
    ReadWrite,
}

const SHARED: &[(&str, &str)] = &[
    ("activation", include_str!("../../shaders/shared/activation.wgsl")),
    ("attention", include_str!("../../shaders/shared/attention.wgsl")),
    ("attention_gradient", include_str!("../../shaders/shared/attention_gradient.wgsl")),
    ("attention_keys", include_str!("../../shaders/shared/attention_keys.wgsl")),
    ("attention_params", include_str!("../../shaders/shared/attention_params.wgsl")),
    ("attention_query", include_str!("../../shaders/shared/attention_query.wgsl")),
    ("bias", include_str!("../../shaders/shared/bias.wgsl")),
    ("conv2d_gather", include_str!("../../shaders/shared/conv2d_gather.wgsl")),
    ("conv2d_store", include_str!("../../shaders/shared/conv2d_store.wgsl")),
    ("cooperative", include_str!("../../shaders/shared/cooperative.wgsl")),
    ("cubic", include_str!("../../shaders/shared/cubic.wgsl")),
    ("element", include_str!("../../shaders/shared/element.wgsl")),
    ("epilogue", include_str!("../../shaders/shared/epilogue.wgsl")),
    ("finite", include_str!("../../shaders/shared/finite.wgsl")),
    ("gather", include_str!("../../shaders/shared/gather.wgsl")),
    ("larger", include_str!("../../shaders/shared/larger.wgsl")),
    ("layer_norm", include_str!("../../shaders/shared/layer_norm.wgsl")),
    ("layout", include_str!("../../shaders/shared/layout.wgsl")),
    ("loss", include_str!("../../shaders/shared/loss.wgsl")),
    ("peak_cooperative", include_str!("../../shaders/shared/peak_cooperative.wgsl")),
    ("peak_multiply_add", include_str!("../../shaders/shared/peak_multiply_add.wgsl")),
    ("product", include_str!("../../shaders/shared/product.wgsl")),
    ("sparsestmax", include_str!("../../shaders/shared/sparsestmax.wgsl")),
    ("update", include_str!("../../shaders/shared/update.wgsl")),
    ("weights_broadcast", include_str!("../../shaders/shared/weights_broadcast.wgsl")),
    ("weights_storage", include_str!("../../shaders/shared/weights_storage.wgsl")),
    ("winograd", include_str!("../../shaders/shared/winograd.wgsl")),
    ("winograd_multiply", include_str!("../../shaders/shared/winograd_multiply.wgsl")),
    ("workgroup_sum", include_str!("../../shaders/shared/workgroup_sum.wgsl")),
];

/// The whole text; of the stored bindings those called in `halves` are f16, the others f32.
pub(super) fn assemble(
    needs: &[Feature],
    source: &str,
    constants: &[(&'static str, u32)],
    halves: &[&str],
) -> String {
    let mut body = String::new();
    include(source, &mut Vec::new(), &mut body);
    let mut text: String = needs.iter().map(|feature| enable(*feature)).collect();
    if !halves.is_empty() && !needs.contains(&Feature::F16) {
        text += enable(Feature::F16);
    }
    for (name, value) in constants {
        text += &format!("const {name}: u32 = {value}u;\n");
        if *name == "SIDE" && needs.contains(&Feature::CooperativeMatrices) {
            text += &matrices(*value);
        }
    }
    for (name, ty) in body.lines().filter_map(binding).filter_map(|(_, name, ty)| Some((name, ty?))) {
        let number = if halves.contains(&name) { "f16" } else { "f32" };
        let all = if ty.ends_with(FOURS) { format!("vec4<{number}>") } else { number.to_owned() };
        text += &format!("alias {ty} = {all};\n");
    }
    text + &body
}

/// How the names of types end that say how a binding is stored: four numbers an element, or one.
const FOURS: &str = "Stored";
const ONES: &str = "Number";

/// Of a line that declares a binding its number, its name and, if the host may choose how it is stored, that type's
/// name: `@group(0) @binding(1) var<storage, read> input: array<InputStored>;`.
fn binding(line: &str) -> Option<(usize, &str, Option<&str>)> {
    let (number, rest) = line.strip_prefix("@group(0) @binding(")?.split_once(')')?;
    let (name, ty) = rest.split_once("> ")?.1.split_once(": ")?;
    let stored = ty.strip_prefix("array<").and_then(|ty| ty.split_once('>')).map(|(ty, _)| ty);
    let stored = stored.filter(|ty| ty.ends_with(FOURS) || ty.ends_with(ONES));
    Some((number.parse().ok()?, name, stored))
}

/// Of every binding behind the parameters, in order, its name if it may be stored as f16.
pub(super) fn stored(source: &'static str) -> Vec<Option<&'static str>> {
    let mut bindings: Vec<(usize, Option<&'static str>)> = Vec::new();
    let mut files = vec![source];
    let mut seen: Vec<&str> = Vec::new();
    while let Some(file) = files.pop() {
        for line in file.lines() {
            if let Some((number, name, ty)) = binding(line) {
                bindings.push((number, ty.map(|_| name)));
            } else if let Some(name) = line.strip_prefix("#import ").filter(|name| !seen.contains(name)) {
                seen.push(name);
                files.extend(SHARED.iter().find(|(shared, _)| *shared == name).map(|(_, text)| *text));
            }
        }
    }
    bindings.sort_unstable_by_key(|(number, _)| *number);
    bindings.into_iter().skip(1).map(|(_, name)| name).collect()
}

/// What stands before a text of [`assemble`] where a browser compiles it: the line that allows subgroup operations, which
/// naga refuses, and one that takes a browser's word back that they stand in uniform control flow. It cannot see that:
/// eight threads go through the same rounds, as each kernel's host half makes sure.
pub(super) fn in_browsers(needs: &[Feature]) -> &'static str {
    if needs.contains(&Feature::Subgroups) {
        "enable subgroups;\ndiagnostic(off, subgroup_uniformity);\n"
    } else {
        ""
    }
}

/// naga has subgroup operations without being asked: [`in_browsers`] says what browsers want.
fn enable(feature: Feature) -> &'static str {
    match feature {
        Feature::Subgroups => "",
        Feature::F16 => "enable f16;\n",
        Feature::CooperativeMatrices => "enable wgpu_cooperative_matrix;\n",
    }
}

/// The types of matrices of one side, which WGSL cannot choose by a constant: pixels, weights, sums.
fn matrices(side: u32) -> String {
    let of = |name: &str, number: &str, role: &str| {
        format!("alias {name} = coop_mat{side}x{side}<{number}, {role}>;\n")
    };
    [of("MatrixA", "f16", "A"), of("MatrixB", "f16", "B"), of("MatrixC", "f32", "C")].concat()
}

fn include(source: &str, done: &mut Vec<&'static str>, text: &mut String) {
    for line in source.lines() {
        match line.strip_prefix("#import ") {
            None => text.extend([line, "\n"]),
            Some(wanted) => {
                let (name, shared) = SHARED
                    .iter()
                    .find(|(name, _)| *name == wanted)
                    .unwrap_or_else(|| panic!("shaders/shared/{wanted}.wgsl is in the list of shared files"));
                if !done.contains(name) {
                    done.push(name);
                    include(shared, done, text);
                }
            }
        }
    }
}

/// The bindings of group 0, by number.
///
/// # Panics
/// If the text is not WGSL, with naga's excerpt: the shaders are ours, and tests read them all.
pub fn reflect(wgsl: &str) -> Vec<BindingKind> {
    let module = naga::front::wgsl::parse_str(wgsl)
        .unwrap_or_else(|error| panic!("a shader of ours is WGSL:\n{}", error.emit_to_string(wgsl)));
    let mut bindings: Vec<(u32, BindingKind)> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let kind = match variable.space {
                naga::AddressSpace::Uniform => BindingKind::Uniform,
                naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                    BindingKind::ReadWrite
                }
                naga::AddressSpace::Storage { .. } => BindingKind::Read,
                _ => return None,
            };
            variable.binding.as_ref().map(|place| (place.binding, kind))
        })
        .collect();
    bindings.sort_unstable_by_key(|(number, _)| *number);
    bindings.into_iter().map(|(_, kind)| kind).collect()
}
