//! Rows in and out, each on a thread of its own, a short queue away; or, where there are no threads, when they are
//! asked for.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};
use crate::job::tiles::Rect;
use crate::pixels::{Depth, Edge, Pixels};

/// Whether sources and sinks have threads of their own: in a browser to make one fails.
const THREADS: bool = !cfg!(target_arch = "wasm32");

/// Rows that are asked of a source at once.
const ROWS: usize = 64;

/// Bands that wait in a queue.
const QUEUE: usize = 1;

/// A picture that comes from top to bottom. Rows that are not what it said of them are an error, never a picture.
pub trait Source: Send {
    /// Columns and rows; at least one of each.
    fn size(&self) -> [usize; 2];

    /// The bits of a sample.
    fn depth(&self) -> Depth;

    /// The next rows, of the source's width and depth: as many as asked for, or as there still are. Only called while
    /// there are some.
    ///
    /// # Errors
    /// Whatever keeps them from coming: the run then ends with this error.
    fn read(&mut self, rows: usize) -> Result<Pixels>;

    /// Begins again at the top: networks that look at the whole picture read it more than once.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn restart(&mut self) -> Result<()>;
}

/// Where an enlarged picture goes, from top to bottom.
pub trait Sink: Send {
    /// Takes the next rows.
    ///
    /// # Errors
    /// Whatever keeps them from going: the run then ends with this error.
    fn write(&mut self, rows: Pixels) -> Result<()>;
}

/// A picture in memory as a source.
#[derive(Debug)]
pub struct PixelRows<'a> {
    picture: &'a Pixels,
    at: usize,
}

impl<'a> PixelRows<'a> {
    /// From its top.
    pub fn new(picture: &'a Pixels) -> Self {
        Self { picture, at: 0 }
    }
}

impl Source for PixelRows<'_> {
    fn size(&self) -> [usize; 2] {
        [self.picture.width(), self.picture.height()]
    }

    fn depth(&self) -> Depth {
        self.picture.depth()
    }

    fn read(&mut self, rows: usize) -> Result<Pixels> {
        let end = (self.at + rows).min(self.picture.height());
        let read = self.picture.part(0..self.picture.width(), self.at..end)?;
        self.at = end;
        Ok(read)
    }

    fn restart(&mut self) -> Result<()> {
        self.at = 0;
        Ok(())
    }
}

impl Sink for Vec<Pixels> {
    fn write(&mut self, rows: Pixels) -> Result<()> {
        self.push(rows);
        Ok(())
    }
}

/// The rows of a source that windows still need.
pub(crate) struct Incoming<'scope> {
    from: Origin<'scope>,
    /// The rows that are here, and the number of the first.
    rows: Option<Pixels>,
    first: usize,
    height: usize,
    edge: Edge,
}

enum Origin<'scope> {
    Queue(Receiver<Result<Pixels>>),
    Source(Held<'scope>),
}

/// What a source says of its rows before it gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) size: [usize; 2],
    pub(crate) depth: Depth,
}

/// A source that is held to what it said.
struct Held<'scope> {
    source: &'scope mut dyn Source,
    said: Said,
    /// Rows that it has given.
    given: usize,
}

impl Held<'_> {
    /// The next rows.
    fn read(&mut self) -> Result<Pixels> {
        let Said { size: [width, height], depth } = self.said;
        let count = ROWS.min(height - self.given);
        let rows = self.source.read(ROWS)?;
        if (rows.width(), rows.height(), rows.depth()) != (width, count, depth) {
            let expected = format!("{count} rows of {width} pixels, {depth:?} bits a sample");
            let (found, depth) = (format!("{} of {}", rows.height(), rows.width()), rows.depth());
            let reason = format!("expected {expected}, from row {} on, found {found}, {depth:?}", self.given);
            return Err(Error::shape("source", reason));
        }
        self.given += count;
        Ok(rows)
    }
}

fn no_thread(error: io::Error) -> Error {
    Error::OutOfMemory(format!("no thread could be started: {error}; close other programs"))
}

impl<'scope> Incoming<'scope> {
    pub(crate) fn new(
        scope: &'scope Scope<'scope, '_>,
        source: &'scope mut dyn Source,
        said: Said,
        edge: Edge,
    ) -> Result<Self> {
        if !THREADS {
            return Ok(Self::unqueued(source, said, edge));
        }
        let (sender, queue) = sync_channel(QUEUE);
        let [_, height] = said.size;
        let mut held = Held { source, said, given: 0 };
        let fill = move || {
            while held.given < height {
                let rows = held.read();
                let failed = rows.is_err();
                if sender.send(rows).is_err() || failed {
                    return; // nobody needs them any more
                }
            }
        };
        Builder::new().spawn_scoped(scope, fill).map_err(no_thread)?;
        Ok(Self { from: Origin::Queue(queue), rows: None, first: 0, height, edge })
    }

