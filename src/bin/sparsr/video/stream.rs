//! y4m streams, in and out: a header, and frames of a line and their planes.
//!
//! A stream ends where a frame would begin. One that ends elsewhere was cut short, and that is an error.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;

use sparsr::{NewFile, Pixels};

use super::header::{Header, quoted};
use super::planes::Planes;

/// The longest line that is read.
const LINE: u64 = 4096;

/// How the line before a frame begins.
const FRAME: &[u8] = b"FRAME";

/// A frame on its way.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What its line says besides, with the space before it.
    params: Vec<u8>,
    pub pixels: Arc<Pixels>,
}

/// Frames that come.
pub struct Reader {
    input: Box<dyn BufRead + Send>,
    name: String,
    header: Header,
    /// How many have come.
    frames: u64,
}

/// A frame as it lies in the stream.
#[derive(Default)]
struct Raw {
    params: Vec<u8>,
    planes: Vec<u8>,
}

/// Frames that come, as pixels.
pub struct Frames {
    reader: Reader,
    planes: Planes,
    /// The last one. Of one that is equal to it the pixels are the same `Arc`.
    last: Option<(Raw, Arc<Pixels>)>,
}

/// Frames that go.
pub struct Writer {
    output: Output,
    name: String,
    planes: Planes,
    frames: u64,
    last: Option<Arc<Pixels>>,
    /// The planes of the last one.
    written: Vec<u8>,
}

/// Where frames go.
pub enum Output {
    Stdout(io::Stdout),
    /// Appears when it is finished.
    File(NewFile),
}

