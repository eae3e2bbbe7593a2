//! One number of many.

use super::{Trace, told};
use crate::graph::{AveragePool, Conv2d, MaxPool, Op};
use crate::import::onnx::file::Node;
use crate::import::onnx::fold::axis;
use crate::import::onnx::protobuf::Reading;
use crate::import::onnx::view::View;

impl<'f> Trace<'_, 'f> {
    /// `GlobalAveragePool`, and `ReduceMean` over all pixels or over all channels.
    pub(super) fn mean(&mut self, node: Node<'f>) -> Reading<View> {
        let (mut over, mut keeps) = (vec![2, 3], true);
        if node.operator == "ReduceMean" {
            let axes = self.view(node, 0)?.axes.dims().len();
            over = match self.list(node, "axes", 1)? {
                Some(given) => given.iter().map(|at| axis(*at, axes)).collect::<Reading<Vec<_>>>()?,
                None => (0..axes).collect(),
            };
            over.sort_unstable();
            keeps = node.integer("keepdims").unwrap_or(1) != 0;
        }
        let x = self.picture(node, 0)?;
        let value = match *over {
            [2, 3] => self.b.global_average_pool(node.name, x).map_err(told)?,
            [1] => {
                let channels = self.b.shape(x).channels;
                let name = format!("{}.weight", node.output);
                let weight = self.made(&name, &[1, channels, 1, 1], |_| 1.0 / channels as f32)?;
                let weight = self.parameter(&name, &weight)?;
                self.b.conv2d(node.name, x, weight, Conv2d::same(1)).map_err(told)?
            }
            _ => return Err(format!("expected a mean over axes 2 and 3, or 1, found {over:?}")),
        };
        let mut view = self.plain(value);
        if !keeps {
            let dims = view.axes.dims();
            let left: Vec<usize> = (0..4).filter(|at| !over.contains(at)).map(|at| dims[at]).collect();
            view.axes = view.axes.with_dims(&left)?;
        }
        Ok(view)
    }

    /// `AveragePool` and `MaxPool` over square blocks that lie in the picture.
    pub(super) fn pool(&mut self, node: Node<'f>) -> Reading<View> {
        let x = self.picture(node, 0)?;
        let list = |name: &str| node.integers(name);
        let alike = |list: Option<Vec<i64>>, default: i64| match list.as_deref() {
            None => Some(default),
            Some([a, b]) if a == b => Some(*a),
            _ => None,
        };
        let size = alike(list("kernel_shape"), 0);
        let stride = alike(list("strides"), 1);
        let plain = list("pads").is_none_or(|pads| pads.iter().all(|pad| *pad == 0))
            && alike(list("dilations"), 1) == Some(1)
            && node.integer("ceil_mode").unwrap_or(0) == 0
            && !node.text("auto_pad").is_some_and(|auto| auto.starts_with("SAME"))
            && node.outputs().count() == 1;
        let counts =
            [size, stride].map(|count| count.and_then(|count| u16::try_from(count).ok()).map(usize::from));
        let ([Some(size), Some(stride)], true) = (counts, plain) else {
            return Err("expected square blocks without padding, dilation and ceil_mode, found others".into());
        };
        let op = match node.operator {
            "MaxPool" => Op::MaxPool(MaxPool { size, stride }),
            _ if size == stride => Op::AveragePool(AveragePool { size }),
            _ => {
                return Err(format!("expected blocks beside each other, found {size} pixels every {stride}"));
            }
        };
        let value = self.b.append(node.name, op, &[x]).map_err(told)?;
        Ok(self.plain(value))
    }
}
