//! Interpolation: ONNX's ways to say where new pixels lie, and those that engines know.

use super::{Trace, told};
use crate::graph::{ResizeKind, Value};
use crate::import::onnx::file::Node;
use crate::import::onnx::protobuf::Reading;
use crate::import::onnx::view::View;
use crate::tensor::Shape;

/// The most that a side grows by.
const LARGEST: usize = 16;

impl<'f> Trace<'_, 'f> {
    /// `Resize`, and `Upsample` of older versions.
    pub(super) fn resize(&mut self, node: Node<'f>) -> Reading<View> {
        let x = self.picture(node, 0)?;
        let from = self.b.shape(x);
        let to = self.size(node, from)?;
        let factor = |old: usize, new: usize| new.is_multiple_of(old).then(|| new / old);
        let factors = factor(from.height, to.height).zip(factor(from.width, to.width));
        let whole =
            factors.filter(|(rows, columns)| rows == columns && *rows <= LARGEST).map(|(rows, _)| rows);
        let kind = kind(node, whole)?;
        let value = match (kind, whole) {
            (_, Some(1)) => x,
            (ResizeKind::BilinearCorners, Some(scale)) => {
                let like = self.b.slice(format!("{}.channel", node.name), x, 0, 1).map_err(told)?;
                let like = self.b.resize(format!("{}.size", node.name), like, ResizeKind::Nearest, scale);
                self.b.resize_to(node.name, x, kind, like.map_err(told)?).map_err(told)?
            }
            (kind, Some(scale)) => self.b.resize(node.name, x, kind, scale).map_err(told)?,
            (kind, None) => {
                let like = self.like(to).ok_or_else(|| {
                    format!("expected a whole factor up to {LARGEST}, or the size of a value before, found {from} to {to}")
                })?;
                self.b.resize_to(node.name, x, kind, like).map_err(told)?
            }
        };
        Ok(self.plain(value))
    }

    /// The size that it makes, from sizes or factors.
    fn size(&self, node: Node<'f>, from: Shape) -> Reading<Shape> {
        let is_old = node.operator == "Upsample" || self.given.file.operators < 11;
        let (scales, sizes) = if is_old { (1, usize::MAX) } else { (2, 3) };
        let over = node.integers("axes").unwrap_or_else(|| vec![0, 1, 2, 3]);
        let own = from.axes();
        let mut axes = own;
        let place = |at: usize| {
            let place = over.get(at).map(|axis| if *axis < 0 { axis + 4 } else { *axis });
            let place = place.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis < 4);
            place.ok_or_else(|| format!("expected axes of N, C, H, W, found {over:?}"))
        };
        let sizes = if sizes == usize::MAX {
            None
        } else {
            self.optional(node, sizes)?.filter(|sizes| sizes.len() > 0)
        };
        if let Some(sizes) = sizes {
            for (at, size) in sizes.as_integers()?.iter().enumerate() {
                axes[place(at)?] = usize::try_from(*size).unwrap_or_default();
            }
            let policy = node.text("keep_aspect_ratio_policy").unwrap_or("stretch");
            if policy != "stretch" {
                return Err(format!("expected sizes as they are given, found {policy}"));
            }
        } else {
            let factors = match self.optional(node, scales)? {
                Some(factors) => factors.as_floats()?.to_vec(),
                None => node.floats("scales").ok_or("expected sizes or factors, found none")?,
            };
            for (at, factor) in factors.iter().enumerate() {
                let place = place(at)?;
                axes[place] = (own[place] as f32 * factor).floor() as usize;
            }
        }
        let [batch, channels, height, width] = axes;
        let to = Shape::new(batch, channels, height, width);
        if to.with_size(from.height, from.width) != from || height == 0 || width == 0 {
            return Err(format!("expected rows and columns to grow, found {from} to {to}"));
        }
        Ok(to)
    }

    /// The first value of this size.
    fn like(&self, size: Shape) -> Option<Value> {
        let mut values: Vec<Value> = self.held.values().filter_map(|held| held.value()).collect();
        values.sort_unstable();
        values.into_iter().find(|value| {
            let shape = self.b.shape(*value);
            (shape.height, shape.width) == (size.height, size.width)
        })
    }
}

/// The way of interpolation, for a whole factor or, without, for any size.
fn kind(node: Node<'_>, whole: Option<usize>) -> Reading<ResizeKind> {
    let is_old = node.operator == "Upsample";
    let mode = node.text("mode").unwrap_or("nearest");
    let place = node.text("coordinate_transformation_mode").unwrap_or(if is_old {
        "asymmetric"
    } else {
        "half_pixel"
    });
    let nearest = node.text("nearest_mode").unwrap_or(if is_old { "floor" } else { "round_prefer_floor" });
    let half = matches!(place, "half_pixel" | "pytorch_half_pixel");
    let plain =
        node.integer("antialias").unwrap_or(0) == 0 && node.integer("exclude_outside").unwrap_or(0) == 0;
    let cubic = node.float("cubic_coeff_a").unwrap_or(-0.75);
    match (mode, place, nearest) {
        ("nearest", "asymmetric", "floor") => Ok(ResizeKind::Nearest),
        ("nearest", "half_pixel" | "pytorch_half_pixel", "round_prefer_floor" | "round_prefer_ceil")
        | ("nearest", "tf_half_pixel_for_nn", "floor")
            if whole.is_some() =>
        {
            Ok(ResizeKind::Nearest)
        }
        ("linear" | "bilinear", ..) if half && plain => Ok(ResizeKind::Bilinear),
        ("linear" | "bilinear", "align_corners", _) if plain => Ok(ResizeKind::BilinearCorners),
        ("cubic", ..) if half && plain && cubic == -0.75 && whole.is_some() => Ok(ResizeKind::Bicubic),
        _ => {
            let whole = if whole.is_some() { "a whole factor" } else { "no whole factor" };
            Err(format!(
                "expected nearest (asymmetric, floor), linear (half_pixel, align_corners) or, by a whole factor, cubic \
                 (half_pixel, −0.75), found {mode} ({place}, {nearest}, {cubic}) by {whole}"
            ))
        }
    }
}
