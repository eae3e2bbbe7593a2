//! What moves numbers: axes in another order, parts of channels, channels beside each other, padding.

use super::{Held, Trace, told};
use crate::graph::Value;
use crate::import::onnx::file::Node;
use crate::import::onnx::fold::{axis, cuts, squeezed, unsqueezed};
use crate::import::onnx::protobuf::Reading;
use crate::import::onnx::view::View;
use crate::pixels::Edge;

impl<'f> Trace<'_, 'f> {
    /// `Reshape`, `Transpose`, `Squeeze`, `Unsqueeze` and `Flatten`.
    pub(super) fn other_axes(&mut self, node: Node<'f>) -> Reading<View> {
        let view = self.view(node, 0)?;
        let dims = view.axes.dims();
        let axes = match node.operator {
            "Reshape" => view.axes.reshaped(self.fixed(node, 1)?.as_integers()?)?,
            "Transpose" => view.axes.transposed(node.integers("perm"))?,
            "Squeeze" => view.axes.with_dims(&squeezed(&dims, self.list(node, "axes", 1)?.as_deref())?)?,
            "Unsqueeze" => {
                let axes = self.list(node, "axes", 1)?.ok_or("expected axes, found none")?;
                view.axes.with_dims(&unsqueezed(&dims, &axes)?)?
            }
            _ => {
                let at = axis(node.integer("axis").unwrap_or(1), dims.len() + 1)?;
                view.axes.with_dims(&[dims[..at].iter().product(), dims[at..].iter().product()])?
            }
        };
        Ok(View { axes, ..view })
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

    /// Channels one after the other.
    pub(super) fn concat(&mut self, node: Node<'f>) -> Reading<View> {
        let count = node.inputs().count();
        let at = node.integer("axis").unwrap_or(1);
        let parts = (0..count).map(|at| self.picture(node, at)).collect::<Reading<Vec<Value>>>()?;
        if axis(at, 4)? != 1 {
            return Err(format!("expected channels, axis 1, beside each other, found axis {at}"));
        }
        let value = match *parts {
            [one] => one,
            _ => self.b.concat(node.name, &parts).map_err(told)?,
        };
        Ok(self.plain(value))
    }

    /// A part of the channels; of rows and columns all, since what cuts a picture to its size has nothing to cut here.
    pub(super) fn slice(&mut self, node: Node<'f>) -> Reading<View> {
        let [starts, ends] = [self.list(node, "starts", 1)?, self.list(node, "ends", 2)?];
        let (axes, steps) = (self.list(node, "axes", 3)?, self.list(node, "steps", 4)?);
        let mut view = self.view(node, 0)?;
        for cut in cuts(&starts.unwrap_or_default(), &ends.unwrap_or_default(), axes, steps)? {
            let dims = view.axes.dims();
            let at = axis(cut.axis, dims.len())?;
            let (start, step, taken) = cut.on(dims[at]);
            if step == 1 && (start, taken) == (0, dims[at]) {
                continue;
            }
            if at != 1 || step != 1 || dims.len() != 4 {
                let length = dims[at];
                return Err(format!(
                    "expected a part of the channels, axis 1, found one of axis {at}: {taken} of {length} from \
                     {start} in steps of {step}"
                ));
            }
            let x = self.moved(node.name, &view)?;
            let value = self.b.slice(node.name, x, start, taken).map_err(told)?;
            view = self.plain(value);
        }
        Ok(view)
    }

    /// Parts of the channels.
    pub(super) fn split(&mut self, node: Node<'f>) -> Reading<()> {
        let outputs: Vec<&'f str> = node.outputs().collect();
        let sizes = self.list(node, "split", 1)?;
        let x = self.picture(node, 0)?;
        let channels = self.b.shape(x).channels;
        let at = node.integer("axis").unwrap_or(0);
        if axis(at, 4)? != 1 {
            return Err(format!("expected parts of the channels, axis 1, found some of axis {at}"));
        }
        let many = outputs.len();
        let sizes = match sizes {
            Some(sizes) => sizes.iter().map(|size| usize::try_from(*size).unwrap_or_default()).collect(),
            None => {
                let part = channels.div_ceil(many);
                (0..many).map(|at| part.min(channels.saturating_sub(at * part))).collect::<Vec<_>>()
            }
        };
        if sizes.len() != many
            || sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size)) != Some(channels)
        {
            return Err(format!("expected {many} parts of {channels} channels, found {sizes:?}"));
        }
        let mut start = 0;
        for (name, size) in outputs.into_iter().zip(sizes) {
            let value = self.b.slice(name, x, start, size).map_err(told)?;
            self.hold(name, Held::View(self.plain(value)))?;
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
