//! Functions of one number.

use super::{Trace, told};
use crate::graph::{Activation, BinaryKind, Value};
use crate::import::onnx::file::Node;
use crate::import::onnx::protobuf::Reading;
use crate::import::onnx::view::View;

/// From here on a bound is none: the largest number of f16, and of f32, are written for it.
const BOUND: f32 = 65504.0;

impl<'f> Trace<'_, 'f> {
    /// Activations, `Clip`, `Neg` and `Abs`.
    pub(super) fn unary(&mut self, node: Node<'f>) -> Reading<View> {
        let view = self.view(node, 0)?;
        let (x, name) = (view.value, node.name);
        let float = |name: &str, default: f32| node.float(name).unwrap_or(default);
        let value = match node.operator {
            "Relu" => self.activation(name, x, Activation::Relu)?,
            "LeakyRelu" => {
                let slope = float("alpha", 0.01);
                if !slope.is_finite() {
                    return Err(format!("expected a finite slope, found {slope}"));
                }
                self.activation(name, x, Activation::LeakyRelu { slope })?
            }
            "PRelu" => return self.prelu(node),
            "Tanh" => self.activation(name, x, Activation::Tanh)?,
            "Sigmoid" => {
                let value = self.activation(name, x, Activation::Sigmoid)?;
                self.sigmoids.insert(value, x);
                value
            }
            "Gelu" if node.text("approximate").unwrap_or("none") == "none" => {
                self.activation(name, x, Activation::Gelu)?
            }
            "Gelu" => return Err("expected a GELU by the error function, found one by tanh".into()),
            "Swish" if float("alpha", 1.0) == 1.0 => self.activation(name, x, Activation::Silu)?,
            "Swish" => return Err(format!("expected alpha 1, found {}", float("alpha", 1.0))),
            "HardSigmoid" => self.hard_sigmoid(name, x, float("alpha", 0.2), float("beta", 0.5))?,
            "HardSwish" => {
                let factor = self.hard_sigmoid(&format!("{name}.sigmoid"), x, 1.0 / 6.0, 0.5)?;
                self.pair(name, BinaryKind::Multiply, x, factor)?
            }
            "Clip" => return self.clip(node),
            "Neg" => self.times(name, x, -1.0)?,
            _ => {
                let negative = self.times(&format!("{name}.negative"), x, -1.0)?;
                let below = self.activation(&format!("{name}.below"), negative, Activation::Relu)?;
                let above = self.activation(&format!("{name}.above"), x, Activation::Relu)?;
                self.pair(name, BinaryKind::Add, above, below)?
            }
        };
        Ok(View { value, ..view })
    }

    /// Appends a function of one number.
    pub(super) fn activation(&mut self, name: &str, x: Value, op: Activation) -> Reading<Value> {
        self.b.activation(name, x, op).map_err(told)
    }

    fn prelu(&mut self, node: Node<'f>) -> Reading<View> {
        let x = self.picture(node, 0)?;
        let channels = self.b.shape(x).channels;
        let slopes = self.fixed(node, 1)?;
        let fits = match *slopes.dims {
            [n] | [1, n] => n == 1, // beside columns
            [n, 1, 1] | [1, n, 1, 1] => n == 1 || n == channels,
            ref dims => dims.is_empty(),
        };
        if !fits {
            return Err(format!("expected a slope, or one a channel, found axes {:?}", slopes.dims));
        }
        let slopes = slopes.parameter(&[slopes.len()])?;
        let slopes = self.parameter(node.input(1), &slopes)?;
        let value = self.b.prelu(node.name, x, slopes).map_err(told)?;
        Ok(self.plain(value))
    }

    /// Bounds; those of a picture, 0 and 1, go at the end, where every picture is cut there.
    fn clip(&mut self, node: Node<'f>) -> Reading<View> {
        let view = self.view(node, 0)?;
        let bound = |name: &str, at: usize| match self.optional(node, at)? {
            Some(bound) => bound.one().map(Some).ok_or_else(|| "expected one number as a bound".to_owned()),
            None => Ok(node.float(name)),
        };
        let [low, high] = [bound("min", 1)?, bound("max", 2)?];
        let keeps = low.is_none_or(|low| low <= 0.0) && high.is_none_or(|high| high >= 1.0);
        if keeps && self.given.last.contains(node.output) {
            return Ok(view);
        }
        let value = self.clipped(node.name, view.value, low, high)?;
        Ok(View { value, ..view })
    }

    /// `low + relu(x − low)`, then `high − relu(high − x)`.
    pub(super) fn clipped(
        &mut self,
        name: &str,
        x: Value,
        low: Option<f32>,
        high: Option<f32>,
    ) -> Reading<Value> {
        let mut x = x;
        if let Some(low) = low.filter(|low| *low > -BOUND) {
            let from = if low == 0.0 { x } else { self.plus(&format!("{name}.from"), x, -low)? };
            let above = self.activation(&format!("{name}.above"), from, Activation::Relu)?;
            x = if low == 0.0 { above } else { self.plus(&format!("{name}.low"), above, low)? };
        }
        if let Some(high) = high.filter(|high| *high < BOUND) {
            let negative = self.times(&format!("{name}.negative"), x, -1.0)?;
            let room = self.plus(&format!("{name}.room"), negative, high)?;
            let room = self.activation(&format!("{name}.below"), room, Activation::Relu)?;
            let room = self.times(&format!("{name}.left"), room, -1.0)?;
            x = self.plus(name, room, high)?;
        }
        Ok(x)
    }

    /// `min(max(alpha · x + beta, 0), 1)`.
    fn hard_sigmoid(&mut self, name: &str, x: Value, alpha: f32, beta: f32) -> Reading<Value> {
        let slope = self.times(&format!("{name}.slope"), x, alpha)?;
        let line = self.plus(&format!("{name}.line"), slope, beta)?;
        self.clipped(name, line, Some(0.0), Some(1.0))
    }
}
