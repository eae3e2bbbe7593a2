//! What a file seems to be that is no checkpoint, and for the networks of other programs what to bring instead.

/// A kind of file by how it begins.
struct Stranger {
    start: &'static [u8],
    name: &'static str,
    /// Whether it holds a network, which was a checkpoint once.
    network: bool,
}

const fn network(start: &'static [u8], name: &'static str) -> Stranger {
    Stranger { start, name, network: true }
}

const fn other(start: &'static [u8], name: &'static str) -> Stranger {
    Stranger { start, name, network: false }
}

/// The first that fits counts.
const STRANGERS: [Stranger; 25] = [
    other(b"\x89PNG", "a PNG picture"),
    other(b"\xff\xd8\xff", "a JPEG picture"),
    other(b"GIF8", "a GIF picture"),
    other(b"BM", "a BMP picture"),
    other(b"RIFF", "a RIFF file, such as a WebP picture"),
    other(b"II*\0", "a TIFF picture"),
    other(b"MM\0*", "a TIFF picture"),
    other(b"\x93NUMPY", "a NumPy array"),
    other(b"\x1f\x8b", "a gzip archive"),
    other(b"version https://git-lfs", "a Git LFS pointer; fetch the file it points to"),
    network(b"7767517\n", "the description of an ncnn network (.param)"),
    network(b"7767517\r\n", "the description of an ncnn network (.param)"),
    network(b"\xdd\x85\x76\0", "the description of an ncnn network (.param.bin)"),
    network(b"\x47\x6b\x30\x01", "the weights of an ncnn network (.bin)"),
    network(b"\x38\x4b\x0d\0", "the weights of an ncnn network (.bin)"),
    network(b"\x56\xc0\x02\0", "the weights of an ncnn network (.bin)"),
    network(b"\0\0\0\0", "what may be the weights of an ncnn network (.bin)"),
    network(b"GGUF", "a GGUF file"),
    network(b"lmgg", "a GGML file"),
    network(b"tjgg", "a GGML file"),
    network(b"\x89HDF", "an HDF5 file, such as Keras writes (.h5)"),
    network(b"ftrt", "a TensorRT engine"),
    network(b"\x08\x01\x12", "a TensorFlow SavedModel (.pb)"),
    other(b"<", "an HTML page; perhaps a download gave a page in place of the file"),
    other(b"{", "a JSON text"),
];

/// So many bytes of a text are searched for what tells it.
const SEARCHED: usize = 1 << 20;

/// What the bytes seem to be.
pub(super) fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "an empty file".to_owned();
    }
    let known = || STRANGERS.iter().find(|stranger| bytes.starts_with(stranger.start));
    match inside(bytes).map(converted).or_else(|| known().map(Stranger::described)) {
        Some(known) => known,
        None => beginning(bytes),
    }
}

/// What the names of its entries tell of a zip archive that is no checkpoint, and of one that only looks like one.
pub(super) fn zipped<I: Iterator<Item: AsRef<str>>>(names: impl Fn() -> I) -> Option<String> {
    let has = |end: &str| names().any(|name| name.as_ref().ends_with(end));
    if has("constants.pkl") || has("model.json") && has(".debug_pkl") {
        let save = "save its state_dict instead: torch.save(torch.jit.load(path).state_dict(), other)";
        return Some(format!("a TorchScript archive; {save}"));
    }
    let known = [
        (".weights.h5", "a Keras network (.keras)"),
        (".mlmodel", "a Core ML package"),
        (".onnx", "an archive with an ONNX network"),
        (".safetensors", "an archive with a safetensors file; unpack it"),
        (".pth", "an archive with a checkpoint; unpack it"),
    ];
    if let Some((_, name)) = known.iter().find(|(end, _)| has(end)) {
        return Some(if name.ends_with("unpack it") { (*name).to_owned() } else { converted(name) });
    }
    has(".npy").then(|| "NumPy arrays (.npz)".to_owned())
}

impl Stranger {
    fn described(&self) -> String {
        if self.network { converted(self.name) } else { self.name.to_owned() }
    }
}

/// A network of another program, and what to do.
fn converted(name: &str) -> String {
    format!("{name}; bring the PyTorch checkpoint that it was made from (.pth, .safetensors)")
}

/// What is told by more than the first bytes.
fn inside(bytes: &[u8]) -> Option<&'static str> {
    let has = |text: &str| {
        let searched = &bytes[..bytes.len().min(SEARCHED)];
        searched.windows(text.len()).any(|window| window == text.as_bytes())
    };
    match bytes {
        [b'{' | b'<', ..] if has("weightsManifest") || has("modelTopology") => {
            Some("a TensorFlow.js network (model.json)")
        }
        [b'<', ..] if has("<net name=") => Some("an OpenVINO network (.xml)"),
        [_, _, _, _, b'T', b'F', b'L', b'3', ..] => Some("a TensorFlow Lite network (.tflite)"),
        [0x0a, ..] if has("Placeholder") && (has("Conv2D") || has("Const")) => {
            Some("a TensorFlow graph (.pb)")
        }
        _ => protobuf(bytes),
    }
}

