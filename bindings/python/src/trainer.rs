//! Networks that learn: an iteration of `sparsr train`'s, from batches that Python makes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use numpy::{PyArray, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rayon::ThreadPool;
use sparsr_bindings::Choice;
use sparsr_rs::learn::{self, Clip, Objective, Optimiser, State};
use sparsr_rs::low_level::graph::Loss;
use sparsr_rs::low_level::metrics::resize_bicubic_matlab;
use sparsr_rs::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr_rs::low_level::weights::Weights;
use sparsr_rs::{Device, Error, Gpu, Precision, Samples};

use crate::errors::{ChoiceError, Failure, Result, ShapeError};
use crate::model::{Model, read};
use crate::upscaler::{copied, pixels};
use crate::work::{pool, refuse_forked};

/// A network that learns.
#[pyclass(frozen, module = "sparsr")]
#[derive(Debug)]
pub(crate) struct Trainer {
    inner: Mutex<learn::Trainer>,
    /// What it began with.
    begun: sparsr_rs::Model,
    /// The side of small pictures.
    size: usize,
    pool: Option<ThreadPool>,
}

#[pymethods]
impl Trainer {
    #[new]
    #[pyo3(signature = (model, *, size, at_once, device, precision, loss, betas, weight_decay, decoupled, clip, ema, unit, freeze,
                        threads))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        model: &Bound<'_, PyAny>,
        size: usize,
        at_once: usize,
        device: &str,
        precision: &str,
        loss: &str,
        betas: [f64; 2],
        weight_decay: f64,
        decoupled: bool,
        clip: Option<f64>,
        ema: f64,
        unit: f64,
        freeze: Vec<String>,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        refuse_forked()?;
        if size == 0 || at_once == 0 {
            return Err(ShapeError::new_err(format!(
                "expected a size and pictures at once of 1 or more, found {size} and {at_once}"
            )));
        }
        let (choice, loss) = (device.parse::<Choice>().map_err(Failure::from)?, loss_of(loss)?);
        let precision: Precision = precision.parse().map_err(Failure::from)?;
        let mut optimiser = Optimiser::default();
        (optimiser.betas, optimiser.weight_decay, optimiser.decoupled) = (betas, weight_decay, decoupled);
        (optimiser.clip, optimiser.ema_decay) = (clip.map_or(Clip::None, Clip::Norm), ema);
        let begun = read(model)?;
        let begin = || {
            let (net, low) = (begun.net(), Shape::new(at_once, 3, size, size));
            let objective = Objective::of_net(net, low, &[(loss, 1.0)])?;
            let objective = objective.only(|name| !freeze.iter().any(|start| name.starts_with(start)))?;
            let parameters = net.parameters().clone();
            let mut inner = match choice.device()? {
                Device::Cpu if precision == Precision::F16 => {
                    let reason = "the CPU engine trains in f32; expected the precision auto or f32, or a GPU";
                    return Err(Error::Unsupported(reason.into()).into());
                }
                Device::Cpu => learn::Trainer::new(objective, parameters, optimiser)?,
                Device::Gpu(adapter) => learn::Trainer::on_gpu(
                    &Gpu::open(&adapter)?,
                    precision,
                    objective,
                    parameters,
                    optimiser,
                )?,
            };
            for (name, _) in net.parameters().iter() {
                inner.set_rate_factor(name, learn::unit_factor(begun.architecture(), name, unit));
            }
            Ok::<_, Failure>((Mutex::new(inner), pool(threads)?))
        };
        let (inner, pool) = model.py().detach(begin)?;
        Ok(Self { inner, begun, size, pool })
    }

    #[getter]
    fn iteration(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| Ok(self.lock()?.iteration()))
    }

    /// One iteration: the loss before it, in the network's own range, and the gradient's norm.
    fn step(
        &self,
        py: Python<'_>,
        small: &Bound<'_, PyUntypedArray>,
        large: &Bound<'_, PyUntypedArray>,
        rate: f64,
    ) -> PyResult<(f32, f64)> {
        refuse_forked()?;
        let white = self.begun.net().unfolded().range();
        let small = tensor("small", small, white, self.size)?;
        let large = tensor("large", large, white, self.size * self.begun.scale())?;
        let step = || {
            let mut locked = self.lock()?;
            let trainer = &mut *locked;
            let mut step = || trainer.step(&[&small, &large], rate);
            let found = match &self.pool {
                Some(pool) => pool.install(step),
                None => step(),
            }?;
            Ok::<_, Failure>((found.loss, found.norm))
        };
        Ok(py.detach(step)?)
    }

    /// The network as it is, or with the averages of its numbers.
    fn model(&self, py: Python<'_>, averaged: bool) -> PyResult<Model> {
        let made = || {
            let trainer = self.lock()?;
            let learnt = if averaged { trainer.averaged() } else { trainer.parameters() }?;
            let weights = self.begun.weights();
            let mut tensors: BTreeMap<String, Parameter> =
                weights.iter().map(|(name, numbers)| (name.to_owned(), numbers.clone())).collect();
            tensors.extend(learnt.iter().map(|(name, numbers)| (name.to_owned(), numbers)));
            let weights = Weights::new(self.begun.name(), tensors).with_metadata(self.begun.told());
            Model::new(sparsr_rs::Model::from_weights(self.begun.name(), weights)?)
        };
        Ok(py.detach(made)?)
    }

    /// All that the training needs to go on.
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| Ok::<_, Failure>(self.lock()?.state()?.to_bytes()?))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Goes on from a state.
    fn restore(&self, py: Python<'_>, state: &[u8]) -> PyResult<()> {
        Ok(py.detach(|| Ok::<_, Failure>(self.lock()?.restore(&State::from_bytes("state", state)?)?))?)
    }
}

