//! Pictures for networks that take a border around them: a source that has one, and a sink that loses what was made of it.

use std::ops::Range;

use super::rows::{Sink, Source};
use crate::error::Result;
use crate::net::Facts;
use crate::pixels::{Depth, Edge, Pixels};

/// A source's picture with a network's border around it. Of the source no more rows are held than the border is high, and
/// those that are asked for.
pub(crate) struct Bordered<'a> {
    source: &'a mut dyn Source,
    edge: Edge,
    before: usize,
    behind: usize,
    /// The next row, of the border's.
    at: usize,
    /// Rows of the source that are still needed, and the number of the first.
    held: Option<Pixels>,
    first: usize,
}

impl<'a> Bordered<'a> {
    pub(crate) fn new(source: &'a mut dyn Source, facts: Facts) -> Self {
        let [before, behind] = facts.border;
        Self { source, edge: facts.edge, before, behind, at: 0, held: None, first: 0 }
    }

    /// The rows of the source that stand at some rows of the border's.
    fn places(&self, rows: Range<usize>) -> Vec<usize> {
        let [_, height] = self.source.size();
        rows.map(|at| self.edge.place(at as isize - self.before as isize, height)).collect()
    }

    /// Reads until row `last` of the source is here.
    fn read_to(&mut self, last: usize) -> Result<()> {
        loop {
            let here = self.first + self.held.as_ref().map_or(0, Pixels::height);
            if here > last {
                return Ok(());
            }
            let more = self.source.read(last + 1 - here)?;
            match &mut self.held {
                Some(held) => held.append(more),
                none => *none = Some(more),
            }
        }
    }

    /// Drops the rows that none of those to come asks for.
    fn forget(&mut self) {
        let [_, height] = self.source.size();
        let (end, own) = (self.before + height + self.behind, self.before + height);
        // Within the picture rows only go up.
        let ahead = [self.at..(self.at + self.before + 1).min(end), own.max(self.at)..end];
        let lowest = ahead.into_iter().flat_map(|rows| self.places(rows)).min();
        if let (Some(held), Some(lowest)) = (&mut self.held, lowest) {
            let above = lowest.saturating_sub(self.first).min(held.height() - 1);
            if above > 0 {
                held.drop_top(above);
                self.first += above;
            }
        }
    }
}

impl Source for Bordered<'_> {
    fn size(&self) -> [usize; 2] {
        self.source.size().map(|side| self.before + side + self.behind)
    }

    fn depth(&self) -> Depth {
        self.source.depth()
    }

    fn read(&mut self, rows: usize) -> Result<Pixels> {
        let [width, height] = self.size();
        let end = (self.at + rows).min(height);
        let places = self.places(self.at..end);
        self.read_to(places.iter().copied().max().unwrap_or(0))?;
        let held = self.held.as_ref().expect("a row at least was asked for");
        let columns: Vec<usize> =
            (0..width as isize).map(|at| self.edge.place(at - self.before as isize, held.width())).collect();
        let places: Vec<usize> = places.into_iter().map(|place| place - self.first).collect();
        let read = held.picked(&columns, &places);
        self.at = end;
        self.forget();
        Ok(read)
    }

    fn restart(&mut self) -> Result<()> {
        (self.at, self.held, self.first) = (0, None, 0);
        self.source.restart()
    }
}

/// A sink that takes no more of an enlarged picture than was there before its border.
pub(crate) struct Cropped<'a> {
    sink: &'a mut dyn Sink,
    /// Columns and rows that it takes.
    columns: Range<usize>,
    rows: Range<usize>,
    /// Rows that have come.
    at: usize,
}

impl<'a> Cropped<'a> {
    /// `size` is the picture's, without the border.
    pub(crate) fn new(sink: &'a mut dyn Sink, size: [usize; 2], facts: Facts) -> Self {
        let start = facts.scale * facts.border[0];
        let [columns, rows] = size.map(|side| start..start + facts.scale * side);
        Self { sink, columns, rows, at: 0 }
    }
}

impl Sink for Cropped<'_> {
    fn write(&mut self, rows: Pixels) -> Result<()> {
        let end = self.at + rows.height();
        let own = self.rows.start.max(self.at)..self.rows.end.min(end);
        let start = std::mem::replace(&mut self.at, end);
        if own.is_empty() {
            return Ok(());
        }
        self.sink.write(rows.part(self.columns.clone(), own.start - start..own.end - start)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::stream::PixelRows;
    use crate::pixels::Samples;

    fn picture(width: usize, height: usize) -> Pixels {
        let samples = (0..3 * width * height).map(|at| (at * 37 % 251) as u8).collect();
        Pixels::of(width, height, Samples::U8(samples))
    }

    /// Row by row as all at once, and the crop takes it off again.
    #[test]
    fn a_border_is_put_around_and_taken_off() {
        for edge in [Edge::Repeated, Edge::Mirrored] {
            for ([width, height], border) in
                [([5, 9], [3, 2]), ([4, 3], [7, 12]), ([1, 1], [2, 3]), ([6, 40], [0, 4])]
            {
                let facts = Facts { edge, ..Facts::scale(1).with_border(border) };
                let own = picture(width, height);
                let [before, behind] = border;
                let expected =
                    own.surrounded(edge, before, [width, height].map(|side| before + side + behind));
                for rows in [1, 2, 7, 64] {
                    let mut source = PixelRows::new(&own);
                    let mut bordered = Bordered::new(&mut source, facts);
                    assert_eq!(bordered.size(), [expected.width(), expected.height()]);
                    for again in [true, false] {
                        let mut all: Vec<Pixels> = vec![];
                        let mut back: Vec<Pixels> = vec![];
                        let mut cropped = Cropped::new(&mut back, [width, height], facts);
                        let mut at = 0;
                        while at < expected.height() {
                            let read = bordered.read(rows).unwrap();
                            at += read.height();
                            cropped.write(read.clone()).unwrap();
                            all.push(read);
                            assert!(
                                bordered.held.as_ref().unwrap().height() <= before.max(behind) + rows + 1
                            );
                        }
                        let joined = |rows: Vec<Pixels>| {
                            let mut rows = rows.into_iter();
                            let mut first = rows.next().unwrap();
                            rows.for_each(|below| first.append(below));
                            first
                        };
                        assert_eq!(joined(all), expected, "{edge:?}, {border:?}, by {rows}");
                        assert_eq!(joined(back), own, "{edge:?}, {border:?}, by {rows}");
                        if again {
                            bordered.restart().unwrap();
                        }
                    }
                }
            }
        }
    }
}
