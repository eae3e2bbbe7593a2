//! A kernel's declaration, and the host twin of its uniform struct.

/// A field of a parameter struct: its name and its offset in bytes.
pub type Field = (&'static str, usize);

/// Declares the twin of a shader's parameters: `u32` and `f32` fields in the shader's order.
/// `tests/shaders.rs` compares names and offsets with the shader's own.
macro_rules! params {
    ($(#[$meta:meta])* pub struct $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        #[expect(missing_docs, reason = "the shader explains its parameters")]
        pub struct $name { $(pub $field: $type,)* }

        impl $name {
            /// The struct's name and fields.
            pub const TWIN: (&'static str, &'static [$crate::kernel::Field]) =
                (stringify!($name), &[$((stringify!($field), std::mem::offset_of!($name, $field)),)*]);
        }
    };
}

/// The kernel of `shaders/<name>.wgsl` with these parameters, which needs nothing in front of its text.
macro_rules! kernel {
    ($name:literal, $params:ty) => {
        $crate::kernel::Kernel {
            name: $name,
            source: include_str!(concat!("../../shaders/", $name, ".wgsl")),
            params: <$params>::TWIN,
            constants: &[],
            needs: &[],
        }
    };
}
