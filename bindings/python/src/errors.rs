//! The library's errors as Python's exceptions, each with its sentence. The classes are in `python/sparsr/_errors.py`.

use std::io::ErrorKind;

use pyo3::exceptions::PyRuntimeError;
use pyo3::import_exception;
use pyo3::prelude::*;
use sparsr_rs::Error;

import_exception!(sparsr._errors, WeightsError);
import_exception!(sparsr._errors, ShapeError);
import_exception!(sparsr._errors, ChoiceError);
import_exception!(sparsr._errors, NoAdapter);
import_exception!(sparsr._errors, Unsupported);
import_exception!(sparsr._errors, LimitsError);
import_exception!(sparsr._errors, OutOfMemory);
import_exception!(sparsr._errors, DeviceError);
import_exception!(sparsr._errors, Diverged);
import_exception!(sparsr._errors, FileError);
import_exception!(sparsr._errors, FileNotFound);

/// Why a call failed: by the library, or by what Python code raised meanwhile.
#[derive(Debug)]
pub(crate) enum Failure {
    Library(Error),
    Raised(PyErr),
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Library(error) => exception(&error),
            Failure::Raised(raised) => raised,
        }
    }
}

fn exception(error: &Error) -> PyErr {
    let sentence = error.to_string();
    match error {
        Error::Weights { .. } => WeightsError::new_err(sentence),
        Error::Shape { .. } => ShapeError::new_err(sentence),
        Error::Parse { .. } => ChoiceError::new_err(sentence),
        Error::NoAdapter(_) => NoAdapter::new_err(sentence),
        Error::Unsupported(_) => Unsupported::new_err(sentence),
        Error::Limits(_) => LimitsError::new_err(sentence),
        Error::OutOfMemory(_) => OutOfMemory::new_err(sentence),
        Error::Device(_) => DeviceError::new_err(sentence),
        Error::Diverged { .. } => Diverged::new_err(sentence),
        Error::Io { source, .. } => with_number(
            source.raw_os_error(),
            match source.kind() {
                ErrorKind::NotFound => FileNotFound::new_err(sentence),
                _ => FileError::new_err(sentence),
            },
        ),
        // Pictures in files are not this library's to read, and whoever cancels a call is told why by what was raised.
        _ => PyRuntimeError::new_err(sentence),
    }
}

/// An `OSError` with `errno`. It is set afterwards: given to the constructor it would change the sentence.
fn with_number(number: Option<i32>, error: PyErr) -> PyErr {
    Python::attach(|py| match number {
        Some(number) => error.value(py).setattr("errno", number).err().unwrap_or(error),
        None => error,
    })
}
