//! Where a value lies against the picture, when convolutions are valid.
//!
//! ```text
//!   picture with its border   ■■■■■■■■■■■■■■■■          ncnn's value after two valid 3×3:      ■■■■■■■■■■■■
//!   ours after the two        ··■■■■■■■■■■■■··          margin: before 2, behind 2
//! ```
//!
//! A value of ours is as large as the picture times its scale, and the part of it within the margin is ncnn's value, number by
//! number. What lies in the margin is computed from what is not there for ncnn, and nothing within ever reads it.
//!
//! Where layers halve, ncnn's values lie between our pixels: of a valid 2×2 of stride 2 on a margin of 11, pixel 0 lies
//! at 5½. `exact` follows that, a margin is the next whole number, and what is between goes into the kernel: its taps are
//! moved, by zeros that are put in.

use super::Reading;

/// Errors of thirds, in `exact`.
const ROUNDING: f64 = 1e-6;

/// A value's size and margin, along either side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Pixels.
    pub(super) side: usize,
    /// Where ncnn's first pixel lies.
    exact: f64,
    /// Pixels before ncnn's first one, and behind its last.
    pub(super) margin: [usize; 2],
}

/// A convolution that keeps places: its kernel with zeros put in behind, and its padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) kernel: usize,
    pub(super) padding: usize,
    /// Of a transposed one.
    pub(super) output_padding: usize,
}

/// A convolution as ncnn has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// At the left and the top, and at the right and the bottom.
    pub(super) padding: [usize; 2],
    /// Of a transposed one.
    pub(super) output_padding: usize,
}

impl Place {
    /// Of the picture with its border.
    pub(super) fn picture(side: usize) -> Self {
        Self { side, exact: 0.0, margin: [0; 2] }
    }

    /// Pixels of ncnn's.
    pub(super) fn own(self) -> usize {
        self.side - self.margin[0] - self.margin[1]
    }

    /// Whether two values lie alike.
    pub(super) fn agrees(self, other: Self) -> bool {
        (self.side, self.margin) == (other.side, other.margin)
    }

    /// A convolution of it.
    pub(super) fn convolved(self, window: Window) -> Reading<(Self, Moved)> {
        let Window { kernel, stride, padding: [left, right], .. } = window;
        if self.margin[0] > 0 && left > 0 || self.margin[1] > 0 && right > 0 {
            return Err("expected no padding behind convolutions without one, found some".into());
        }
        let own = (self.own() + left + right).checked_sub(kernel).ok_or_else(too_small)? / stride + 1;
        if !self.side.is_multiple_of(stride) {
            return Err(format!("expected a side that is a multiple of {stride}, found {}", self.side));
        }
        let [kernel_, stride_, left_] = [kernel, stride, left].map(|length| length as f64);
        let exact = (self.exact + (kernel_ - stride_) / 2.0 - left_) / stride_;
        let before = whole(exact);
        let padding = (left + stride * before).checked_sub(self.margin[0]).ok_or_else(unplaced)?;
        let moved = Moved::within(kernel, stride, padding)?;
        Ok((Self::of(self.side / stride, exact, before, own)?, moved))
    }

    /// A transposed convolution of it.
    pub(super) fn enlarged(self, window: Window) -> Reading<(Self, Moved)> {
        let Window { kernel, stride, padding: [left, right], output_padding } = window;
        let reach = kernel.saturating_sub(stride);
        if self.margin[0] > 0 && left < reach
            || self.margin[1] > 0 && right + stride < kernel + output_padding
        {
            let cut = format!("at least {reach} pixels cut off behind convolutions without padding");
            return Err(format!("expected {cut}, found {left} and {right}"));
        }
        let own = stride * self.own().saturating_sub(1) + kernel + output_padding;
        let own = own.checked_sub(left + right).filter(|own| *own > 0).ok_or_else(too_small)?;
        let [kernel_, stride_, left_] = [kernel, stride, left].map(|length| length as f64);
        let exact = stride_ * self.exact + left_ - (kernel_ - stride_) / 2.0;
        let before = whole(exact);
        let padding = (left + stride * self.margin[0]).checked_sub(before).ok_or_else(unplaced)?;
        let moved = Moved::within(kernel, stride, padding)?;
        Ok((Self::of(stride * self.side, exact, before, own)?, moved))
    }

    /// Each pixel made `scale` in a row.
    pub(super) fn times(self, scale: usize) -> Self {
        let margin = self.margin.map(|margin| scale * margin);
        Self { side: scale * self.side, exact: margin[0] as f64, margin }
    }

    /// One pixel of so many, of a value without a margin.
    pub(super) fn over(self, below: usize) -> Self {
        Self { side: self.side / below, ..self }
    }

    /// With so many more pixels cut off before, so that `own` are left.
    pub(super) fn cropped(self, before: usize, own: usize) -> Reading<Self> {
        if own == 0 || before + own > self.own() {
            let here = self.own();
            return Err(format!("expected a crop of {here} pixels, found {own} from {before} on"));
        }
        Self::of(self.side, self.exact + before as f64, self.margin[0] + before, own)
    }

    fn of(side: usize, exact: f64, before: usize, own: usize) -> Reading<Self> {
        let behind = side.checked_sub(before + own).ok_or_else(unplaced)?;
        Ok(Self { side, exact, margin: [before, behind] })
    }
}

