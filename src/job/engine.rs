//! What computes a phase of a network, window after window: a GPU, or the CPU.
//!
//! ```text
//!   prepare(phase) ─► submit(window) submit(window) ─► collect() submit(window) ─► collect() …
//! ```
//!
//! An engine may have several windows under way, and gives them back in the order in which they came. What it
//! gives is right or an error; after an error nothing of what was under way is to be had.

mod cpu;
#[cfg(not(target_arch = "wasm32"))]
mod gpu;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use cpu::CpuEngine;
#[cfg(not(target_arch = "wasm32"))]
pub use gpu::GpuEngine;

use crate::control::Cancel;
use crate::device::{Feature, Peak, Precision};
use crate::error::{Error, Result};
use crate::graph::Parameters;
use crate::pixels::{Depth, Pixels};
use crate::plan::Phase;
use crate::tensor::Blocks;

/// What a phase reads for one window.
#[derive(Clone, Debug)]
pub struct Window {
    /// The picture, if the phase reads it.
    pub picture: Option<Pixels>,
    /// What each of [`Phase::given`] is, packed as [`crate::tensor::pack`] says.
    pub given: Vec<Vec<f32>>,
    /// Memory for what is kept of the window, and where that of what was given goes when it is read.
    pub blocks: Blocks,
}

/// What a phase makes of a window.
#[derive(Clone, Debug)]
pub struct Made {
    /// The enlarged picture, if the phase makes it.
    pub picture: Option<Pixels>,
    /// What each of [`Phase::keep`] is, packed.
    pub kept: Vec<Vec<f32>>,
}

/// The time of one of a plan's steps.
#[derive(Clone, Debug)]
pub struct StepTime {
    /// The node that it computes, by the checkpoint's path.
    pub node: String,
    /// The kernel.
    pub kernel: &'static str,
    /// The device's time.
    pub time: Duration,
}

/// What a window says that comes before its phase.
fn unprepared() -> Error {
    Error::Unsupported("no phase is prepared: prepare one before a window is begun or collected".into())
}

/// Computes phases.
pub trait Engine: fmt::Debug + Send {
    /// The device's name.
    fn name(&self) -> String;

    /// Begins with a network, by the numbers of its parameters. What was prepared for another is forgotten.
    fn begin(&mut self, parameters: &Parameters);

    /// Puts other numbers in the place of the network's. What is prepared stays prepared.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with a number that cannot be stored as what is prepared stores it, [`Error::Device`]; nothing
    /// is replaced then.
    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()>;

    /// The bytes that [`Engine::prepare`] would need, on the device or, for the CPU, on the host.
    ///
    /// # Errors
    /// [`Error::Limits`] if the phase's windows are larger than the device can bind.
    fn footprint(&mut self, phase: &Phase, depth: Depth) -> Result<u64>;

    /// Makes ready for windows of the size of the phase's graph. What was under way is forgotten.
    ///
    /// # Errors
    /// [`Error::Limits`] and [`Error::OutOfMemory`] if smaller windows would help, [`Error::Device`] if the device
    /// is lost.
    fn prepare(&mut self, phase: &Arc<Phase>, depth: Depth) -> Result<()>;

    /// Whether [`Engine::submit`] may be called before [`Engine::collect`].
    fn is_ready(&self) -> bool;

    /// Begins a window.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Device`], [`Error::Cancelled`]; [`Error::Unsupported`] before
    /// [`Engine::prepare`].
    fn submit(&mut self, window: Window, cancel: &Cancel) -> Result<()>;

    /// Waits for the oldest window under way.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Device`]: the device is lost, or the picture is not of finite numbers;
    /// [`Error::Cancelled`]; [`Error::Unsupported`] if none is under way.
    fn collect(&mut self, cancel: &Cancel) -> Result<Made>;

    /// Features whose kernels it does without, lest they compute otherwise than those of engines that it works with.
    fn lacks(&self) -> BTreeSet<Feature> {
        BTreeSet::new()
    }

    /// Does without the kernels of features, too, from the next [`Engine::prepare`] on. Whether it had any of them.
    fn do_without(&mut self, _features: &BTreeSet<Feature>) -> bool {
        false
    }

    /// Whether a pixel's number depends on the pixels that it sees and on nothing else, such as its place in the window, to
    /// the last bit.
    fn is_placeless(&self) -> bool {
        false
    }

    /// How it keeps numbers.
    fn precision(&self) -> Precision {
        Precision::F32
    }

    /// After an error of size or device: the error and what the engine does otherwise from the next
    /// [`Engine::prepare`] on, in words.
    ///
    /// # Errors
    /// The error, perhaps with a hint, if there is nothing that it could do otherwise.
    fn fall_back(&mut self, error: Error) -> Result<String> {
        Err(error)
    }

    /// Whether from now on the steps of each window are timed, which then takes more than twice as long.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the engine cannot.
    fn time_steps(&mut self, _timed: bool) -> Result<()> {
        Err(Error::Unsupported(format!(
            "the {} engine has no profile: only the steps of a GPU are timed",
            self.name()
        )))
    }

    /// What the device can do at best, by the clock that times steps, if that is known.
    fn peak(&self) -> Option<Peak> {
        None
    }

    /// What was timed since it was asked for last.
    fn take_times(&mut self) -> Vec<StepTime> {
        Vec::new()
    }
}
