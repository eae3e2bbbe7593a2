//! Sums, differences, products and quotients, and the error function's way to a GELU.

use super::{Held, Trace, told};
use crate::graph::{Activation, Binary, BinaryKind, Value};
use crate::import::onnx::file::Node;
use crate::import::onnx::fixed::Fixed;
use crate::import::onnx::protobuf::Reading;
use crate::import::onnx::view::View;

/// √2, as closely as exporters write it.
fn is_root_of_two(number: f32) -> bool {
    (number - std::f32::consts::SQRT_2).abs() < 1e-3
}

impl<'f> Trace<'_, 'f> {
    /// `Add`, `Sub`, `Mul`, `Div`, `Pow`, `Min` and `Max`.
    pub(super) fn binary(&mut self, node: Node<'f>) -> Reading<Held> {
        let [a, b] = [self.held(node, 0)?, self.held(node, 1)?];
        if node.inputs().count() > 2 {
            return Err(format!("expected two inputs, found {}", node.inputs().count()));
        }
        if let Some(made) = self.towards_gelu(node, &a, &b)? {
            return Ok(made);
        }
        if let Some(made) = self.towards_norm(node, &a, &b)? {
            return Ok(made);
        }
        match (&a, &b) {
            (Held::Scores(scores), Held::Fixed(numbers)) => {
                return self.scores_and_numbers(node.operator, scores, numbers);
            }
            (Held::Fixed(numbers), Held::Scores(scores)) if node.operator != "Div" => {
                return self.scores_and_numbers(node.operator, scores, numbers);
            }
            _ => {}
        }
        let made = match (node.operator, a, b) {
            ("Pow", Held::View(x), Held::Fixed(power)) if power.one() == Some(2.0) => {
                let value = self.pair(node.name, BinaryKind::Multiply, x.value, x.value)?;
                View { value, ..x }
            }
            ("Pow", ..) => return Err("expected the power of 2, found another".into()),
            ("Min" | "Max", Held::View(x), Held::Fixed(bound))
            | ("Min" | "Max", Held::Fixed(bound), Held::View(x)) => {
                let bound = bound.one().ok_or("expected one bound for all numbers, found several")?;
                let [low, high] =
                    if node.operator == "Max" { [Some(bound), None] } else { [None, Some(bound)] };
                let value = self.clipped(node.name, x.value, low, high)?;
                View { value, ..x }
            }
            ("Min" | "Max", ..) => {
                return Err("expected a bound of fixed numbers, found another picture".into());
            }
            (_, Held::Fixed(_), Held::View(_)) => self.with_numbers(node, 1, 0)?,
            (_, Held::View(_), Held::Fixed(_)) => self.with_numbers(node, 0, 1)?,
            _ => self.of_views(node)?,
        };
        Ok(Held::View(made))
    }

    /// Two values of the picture.
    fn of_views(&mut self, node: Node<'f>) -> Reading<View> {
        let (a, b) = (self.view(node, 0)?, self.view(node, 1)?);
        let kind = kind(node.operator);
        if a.axes == b.axes && self.b.shape(a.value) == self.b.shape(b.value) {
            let value = match kind {
                BinaryKind::Multiply if self.sigmoids.get(&b.value) == Some(&a.value) => {
                    self.activation(node.name, a.value, Activation::Silu)?
                }
                BinaryKind::Multiply if self.sigmoids.get(&a.value) == Some(&b.value) => {
                    self.activation(node.name, b.value, Activation::Silu)?
                }
                kind => self.pair(node.name, kind, a.value, b.value)?,
            };
            return Ok(View { value, ..a });
        }
        let (a, b) = (self.picture(node, 0)?, self.picture(node, 1)?);
        let (of_a, of_b) = (self.b.shape(a), self.b.shape(b));
        let value = match (Binary::repeats(of_a, of_b), Binary::repeats(of_b, of_a), kind) {
            (Some(_), _, kind) => self.pair(node.name, kind, a, b)?,
            (_, Some(_), BinaryKind::Add | BinaryKind::Multiply) => self.pair(node.name, kind, b, a)?,
            (_, Some(_), BinaryKind::Subtract) => {
                let negative = self.times(&format!("{}.negative", node.name), b, -1.0)?;
                self.pair(node.name, BinaryKind::Add, negative, a)?
            }
            _ => {
                return Err(format!(
                    "expected values of one shape, or one of them a number a channel or a pixel, found {of_a} and {of_b}"
                ));
            }
        };
        Ok(self.plain(value))
    }

    /// A value and fixed numbers, one for all or one a channel.
    fn with_numbers(&mut self, node: Node<'f>, at: usize, fixed: usize) -> Reading<View> {
        let numbers = self.fixed(node, fixed)?.clone();
        let mut view = self.view(node, at)?;
        let own = match self.a_channel(&view, &numbers) {
            Some(own) => own,
            None => {
                let value = self.picture(node, at)?;
                view = self.plain(value);
                let dims = view.axes.dims();
                self.a_channel(&view, &numbers).ok_or_else(|| {
                    format!(
                        "expected one number, or one a channel, beside {dims:?}, found axes {:?}",
                        numbers.dims
                    )
                })?
            }
        };
        let (x, name, kind) = (view.value, node.name, kind(node.operator));
        let one = own.iter().all(|number| *number == own[0]).then_some(own[0]);
        let named = format!("{name}.numbers");
        let value = match (kind, fixed, one) {
            (BinaryKind::Add, _, Some(0.0)) | (BinaryKind::Subtract, 1, Some(0.0)) => x,
            (BinaryKind::Multiply, _, Some(1.0)) | (BinaryKind::Divide, 1, Some(1.0)) => x,
            (BinaryKind::Divide, 0, _) => {
                return Err("expected fixed numbers as the divisor, found them as the dividend".into());
            }
            (BinaryKind::Subtract, 0, _) => {
                let negative = self.times(&format!("{name}.negative"), x, -1.0)?;
                let numbers = self.constant(named, own)?;
                self.pair(name, BinaryKind::Add, negative, numbers)?
            }
            (kind, ..) => {
                let numbers = self.constant(named, own)?;
                self.pair(name, kind, x, numbers)?
            }
        };
        let factor = match kind {
            BinaryKind::Multiply => one,
            BinaryKind::Divide => one.map(f32::recip),
            _ => None,
        };
        if let Some(factor) = factor {
            self.multiples.insert(value, (x, factor));
        }
        if self.pointwise.contains(&x) {
            self.pointwise.insert(value);
        }
        Ok(View { value, ..view })
    }

    /// Fixed numbers beside a view, one a channel; `None` if they are others.
    fn a_channel(&self, view: &View, numbers: &Fixed) -> Option<Vec<f32>> {
        let (shape, dims) = (self.b.shape(view.value), view.axes.dims());
        let behind = dims.len().checked_sub(numbers.dims.len())?;
        let fits = numbers.dims.iter().zip(&dims[behind..]).all(|(own, length)| *own == 1 || own == length);
        let channels = shape.channels;
        if let Some(one) = numbers.one().filter(|_| fits) {
            return Some(vec![one; channels]);
        }
        let long = |at: &usize| numbers.dims[*at] != 1;
        let mut along = (0..numbers.dims.len()).filter(long);
        let (at, further) = (along.next()?, along.next());
        let is_channels = view.axes.is_channels(behind + at, shape);
        let own = numbers.as_floats().ok()?;
        (fits && is_channels && further.is_none()).then(|| own.to_vec())
    }

    /// Appends an operation on two values.
    pub(super) fn pair(&mut self, name: &str, kind: BinaryKind, a: Value, b: Value) -> Reading<Value> {
        self.b.binary(name, kind, a, b).map_err(told)
    }

    /// A value times one number.
    pub(super) fn times(&mut self, name: &str, x: Value, factor: f32) -> Reading<Value> {
        let channels = self.b.shape(x).channels;
        let factor = self.constant(format!("{name}.factor"), vec![factor; channels])?;
        self.pair(name, BinaryKind::Multiply, x, factor)
    }

    /// A value and one number more.
    pub(super) fn plus(&mut self, name: &str, x: Value, number: f32) -> Reading<Value> {
        let channels = self.b.shape(x).channels;
        let number = self.constant(format!("{name}.number"), vec![number; channels])?;
        self.pair(name, BinaryKind::Add, x, number)
    }

    /// `Erf`, of what is divided by √2.
    pub(super) fn error_function(&mut self, node: Node<'f>) -> Reading<Held> {
        let view = self.view(node, 0)?;
        let of = self.multiples.get(&view.value).filter(|(_, factor)| is_root_of_two(factor.recip()));
        let (value, _) =
            of.copied().ok_or("expected the error function of x / √2, of something else found")?;
        Ok(Held::Error(View { value, ..view }))
    }

    /// The steps of `x · ½ (1 + erf(x / √2))`, in whichever order.
    fn towards_gelu(&mut self, node: Node<'f>, a: &Held, b: &Held) -> Reading<Option<Held>> {
        Ok(match (node.operator, a, b) {
            ("Add", Held::Error(x), Held::Fixed(one)) | ("Add", Held::Fixed(one), Held::Error(x))
                if one.one() == Some(1.0) =>
            {
                Some(Held::Normal(x.clone(), 2.0))
            }
            ("Mul", Held::Normal(x, factor), Held::Fixed(by))
            | ("Mul", Held::Fixed(by), Held::Normal(x, factor)) => {
                by.one().map(|by| Held::Normal(x.clone(), factor * by))
            }
            ("Mul", Held::Normal(x, factor), Held::View(y))
            | ("Mul", Held::View(y), Held::Normal(x, factor)) => {
                let more = match self.multiples.get(&y.value) {
                    _ if y.value == x.value => Some(1.0),
                    Some((value, more)) if *value == x.value => Some(*more),
                    _ => None,
                };
                let Some(factor) = more.map(|more| more * factor).filter(|_| x.axes == y.axes) else {
                    return Err(
                        "expected the error function of what it is multiplied by, found another's".into()
                    );
                };
                let value = self.activation(node.name, x.value, Activation::Gelu)?;
                if factor != 1.0 {
                    let scaled = self.times(&format!("{}.factor", node.name), value, factor)?;
                    self.multiples.insert(scaled, (value, factor));
                    return Ok(Some(Held::View(View { value: scaled, ..x.clone() })));
                }
                Some(Held::View(View { value, ..x.clone() }))
            }
            _ => None,
        })
    }
}

fn kind(operator: &str) -> BinaryKind {
    match operator {
        "Sub" => BinaryKind::Subtract,
        "Mul" => BinaryKind::Multiply,
        "Div" => BinaryKind::Divide,
        _ => BinaryKind::Add,
    }
}