/// ONNX and Core ML both begin with a version (field 1) and go on with field 2: the producer's name or a message, which
/// begins with a field of its own; ONNX may go on with other texts and its graph.
fn protobuf(bytes: &[u8]) -> Option<&'static str> {
    match *bytes {
        [0x08, 3..=15, 0x12, _, 0x0a | 0x12, ..] => Some("a Core ML network (.mlmodel)"),
        [0x08, 3..=15, 0x12 | 0x1a | 0x22 | 0x32 | 0x3a | 0x42, ..] => Some("an ONNX network (.onnx)"),
        _ => None,
    }
}

fn beginning(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(16)];
    match std::str::from_utf8(start) {
        Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
            format!("a text that begins with {text:?}")
        }
        _ => format!("{} bytes that begin with {start:02x?}", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::container::Container;
    use super::*;

    #[test]
    fn strangers_are_named() {
        let advice = "; bring the PyTorch checkpoint that it was made from (.pth, .safetensors)";
        let cases: [(&[u8], &str, bool); 22] = [
            (b"", "an empty file", false),
            (b"\x89PNG\r\n\x1a\n", "a PNG picture", false),
            (b"\xff\xd8\xff\xe0", "a JPEG picture", false),
            (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer; fetch", false),
            (b"<!DOCTYPE html>", "an HTML page", false),
            (b"learning rate\n2e-4", r#"a text that begins with "learning rate\n2e""#, false),
            (b"\0\x01\x02", "3 bytes that begin with [00, 01, 02]", false),
            (b"PK", r#"a text that begins with "PK""#, false),
            (b"{\"a\": 1}", "a JSON text", false),
            (b"\x08\x07\x12\x07pytorch\x1a\x031.9:\x10", "an ONNX network (.onnx)", true),
            (b"\x08\x0a:\xff\x01", "an ONNX network (.onnx)", true),
            (b"\x08\x04\x12\x20\x0a\x10", "a Core ML network (.mlmodel)", true),
            (b"\x08\x01\x12\xff\x01", "a TensorFlow SavedModel (.pb)", true),
            (
                b"\x0a\x10\x0a\x05input\x12\x0bPlaceholder\x0a\x04\x12\x05Const",
                "a TensorFlow graph (.pb)",
                true,
            ),
            (b"\x1c\0\0\0TFL3\0", "a TensorFlow Lite network (.tflite)", true),
            (b"7767517\n3 3\nInput data 0 1 data\n", "the description of an ncnn network (.param)", true),
            (b"\x47\x6b\x30\x01\0\0", "the weights of an ncnn network (.bin)", true),
            (b"\0\0\0\0\x11\x11\x11\x11", "what may be the weights of an ncnn network (.bin)", true),
            (b"GGUF\x03\0", "a GGUF file", true),
            (b"\x89HDF\r\n", "an HDF5 file, such as Keras writes (.h5)", true),
            (
                b"{\"format\": \"layers-model\", \"modelTopology\": {}}",
                "a TensorFlow.js network (model.json)",
                true,
            ),
            (b"<?xml version=\"1.0\"?>\r\n<net name=\"a\">", "an OpenVINO network (.xml)", true),
        ];
        for (bytes, expected, network) in cases {
            let reason = Container::recognise(bytes).unwrap_err();
            assert!(reason.starts_with("expected a safetensors file or a PyTorch checkpoint"), "{reason}");
            assert!(reason.contains(&format!("found {expected}")), "{reason}");
            assert_eq!(reason.ends_with(advice), network, "{reason}");
        }
    }

    #[test]
    fn archives_are_told_by_their_entries() {
        let cases = [
            (&["a/data.pkl", "a/code/__torch__.py", "a/constants.pkl"][..], "a TorchScript archive; save"),
            (&["config.json", "model.weights.h5"], "a Keras network (.keras); bring"),
            (&["Manifest.json", "Data/com.apple.CoreML/model.mlmodel"], "a Core ML package; bring"),
            (&["4x.pth"], "an archive with a checkpoint; unpack it"),
            (&["a.npy", "b.npy"], "NumPy arrays (.npz)"),
            (&["a/data.pkl", "a/data/0", "a/version"], ""),
        ];
        for (names, expected) in cases {
            let found = zipped(|| names.iter()).unwrap_or_default();
            assert!(
                found.starts_with(expected) && found.is_empty() == expected.is_empty(),
                "{names:?}: {found}"
            );
        }
    }
}
