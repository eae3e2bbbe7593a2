//! A `.param` as text: `kind name inputs outputs blobs… key=value…` a line, behind a magic number and the counts.

use std::borrow::Cow;

use super::{Reading, binary};

/// The first line.
const MAGIC: &str = "7767517";

/// Arrays have keys from here downwards.
const ARRAYS: i32 = -23300;

/// A line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    inputs: usize,
    outputs: usize,
    /// Blobs, and then keys.
    rest: &'a str,
}

/// The text of a `.param`, which may be binary.
pub(super) fn text(bytes: &[u8]) -> Reading<Cow<'_, str>> {
    if binary::is(bytes) {
        return binary::text(bytes).map(Cow::Owned);
    }
    let text = std::str::from_utf8(bytes).map(Cow::Borrowed);
    text.map_err(|_| "expected a .param of ncnn, found neither text nor its binary form".to_owned())
}

/// Every layer, in order, if there are no more than `most`.
pub(super) fn layers(text: &str, most: usize) -> Reading<Vec<Layer<'_>>> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let magic = lines.next().unwrap_or_default();
    if magic != MAGIC {
        return Err(format!(
            "expected a .param of ncnn, which begins with {MAGIC}, found `{}`",
            short(magic)
        ));
    }
    let counts = lines.next().unwrap_or_default();
    let said = counts.split_ascii_whitespace().next().and_then(|count| count.parse::<usize>().ok());
    let layers: Vec<Layer<'_>> = lines.take(most + 1).map(layer).collect::<Reading<_>>()?;
    if layers.len() > most {
        return Err(format!("expected at most {most} layers in files of this size, found more"));
    }
    if said != Some(layers.len()) {
        let found = layers.len();
        return Err(format!(
            "expected as many layers as the second line says, `{}`, found {found}",
            short(counts)
        ));
    }
    Ok(layers)
}

fn layer(line: &str) -> Reading<Layer<'_>> {
    let wrong = || format!("expected `kind name inputs outputs …`, found `{}`", short(line));
    let (kind, rest) = word(line).ok_or_else(wrong)?;
    let (name, rest) = word(rest).ok_or_else(wrong)?;
    let (inputs, rest) = word(rest).ok_or_else(wrong)?;
    let (outputs, rest) = word(rest).ok_or_else(wrong)?;
    let [inputs, outputs] = [inputs, outputs].map(|count| count.parse::<usize>().ok());
    let (inputs, outputs) = inputs.zip(outputs).ok_or_else(wrong)?;
    let words = rest.split_ascii_whitespace().count();
    if inputs.checked_add(outputs).is_none_or(|blobs| blobs > words) {
        return Err(format!("{kind} `{name}`: expected {inputs} and {outputs} blobs, found {words} words"));
    }
    Ok(Layer { kind, name, inputs, outputs, rest })
}

/// The first word, and what is behind it.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Of a number that is written as its bits, those.
fn bits(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix('#')?, 16).ok()
}