impl Reader {
    /// Reads the header.
    pub fn new(input: impl Read + Send + 'static, name: String) -> Result<Self, String> {
        let mut input: Box<dyn BufRead + Send> = Box::new(BufReader::new(input));
        let line = line(&mut *input).map_err(|error| format!("{name}: {error}"))?;
        let Some(line) = line else {
            return Err(format!("{name}: nothing is in it, where a y4m stream was expected"));
        };
        let header = Header::parse(&line).map_err(|reason| format!("{name}: {reason}"))?;
        Ok(Self { input, name, header, frames: 0 })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads the next frame in the place of another; false at the end.
    fn read(&mut self, frame: &mut Raw) -> Result<bool, String> {
        let (name, number) = (&self.name, self.frames + 1);
        let line = line(&mut *self.input).map_err(|error| format!("{name}: frame {number}: {error}"))?;
        let Some(line) = line else { return Ok(false) };
        let params = line.strip_prefix(FRAME).filter(|rest| rest.is_empty() || rest.starts_with(b" "));
        let Some(params) = params else {
            let found = quoted(&line);
            return Err(format!(
                "{name}: frame {number}: expected a line that begins with FRAME, found {found}"
            ));
        };
        frame.params = params.to_vec();
        frame.planes.resize(self.header.format.frame_bytes(self.header.size()), 0);
        let found = fill(&mut *self.input, &mut frame.planes)
            .map_err(|error| format!("{name}: frame {number}: {error}"))?;
        if found < frame.planes.len() {
            let expected = frame.planes.len();
            return Err(format!(
                "{name}: frame {number} ends early: expected {expected} bytes, found {found}"
            ));
        }
        self.frames = number;
        Ok(true)
    }
}

impl Frames {
    pub fn new(reader: Reader, planes: Planes) -> Self {
        Self { reader, planes, last: None }
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, String> {
        let mut raw = Raw::default();
        if !self.reader.read(&mut raw)? {
            return Ok(None);
        }
        let pixels = match &self.last {
            Some((last, pixels)) if last.planes == raw.planes => pixels.clone(),
            _ => Arc::new(
                self.planes
                    .to_pixels(self.reader.header.size(), &raw.planes)
                    .map_err(|error| error.to_string())?,
            ),
        };
        let frame = Frame { params: raw.params.clone(), pixels: pixels.clone() };
        self.last = Some((raw, pixels));
        Ok(Some(frame))
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

impl Frame {
    /// The same frame with other pixels.
    pub fn with(self, pixels: Arc<Pixels>) -> Self {
        Self { pixels, ..self }
    }
}

impl Writer {
    /// Writes the header.
    pub fn new(output: Output, name: String, planes: Planes, header: &[u8]) -> Result<Self, String> {
        let mut writer = Self { output, name, planes, frames: 0, last: None, written: Vec::new() };
        writer
            .output
            .write_all(header)
            .and_then(|()| writer.output.flush())
            .map_err(|error| writer.cannot(&error))?;
        Ok(writer)
    }

    /// How many frames are written.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Writes a frame; one that has the pixels of the last one needs no conversion.
    pub fn write(&mut self, frame: &Frame) -> Result<(), String> {
        if !self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, &frame.pixels)) {
            self.written.clear();
            self.planes.to_frame(&frame.pixels, &mut self.written);
            self.last = Some(frame.pixels.clone());
        }
        let line = [FRAME, &frame.params, b"\n"].concat();
        let output = &mut self.output;
        let written = output.write_all(&line).and_then(|()| output.write_all(&self.written));
        written.and_then(|()| output.flush()).map_err(|error| self.cannot(&error))?;
        self.frames += 1;
        Ok(())
    }

    /// Gives a file its name.
    pub fn finish(self, replace: bool) -> Result<(), String> {
        match self.output {
            Output::Stdout(_) => Ok(()),
            Output::File(file) => file.finish(replace).map_err(|error| format!("{}: {error}", self.name)),
        }
    }

    fn cannot(&self, error: &io::Error) -> String {
        let (name, frames) = (&self.name, self.frames);
        match error.kind() {
            io::ErrorKind::BrokenPipe => {
                format!("{name}: who reads it ended after {frames} frames ({error})")
            }
            _ => format!("{name}: frame {}: {error}", frames + 1),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

/// The next line, without its end; `None` where there is nothing more.
fn line(input: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.take(LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    match line.pop_if(|last| *last == b'\n') {
        Some(_) => Ok(Some(line)),
        None => {
            let found = quoted(&line);
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("expected a line of y4m, found {found}")))
        }
    }
}

/// Reads until the buffer is full or nothing comes any more; how much came.
fn fill(input: &mut dyn BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::colour::{Colour, Matrix, Range};
    use super::*;

    fn frames(stream: &[u8]) -> Vec<Result<Frame, String>> {
        let reader = Reader::new(Cursor::new(stream.to_vec()), "a pipe".into()).unwrap();
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited, bits: 8 };
        let planes = Planes::new(reader.header().format, colour);
        let mut found: Vec<_> = Frames::new(reader, planes).take(9).collect();
        // After an error nothing is to be had, and who goes on gets no frame out of the middle of another.
        if let Some(at) = found.iter().position(Result::is_err) {
            found.truncate(at + 1);
        }
        found
    }

    #[test]
    fn frames_that_are_equal_are_one() {
        let stream = b"YUV4MPEG2 W2 H1 Cmono\nFRAME\n\x20\x40FRAME Xsay\n\x20\x40FRAME\n\x21\x40";
        let found: Vec<Frame> = frames(stream).into_iter().map(Result::unwrap).collect();
        assert_eq!(found.len(), 3);
        assert!(
            Arc::ptr_eq(&found[0].pixels, &found[1].pixels)
                && !Arc::ptr_eq(&found[1].pixels, &found[2].pixels)
        );
        assert_eq!(found[1].params, b" Xsay");
    }

    #[test]
    fn what_is_cut_short_is_named() {
        let whole = b"YUV4MPEG2 W2 H1 Cmono\nFRAME\n\x20\x40FRAME\n\x21\x40";
        let (header, frame) = (22, 8);
        for length in header..=whole.len() {
            let found = frames(&whole[..length]);
            let (complete, rest) = ((length - header) / frame, (length - header) % frame);
            assert_eq!(found.iter().filter(|frame| frame.is_ok()).count(), complete, "{length}");
            let sentence = found.last().and_then(|last| last.as_ref().err());
            let expected = match rest {
                0 => None,
                1..6 => Some(format!("a pipe: frame {}: expected a line of y4m, found `", complete + 1)),
                _ => Some(format!(
                    "a pipe: frame {} ends early: expected 2 bytes, found {}",
                    complete + 1,
                    rest - 6
                )),
            };
            match (sentence, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => assert!(found.starts_with(&expected), "{length}: {found}"),
                (found, expected) => panic!("{length}: expected {expected:?}, found {found:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_frame_is_named() {
        for line in ["FRAMES", "frame", ""] {
            let stream = format!("YUV4MPEG2 W1 H1 Cmono\n{line}\n\x20");
            let sentence = frames(stream.as_bytes())[0].as_ref().unwrap_err().clone();
            assert!(
                sentence.starts_with("a pipe: frame 1: expected a line that begins with FRAME, found"),
                "{sentence}"
            );
        }
        let none = Reader::new(Cursor::new(vec![]), "a pipe".into()).err().unwrap();
        assert_eq!(none, "a pipe: nothing is in it, where a y4m stream was expected");
        let endless = Reader::new(io::repeat(b'Y'), "a pipe".into()).err().unwrap();
        assert!(endless.contains("expected a line of y4m, found `YYYY"), "{endless}");
    }
}