impl Moved {
    /// The smallest kernel that keeps the size with such a padding before it.
    fn within(kernel: usize, stride: usize, padding: usize) -> Reading<Self> {
        let moved = kernel.max(2 * padding + 1);
        let output_padding = (stride + 2 * padding).checked_sub(moved).ok_or_else(unplaced)?;
        Ok(Self { kernel: moved, padding, output_padding })
    }
}

fn whole(exact: f64) -> usize {
    (exact - ROUNDING).ceil().max(0.0) as usize
}

fn too_small() -> String {
    "expected a kernel no larger than what it goes over, found a larger one".into()
}

fn unplaced() -> String {
    "expected a convolution that keeps or scales the size once its border is cut off, found another".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, stride: usize, padding: usize) -> Window {
        Window { kernel, stride, padding: [padding; 2], output_padding: 0 }
    }

    const VALID: fn(usize, usize) -> Window = |kernel, stride| window(kernel, stride, 0);

    #[test]
    fn what_keeps_the_size_has_no_margin() {
        let place = Place::picture(48);
        for (kernel, stride, padding) in [(3, 1, 1), (5, 1, 2), (1, 1, 0), (3, 2, 1), (4, 2, 1)] {
            let (made, moved) = place.convolved(window(kernel, stride, padding)).unwrap();
            assert_eq!((made.side, made.margin), (48 / stride, [0; 2]), "{kernel} {stride} {padding}");
            assert_eq!((moved.kernel, moved.padding), (kernel, padding));
        }
        for (kernel, stride, padding) in [(2, 2, 0), (4, 2, 1), (5, 3, 1)] {
            let (made, moved) = place.enlarged(window(kernel, stride, padding)).unwrap();
            assert_eq!((made.side, made.margin), (48 * stride, [0; 2]), "{kernel} {stride}");
            assert_eq!((moved.kernel, moved.padding, moved.output_padding), (kernel, padding, 0));
        }
    }

    /// waifu2x's cunet, worked out by hand: the host puts 18 pixels around a picture, 36 of what is made of it.
    #[test]
    fn a_chain_of_valid_convolutions_has_the_margin_that_hosts_put_on() {
        let mut place = Place::picture(136);
        let step = |place: &mut Place, window: Window| {
            let (made, moved) = place.convolved(window).unwrap();
            *place = made;
            moved
        };
        step(&mut place, VALID(3, 1));
        step(&mut place, VALID(3, 1));
        let skipped = place;
        assert_eq!(step(&mut place, VALID(2, 2)), Moved { kernel: 2, padding: 0, output_padding: 0 });
        step(&mut place, VALID(3, 1));
        step(&mut place, VALID(3, 1));
        let (up, _) = place.enlarged(VALID(2, 2)).unwrap();
        assert!(up.agrees(skipped.cropped(4, skipped.own() - 8).unwrap()), "{up:?}");
        place = up;
        step(&mut place, VALID(3, 1));
        let (first, moved) = place.enlarged(window(4, 2, 3)).unwrap();
        assert_eq!((first.margin, moved.padding, moved.kernel), ([16; 2], 1, 4));
        place = first;
        step(&mut place, VALID(3, 1));
        step(&mut place, VALID(3, 1));
        let outer = place;
        step(&mut place, VALID(2, 2));
        step(&mut place, VALID(3, 1));
        step(&mut place, VALID(3, 1));
        let inner = place;
        assert_eq!(inner.margin, [11; 2]);
        // Between two pixels: the taps move by one.
        assert_eq!(step(&mut place, VALID(2, 2)), Moved { kernel: 3, padding: 1, output_padding: 1 });
        step(&mut place, VALID(3, 1));
        step(&mut place, VALID(3, 1));
        let (up, moved) = place.enlarged(VALID(2, 2)).unwrap();
        assert_eq!(moved, Moved { kernel: 3, padding: 1, output_padding: 1 });
        assert!(up.agrees(inner.cropped(4, inner.own() - 8).unwrap()), "{up:?} {inner:?}");
        place = up;
        step(&mut place, VALID(3, 1));
        step(&mut place, VALID(3, 1));
        let (up, _) = place.enlarged(VALID(2, 2)).unwrap();
        assert!(up.agrees(outer.cropped(16, outer.own() - 32).unwrap()), "{up:?}");
        place = up;
        step(&mut place, VALID(3, 1));
        step(&mut place, VALID(3, 1));
        assert_eq!((place.side, place.margin), (272, [36; 2]));
        assert!(place.agrees(first.cropped(20, first.own() - 40).unwrap()));
    }

    #[test]
    fn what_would_read_the_margin_is_refused() {
        let (place, _) = Place::picture(48).convolved(VALID(3, 1)).unwrap();
        assert!(place.convolved(window(3, 1, 1)).unwrap_err().contains("no padding"));
        assert!(place.enlarged(window(4, 2, 1)).unwrap_err().contains("cut off"));
        assert!(Place::picture(47).convolved(VALID(2, 2)).unwrap_err().contains("multiple of 2"));
        assert!(Place::picture(2).convolved(VALID(3, 1)).is_err());
        assert!(place.cropped(20, 40).is_err());
    }
}
