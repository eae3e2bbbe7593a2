//! What moves numbers: axes in another order, parts of channels, channels beside each other, padding.

use super::{Held, Trace, told};
use crate::graph::Value;
use crate::import::onnx::file::Node;
use crate::import::onnx::fold::{axis, cuts, reshaped, squeezed, unsqueezed};
use crate::import::onnx::protobuf::Reading;
use crate::import::onnx::view::{Axes, View};
use crate::pixels::Edge;

impl<'f> Trace<'_, 'f> {
    /// `Reshape`, `Transpose`, `Squeeze`, `Unsqueeze` and `Flatten`.
    pub(super) fn other_axes(&mut self, node: Node<'f>) -> Reading<View> {
        let view = self.view(node, 0)?;
        let dims = view.axes.dims();
        let axes = match node.operator {
            "Transpose" => view.axes.transposed(node.integers("perm"))?,
            _ => view.axes.with_dims(&self.other_dims(node, &dims)?)?,
        };
        Ok(View { axes, ..view })
    }

    /// The lengths of axes that `Reshape`, `Squeeze`, `Unsqueeze` and `Flatten` make of these.
    pub(super) fn other_dims(&self, node: Node<'f>, dims: &[usize]) -> Reading<Vec<usize>> {
        match node.operator {
            "Reshape" => reshaped(dims, self.fixed(node, 1)?.as_integers()?),
            "Squeeze" => squeezed(dims, self.list(node, "axes", 1)?.as_deref()),
            "Unsqueeze" => unsqueezed(dims, &self.list(node, "axes", 1)?.ok_or("expected axes, found none")?),
            _ => {
                let at = axis(node.integer("axis").unwrap_or(1), dims.len() + 1)?;
                Ok(vec![dims[..at].iter().product(), dims[at..].iter().product()])
            }
        }
    }

    /// `DepthToSpace`, whose channels are c, i, j (`CRD`) or i, j, c (`DCR`), and `SpaceToDepth`, which makes i, j, c.
    pub(super) fn between_depth_and_space(&mut self, node: Node<'f>) -> Reading<View> {
        let view = self.view(node, 0)?;
        let &[n, c, h, w] = &*view.axes.dims() else {
            return Err(format!("expected a picture, found axes {:?}", view.axes.dims()));
        };
        let side = node.integer("blocksize").and_then(|side| usize::try_from(side).ok());
        let side =
            side.filter(|side| (1..=64).contains(side)).ok_or("expected a block's side, found none")?;
        let square = side * side;
        let axes = match (node.operator, node.text("mode").unwrap_or("DCR")) {
            ("SpaceToDepth", _) => {
                if !h.is_multiple_of(side) || !w.is_multiple_of(side) {
                    return Err(format!("expected sides that are multiples of {side}, found {h}x{w}"));
                }
                let blocks = view.axes.with_dims(&[n, c, h / side, side, w / side, side])?;
                let moved = blocks.transposed(Some(vec![0, 3, 5, 1, 2, 4]))?;
                moved.with_dims(&[n, c * square, h / side, w / side])?
            }
            (_, mode) => {
                if !c.is_multiple_of(square) {
                    return Err(format!("expected a multiple of {square} channels, found {c}"));
                }
                let (dims, order) = match mode {
                    "CRD" => ([n, c / square, side, side, h, w], vec![0, 1, 4, 2, 5, 3]),
                    _ => ([n, side, side, c / square, h, w], vec![0, 3, 4, 1, 5, 2]),
                };
                let moved = view.axes.with_dims(&dims)?.transposed(Some(order))?;
                moved.with_dims(&[n, c / square, h * side, w * side])?
            }
        };
        Ok(View { axes, ..view })
    }

    /// Channels one after the other; or rows or columns that were cut, the last ones first, which is a cyclic shift.
    pub(super) fn concat(&mut self, node: Node<'f>) -> Reading<View> {
        let parts = (0..node.inputs().count()).map(|at| self.held(node, at)).collect::<Reading<Vec<_>>>()?;
        let over = node.integer("axis").unwrap_or(1);
        if let [Held::View(view), Held::Part(_, [.., 0])] = &*parts {
            return Ok(view.clone()); // shifted by nothing
        }
        if let [Held::Part(view, [at, start, taken]), Held::Part(other, [_, 0, before])] = &*parts
            && let dims = view.axes.dims()
            && *other == *view
            && axis(over, dims.len())? == *at
            && (*before, start + taken) == (*start, dims[*at])
            && let Some(axes) = view.axes.begun(*at, *start, self.b.shape(view.value))
        {
            return Ok(View { axes, ..*view });
        }
        if let Some(view) = self.beside(node, &parts, over)? {
            return Ok(view);
        }
        let parts = (0..parts.len()).map(|at| self.picture(node, at)).collect::<Reading<Vec<Value>>>()?;
        if axis(over, 4)? != 1 {
            return Err(format!("expected channels, axis 1, beside each other, found axis {over}"));
        }
        let value = match *parts {
            [one] => one,
            _ => self.b.concat(node.name, &parts).map_err(told)?,
        };
        Ok(self.plain(value))
    }

    /// Values one after the other along an axis that is the channels of each, where they are alike along the others.
    fn beside(&mut self, node: Node<'f>, parts: &[Held], over: i64) -> Reading<Option<View>> {
        let (mut values, mut alike): (Vec<Value>, Option<Axes>) = (Vec::new(), None);
        for part in parts {
            let Held::View(View { value, axes }) = part else { return Ok(None) };
            let (at, shape) = (axis(over, axes.dims().len())?, self.b.shape(*value));
            if !axes.is_channels(at, shape) {
                return Ok(None);
            }
            let of_one = axes.with_length(at, 1);
            if alike.get_or_insert_with(|| of_one.clone()) != &of_one {
                return Ok(None);
            }
            values.push(*value);
        }
        let (Some(axes), [_, _, ..]) = (alike, &*values) else { return Ok(None) };
        let at = axis(over, axes.dims().len())?;
        let value = self.b.concat(node.name, &values).map_err(told)?;
        Ok(Some(View { value, axes: axes.with_channels(at, self.b.shape(value)) }))
    }

    /// A part of the channels, or of the rows or columns; of these all, since what cuts a picture to its size has nothing to
    /// cut here, or some that a `Concat` brings to the other end.
    pub(super) fn slice(&mut self, node: Node<'f>) -> Reading<Held> {
        let [starts, ends] = [self.list(node, "starts", 1)?, self.list(node, "ends", 2)?];
        let (axes, steps) = (self.list(node, "axes", 3)?, self.list(node, "steps", 4)?);
        let mut view = self.view(node, 0)?;
        let cuts = cuts(&starts.unwrap_or_default(), &ends.unwrap_or_default(), axes, steps)?;
        for cut in &cuts {
            let dims = view.axes.dims();
            let at = axis(cut.axis, dims.len())?;
            let (start, step, taken) = cut.on(dims[at]);
            let is_cut = (start, taken) != (0, dims[at]);
            if step == 1
                && is_cut
                && cuts.len() == 1
                && view.axes.begun(at, start, self.b.shape(view.value)).is_some()
            {
                return Ok(Held::Part(view, [at, start, taken]));
            }
            if step != 1 {
                return Err(format!("expected neighbours, found some of axis {at} in steps of {step}"));
            }
            view = self.part(node.name, &view, [at, start, taken])?;
        }
        Ok(Held::View(view))
    }

    /// Some places of an axis of channels, or all of any.
    fn part(&mut self, name: &str, view: &View, [at, start, taken]: [usize; 3]) -> Reading<View> {
        let length = view.axes.dims()[at];
        if (start, taken) == (0, length) {
            return Ok(view.clone());
        }
        let (mut view, mut shape) = (view.clone(), self.b.shape(view.value));
        if view.axes.channels_each(at, shape).is_none() && view.axes.dims().len() == 4 && at == 1 {
            let value = self.moved(name, &view)?;
            view = self.plain(value);
            shape = self.b.shape(view.value);
        }
        let each = view.axes.channels_each(at, shape).ok_or_else(|| {
            format!("expected a part of the channels, found {taken} of {length} from {start} of axis {at}")
        })?;
        let value = self.b.slice(name, view.value, start * each, taken * each).map_err(told)?;
        self.slices.insert(value, (view.value, start * each));
        Ok(View { value, axes: view.axes.with_length(at, taken) })
    }

    /// `Gather` of one place of an axis of channels.
    pub(super) fn gather(&mut self, node: Node<'f>) -> Reading<View> {
        let view = self.view(node, 0)?;
        let dims = view.axes.dims();
        let at = axis(node.integer("axis").unwrap_or(0), dims.len())?;
        let places = self.fixed(node, 1)?;
        let (&[place], keeps) = (&**places.as_integers()?, !places.dims.is_empty()) else {
            return Err(format!("expected one place, found {}", places.len()));
        };
        let place = axis(place, dims[at])?;
        let part = self.part(node.name, &view, [at, place, 1])?;
        Ok(if keeps { part } else { View { axes: part.axes.without(at), ..part } })
    }

    /// Parts of the channels.
    pub(super) fn split(&mut self, node: Node<'f>) -> Reading<()> {
        let outputs: Vec<&'f str> = node.outputs().collect();
        let sizes = self.list(node, "split", 1)?;
        let view = self.view(node, 0)?;
        let dims = view.axes.dims();
        let at = axis(node.integer("axis").unwrap_or(0), dims.len())?;
        let (many, length) = (outputs.len(), dims[at]);
        let sizes = match sizes {
            Some(sizes) => sizes.iter().map(|size| usize::try_from(*size).unwrap_or_default()).collect(),
            None => {
                let part = length.div_ceil(many);
                (0..many).map(|at| part.min(length.saturating_sub(at * part))).collect::<Vec<_>>()
            }
        };
        if sizes.len() != many
            || sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size)) != Some(length)
        {
            return Err(format!("expected {many} parts of {length} channels, found {sizes:?}"));
        }
        let mut start = 0;
        for (name, size) in outputs.into_iter().zip(sizes) {
            let part = self.part(name, &view, [at, start, size])?;
            self.hold(name, Held::View(part))?;
            start += size;
        }
        Ok(())
    }

    /// Nothing where the picture is a multiple already, and zeros that a convolution takes.
    pub(super) fn pad(&mut self, node: Node<'f>) -> Reading<Held> {
        let view = self.view(node, 0)?;
        let axes = view.axes.dims().len();
        let given = self.list(node, "pads", 1)?.ok_or("expected widths, found none")?;
        let over = match self.optional(node, 3)? {
            Some(over) => {
                over.as_integers()?.iter().map(|at| axis(*at, axes)).collect::<Reading<Vec<_>>>()?
            }
            None => (0..axes).collect(),
        };
        if given.len() != 2 * over.len() {
            return Err(format!(
                "expected two widths for each of {} axes, found {}",
                over.len(),
                given.len()
            ));
        }
        let mut widths = [vec![0_usize; axes], vec![0; axes]];
        for (at, width) in given.iter().enumerate() {
            let width = u16::try_from(*width).map_err(|_| {
                format!("expected widths of 0 to 65535, found {width}: rows or columns are cut")
            })?;
            widths[at / over.len()][over[at % over.len()]] = width.into();
        }
        let mode = node.text("mode").unwrap_or("constant");
        if given.iter().all(|width| *width == 0) {
            match mode {
                "reflect" => self.padding.edge = Some(Edge::Mirrored),
                "edge" => self.padding.edge = Some(Edge::Repeated),
                _ => self.padding.zeros = true,
            }
            self.padding.inside |= !self.pointwise.contains(&view.value);
            return Ok(Held::View(view));
        }
        let value = match self.optional(node, 2)? {
            Some(value) => value.one(),
            None => Some(node.float("value").unwrap_or(0.0)),
        };
        let [before, after] = &widths;
        match (&**before, &**after) {
            (&[0, 0, top, left], &[0, 0, bottom, right]) if mode == "constant" && value == Some(0.0) => {
                let x = self.picture(node, 0)?;
                Ok(Held::Zeros(x, [top, left, bottom, right]))
            }
            _ => {
                Err(format!("expected zeros around rows and columns, found widths {given:?} of mode {mode}"))
            }
        }
    }
}
