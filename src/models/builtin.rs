//! Networks that are part of the program.

use super::Model;
use crate::error::{Error, Result};
use crate::weights::Weights;

/// Name and checkpoint.
const BUILTIN: &[(&str, &[u8])] = &[
    ("smsr-x2", include_bytes!("../../weights/smsr-x2.safetensors")),
    ("smsr-x3", include_bytes!("../../weights/smsr-x3.safetensors")),
    ("smsr-x4", include_bytes!("../../weights/smsr-x4.safetensors")),
    ("edsrtiny-x2", include_bytes!("../../weights/edsrtiny-x2.safetensors")),
    ("edsrmini-x2", include_bytes!("../../weights/edsrmini-x2.safetensors")),
    ("edsrmini-x3", include_bytes!("../../weights/edsrmini-x3.safetensors")),
    ("edsrmini-x4", include_bytes!("../../weights/edsrmini-x4.safetensors")),
    ("edsrmini-x2-photo", include_bytes!("../../weights/edsrmini-x2-photo.safetensors")),
];

impl Model {
    /// One of [`Model::builtin_names`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is none of that name.
    pub fn builtin(name: &str) -> Result<Self> {
        let Some((name, bytes)) = BUILTIN.iter().find(|(builtin, _)| *builtin == name) else {
            let names = Self::builtin_names().join(", ");
            return Err(Error::Unsupported(format!("no built-in model `{name}`; there are: {names}")));
        };
        Self::from_weights(*name, Weights::from_bytes(&format!("builtin:{name}"), bytes)?)
    }

    /// The networks that are part of the program.
    pub fn builtin_names() -> &'static [&'static str] {
        const NAMES: [&str; BUILTIN.len()] = {
            let (mut names, mut at) = ([""; BUILTIN.len()], 0);
            while at < names.len() {
                names[at] = BUILTIN[at].0;
                at += 1;
            }
            names
        };
        &NAMES
    }
}
