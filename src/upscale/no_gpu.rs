//! Where there is no GPU engine, no [`Upscaler`] runs on one.

use super::{Options, Upscaler};
use crate::error::Result;
use crate::models::Model;

/// Nothing is.
#[derive(Debug)]
pub(super) enum OnGpu {}

impl OnGpu {
    pub(super) fn stores(&self, _model: &Model, _present: &Model, _options: &Options) -> Result<bool> {
        match *self {}
    }

    pub(super) fn forget_textures(&mut self) {
        match *self {}
    }

    pub(super) fn upscaler(&self, _model: &Model, _options: &Options) -> Result<Upscaler> {
        match *self {}
    }
}

/// What becomes of alpha from texture to texture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextureAlpha {
    /// There are no textures.
    #[default]
    Enlarged,
}