    /// Without a thread.
    fn unqueued(source: &'scope mut dyn Source, said: Said, edge: Edge) -> Self {
        let [_, height] = said.size;
        let from = Origin::Source(Held { source, said, given: 0 });
        Self { from, rows: None, first: 0, height, edge }
    }

    /// A part of the picture. One that reaches past the right or bottom edge reaches at least as far the other way, or
    /// begins with the picture, so that the columns and rows to be mirrored are there.
    pub(crate) fn window(&mut self, part: &Rect) -> Result<Pixels> {
        while self.first + self.rows.as_ref().map_or(0, Pixels::height) < part.y.end.min(self.height) {
            let more = match &mut self.from {
                Origin::Queue(queue) => {
                    queue.recv().unwrap_or_else(|_| Err(Error::Unsupported(self.too_few())))
                }
                Origin::Source(held) => held.read(),
            }?;
            match &mut self.rows {
                Some(rows) => rows.append(more),
                none => *none = Some(more),
            }
        }
        let rows = self.rows.as_ref().expect("a part has rows");
        Ok(rows.part_with(self.edge, part.x.clone(), part.y.start - self.first..part.y.end - self.first))
    }

    fn too_few(&self) -> String {
        let here = self.first + self.rows.as_ref().map_or(0, Pixels::height);
        format!("the source: expected {} rows, found {here}", self.height)
    }

    /// Drops what lies above row `y`.
    pub(crate) fn drop_above(&mut self, y: usize) {
        let Some(rows) = &mut self.rows else { return };
        let above = y.saturating_sub(self.first).min(rows.height() - 1);
        if above > 0 {
            rows.drop_top(above);
            self.first += above;
        }
    }
}

/// The way to a sink.
pub(crate) enum Outgoing<'scope> {
    Queue(SyncSender<Pixels>, ScopedJoinHandle<'scope, Result<()>>),
    /// The sink, and what it said last.
    Sink(&'scope mut dyn Sink, Result<()>),
}

impl<'scope> Outgoing<'scope> {
    pub(crate) fn new(scope: &'scope Scope<'scope, '_>, sink: &'scope mut dyn Sink) -> Result<Self> {
        if !THREADS {
            return Ok(Self::Sink(sink, Ok(())));
        }
        let (queue, rows) = sync_channel::<Pixels>(QUEUE);
        let drain = move || rows.iter().try_for_each(|rows| sink.write(rows));
        let thread = Builder::new().spawn_scoped(scope, drain).map_err(no_thread)?;
        Ok(Self::Queue(queue, thread))
    }

    /// Hands rows on. Whether the sink took them shows at the end, or when it does not listen any more.
    pub(crate) fn send(&mut self, rows: Pixels) -> bool {
        match self {
            Self::Queue(queue, _) => queue.send(rows).is_ok(),
            Self::Sink(sink, said) => {
                *said = sink.write(rows);
                said.is_ok()
            }
        }
    }

    /// Waits until the sink has everything.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Queue(queue, thread) => {
                drop(queue);
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
            Self::Sink(_, said) => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Samples;

    /// Takes rows until it has had so many parts.
    struct Full(usize);

    impl Sink for Full {
        fn write(&mut self, _: Pixels) -> Result<()> {
            self.0 = self.0.checked_sub(1).ok_or_else(|| Error::Unsupported("full".into()))?;
            Ok(())
        }
    }

    #[test]
    fn without_threads_rows_come_and_go_as_with_them() {
        let samples = (0..3 * 5 * 200).map(|at| (at % 251) as u8).collect();
        let picture = Pixels::of(5, 200, Samples::U8(samples));
        let mut sources = [PixelRows::new(&picture), PixelRows::new(&picture)];
        let [first, second] = &mut sources;
        let said = Said { size: [5, 200], depth: Depth::Eight };
        std::thread::scope(|scope| {
            let mut ways = [
                Incoming::new(scope, first, said, Edge::Repeated).unwrap(),
                Incoming::unqueued(second, said, Edge::Repeated),
            ];
            for y in [0..70, 60..64, 130..200] {
                for way in &mut ways {
                    let found = way.window(&Rect { x: 1..4, y: y.clone() }).unwrap();
                    assert_eq!(found, picture.part(1..4, y.clone()).unwrap(), "rows {y:?}");
                    way.drop_above(y.start);
                }
            }
        });
    }

    #[test]
    fn without_threads_what_a_sink_refuses_is_said_at_the_end() {
        let rows = || Pixels::black(1, 1, Depth::Eight);
        let mut sink = Full(2);
        let mut outgoing = Outgoing::Sink(&mut sink, Ok(()));
        assert!(outgoing.send(rows()) && outgoing.send(rows()));
        assert!(!outgoing.send(rows()), "the third is one too many");
        assert_eq!(outgoing.finish().unwrap_err().to_string(), "full");
    }
}
