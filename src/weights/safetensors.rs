//! safetensors: eight bytes of header length, a header in JSON, then the tensors back to back.
//!
//! The crate `safetensors` reads and checks the header. Its `SafeTensors::deserialize` is not used, because
//! it adds to the sum of all tensor sizes before it compares that with the file (0.8.0): sizes near 2⁶⁴
//! overflow.

use ::safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::{Contents, Number, Reading};
use crate::tensor::Parameter;

/// How many bytes hold the header's length.
const LENGTH: usize = 8;

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
    for (name, info) in header.tensors() {
        if let Some(parameter) = parameter(info, data).map_err(|reason| format!("{name}: {reason}"))? {
            contents.parameters.insert(name, parameter);
        }
    }
    contents.metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(contents)
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
