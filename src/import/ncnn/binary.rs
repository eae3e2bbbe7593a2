//! A binary `.param` as the text that it is made of: numbers of 32 bits in the order of the lines, kinds by their place in
//! ncnn's list, blobs by their place in the network.

use std::fmt::Write as _;

use super::Reading;

/// The first word, as the text's first line.
const MAGIC: i32 = 7_767_517;

/// Behind a layer's keys.
const END: i32 = -233;

/// Layers of ncnn's list by their places: those that are known here, and what stands among them in files.
const KINDS: [(i32, &str); 27] = [
    (5, "Concat"),
    (6, "Convolution"),
    (7, "Crop"),
    (8, "Deconvolution"),
    (9, "Dropout"),
    (10, "Eltwise"),
    (14, "Flatten"),
    (15, "InnerProduct"),
    (16, "Input"),
    (19, "MemoryData"),
    (21, "Pooling"),
    (23, "PReLU"),
    (26, "ReLU"),
    (29, "Scale"),
    (30, "Sigmoid"),
    (31, "Slice"),
    (33, "Split"),
    (35, "TanH"),
    (40, "BinaryOp"),
    (42, "ConvolutionDepthWise"),
    (43, "Padding"),
    (50, "Interp"),
    (51, "DeconvolutionDepthWise"),
    (68, "Noop"),
    (69, "PixelShuffle"),
    (73, "Swish"),
    (80, "GELU"),
];

/// Whether a kind of layer stands among those.
pub(super) fn has(kind: &str) -> bool {
    KINDS.iter().any(|(_, name)| *name == kind)
}

/// Whether bytes begin as a binary `.param` does.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC.to_le_bytes())
}

/// The lines. Of numbers under keys the bits are written, as `#3f800000`, since nothing says which are whole.
pub(super) fn text(bytes: &[u8]) -> Reading<String> {
    let mut words = bytes.as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word)).skip(1);
    let mut text = String::new();
    lines(&mut words, &mut text)
        .ok_or("expected the layers of a binary .param, found its end before theirs")?;
    Ok(text)
}

/// `None` if the words end too soon.
fn lines(words: &mut impl Iterator<Item = i32>, text: &mut String) -> Option<()> {
    let (layers, blobs) = (words.next()?, words.next()?);
    writeln!(text, "{MAGIC}\n{layers} {blobs}").ok()?;
    for layer in 0..layers {
        let (kind, inputs, outputs) = (words.next()?, words.next()?, words.next()?);
        match KINDS.iter().find(|(place, _)| *place == kind) {
            Some((_, name)) => write!(text, "{name} {layer} {inputs} {outputs}").ok()?,
            None => write!(text, "Kind{kind} {layer} {inputs} {outputs}").ok()?,
        }
        for _ in 0..i64::from(inputs) + i64::from(outputs) {
            write!(text, " {}", words.next()?).ok()?;
        }
        loop {
            match words.next()? {
                END => break,
                key @ ..=-23_300 => {
                    let count = words.next()?;
                    write!(text, " {key}={count}").ok()?;
                    for _ in 0..count {
                        write!(text, ",#{:08x}", words.next()?).ok()?;
                    }
                }
                key => write!(text, " {key}=#{:08x}", words.next()?).ok()?,
            }
        }
        writeln!(text).ok()?;
    }
    Some(())
}