impl Trainer {
    fn lock(&self) -> Result<MutexGuard<'_, learn::Trainer>> {
        self.inner.lock().map_err(|_| {
            let sentence = "a mistake of the library's own ended an earlier call: make a new Trainer";
            PyRuntimeError::new_err(sentence).into()
        })
    }
}

fn loss_of(word: &str) -> Result<Loss> {
    match word {
        "l1" => Ok(Loss::L1),
        "charbonnier" => Ok(Loss::Charbonnier { epsilon: 1e-12 }),
        "mse" => Ok(Loss::MeanSquare),
        _ => {
            let sentence = format!("loss: expected l1, charbonnier or mse, found `{word}`");
            Err(ChoiceError::new_err(sentence).into())
        }
    }
}

/// Pictures × rows × columns × 3, of uint8 or float32, in a network's own range.
fn tensor(what: &str, array: &Bound<'_, PyUntypedArray>, white: f32, side: usize) -> PyResult<Tensor> {
    let &[pictures, height, width, 3] = array.shape() else {
        let expected = "expected pictures, rows, columns and three channels";
        return Err(ShapeError::new_err(format!("{what}: {expected}, found the shape {:?}", array.shape())));
    };
    if (height, width) != (side, side) {
        let expected = format!("expected pictures of {side}x{side} pixels");
        return Err(ShapeError::new_err(format!("{what}: {expected}, found {width}x{height}")));
    }
    let samples: Vec<f32> = if let Ok(array) = array.cast::<PyArrayDyn<u8>>() {
        copied(array)?.into_iter().map(|sample| f32::from(sample) * (white / 255.0)).collect()
    } else if let Ok(array) = array.cast::<PyArrayDyn<f32>>() {
        copied(array)?.into_iter().map(|sample| sample * white).collect()
    } else {
        let expected = "expected samples of uint8 or float32";
        return Err(PyTypeError::new_err(format!("{what}: {expected}, found {}", array.dtype())));
    };
    let sample = |n: usize, c: usize, y: usize, x: usize| samples[((n * side + y) * side + x) * 3 + c];
    Ok(Tensor::from_fn(Shape::new(pictures, 3, side, side), sample))
}

/// MATLAB's `imresize` of a picture of H×W×3, uint8 or uint16.
#[pyfunction]
pub(crate) fn bicubic<'py>(
    array: &Bound<'py, PyUntypedArray>,
    width: usize,
    height: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let py = array.py();
    let pixels = pixels(array)?;
    if width == 0 || height == 0 {
        return Err(ShapeError::new_err(format!(
            "picture: expected at least one pixel, found {width}x{height}"
        )));
    }
    let resized = py.detach(|| resize_bicubic_matlab(&pixels, width, height));
    Ok(match resized.samples() {
        Samples::U8(samples) => PyArray::from_slice(py, samples).reshape([height, width, 3])?.into_any(),
        Samples::U16(samples) => PyArray::from_slice(py, samples).reshape([height, width, 3])?.into_any(),
    })
}
