//! A network that learns as it is, from the first iteration to the last.

use sparsr::Model;
use sparsr::learn::{Objective, Trainer};
use sparsr::low_level::graph::Parameters;
use sparsr::low_level::tensor::Tensor;

use super::super::settings::Settings;
use super::{Form, Tensors, goal, low};
use crate::Result;

pub struct PlainLesson<'a> {
    pub settings: &'a Settings,
    pub model: Model,
}

impl Form for PlainLesson<'_> {
    fn objective(&self, _tensors: &Tensors, pictures: usize) -> Result<(Objective, Parameters)> {
        let (net, low) = (self.model.net(), low(self.settings, pictures));
        Ok((Objective::of_net(net, low, goal(self.settings))?, net.parameters().clone()))
    }

    fn given(&self, _trainer: &Trainer, targets: Vec<Tensor>, _place: u64) -> Result<Vec<Tensor>> {
        Ok(targets)
    }

    fn architecture(&self) -> &str {
        self.model.architecture()
    }
}
