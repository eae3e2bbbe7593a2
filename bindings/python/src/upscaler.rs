//! Pictures enlarged: arrays in, arrays of the same type out.

use std::path::PathBuf;

use numpy::{
    Element, PyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArray3, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sparsr_rs::low_level::metrics::{SSIM_WINDOW, psnr_rgb, psnr_y, resize_bicubic_matlab, ssim_rgb, ssim_y};
use sparsr_rs::low_level::tensor::Shape;
use sparsr_rs::{Error, Mask, Packed, Pixels, Sample, Samples, Upscaled, View, ViewMut};

use crate::errors::{Failure, ShapeError};
use crate::model::{Model, read};
use crate::options::{Chosen, Words};
use crate::work::{Worker, refuse_forked};

/// Enlarges pictures with one network on one device.
#[pyclass(frozen, module = "sparsr._sparsr")]
#[derive(Debug)]
pub(crate) struct Upscaler {
    worker: Worker,
    model: Py<Model>,
    device: String,
    precision: String,
}

#[pymethods]
impl Upscaler {
    #[new]
    #[pyo3(signature = (model, *, device, precision, sparsity, tile, memory, threads, unusual, effort, ladder))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        py: Python<'_>,
        model: Option<&Bound<'_, PyAny>>,
        device: &str,
        precision: &str,
        sparsity: &str,
        tile: &str,
        memory: Option<u64>,
        threads: Option<usize>,
        unusual: bool,
        effort: Option<f64>,
        ladder: Option<PathBuf>,
    ) -> PyResult<Self> {
        refuse_forked()?;
        let words = Words { device, precision, sparsity, tile, memory, unusual, effort, ladder };
        let chosen = Chosen::parse(words)?;
        let model = model.map(read).transpose()?;
        let (worker, model, device, precision) = py.detach(|| {
            let upscaler = chosen.upscaler(model)?;
            let (device, precision) = (upscaler.device(), upscaler.precision().to_string());
            let model = Model::new(upscaler.model().clone())?;
            Ok::<_, Failure>((Worker::new(upscaler, threads)?, model, device, precision))
        })?;
        Ok(Self { worker, model: Py::new(py, model)?, device, precision })
    }

    #[getter]
    fn model(&self, py: Python<'_>) -> Py<Model> {
        self.model.clone_ref(py)
    }

    #[getter]
    fn scale(&self) -> usize {
        self.model.get().inner().scale()
    }

    #[getter]
    fn device(&self) -> &str {
        &self.device
    }

    #[getter]
    fn precision(&self) -> &str {
        &self.precision
    }

    /// Enlarges H×W, or H×W×1, 3 or 4, of uint8, uint16 or float32.
    #[pyo3(signature = (array, progress=None))]
    fn enlarge<'py>(
        &self,
        array: &Bound<'py, PyUntypedArray>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(array) = array.cast::<PyArrayDyn<u8>>() {
            self.enlarged(array, progress)
        } else if let Ok(array) = array.cast::<PyArrayDyn<u16>>() {
            self.enlarged(array, progress)
        } else if let Ok(array) = array.cast::<PyArrayDyn<f32>>() {
            self.enlarged(array, progress)
        } else {
            let expected = "expected samples of uint8, uint16 or float32";
            Err(PyTypeError::new_err(format!("picture: {expected}, found {}", array.dtype())))
        }
    }

    /// Where each sparse module worked on a picture of H×W×3, uint8 or uint16: names and arrays of H×W.
    #[pyo3(signature = (array, progress=None))]
    fn worked<'py>(
        &self,
        array: &Bound<'py, PyUntypedArray>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = array.py();
        let pixels = pixels(array)?;
        let Upscaled { masks, .. } =
            self.worker.run(py, progress, |upscaler| upscaler.upscale_pixels(&pixels))?;
        let named = PyDict::new(py);
        for Mask { name, width, height, active } in masks {
            named.set_item(name, PyArray::from_vec(py, active).reshape([height, width])?)?;
        }
        Ok(named)
    }

    /// How close the network comes to a picture of H×W×3 uint8, from `small` or from MATLAB's bicubic of it: as
    /// `sparsr eval`.
    #[pyo3(signature = (name, truth, small=None))]
    fn score<'py>(
        &self,
        name: &str,
        truth: PyReadonlyArray3<'py, u8>,
        small: Option<PyReadonlyArray3<'py, u8>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = truth.py();
        let scale = self.scale();
        let truth = pixels(truth.as_untyped())?;
        let (width, height) = (truth.width() / scale, truth.height() / scale);
        if width.min(height) * scale < SSIM_WINDOW + 2 * scale {
            let needed = SSIM_WINDOW + 2 * scale;
            return Err(ShapeError::new_err(format!("{name}: SSIM needs at least {needed} pixels a side")));
        }
        let truth = truth.part(0..width * scale, 0..height * scale).map_err(Failure::from)?;
        let small = match small {
            None => py.detach(|| resize_bicubic_matlab(&truth, width, height)),
            Some(small) => pixels(small.as_untyped())?,
        };
        let found = (small.width(), small.height());
        if found != (width, height) {
            let expected = format!("a small picture of {width}x{height} pixels");
            return Err(ShapeError::new_err(format!(
                "{name}: expected {expected}, found {}x{}",
                found.0, found.1
            )));
        }
        let begun = std::time::Instant::now();
        let upscaled = self.worker.run(py, None, |upscaler| upscaler.upscale_pixels(&small))?;
        let seconds = begun.elapsed().as_secs_f64();
        let [psnr_y, ssim_y, psnr_rgb, ssim_rgb] = py.detach(|| {
            [psnr_y, ssim_y, psnr_rgb, ssim_rgb].map(|metric| metric(&upscaled.pixels, &truth, scale))
        });
        let model = self.model.get().inner();
        let [w, h] = model.extended([width, height]);
        let macs = model.graph(Shape::new(1, 3, h, w)).map_err(Failure::from)?.macs().total() as f64;

        let score = PyDict::new(py);
        score.set_item("name", name)?;
        score.set_item("size", [width, height])?;
        score.set_item("psnr_y", psnr_y)?;
        score.set_item("ssim_y", ssim_y)?;
        score.set_item("psnr_rgb", psnr_rgb)?;
        score.set_item("ssim_rgb", ssim_rgb)?;
        score.set_item("macs", macs)?;
        score.set_item("macs_kept", upscaled.macs_kept)?;
        score.set_item("seconds", seconds)?;
        score.set_item("densities", upscaled.masks.iter().map(Mask::density).collect::<Vec<_>>())?;
        Ok(score)
    }

    fn __repr__(&self) -> String {
        let (model, device) = (self.model.get().inner(), &self.device);
        format!("<sparsr.Upscaler {} x{} on {device}, {}>", model.name(), model.scale(), self.precision)
    }
}

