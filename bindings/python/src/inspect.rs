//! What a network is, and where its work lies: the same that `sparsr inspect --json` prints.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sparsr_rs::Partition;
use sparsr_rs::low_level::tensor::Shape;

use crate::errors::Failure;
use crate::model::load;

/// A side of the picture that the work is counted on: large, so that what is done once a picture vanishes.
const SIDE: usize = 256;

#[pyfunction]
#[pyo3(signature = (model, /))]
pub(crate) fn inspect<'py>(model: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = model.py();
    let loaded = load(model)?;
    let model = loaded.inner();
    let side = SIDE.next_multiple_of(model.alignment());
    let macs = py.detach(|| model.graph(Shape::new(1, 3, side, side))).map_err(Failure::from)?.macs();
    let a_pixel = |macs: u64| macs as f64 / (side * side) as f64;

    let work = PyDict::new(py);
    work.set_item("total", a_pixel(macs.total()))?;
    work.set_item("always", a_pixel(macs.always))?;
    work.set_item("masked", a_pixel(macs.masked))?;
    let tiles = PyDict::new(py);
    tiles.set_item("passes", loaded.tiles().passes)?;
    tiles.set_item("whole_picture", &loaded.tiles().whole_picture)?;
    tiles.set_item("bytes_a_megapixel", loaded.tiles().bytes_a_megapixel)?;
    let module = |Partition { module, channels, dense }: Partition| {
        let row = PyDict::new(py);
        row.set_item("name", module)?;
        row.set_item("channels", channels)?;
        row.set_item("dense", dense)?;
        Ok(row)
    };
    let modules = model.partitions().into_iter().map(module).collect::<PyResult<Vec<_>>>()?;

    let report = PyDict::new(py);
    report.set_item("model", model.name())?;
    report.set_item("architecture", model.architecture())?;
    report.set_item("description", model.description())?;
    report.set_item("taken", model.weights().taken().map(ToString::to_string))?;
    report.set_item("scale", model.scale())?;
    report.set_item("scales", model.scales())?;
    report.set_item("alignment", model.alignment())?;
    report.set_item("smallest_side", model.smallest_side())?;
    report.set_item("border", model.net().facts().border)?;
    report.set_item("parameters", model.parameters())?;
    report.set_item("macs_per_input_pixel", work)?;
    report.set_item("tiles", tiles)?;
    report.set_item("modules", modules)?;
    Ok(report)
}
