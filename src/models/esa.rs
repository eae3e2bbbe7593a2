//! Enhanced spatial attention: Liu et al., *Residual Feature Aggregation Network for Image Super-Resolution*,
//! CVPR 2020. A part of RFDN, RLFN and BSRN, and no network.
//!
//! Every number is multiplied by one of 0 … 1. These are found at a sixth of the picture's size, where a convolution
//! sees far, and enlarged:
//!
//! ```text
//! s  = conv1(x)                                               1×1, to fewer channels
//! g  = max7×7(conv2(s))                                       3×3, 2 apart, then blocks 3 apart; no padding
//! g' = conv3_(act(conv3(act(conv_max(g)))))                   3×3; RLFN has conv3 alone
//! y  = x · sigmoid(conv4(resize(g') + conv_f(s)))             1×1; SlimRLFN has s for conv_f(s)
//! ```

use super::parts::{Conv, stored_width};
use crate::error::Result;
use crate::graph::{Activation, Builder, MaxPool, Op, ResizeKind, Value};
use crate::weights::Scope;

/// Pictures must be as large as what one number of `g` sees: 7 outputs of `conv2`, 2 apart, of 3 pixels.
pub(super) const SMALLEST_SIDE: usize = 2 * (7 - 1) + 3;

/// The first convolution that makes the picture smaller.
const CONV2: Conv = Conv { stride: 2, padding: 0, ..Conv::same(3) };

/// A 3×3 convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conv3x3 {
    /// All inputs to all outputs.
    Full,
    /// Blueprint separable: 1×1, then 3×3 of each channel (Haase and Amthor, *Rethinking Depthwise Separable
    /// Convolutions*, CVPR 2020), as `pw` and `dw`.
    Blueprint {
        /// Whether the 1×1 has one too.
        bias: bool,
    },
}

impl Conv3x3 {
    /// That of scope `w`, with so many outputs as are stored.
    pub(super) fn of(self, b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
        self.over(b, x, w, Conv::same(3))
    }

    /// The same, `spatial` over the picture.
    fn over(self, b: &mut Builder, x: Value, w: &Scope<'_>, spatial: Conv) -> Result<Value> {
        let first = if self == Self::Full { w.clone() } else { w.scope("pw") };
        self.making(b, x, w, spatial, stored_width(&first).unwrap_or(1))
    }

    /// That of scope `w`, `spatial` with so many outputs.
    pub(super) fn making(
        self,
        b: &mut Builder,
        x: Value,
        w: &Scope<'_>,
        spatial: Conv,
        out: usize,
    ) -> Result<Value> {
        let Self::Blueprint { bias } = self else { return spatial.making(b, x, w, out) };
        let pointwise = Conv { bias, ..Conv::same(1) };
        let y = pointwise.making(b, x, &w.scope("pw"), out)?;
        spatial.in_groups(out).making(b, y, &w.scope("dw"), out)
    }
}

/// Whose variant.
#[derive(Clone, Debug)]
pub(super) struct Esa {
    /// `conv2`.
    pub(super) conv2: Conv3x3,
    /// `conv_max`, `conv3` and `conv3_`.
    pub(super) conv3: Conv3x3,
    /// What follows `conv_max` and `conv3`; `None` where `conv3` is alone.
    pub(super) act: Option<Activation>,
    /// Whether there is a `conv_f`.
    pub(super) conv_f: bool,
}

impl Esa {
    /// `x` times its attention.
    pub(super) fn of(&self, b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
        let pointwise = Conv::same(1);
        let s = pointwise.of(b, x, &w.scope("conv1"))?;

        let g = self.conv2.over(b, s, &w.scope("conv2"), CONV2)?;
        let g = b.append(w.path("max_pool"), Op::MaxPool(MaxPool { size: 7, stride: 3 }), &[g])?;
        let g = self.regional(b, g, w)?;
        let g = b.resize_to(w.path("resize"), g, ResizeKind::Bilinear, s)?;

        let f = if self.conv_f { pointwise.of(b, s, &w.scope("conv_f"))? } else { s };
        let y = b.add(w.path("add"), g, f)?;
        let y = pointwise.making(b, y, &w.scope("conv4"), b.shape(x).channels)?;
        let y = b.activation(w.path("sigmoid"), y, Activation::Sigmoid)?;
        b.multiply(w.prefix(), x, y)
    }

    /// The convolutions at a sixth of the size.
    fn regional(&self, b: &mut Builder, g: Value, w: &Scope<'_>) -> Result<Value> {
        let conv = |b: &mut Builder, g, name| self.conv3.of(b, g, &w.scope(name));
        let Some(act) = &self.act else { return conv(b, g, "conv3") };
        let g = conv(b, g, "conv_max")?;
        let g = b.activation(w.path("conv_max.act"), g, act.clone())?;
        let g = conv(b, g, "conv3")?;
        let g = b.activation(w.path("conv3.act"), g, act.clone())?;
        conv(b, g, "conv3_")
    }
}
