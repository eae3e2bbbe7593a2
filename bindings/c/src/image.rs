//! A host's pictures: formats, strides in bytes, and what of them can be checked.

use std::ffi::c_void;
use std::ops::Range;

use sparsr_rs::{Packed, Sample, View, ViewMut};

use crate::pointers::{samples, samples_mut};
use crate::status::{Failure, Result};

/// The order of the channels of a picture, and the type of its samples: U8 with white at 255, U16 with white at 65535, F32 with
/// white at 1, of which what is outside of 0 to 1 is clamped, and which travels in 16 bits. Colours were not multiplied by
/// alpha. Of planar pictures red, green and blue are planes of their own.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SparsrFormat {
    RgbU8 = 0x01,
    BgrU8 = 0x02,
    RgbaU8 = 0x03,
    BgraU8 = 0x04,
    GrayU8 = 0x05,
    PlanarU8 = 0x06,
    RgbU16 = 0x11,
    BgrU16 = 0x12,
    RgbaU16 = 0x13,
    BgraU16 = 0x14,
    GrayU16 = 0x15,
    PlanarU16 = 0x16,
    RgbF32 = 0x21,
    BgrF32 = 0x22,
    RgbaF32 = 0x23,
    BgraF32 = 0x24,
    GrayF32 = 0x25,
    PlanarF32 = 0x26,
}

/// A picture to be read.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SparsrImage {
    /// Where red, green and blue begin; the first alone, if they are packed.
    pub planes: [*const c_void; 3],
    /// Bytes from the beginning of a row to that of the next, in every plane; a multiple of a sample's.
    pub stride: usize,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// A SparsrFormat.
    pub format: u32,
}

/// A picture to be written. Its memory overlaps neither that which is read nor, plane by plane, its own.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SparsrImageMut {
    /// Where red, green and blue begin; the first alone, if they are packed.
    pub planes: [*mut c_void; 3],
    /// Bytes from the beginning of a row to that of the next, in every plane; a multiple of a sample's. What lies between is
    /// left as it is.
    pub stride: usize,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// A SparsrFormat.
    pub format: u32,
}

/// The type of a picture's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    U8,
    U16,
    F32,
}

/// The order of its channels, none for planes.
type Order = Option<Packed>;

/// What `number` means.
fn format(what: &str, number: u32) -> Result<(Type, Order)> {
    let of = match number >> 4 {
        0 => Some(Type::U8),
        1 => Some(Type::U16),
        2 => Some(Type::F32),
        _ => None,
    };
    let order = match number & 15 {
        1 => Some(Some(Packed::Rgb)),
        2 => Some(Some(Packed::Bgr)),
        3 => Some(Some(Packed::Rgba)),
        4 => Some(Some(Packed::Bgra)),
        5 => Some(Some(Packed::Gray)),
        6 => Some(None),
        _ => None,
    };
    of.zip(order).ok_or_else(|| {
        Failure::argument(format!("{what}: expected one of SparsrFormat as its format, found {number:#x}"))
    })
}

/// How much memory a picture's planes take.
struct Extent {
    order: Order,
    /// Samples from row to row, and of a plane.
    stride: usize,
    count: usize,
}

impl SparsrImage {
    pub(crate) fn sample_type(&self) -> Result<Type> {
        Ok(format("from", self.format)?.0)
    }

    /// # Safety
    /// The planes are null or lead to as much memory as stride and size say, which nobody changes during `'a`.
    pub(crate) unsafe fn view<'a, T: Sample>(&self) -> Result<View<'a, T>> {
        let Extent { order, stride, count } = self.extent::<T>("from")?;
        // SAFETY: as the caller vouches: the extent is what stride and size say.
        let plane =
            |at: usize| unsafe { samples(&name("from", order, at), self.planes[at].cast::<T>(), count) };
        let size = [self.width, self.height].map(|side| side as usize);
        Ok(match order {
            Some(order) => View::packed(plane(0)?, size, order, stride),
            None => View::planar([plane(0)?, plane(1)?, plane(2)?], size, stride),
        }?)
    }

