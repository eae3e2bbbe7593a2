//! NumPy's `.npy` files: little-endian f32, u8 and bool in C order, as numbers.

use std::path::Path;

use sparsr::low_level::tensor::Parameter;

/// Reads one array.
///
/// # Panics
/// If it is of any other kind: the file is a test's own.
pub fn read(path: &Path) -> Parameter {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(bytes.starts_with(b"\x93NUMPY\x01"), "{}: version 1 of the format", path.display());
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..end]).expect("the header is ASCII");
    assert!(header.contains("'fortran_order': False"), "{}: C order", path.display());
    let values: Vec<f32> = match between(header, "'descr': '", "'") {
        "<f4" => bytes[end..].as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect(),
        "|u1" | "|b1" => bytes[end..].iter().map(|number| f32::from(*number)).collect(),
        other => panic!("{}: numbers of type {other}", path.display()),
    };
    let axes = between(header, "'shape': (", ")").split(',').map(str::trim).filter(|axis| !axis.is_empty());
    Parameter::new(axes.map(|axis| axis.parse().expect("a length")).collect::<Vec<usize>>(), values)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).expect("a field of the header");
    rest.split_once(after).expect("the field's end").0
}
