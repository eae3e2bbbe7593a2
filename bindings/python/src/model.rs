//! Networks: loaded, and asked for what they are in the words that spandrel has for it.

use std::path::{Path, PathBuf};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use sparsr_rs::low_level::cpu;
use sparsr_rs::low_level::plan::{Phase, uncut};
use sparsr_rs::low_level::tensor::Shape;
use sparsr_rs::low_level::weights::Stored;

use crate::errors::{Failure, FileNotFound, Result};

/// A network: what a checkpoint holds. It does not change.
#[pyclass(frozen, module = "sparsr")]
#[derive(Debug)]
pub(crate) struct Model {
    inner: sparsr_rs::Model,
    tiles: Tiles,
}

/// Whether pictures pass in tiles.
#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    /// How often each tile is computed a part of.
    pub(crate) passes: usize,
    /// What looks at the whole picture, if something does.
    pub(crate) whole_picture: Option<String>,
    /// What a million pixels take in one piece, by the CPU engine, if they pass in no other way.
    pub(crate) bytes_a_megapixel: Option<u64>,
}

impl Model {
    pub(crate) fn new(inner: sparsr_rs::Model) -> Result<Self> {
        let side = inner.extended([64, 64]);
        let graph = inner.graph(Shape::new(1, 3, side[1], side[0]))?;
        let phases = Phase::all(graph.clone());
        let uncut = uncut(&phases);
        let whole_picture = uncut.map(|node| format!("{} ({})", node.name, node.op.operator().name()));
        let bytes = uncut.map(|_| cpu::bytes_a_megapixel(&graph, inner.alignment())).transpose()?;
        Ok(Self { inner, tiles: Tiles { passes: phases.len(), whole_picture, bytes_a_megapixel: bytes } })
    }

    pub(crate) fn inner(&self) -> &sparsr_rs::Model {
        &self.inner
    }

    pub(crate) fn tiles(&self) -> &Tiles {
        &self.tiles
    }
}

#[pymethods]
impl Model {
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    #[getter]
    fn architecture(&self) -> &str {
        self.inner.architecture()
    }

    #[getter]
    fn description(&self) -> String {
        self.inner.description()
    }

    #[getter]
    fn purpose(&self) -> &str {
        if self.inner.scale() > 1 { "SR" } else { "Restoration" }
    }

    #[getter]
    fn scale(&self) -> usize {
        self.inner.scale()
    }

    #[getter]
    fn scales(&self) -> Vec<usize> {
        self.inner.scales()
    }

    #[getter]
    fn parameters(&self) -> usize {
        self.inner.parameters()
    }

    #[getter]
    fn input_channels(&self) -> usize {
        3
    }

    #[getter]
    fn output_channels(&self) -> usize {
        3
    }

    #[getter]
    fn tiling(&self) -> &str {
        match self.tiles {
            Tiles { whole_picture: Some(_), .. } => "discouraged",
            Tiles { passes: 1, .. } => "supported",
            Tiles { .. } => "internal",
        }
    }

    #[getter]
    fn size_requirements<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let arguments = (self.inner.smallest_side(), self.inner.alignment(), false);
        py.import("sparsr._values")?.getattr("SizeRequirements")?.call1(arguments)
    }

    /// The same network at another scale, of a checkpoint that holds several.
    fn at_scale(&self, py: Python<'_>, scale: usize) -> PyResult<Self> {
        Ok(py.detach(|| Self::new(self.inner.at_scale(scale)?))?)
    }

    /// The checkpoint as a safetensors file.
    #[pyo3(signature = (*, half=false))]
    fn to_bytes<'py>(&self, py: Python<'py>, half: bool) -> PyResult<Bound<'py, PyBytes>> {
        let stored = if half { Stored::F16 } else { Stored::F32 };
        let bytes = py.detach(|| self.inner.to_safetensors(stored)).map_err(Failure::from)?;
        Ok(PyBytes::new(py, &bytes))
    }

    fn __repr__(&self) -> String {
        let model = &self.inner;
        let (name, architecture) = (model.name(), model.architecture());
        format!("<sparsr.Model {name}: {architecture} x{}, {} parameters>", model.scale(), model.parameters())
    }
}

/// Where a network comes from.
enum Source {
    Named(String),
    File(PathBuf),
    Bytes(PyBackedBytes),
    Made(Py<Model>),
}

impl Source {
    fn of(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(model) = given.cast::<Model>() {
            return Ok(Self::Made(model.clone().unbind()));
        }
        if let Ok(name) = given.extract() {
            return Ok(Self::Named(name));
        }
        if let Ok(bytes) = given.extract() {
            return Ok(Self::Bytes(bytes));
        }
        given.extract().map(Self::File).map_err(|_| {
            let found = given.get_type();
            PyTypeError::new_err(format!("expected a name, a path, bytes or a sparsr.Model, found {found}"))
        })
    }

    fn read(self) -> Result<sparsr_rs::Model> {
        Ok(match self {
            Self::Made(model) => model.get().inner.clone(),
            Self::Bytes(bytes) => sparsr_rs::Model::from_bytes("bytes", &bytes)?,
            Self::File(path) => sparsr_rs::Model::load(&path)?,
            Self::Named(name) => named(&name)?,
        })
    }
}

/// A built-in network, or one from a file.
fn named(name: &str) -> Result<sparsr_rs::Model> {
    let (built_in, path) = (sparsr_rs::Model::builtin_names(), Path::new(name));
    if built_in.contains(&name) {
        return Ok(sparsr_rs::Model::builtin(name)?);
    }
    if !path.exists() && path.extension().is_none() {
        let (reason, names) = ("it is neither a file nor built in", built_in.join(", "));
        return Err(FileNotFound::new_err(format!("no model `{name}`: {reason} (there are: {names})")).into());
    }
    Ok(sparsr_rs::Model::load(path)?)
}

/// The network that a name, a path, bytes or a model stand for.
pub(crate) fn read(given: &Bound<'_, PyAny>) -> PyResult<sparsr_rs::Model> {
    let source = Source::of(given)?;
    Ok(given.py().detach(|| source.read())?)
}

#[pyfunction]
#[pyo3(signature = (model, /))]
pub(crate) fn load(model: &Bound<'_, PyAny>) -> PyResult<Model> {
    let inner = read(model)?;
    Ok(model.py().detach(|| Model::new(inner))?)
}

#[pyfunction]
pub(crate) fn builtin_models() -> Vec<&'static str> {
    sparsr_rs::Model::builtin_names().to_vec()
}