/// As much of a text as a sentence bears.
fn short(text: &str) -> &str {
    let end = text.char_indices().nth(60).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

impl<'a> Layer<'a> {
    fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.rest.split_ascii_whitespace()
    }

    /// The blobs that it reads.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.words().take(self.inputs)
    }

    /// The blobs that it makes.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.words().skip(self.inputs).take(self.outputs)
    }

    /// What stands under a key.
    fn value(&self, key: i32) -> Option<&'a str> {
        let mut keys = self.words().skip(self.inputs + self.outputs);
        keys.find_map(|word| {
            let (found, value) = word.split_once('=')?;
            (found.parse() == Ok(key)).then_some(value)
        })
    }

    /// A whole number.
    pub(super) fn int(&self, key: i32, default: i32) -> Reading<i32> {
        self.value(key).map_or(Ok(default), |text| self.whole(key, text))
    }

    fn whole(&self, key: i32, text: &str) -> Reading<i32> {
        let number = bits(text).map(|bits| bits as i32).or_else(|| text.parse().ok());
        number.ok_or_else(|| self.wrong(&format!("a whole number under {key}"), text))
    }

    /// A whole number from 0 to `most`.
    pub(super) fn count(&self, key: i32, default: usize, most: usize) -> Reading<usize> {
        let found = self.int(key, default as i32)?;
        let fits = usize::try_from(found).ok().filter(|count| *count <= most);
        fits.ok_or_else(|| self.wrong(&format!("a number from 0 to {most} under {key}"), found))
    }

    /// A number.
    pub(super) fn float(&self, key: i32, default: f32) -> Reading<f32> {
        self.value(key).map_or(Ok(default), |text| self.number(key, text))
    }

    fn number(&self, key: i32, text: &str) -> Reading<f32> {
        let number = bits(text).map(f32::from_bits).or_else(|| text.parse().ok());
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| self.wrong(&format!("a number under {key}"), text))
    }

    /// An array of numbers; none if it is not there.
    pub(super) fn floats(&self, key: i32) -> Reading<Vec<f32>> {
        self.array(key, |text| self.number(key, text))
    }

    /// An array of whole numbers; none if it is not there.
    pub(super) fn ints(&self, key: i32) -> Reading<Vec<i32>> {
        self.array(key, |text| self.whole(key, text))
    }

    /// What is written `-23300-key=count,a,b…` or `key=a,b…`.
    fn array<T>(&self, key: i32, read: impl Fn(&str) -> Reading<T>) -> Reading<Vec<T>> {
        let (text, counted) = match (self.value(ARRAYS - key), self.value(key)) {
            (Some(text), _) => (text, true),
            (None, Some(text)) => (text, false),
            (None, None) => return Ok(vec![]),
        };
        let mut parts = text.split(',').filter(|part| !part.is_empty());
        let said = if counted { parts.next() } else { None };
        let numbers: Vec<T> = parts.map(read).collect::<Reading<_>>()?;
        match said.map(|said| said.parse() == Ok(numbers.len())) {
            Some(false) => Err(self.wrong(&format!("as many numbers under {key} as it says"), text)),
            _ => Ok(numbers),
        }
    }

    /// The number that all of some keys have; each by default the one before.
    pub(super) fn common(&self, keys: &[i32], default: usize, most: usize, what: &str) -> Reading<usize> {
        let mut last = default;
        let mut all = vec![];
        for key in keys {
            last = self.count(*key, last, most)?;
            all.push(last);
        }
        match all.iter().all(|number| *number == last) {
            true => Ok(last),
            false => Err(self.wrong(&format!("{what} of equal sides"), format!("{all:?}"))),
        }
    }

    /// Refuses any number but this one.
    pub(super) fn only(&self, key: i32, expected: i32, what: &str) -> Reading<()> {
        match self.int(key, expected)? {
            found if found == expected => Ok(()),
            found => Err(self.wrong(&format!("{what} {expected} (key {key})"), found)),
        }
    }

    /// What was expected of it, and what was found.
    pub(super) fn wrong(&self, expected: &str, found: impl std::fmt::Display) -> String {
        let found = found.to_string();
        format!("{} `{}`: expected {expected}, found {}", self.kind, short(self.name), short(&found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_its_blobs_and_keys() {
        let text = "7767517\n1 2\nConvolution conv_1 1 1 in out 0=32 1=3 5=1 -23310=1,1.0e-01 20=a\n";
        let layer = layers(text, 9).unwrap()[0];
        assert_eq!((layer.kind, layer.name), ("Convolution", "conv_1"));
        assert_eq!(layer.inputs().collect::<Vec<_>>(), ["in"]);
        assert_eq!(layer.outputs().collect::<Vec<_>>(), ["out"]);
        assert_eq!((layer.int(0, 7), layer.int(3, 1), layer.floats(10)), (Ok(32), Ok(1), Ok(vec![0.1])));
        assert_eq!(layer.common(&[1, 11], 1, 99, "a kernel"), Ok(3));
        let wrong = layer.int(20, 0).unwrap_err();
        assert_eq!(wrong, "Convolution `conv_1`: expected a whole number under 20, found a");
    }

    #[test]
    fn what_is_no_param_is_refused() {
        let says = |text: &str, part: &str| {
            let message = layers(text, 1).map(|_| ()).unwrap_err();
            assert!(message.contains(part), "{message}");
        };
        says("", "begins with 7767517, found ``");
        says("7767517\n2 2\nInput a 0 1 a\nInput b 0 1 b\n", "at most 1 layers");
        says("7767517\n2 2\nInput in 0 1 data\n", "as the second line says, `2 2`, found 1");
        says("7767517\n1 1\nInput in 0 9 data\n", "Input `in`: expected 0 and 9 blobs, found 1 words");
        says("7767517\n1 1\nInput in\n", "expected `kind name inputs outputs …`");
        assert!(text(&[0xff, 0xfe]).is_err());
    }
}
