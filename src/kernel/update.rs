//! Host half of `shaders/update.wgsl`, and twin of `shaders/shared/update.wgsl`: how an update's settings are stored.

use super::{Dispatch, Kernel, Specialization, row_of};

/// The shader.
pub static KERNEL: Kernel = kernel!("update", UpdateParams);

params! {
    /// Twin of the shader's parameters.
    pub struct UpdateParams {
        elements: u32,
    }
}

/// Bytes at whose multiples pieces begin: WebGPU's largest alignment for offsets.
pub const BLOCK_BYTES: usize = 256;

/// Elements of four numbers in front of those of the pieces.
pub const HEAD: usize = 3;

/// Settings of an update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What the gathered sums are multiplied by: one part of so many, and what makes up for a gradient's scale.
    pub share: f32,
    /// Which limit there is: none, a norm, or times the mean norm.
    pub limit_kind: u32,
    /// The limit.
    pub limit: f32,
    /// The mean norm of the gradients before.
    pub mean: f32,
    /// What an average keeps of itself.
    pub kept: f32,
    /// How numbers follow their gradients.
    pub rule: Rule,
}

/// How numbers follow their gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rule {
    /// Which step.
    pub kind: Kind,
    /// Weight decay that is a part of the gradient; λ of a step that makes numbers zero.
    pub decay: f32,
    /// What keeps the quotient finite; what a number must be beyond, of the orthant step.
    pub epsilon: f32,
    /// Decays of the two moments.
    pub betas: [f32; 2],
    /// What the moments take of what is new.
    pub taken: [f32; 2],
}

/// Which step numbers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// By moments of the gradient.
    #[default]
    Adam,
    /// By the gradient, and nearer to zero.
    Prox,
    /// By the gradient and towards zero, within the orthant.
    Orthant,
}

/// Settings of a piece: none for one that is not trained.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Piece {
    /// The learning rate over the first moment's correction.
    pub step: f32,
    /// The root of the second moment's correction.
    pub root: f32,
    /// What a step leaves of a number.
    pub shrunk: f32,
}

impl Settings {
    /// The numbers that the shaders read.
    pub fn pack(&self, pieces: &[Option<Piece>]) -> Vec<f32> {
        let Rule { kind, decay, epsilon, betas: [b1, b2], taken: [c1, c2] } = self.rule;
        let head = [
            [self.share, self.limit_kind as f32, self.limit, self.kept],
            [decay, epsilon, b1, b2],
            [c1, c2, self.mean, f32::from(kind as u8)],
        ];
        let pieces = pieces.iter().map(|piece| match piece {
            Some(Piece { step, root, shrunk }) => [*step, *root, *shrunk, 1.0],
            None => [0.0; 4],
        });
        head.into_iter().chain(pieces).flatten().collect()
    }
}

/// Bindings: pieces, settings, control, sums, parameters, first and second moments, averages.
pub fn dispatch(elements: usize) -> Dispatch {
    KERNEL.dispatch(Specialization::default(), &UpdateParams { elements: elements as u32 }, row_of(elements))
}
