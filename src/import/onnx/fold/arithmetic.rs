//! Sums, comparisons and the like of fixed tensors.

use super::super::fixed::{Fixed, Numbers};
use super::super::protobuf::Reading;
use super::moving::broadcast;
use super::{Budget, made};

/// What is done to two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Add,
    Sub,
    Mul,
    Div,
    /// The remainder with the divisor's sign.
    Mod,
    /// The remainder with the dividend's sign, as C has it.
    Rem,
    Pow,
    Min,
    Max,
    Equal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    And,
    Or,
}

impl Way {
    /// By ONNX's name.
    pub(super) fn of(operator: &str, as_in_c: bool) -> Self {
        match operator {
            "Sub" => Self::Sub,
            "Mul" => Self::Mul,
            "Div" => Self::Div,
            "Mod" if as_in_c => Self::Rem,
            "Mod" => Self::Mod,
            "Pow" => Self::Pow,
            "Min" => Self::Min,
            "Max" => Self::Max,
            "Equal" => Self::Equal,
            "Less" => Self::Less,
            "Greater" => Self::Greater,
            "LessOrEqual" => Self::LessOrEqual,
            "GreaterOrEqual" => Self::GreaterOrEqual,
            "And" => Self::And,
            "Or" => Self::Or,
            _ => Self::Add,
        }
    }

    fn compares(self) -> bool {
        use Way::{And, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Or};
        matches!(self, Equal | Less | Greater | LessOrEqual | GreaterOrEqual | And | Or)
    }

    /// Of whole numbers; `None` beyond 64 bits and by 0.
    fn integer(self, a: i64, b: i64) -> Option<i64> {
        Some(match self {
            Self::Add => a.checked_add(b)?,
            Self::Sub => a.checked_sub(b)?,
            Self::Mul => a.checked_mul(b)?,
            Self::Div => a.checked_div(b)?,
            Self::Rem => a.checked_rem(b)?,
            Self::Mod => {
                let rest = a.checked_rem(b)?;
                if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
            }
            Self::Pow => a.checked_pow(u32::try_from(b).ok()?)?,
            Self::Min => a.min(b),
            Self::Max => a.max(b),
            _ => i64::from(self.compare(&a, &b, [a != 0, b != 0])),
        })
    }

    fn float(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Rem => a % b,
            Self::Mod => a - b * (a / b).floor(),
            Self::Pow => a.powf(b),
            Self::Min => a.min(b),
            _ => a.max(b),
        }
    }

    fn compare<T: PartialOrd>(self, a: &T, b: &T, [a_holds, b_holds]: [bool; 2]) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Less => a < b,
            Self::Greater => a > b,
            Self::LessOrEqual => a <= b,
            Self::GreaterOrEqual => a >= b,
            Self::And => a_holds && b_holds,
            _ => a_holds || b_holds,
        }
    }
}

/// Two tensors, each repeated along axes of which it has one and the other more.
pub(super) fn binary(way: Way, a: &Fixed, b: &Fixed, budget: &Budget) -> Reading<Fixed> {
    let (dims, [from_a, from_b]) = broadcast([a, b])?;
    let numbers = match (&a.numbers, &b.numbers) {
        (Numbers::Integers(x), Numbers::Integers(y)) => {
            let mut beyond = false;
            let made = made(&dims, budget, |at| {
                let number = way.integer(x[from_a(at)], y[from_b(at)]);
                beyond |= number.is_none();
                number.unwrap_or_default()
            })?;
            if beyond {
                return Err("expected whole numbers of 64 bits and no divisor 0, found others".into());
            }
            Numbers::Integers(made)
        }
        (Numbers::Floats(x), Numbers::Floats(y)) if way.compares() => {
            Numbers::Integers(made(&dims, budget, |at| {
                let (x, y) = (x[from_a(at)], y[from_b(at)]);
                i64::from(way.compare(&x, &y, [x != 0.0, y != 0.0]))
            })?)
        }
        (Numbers::Floats(x), Numbers::Floats(y)) => {
            Numbers::Floats(made(&dims, budget, |at| way.float(x[from_a(at)], y[from_b(at)]))?)
        }
        // Of a power alone.
        (Numbers::Floats(x), Numbers::Integers(y)) => {
            Numbers::Floats(made(&dims, budget, |at| way.float(x[from_a(at)], y[from_b(at)] as f32))?)
        }
        _ => return Err("expected two tensors of one type, found real and whole numbers".into()),
    };
    Ok(Fixed { dims, numbers })
}

/// One tensor number by number.
pub(super) fn unary(operator: &str, x: &Fixed, budget: &Budget) -> Reading<Fixed> {
    let dims = &x.dims;
    let numbers = match &x.numbers {
        Numbers::Integers(x) => Numbers::Integers(made(dims, budget, |at| match operator {
            "Neg" => x[at].wrapping_neg(),
            "Abs" => x[at].wrapping_abs(),
            "Not" => i64::from(x[at] == 0),
            _ => x[at],
        })?),
        Numbers::Floats(x) => Numbers::Floats(made(dims, budget, |at| match operator {
            "Neg" => -x[at],
            "Abs" => x[at].abs(),
            "Floor" => x[at].floor(),
            "Ceil" => x[at].ceil(),
            "Round" => x[at].round_ties_even(),
            "Sqrt" => x[at].sqrt(),
            "Reciprocal" => x[at].recip(),
            "Exp" => x[at].exp(),
            _ => f32::from(u8::from(x[at] == 0.0)),
        })?),
    };
    Ok(Fixed { dims: dims.clone(), numbers })
}

/// The second where the first is true, else the third.
pub(super) fn choose([mask, a, b]: [&Fixed; 3], budget: &Budget) -> Reading<Fixed> {
    let (dims, [from_mask, from_a, from_b]) = broadcast([mask, a, b])?;
    let mask = mask.as_integers()?;
    let numbers = match (&a.numbers, &b.numbers) {
        (Numbers::Integers(a), Numbers::Integers(b)) => {
            let of = |at| if mask[from_mask(at)] != 0 { a[from_a(at)] } else { b[from_b(at)] };
            Numbers::Integers(made(&dims, budget, of)?)
        }
        (Numbers::Floats(a), Numbers::Floats(b)) => {
            let of = |at| if mask[from_mask(at)] != 0 { a[from_a(at)] } else { b[from_b(at)] };
            Numbers::Floats(made(&dims, budget, of)?)
        }
        _ => return Err("expected two tensors of one type, found real and whole numbers".into()),
    };
    Ok(Fixed { dims, numbers })
}

/// All of a list of whole numbers made one.
pub(super) fn reduce(operator: &str, x: &Fixed) -> Reading<Fixed> {
    let way = match operator {
        "ReduceProd" => Way::Mul,
        "ReduceSum" => Way::Add,
        "ReduceMax" => Way::Max,
        _ => Way::Min,
    };
    let numbers = x.as_integers()?;
    let Some((first, others)) = numbers.split_first().filter(|_| x.dims.len() <= 1) else {
        return Err(format!("expected a list of whole numbers, found axes {:?}", x.dims));
    };
    let made = others.iter().try_fold(*first, |made, number| way.integer(made, *number));
    let made = made.ok_or("expected whole numbers of 64 bits, found larger ones")?;
    Ok(Fixed::integers(vec![], vec![made]))
}
