//! The oracle: what every operator means, in textbook loops over f64.
//!
//! Kernels and the CPU engine are held against it, and expressions of weights are computed by it, once a network. It
//! shares no code with either: each function is its operator's formula, written so that it can be held against the
//! paper, and knows neither threads, vectors nor the order in which memory is read fastest.
//!
//! - A value is [`Numbers`], N×C×H×W in f64. A bias, a slope, or a weight a channel is `[1, channels, 1, 1]`, a
//!   convolution's weight `[out, in / groups, k, k]`: N, C, H and W stand for these four axes.
//! - NaN passes through every function, as in PyTorch: no branch drops one. What [`masked_conv2d`] leaves out where the
//!   mask is 0 is not computed, so a NaN there stays out.
//! - The caller sees to it that shapes fit, as [`Operator::infer`](crate::graph::Operator::infer) does. Every function
//!   panics, and says why, where they do not.

mod activation;
mod activation_gradient;
mod attention;
mod attention_gradient;
mod binary;
mod blur;
mod canvas;
mod channel_attention;
mod channel_logit;
mod channel_order;
mod concat;
mod conv2d;
mod conv2d_weight_gradient;
mod conv_transpose2d;
mod flip;
mod layer_norm;
mod layer_norm_gradient;
mod loss;
mod masked_conv2d;
mod max_pool_gradient;
mod numbers;
mod pad;
mod pad_channels;
mod pixel_shuffle;
mod pool;
mod reorder;
mod resize;
mod run;
mod slice;
mod sparsestmax;
mod spatial_mask;
mod sum;
mod transpose;
mod unfold;
mod weight_norm;

pub use activation::{gelu, leaky_relu, prelu, relu, sigmoid, silu, tanh};
pub use activation_gradient::activation_gradient;
pub use attention::{Among, attention};
pub use attention_gradient::{attention_gradient, attention_table_gradient};
pub use binary::binary;
pub use blur::{blur, blur_gradient};
pub use canvas::canvas;
pub use channel_attention::channel_attention;
pub use channel_logit::{channel_logit, channel_logit_gradient};
pub use channel_order::channel_order;
pub use concat::concat;
pub use conv_transpose2d::conv_transpose2d;
pub use conv2d::conv2d;
pub use conv2d_weight_gradient::conv2d_weight_gradient;
pub use flip::flip;
pub use layer_norm::layer_norm;
pub use layer_norm_gradient::layer_norm_gradient;
pub use loss::{loss, loss_gradient};
pub use masked_conv2d::masked_conv2d;
pub use max_pool_gradient::max_pool_gradient;
pub use numbers::Numbers;
pub use pad::{crop, pad};
pub use pad_channels::pad_channels;
pub use pixel_shuffle::{pixel_shuffle, pixel_unshuffle};
pub use pool::{adaptive_max_pool, average_pool, global_pool, max_pool};
pub use reorder::reorder;
pub use resize::{resize, resize_gradient, resize_to};
pub use run::{run, weights};
pub use slice::slice;
pub use sparsestmax::{sparsestmax, sparsestmax_gradient};
pub use spatial_mask::spatial_mask;
pub use sum::{broadcast, sum};
pub use transpose::transpose;
pub use unfold::{fold, unfold};
pub use weight_norm::weight_norm;