    fn extent<T>(&self, what: &str) -> Result<Extent> {
        let (_, order) = format(what, self.format)?;
        let [width, height] = [self.width, self.height].map(|side| side as usize);
        if width == 0 || height == 0 {
            return Err(Failure::argument(format!(
                "{what}: expected at least one pixel, found {width}x{height}"
            )));
        }
        let bytes = size_of::<T>();
        let row = width * order.map_or(1, Packed::samples);
        if !self.stride.is_multiple_of(bytes) || self.stride / bytes < row {
            let (least, found) = (row.saturating_mul(bytes), self.stride);
            let expected =
                format!("a stride of at least {least} bytes for {width} pixels, a multiple of {bytes}");
            return Err(Failure::argument(format!("{what}: expected {expected}, found {found}")));
        }
        let stride = self.stride / bytes;
        let count = stride.checked_mul(height - 1).and_then(|above| above.checked_add(row));
        let too_long = || {
            let found = format!("{height} rows of {} bytes", self.stride);
            Failure::argument(format!("{what}: expected no more bytes than there can be, found {found}"))
        };
        Ok(Extent { order, stride, count: count.ok_or_else(too_long)? })
    }

    /// The addresses of each plane's bytes.
    fn addresses<T>(&self, what: &str) -> Result<Vec<Range<usize>>> {
        let Extent { order, count, .. } = self.extent::<T>(what)?;
        let planes = if order.is_some() { 1 } else { 3 };
        let range = |plane: &*const c_void| {
            plane.addr()..plane.addr().saturating_add(count.saturating_mul(size_of::<T>()))
        };
        Ok(self.planes[..planes].iter().map(range).collect())
    }
}

impl SparsrImageMut {
    /// # Safety
    /// As [`SparsrImage::view`], and nobody else reads it during `'a`.
    pub(crate) unsafe fn view<'a, T: Sample>(&self, from: &SparsrImage) -> Result<ViewMut<'a, T>> {
        self.check_apart::<T>(from)?;
        let Extent { order, stride, count } = self.to_read().extent::<T>("to")?;
        let plane = |at: usize| {
            // SAFETY: as the caller vouches: the extent is what stride and size say, and planes lie apart.
            unsafe { samples_mut(&name("to", order, at), self.planes[at].cast::<T>(), count) }
        };
        let size = [self.width, self.height].map(|side| side as usize);
        Ok(match order {
            Some(order) => ViewMut::packed(plane(0)?, size, order, stride),
            None => ViewMut::planar([plane(0)?, plane(1)?, plane(2)?], size, stride),
        }?)
    }

    pub(crate) fn sample_type(&self) -> Result<Type> {
        Ok(format("to", self.format)?.0)
    }

    fn to_read(self) -> SparsrImage {
        let Self { planes, stride, width, height, format } = self;
        SparsrImage { planes: planes.map(<*mut c_void>::cast_const), stride, width, height, format }
    }

    /// What is written overlaps nothing that is read, and no other plane that is written.
    fn check_apart<T>(&self, from: &SparsrImage) -> Result<()> {
        let (read, written) = (from.addresses::<T>("from")?, self.to_read().addresses::<T>("to")?);
        for (at, plane) in written.iter().enumerate() {
            let others = read.iter().chain(&written[..at]);
            if others.into_iter().any(|other| other.start < plane.end && plane.start < other.end) {
                let found = "one that does";
                return Err(Failure::argument(format!(
                    "to: expected memory that overlaps no other, found {found}"
                )));
            }
        }
        Ok(())
    }
}

/// What a plane is called.
fn name(what: &str, order: Order, plane: usize) -> String {
    if order.is_some() { what.into() } else { format!("{what}: {}", ["red", "green", "blue"][plane]) }
}
