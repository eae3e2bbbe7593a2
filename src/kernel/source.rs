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
    ("bias", include_str!("../../shaders/shared/bias.wgsl")),
    ("conv2d_gather", include_str!("../../shaders/shared/conv2d_gather.wgsl")),
    ("cooperative", include_str!("../../shaders/shared/cooperative.wgsl")),
    ("element", include_str!("../../shaders/shared/element.wgsl")),
    ("epilogue", include_str!("../../shaders/shared/epilogue.wgsl")),
    ("layout", include_str!("../../shaders/shared/layout.wgsl")),
    ("peak_cooperative", include_str!("../../shaders/shared/peak_cooperative.wgsl")),
    ("peak_multiply_add", include_str!("../../shaders/shared/peak_multiply_add.wgsl")),
    ("product", include_str!("../../shaders/shared/product.wgsl")),
    ("weights_broadcast", include_str!("../../shaders/shared/weights_broadcast.wgsl")),
    ("weights_storage", include_str!("../../shaders/shared/weights_storage.wgsl")),
    ("winograd", include_str!("../../shaders/shared/winograd.wgsl")),
    ("winograd_multiply", include_str!("../../shaders/shared/winograd_multiply.wgsl")),
];

pub(super) fn assemble(needs: &[Feature], source: &str, constants: &[(&'static str, u32)]) -> String {
    let mut text: String = needs.iter().map(|feature| enable(*feature)).collect();
    for (name, value) in constants {
        text += &format!("const {name}: u32 = {value}u;\n");
        if *name == "SIDE" && needs.contains(&Feature::CooperativeMatrices) {
            text += &matrices(*value);
        }
    }
    include(source, &mut Vec::new(), &mut text);
    text
}

/// Subgroup operations are there without being asked for; naga refuses the line that browsers want.
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
