//! What can go wrong, grouped by who can mend it.
//!
//! Every message says what was expected, what was found and where. Nothing in the library panics on
//! its input: a panic is a mistake of ours and says what should have been true.

use std::path::{Path, PathBuf};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A checkpoint cannot be read, or does not hold the network that it should. Mend the file, or
    /// name another. `file` is where it came from, `reason` names the tensor by its full dotted path.
    #[error("{file}: {reason}")]
    Weights {
        /// The checkpoint: a path, or `builtin:<name>`.
        file: String,
        /// What was expected and what was found.
        reason: String,
    },

    /// Shapes that do not fit together: a mistake in a model's description, or in the size of what is handed over.
    #[error("{node}: {reason}")]
    Shape {
        /// The node, by the checkpoint's dotted path where it has one; or what was handed over, a `picture` for example.
        node: String,
        /// What was expected and what was found.
        reason: String,
    },

    /// A word that names no choice. Give one of those that are expected.
    #[error("expected {expected}, found `{found}`")]
    Parse {
        /// What there is to choose from.
        expected: String,
        /// The word.
        found: String,
    },

    /// There is no such adapter, or none that can be used. Name another, install a driver, or take the CPU.
    #[error("{0}")]
    NoAdapter(String),

    /// This device, build or version cannot do what was asked. Ask for something else.
    #[error("{0}")]
    Unsupported(String),

    /// The picture is too large for the device in one piece.
    #[error("{0}")]
    Limits(String),

    /// The device has not enough memory for this. Smaller tiles need less.
    #[error("{0}")]
    OutOfMemory(String),

    /// The device was lost, refused our commands, or made what is not a number. Nothing that it made can be
    /// trusted, and nothing is returned.
    #[error("{0}")]
    Device(String),

    /// A training left the finite numbers. Its parameters are those before this iteration; go on from the last state with
    /// a lower learning rate or with clipped gradients.
    #[error(
        "iteration {iteration}: {tensor} is {found}; the training cannot go on: lower the learning rate or clip gradients, and resume from the last state"
    )]
    Diverged {
        /// The iteration, from 1.
        iteration: u64,
        /// What is not finite.
        tensor: String,
        /// The first such number.
        found: f32,
    },

    /// It was asked to end ([`Cancel`](crate::Cancel)), and did. There is no result.
    #[error("cancelled")]
    Cancelled,

    /// A picture that cannot be decoded or encoded.
    #[error("{file}: {reason}")]
    Image {
        /// The picture's path.
        file: String,
        /// What was expected and what was found.
        reason: String,
    },

    /// The operating system refused a read or a write.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn weights(file: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Weights { file: file.into(), reason: reason.into() }
    }

    pub(crate) fn parse(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Parse { expected: expected.into(), found: found.into() }
    }

    pub(crate) fn shape(node: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Shape { node: node.into(), reason: reason.into() }
    }

    /// A limit with the file that goes beyond it.
    #[cfg(feature = "image")]
    pub(crate) fn of_file(self, file: &Path) -> Self {
        match self {
            Self::Limits(reason) => Self::Limits(format!("{}: {reason}", file.display())),
            other => other,
        }
    }

    /// A closure for `map_err` that names the file.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
