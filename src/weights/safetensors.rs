//! safetensors: eight bytes of header length, a header in JSON, then the tensors back to back.
//!
//! The crate `safetensors` reads and checks the header. Its `SafeTensors::deserialize` is not used, because
//! it adds to the sum of all tensor sizes before it compares that with the file (0.8.0): sizes near 2⁶⁴
//! overflow.

use std::collections::{BTreeMap, HashMap};

use ::safetensors::tensor::{Dtype, Metadata, TensorInfo};
use half::f16;
use serde_json::{Map, Value, json};

use super::balanced::{self, INDICES, VALUES};
use super::{Contents, Number, Reading, Weights};
use crate::tensor::{Balance, Parameter};

/// How many bytes hold the header's length.
const LENGTH: usize = 8;

/// How the numbers of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// As they are.
    F32,
    /// Rounded to the nearest of half precision: half the size.
    F16,
}

/// A whole file: tensors in the order of their names, from a multiple of eight bytes on.
pub(super) fn write<'p>(
    tensors: impl Iterator<Item = (&'p str, &'p Parameter)>,
    metadata: &BTreeMap<String, String>,
    stored: Stored,
) -> Reading<Vec<u8>> {
    let mut file = Writing::default();
    if !metadata.is_empty() {
        file.header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let balance = metadata.get(Weights::BALANCE).and_then(|text| Balance::read(text));
    for (name, parameter) in tensors {
        match balance.and_then(|balance| balanced::pack(parameter, balance)) {
            Some((values, indices)) => {
                file.numbers(&format!("{name}{VALUES}"), &values, stored)?;
                file.tensor(&format!("{name}{INDICES}"), "U8", values.dims(), &indices);
            }
            None => file.numbers(name, parameter, stored)?,
        }
    }
    let Writing { header, data } = file;
    let mut header = Value::Object(header).to_string();
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(LENGTH) - header.len()));
    Ok([&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat())
}

/// What a file has so far.
#[derive(Default)]
struct Writing {
    header: Map<String, Value>,
    data: Vec<u8>,
}

impl Writing {
    fn numbers(&mut self, name: &str, parameter: &Parameter, stored: Stored) -> Reading<()> {
        let values = parameter.values().iter();
        let (kind, bytes): (_, Vec<u8>) = match stored {
            Stored::F32 => ("F32", values.flat_map(|value| value.to_le_bytes()).collect()),
            Stored::F16 => {
                let narrow: Reading<Vec<f16>> = values.map(|value| narrowed(*value)).collect();
                let narrow = narrow.map_err(|reason| format!("{name}: {reason}"))?;
                ("F16", narrow.iter().flat_map(|value| value.to_le_bytes()).collect())
            }
        };
        self.tensor(name, kind, parameter.dims(), &bytes);
        Ok(())
    }

    fn tensor(&mut self, name: &str, kind: &str, dims: &[usize], bytes: &[u8]) {
        let start = self.data.len();
        self.data.extend(bytes);
        let described = json!({ "dtype": kind, "shape": dims, "data_offsets": [start, self.data.len()] });
        self.header.insert(name.to_owned(), described);
    }
}

/// The nearest `f16`, which may not be infinity where the number is none.
fn narrowed(value: f32) -> Reading<f16> {
    let narrow = f16::from_f32(value);
    if narrow.is_infinite() && value.is_finite() {
        return Err(format!("expected numbers that f16 can hold, of at most {}, found {value}", f16::MAX));
    }
    Ok(narrow)
}

/// Reads a whole file.
pub(super) fn read(bytes: &[u8]) -> Reading<Contents> {
    let (header, data) = split(bytes)?;
    let header: Metadata = serde_json::from_slice(header)
        .map_err(|error| format!("the safetensors header is damaged: {error}"))?;
    if header.data_len() != data.len() {
        return Err(format!(
            "the safetensors header describes {} bytes of tensors, found {}; the file is cut short or damaged",
            header.data_len(),
            data.len()
        ));
    }

    let mut contents = Contents::default();
    let tensors = header.tensors();
    for (name, info) in &tensors {
        if let Some(parameter) = parameter(info, data).map_err(|reason| format!("{name}: {reason}"))? {
            contents.parameters.insert(name.clone(), parameter);
        }
    }
    contents.metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    if let Some(text) = contents.metadata.get(Weights::BALANCE) {
        let refused = || format!("balance: expected `4 of 16` or the like, found `{text}`");
        unpack(&mut contents.parameters, &tensors, data, Balance::read(text).ok_or_else(refused)?)?;
    }
    Ok(contents)
}

/// Puts weights in the place of their values and indices.
fn unpack(
    parameters: &mut BTreeMap<String, Parameter>,
    tensors: &HashMap<String, &TensorInfo>,
    data: &[u8],
    balance: Balance,
) -> Reading<()> {
    let packed: Vec<String> =
        parameters.keys().filter_map(|name| Some(name.strip_suffix(VALUES)?.to_owned())).collect();
    for name in packed {
        let Some(info) = tensors.get(&format!("{name}{INDICES}")) else { continue };
        let Some(values) = parameters.remove(&format!("{name}{VALUES}")) else { continue };
        let (start, end) = info.data_offsets;
        let indices = if info.dtype == Dtype::U8 { &data[start..end] } else { &[] };
        let weight = balanced::unpack(&values, indices, balance);
        parameters.insert(name.clone(), weight.map_err(|reason| format!("{name}: {reason}"))?);
    }
    Ok(())
}

