//! What turns shaders into a DX12 device's code: DXC, which is a file that the user brings, or FXC, which every Windows
//! has and which does not get through sparsr's kernels (ARCHITECTURE.md says what was tried).

use std::fmt;

use super::AdapterInfo;

/// The compiler of a DX12 adapter's shaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShaderCompiler {
    /// Microsoft's present one, `dxcompiler.dll`: beside the program or on the library path.
    Dxc,
    /// The one before it, a part of Windows.
    Fxc,
}

impl fmt::Display for ShaderCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dxc => "DXC",
            Self::Fxc => "FXC",
        })
    }
}

impl AdapterInfo {
    /// Why sparsr does not use this adapter, and what to do; nothing for one that it uses.
    pub fn refusal(&self) -> Option<String> {
        (self.shader_compiler == Some(ShaderCompiler::Fxc)).then(|| {
            format!(
                "{} ({}): its shaders would be compiled by FXC, which does not get through sparsr's; put \
                 dxcompiler.dll, version 1.8.2502 or newer, of Microsoft's DXC release (DirectXShaderCompiler) \
                 beside the program, or use Vulkan",
                self.name, self.backend
            )
        })
    }
}