impl Upscaler {
    /// The samples are copied before other Python code runs, which may write into the array.
    fn enlarged<'py, T: Sample + Element + Default>(
        &self,
        array: &Bound<'py, PyArrayDyn<T>>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (order, [width, height]) = layout(array.shape())?;
        let samples = copied(array)?;
        let (step, scale) = (order.samples(), self.scale());
        let large = self.worker.run(array.py(), progress, |upscaler| {
            let [wide, high] = [width * scale, height * scale];
            let from = View::packed(&samples, [width, height], order, width * step)?;
            let mut large = room::<T>(wide, high, step)?;
            let mut to = ViewMut::packed(&mut large, [wide, high], order, wide * step)?;
            upscaler.upscale_into(&from, &mut to)?;
            Ok(large)
        })?;
        let mut shape = array.shape().to_vec();
        (shape[0], shape[1]) = (height * scale, width * scale);
        Ok(PyArray::from_vec(array.py(), large).reshape(shape)?.into_any())
    }
}

/// What the axes of an array say: channels, columns and rows.
fn layout(shape: &[usize]) -> PyResult<(Packed, [usize; 2])> {
    let (size, channels) = match *shape {
        [height, width] => ([width, height], 1),
        [height, width, channels] => ([width, height], channels),
        _ => ([0; 2], 0),
    };
    let order = match channels {
        1 => Packed::Gray,
        3 => Packed::Rgb,
        4 => Packed::Rgba,
        _ => {
            let expected = "expected rows, columns and no, 1, 3 or 4 channels";
            return Err(ShapeError::new_err(format!("picture: {expected}, found the shape {shape:?}")));
        }
    };
    Ok((order, size))
}

/// In the order of rows, whatever the array's own: what NumPy calls a slice may be in the order of columns.
pub(crate) fn copied<T: Element + Copy>(array: &Bound<'_, PyArrayDyn<T>>) -> PyResult<Vec<T>> {
    let in_rows = array.is_c_contiguous();
    let array = array.try_readonly()?;
    Ok(match array.as_slice() {
        Ok(samples) if in_rows => samples.to_vec(),
        _ => array.as_array().iter().copied().collect(),
    })
}

/// Memory for an enlarged picture. It is asked for before it is taken: a process that takes what there is not ends.
fn room<T: Sample + Default>(width: usize, height: usize, step: usize) -> Result<Vec<T>, Error> {
    let count = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(step));
    let there = |count: &usize| Vec::<T>::new().try_reserve_exact(*count).is_ok();
    let count = count.filter(there).ok_or_else(|| {
        Error::OutOfMemory(format!("there is no memory for an enlarged picture of {width}x{height} pixels"))
    })?;
    Ok(vec![T::default(); count])
}

/// A picture of H×W×3, uint8 or uint16.
pub(crate) fn pixels(array: &Bound<'_, PyUntypedArray>) -> PyResult<Pixels> {
    let (Packed::Rgb, [width, height]) = layout(array.shape())? else {
        let found = array.shape();
        return Err(ShapeError::new_err(format!(
            "picture: expected three channels, found the shape {found:?}"
        )));
    };
    let samples = if let Ok(array) = array.cast::<PyArrayDyn<u8>>() {
        Samples::U8(copied(array)?)
    } else if let Ok(array) = array.cast::<PyArrayDyn<u16>>() {
        Samples::U16(copied(array)?)
    } else {
        let expected = "expected samples of uint8 or uint16";
        return Err(PyTypeError::new_err(format!("picture: {expected}, found {}", array.dtype())));
    };
    Ok(Pixels::new(width, height, samples).map_err(Failure::from)?)
}