/// The header and the tensors' bytes.
fn split(bytes: &[u8]) -> Reading<(&[u8], &[u8])> {
    let short = || "the safetensors file is cut short".to_owned();
    let (length, rest) = bytes.split_first_chunk::<LENGTH>().ok_or_else(short)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
    rest.split_at_checked(length).ok_or_else(|| {
        format!(
            "expected a safetensors header of {length} bytes, found {}; the file is cut short",
            rest.len()
        )
    })
}

/// The tensor's numbers; `None` for integers.
fn parameter(info: &TensorInfo, data: &[u8]) -> Reading<Option<Parameter>> {
    let number = match info.dtype {
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::Bf16,
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        Dtype::BOOL | Dtype::I8 | Dtype::U8 | Dtype::I16 | Dtype::U16 => return Ok(None),
        Dtype::I32 | Dtype::U32 | Dtype::I64 | Dtype::U64 => return Ok(None),
        other => return Err(format!("expected numbers of F16, BF16, F32 or F64, found {other}")),
    };
    // The header's check: offsets ascend up to its `data_len` and fit the shape.
    let (start, end) = info.data_offsets;
    Ok(Some(Parameter::new(info.shape.clone(), number.decode(&data[start..end]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        [&header.len().to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
    }

    fn tensor(dtype: &str, shape: &str, offsets: [u64; 2]) -> String {
        format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets:?}}}"#)
    }

    #[test]
    fn numbers_are_kept_and_integers_skipped() {
        let header = format!(
            r#"{{"__metadata__":{{"scale":"2"}},"a":{},"n":{}}}"#,
            tensor("F32", "[2,3]", [0, 24]),
            tensor("I64", "[]", [24, 32])
        );
        let contents = read(&file(&header, 32)).unwrap();
        assert_eq!(contents.metadata["scale"], "2");
        assert_eq!(contents.parameters.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(contents.parameters["a"].dims(), [2, 3]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let values = vec![1.0, -0.0, 1.0 / 3.0, 65519.0, 3e-8, f32::MIN_POSITIVE];
        let tensors = [
            ("b.\"quoted\"", Parameter::new([2, 3], values.clone())),
            ("a", Parameter::new([], vec![2.0])),
            ("none", Parameter::new([0, 3], vec![])),
        ];
        let metadata = BTreeMap::from([("scale".to_owned(), "2".to_owned())]);
        let named = || tensors.iter().map(|(name, parameter)| (*name, parameter));
        for (stored, bytes, expected) in [
            (Stored::F32, 28, values.clone()),
            (Stored::F16, 14, vec![1.0, -0.0, 0.333_251_95, 65504.0, 5.960_464_5e-8, 0.0]),
        ] {
            let file = write(named(), &metadata, stored).unwrap();
            assert_eq!(file, write(named(), &metadata, stored).unwrap());
            assert!((file.len() - bytes).is_multiple_of(8));
            let contents = read(&file).unwrap();
            assert_eq!(contents.metadata, metadata);
            assert_eq!(contents.parameters.len(), 3);
            let found = &contents.parameters["b.\"quoted\""];
            assert_eq!((found.dims(), found.values()), (&[2, 3][..], &expected[..]));
            assert_eq!(contents.parameters["a"], tensors[1].1);
        }
        for (value, expected) in [(65520.0, "found 65520"), (-1e30, "found -1")] {
            let large = Parameter::new([1], vec![value]);
            let reason = write([("large", &large)].into_iter(), &metadata, Stored::F16).unwrap_err();
            assert!(
                reason.starts_with("large: expected numbers that f16 can hold, of at most 65504"),
                "{reason}"
            );
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        // Eight tensors whose sizes add up to 2⁶⁴ − 8.
        let size = (1 << 61) - 1;
        let huge: Vec<_> = (0..8)
            .map(|i| format!(r#""{i}":{}"#, tensor("U8", &format!("[{size}]"), [i * size, (i + 1) * size])))
            .collect();
        let cases = [
            (
                file(&format!(r#"{{"a":{}}}"#, tensor("F8_E4M3", "[2]", [0, 2])), 2),
                "a: expected numbers of F16",
            ),
            (file(&format!(r#"{{"a":{}}}"#, tensor("F32", "[2]", [0, 8])), 7), "8 bytes of tensors, found 7"),
            (file(&format!(r#"{{"a":{}}}"#, tensor("F32", "[3]", [0, 8])), 8), "header is damaged"),
            (file(r#"{"a":"#, 0), "header is damaged"),
            (file("{}", 0)[..9].to_vec(), "header of 2 bytes, found 1"),
            (file(&format!("{{{}}}", huge.join(",")), 0), "18446744073709551608 bytes of tensors, found 0"),
        ];
        for (bytes, expected) in cases {
            let reason = read(&bytes).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
