//! Masks and results as NumPy arrays (format 1.0), for whoever goes on in Python.

use std::fs;
use std::path::Path;

use sparsr::{Samples, Upscaled};

use crate::{Result, files};

/// `<name>-<mask>.npy`, an array of booleans a mask, and `<name>-output.npy`, the enlarged picture as rows, columns and
/// channels. What is there is replaced.
pub fn write(folder: &Path, name: &str, upscaled: &Upscaled) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut arrays: Vec<(String, Vec<u8>)> = Vec::new();
    for mask in &upscaled.masks {
        let active: Vec<u8> = mask.active.iter().map(|active| u8::from(*active)).collect();
        arrays.push((mask.name.clone(), array("|b1", &[mask.height, mask.width], &active)));
    }
    let pixels = &upscaled.pixels;
    let shape = [pixels.height(), pixels.width(), 3];
    let output = match pixels.samples() {
        Samples::U8(samples) => array("|u1", &shape, samples),
        Samples::U16(samples) => {
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            array("<u2", &shape, &bytes)
        }
    };
    arrays.push(("output".into(), output));
    let begin =
        |(part, bytes): (String, Vec<u8>)| files::begin(&folder.join(format!("{name}-{part}.npy")), &bytes);
    let files = arrays.into_iter().map(begin).collect::<Result<Vec<_>>>()?;
    Ok(sparsr::NewFile::finish_all(files, true)?)
}

/// Head and numbers. The head ends, with a line's end, at a multiple of 64.
fn array(kind: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let sides: String = shape.iter().map(|side| format!("{side}, ")).collect();
    let mut head =
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sides}), }}").replace(", )", ")");
    let spaces = (10 + head.len() + 1).next_multiple_of(64) - (10 + head.len() + 1);
    head += &" ".repeat(spaces);
    head.push('\n');
    [b"\x93NUMPY\x01\x00", &(head.len() as u16).to_le_bytes()[..], head.as_bytes(), bytes].concat()
}
