//! Work on a thread of its own, while the caller's waits without the interpreter's lock and wakes some fifty times a
//! second: to hear signals, and to tell how far the work is. What Python raises then, `KeyboardInterrupt` for example,
//! ends the work and is raised once it has ended.

use std::panic::resume_unwind;
use std::process;
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread::{self, Builder};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::ThreadPool;
use sparsr_rs::{Control, Error, Position, Upscaler};

use crate::errors::{Failure, Result};

/// How often the caller's thread looks.
const GLANCE: Duration = Duration::from_millis(20);

/// How far a call is.
#[pyclass(frozen, get_all, module = "sparsr")]
#[derive(Debug)]
pub(crate) struct Progress {
    /// The share of the work that is done, 0 to 1.
    share: f64,
    /// Seconds that are left if it goes on as it went so far; None while that is not known.
    seconds_left: Option<f64>,
    /// The phase under way, from 0: networks that look at the whole picture have several.
    phase: usize,
    /// How many there are.
    phases: usize,
    /// Tiles of this phase that are done.
    tile: usize,
    /// How many it has.
    tiles: usize,
}

#[pymethods]
impl Progress {
    fn __repr__(&self) -> String {
        let Self { share, phase, phases, tile, tiles, .. } = self;
        format!("<sparsr.Progress {:.0} %: phase {phase} of {phases}, tile {tile} of {tiles}>", 100.0 * share)
    }
}

impl From<Position> for Progress {
    fn from(position: Position) -> Self {
        Self {
            share: position.share,
            seconds_left: position.left.map(|left| left.as_secs_f64()),
            phase: position.phase,
            phases: position.phases,
            tile: position.window,
            tiles: position.windows,
        }
    }
}

/// Who works: one call at a time. Others wait, and hear signals meanwhile.
#[derive(Debug)]
pub(crate) struct Worker {
    upscaler: Mutex<Upscaler>,
    /// Where the CPU engine computes; None: on as many threads as the process has for all.
    pool: Option<ThreadPool>,
}

impl Worker {
    pub(crate) fn new(upscaler: Upscaler, threads: Option<usize>) -> Result<Self> {
        Ok(Self { upscaler: Mutex::new(upscaler), pool: pool(threads)? })
    }

    /// What `work` makes, or what was raised meanwhile. `listener` is called with a [`Progress`].
    pub(crate) fn run<T: Send>(
        &self,
        py: Python<'_>,
        listener: Option<&Bound<'_, PyAny>>,
        work: impl FnOnce(&mut Upscaler) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        refuse_forked()?;
        let listener = listener.map(|listener| listener.clone().unbind());
        Ok(py.detach(|| self.attend(listener.as_ref(), work))?)
    }

    fn attend<T: Send>(
        &self,
        listener: Option<&Py<PyAny>>,
        work: impl FnOnce(&mut Upscaler) -> Result<T, Error> + Send,
    ) -> Result<T> {
        let mut upscaler = self.lock()?;
        let control = Control::default();
        upscaler.set_control(&control);
        let (upscaler, caller) = (&mut *upscaler, thread::current());
        let work = move || {
            let outcome = match &self.pool {
                Some(pool) => pool.install(|| work(upscaler)),
                None => work(upscaler),
            };
            caller.unpark();
            outcome
        };
        thread::scope(|scope| {
            let worker = Builder::new().name("sparsr".into()).spawn_scoped(scope, work);
            let worker = worker.map_err(|error| {
                Error::OutOfMemory(format!("no thread could be started: {error}; close other programs"))
            })?;
            let mut raised = None;
            while !worker.is_finished() {
                thread::park_timeout(GLANCE);
                if raised.is_none() && !worker.is_finished() {
                    raised = glance(listener, control.progress.position()).err();
                    raised.iter().for_each(|_| control.cancel.cancel());
                }
            }
            let outcome = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            match raised {
                Some(raised) => Err(raised.into()),
                None => {
                    let made = outcome?;
                    glance(listener, control.progress.position())?;
                    Ok(made)
                }
            }
        })
    }

    fn lock(&self) -> Result<MutexGuard<'_, Upscaler>> {
        loop {
            match self.upscaler.try_lock() {
                Ok(upscaler) => return Ok(upscaler),
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(GLANCE / 4);
                    Python::attach(|py| py.check_signals())?;
                }
                Err(TryLockError::Poisoned(_)) => {
                    let sentence =
                        "a mistake of the library's own ended an earlier call: make a new Upscaler";
                    return Err(PyRuntimeError::new_err(sentence).into());
                }
            }
        }
    }
}

/// Where the CPU engine computes, if its threads are counted.
pub(crate) fn pool(threads: Option<usize>) -> Result<Option<ThreadPool>> {
    let build = |threads: usize| {
        let built = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        built.map_err(|error| Error::OutOfMemory(format!("no thread could be started: {error}")))
    };
    Ok(threads.map(build).transpose()?)
}

/// Lets Python hear signals, on its main thread, and the caller how far the work is.
fn glance(listener: Option<&Py<PyAny>>, position: Position) -> PyResult<()> {
    Python::attach(|py| {
        py.check_signals()?;
        match listener {
            Some(listener) => listener.call1(py, (Progress::from(position),)).map(drop),
            None => Ok(()),
        }
    })
}

/// A process that was forked has its parent's memory and none of its threads: it would wait for them without end.
pub(crate) fn refuse_forked() -> Result<(), Failure> {
    static FIRST: OnceLock<u32> = OnceLock::new();
    if *FIRST.get_or_init(process::id) == process::id() {
        return Ok(());
    }
    let sentence = "this process was forked from one that had used sparsr already, whose threads it has not: begin \
                    processes by `spawn`, multiprocessing.set_start_method(\"spawn\") for example";
    Err(PyRuntimeError::new_err(sentence).into())
}
