//! A layer norm that is written out, as exporters do for operators before version 17.
//!
//! ```text
//!   centred   = x − mean(x)
//!   deviation = √(mean(centred²) + ε)          centred ÷ deviation: the layer norm, without weight and bias
//! ```

use super::{Held, Trace, told};
use crate::graph::{LayerNorm, Op};
use crate::import::onnx::file::Node;
use crate::import::onnx::fixed::Fixed;
use crate::import::onnx::fold::axis;
use crate::import::onnx::protobuf::Reading;
use crate::import::onnx::view::View;

/// What was made of a value, over channels that are the last axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Mean,
    Centred,
    /// The squares of what is centred.
    Squares,
    /// Their mean, and what was added.
    Variance(f32),
    /// The root of that.
    Deviation(f32),
}

impl Step {
    /// What ONNX takes it for.
    pub(super) fn dims(self, view: &View) -> Vec<usize> {
        let mut dims = view.axes.dims();
        if let (Self::Mean | Self::Variance(_) | Self::Deviation(_), Some(last)) = (self, dims.last_mut()) {
            *last = 1;
        }
        dims
    }
}

impl<'f> Trace<'_, 'f> {
    /// `ReduceMean`: over channels that are the last axis a step of a layer norm, else a mean over pixels or channels.
    pub(super) fn reduce_mean(&mut self, node: Node<'f>) -> Reading<Held> {
        let keeps = node.integer("keepdims").unwrap_or(1) != 0;
        let over = self.list(node, "axes", 1)?;
        let is_last = |axes: usize| {
            matches!(over.as_deref(), Some([one]) if axis(*one, axes).is_ok_and(|at| at + 1 == axes)) && keeps
        };
        match self.held(node, 0)? {
            Held::View(view) => {
                let axes = view.axes.dims().len();
                let shape = self.b.shape(view.value);
                if is_last(axes) && view.axes.is_channels(axes - 1, shape) {
                    return Ok(Held::Norm(Step::Mean, view));
                }
                self.mean(node).map(Held::View)
            }
            Held::Norm(Step::Squares, view) if is_last(view.axes.dims().len()) => {
                Ok(Held::Norm(Step::Variance(0.0), view))
            }
            _ => Err("expected a mean over pixels or channels, found another".into()),
        }
    }

    /// `Sqrt` of a variance.
    pub(super) fn deviation(&mut self, node: Node<'f>) -> Reading<Held> {
        match self.held(node, 0)? {
            Held::Norm(Step::Variance(epsilon), view) => Ok(Held::Norm(Step::Deviation(epsilon), view)),
            _ => Err("expected the root of a variance in a layer norm, found another".into()),
        }
    }

    /// The steps of a layer norm that are sums, products or quotients.
    pub(super) fn towards_norm(&mut self, node: Node<'f>, a: &Held, b: &Held) -> Reading<Option<Held>> {
        let is = |numbers: &Fixed, number: f32| numbers.one() == Some(number);
        let step = match (node.operator, a, b) {
            ("Sub", Held::View(x), Held::Norm(Step::Mean, y)) if x == y => {
                Held::Norm(Step::Centred, x.clone())
            }
            ("Pow", Held::Norm(Step::Centred, x), Held::Fixed(two)) if is(two, 2.0) => {
                Held::Norm(Step::Squares, x.clone())
            }
            ("Mul", Held::Norm(Step::Centred, x), Held::Norm(Step::Centred, y)) if x == y => {
                Held::Norm(Step::Squares, x.clone())
            }
            ("Add", Held::Norm(Step::Variance(sum), x), Held::Fixed(more))
            | ("Add", Held::Fixed(more), Held::Norm(Step::Variance(sum), x)) => {
                let more = more.one().ok_or("expected one number beside a variance, found several")?;
                Held::Norm(Step::Variance(sum + more), x.clone())
            }
            ("Div", Held::Norm(Step::Centred, x), Held::Norm(Step::Deviation(epsilon), y)) if x == y => {
                let channels = self.b.shape(x.value).channels;
                let name = node.output;
                let [weight, bias] = [("weight", 1.0), ("bias", 0.0)].map(|(part, number)| {
                    let name = format!("{name}.{part}");
                    let made = self.made(&name, &[channels], |_| number)?;
                    self.parameter(&name, &made)
                });
                let op = Op::LayerNorm(LayerNorm { epsilon: *epsilon });
                let value = self.b.append(node.name, op, &[x.value, weight?, bias?]).map_err(told)?;
                Held::View(View { value, ..x.clone() })
            }
            _ => return Ok(None),
        };
        Ok(Some(step))
    }
}
