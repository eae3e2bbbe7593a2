//! The loss of small networks and the gradient of every parameter, SMSR's in the forms that it is trained in among them.

use std::collections::BTreeMap;

use sparsr::learn::Objective;
use sparsr::low_level::graph::{Graph, Loss, Parameters};
use sparsr::low_level::models::{edsr, smsr};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;
use sparsr::{Error, Facts, Model, Net};

use crate::{differences, golden, run, tensor};

const L1: [(Loss, f32); 1] = [(Loss::L1, 1.0)];

/// One network of `networks.py`.
#[derive(Default)]
pub struct Case {
    pub name: String,
    /// The input, the target and the like.
    pub given: BTreeMap<String, Tensor>,
    /// By the checkpoint's names, as the gradients are.
    parameters: Vec<(String, Parameter)>,
    gradients: BTreeMap<String, Tensor>,
}

pub fn cases() -> Vec<Case> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for (name, numbers) in golden("networks").iter() {
        let (case, rest) = name.split_once('.').unwrap();
        let new = || Case { name: case.into(), ..Case::default() };
        let case = cases.entry(case.into()).or_insert_with(new);
        match rest.split_once('.') {
            Some(("parameters", key)) => case.parameters.push((key.into(), numbers.clone())),
            Some(("gradients", key)) => drop(case.gradients.insert(key.into(), tensor(numbers))),
            _ => drop(case.given.insert(rest.into(), tensor(numbers))),
        }
    }
    cases.into_values().collect()
}

impl Case {
    /// The loss, and the numbers of its parameters.
    pub fn objective(&self) -> Result<(Objective, Parameters), Error> {
        let weights = Weights::new(&*self.name, self.parameters.clone());
        let low = self.given["input"].shape();
        let masks = match &*self.name {
            "edsr_x2" => return of_edsr(&weights, low, 2.0),
            "edsr_basicsr_x3" => return of_edsr(&weights, low, 0.1),
            "smsr_gumbel_x2" => smsr::Masks::Gumbel,
            "smsr_open_x2" => smsr::Masks::Open,
            "smsr_hard_x2" => smsr::Masks::Hard,
            name => return of_net(Model::from_weights(name, weights)?.net(), low),
        };
        let config = smsr::Config::detect(&weights).unwrap().unwrap();
        let (graph, parameters) = config.training(&weights, low, masks, &L1, 1.0)?;
        Ok((Objective::new(graph)?, parameters))
    }

    /// The numbers of an input behind the picture.
    fn input(&self, name: &str, shape: Shape) -> Tensor {
        let modules = self.parameters.iter().filter(|(name, _)| name.ends_with("ch_mask")).count();
        if let Some(masked) = name.strip_suffix(".noise") {
            // Its draws are of a logistic distribution, ours of a uniform one.
            let uniform = &self.given[&format!("uniforms.{}", masked.replace("ch_mask.", ""))];
            let noise = |uniform: &f32| (f64::from(*uniform).ln() - f64::from(-uniform).ln_1p()) as f32;
            return Tensor::new(uniform.shape(), uniform.values().iter().map(noise).collect());
        }
        let number = |number: f32| Tensor::new(shape, vec![number]);
        match name {
            "target" => self.given["target"].clone(),
            "temperature" => number(self.given["tau"].values()[0]),
            _ if name.ends_with(".sparsity.weight") => {
                number(self.given["lambda"].values()[0] / modules as f32)
            }
            _ => panic!("{}: {name} is an input", self.name),
        }
    }

    /// What is wrong.
    fn check(&self) -> Vec<String> {
        let (objective, parameters) = match self.objective() {
            Ok(made) => made,
            Err(error) => return vec![format!("{}: {error}", self.name)],
        };
        let objective = objective.only(|name| self.gradients.contains_key(name)).unwrap();
        let graph = objective.graph();
        let mut inputs = vec![self.given["input"].clone()];
        inputs
            .extend(graph.given().map(|value| self.input(&graph.node(value).name, graph.node(value).shape)));

        let watched = objective.forward().outputs().len();
        let found = run(graph, &parameters, &inputs.iter().collect::<Vec<_>>());
        let without_watched = |mut outputs: Vec<Tensor>| {
            outputs.drain(1..watched);
            outputs
        };
        let found: Vec<_> = found.into_iter().map(without_watched).collect();
        let gradient = |name: &String| (name.clone(), self.gradients[name].clone());
        let mut expected = vec![("loss".to_owned(), self.given["loss"].clone())];
        expected.extend(objective.trained().iter().map(gradient));
        assert_eq!(expected.len(), 1 + self.gradients.len(), "{}: some are not trained", self.name);
        differences(&self.name, &found, &expected, 1.0)
    }
}

fn of_net(net: &Net, low: Shape) -> Result<(Objective, Parameters), Error> {
    Ok((Objective::of_net(net, low, &L1)?, net.parameters().clone()))
}

/// With residuals times a number that no tensor tells.
fn of_edsr(weights: &Weights, low: Shape, res_scale: f32) -> Result<(Objective, Parameters), Error> {
    let config = edsr::Config { res_scale, ..edsr::Config::detect(weights).unwrap().unwrap() };
    let (graph, parameters): (Graph, Parameters) = edsr::build(&config, weights, low)?;
    of_net(&Net::from_graph(graph, parameters, Facts::scale(config.scale))?, low)
}

#[test]
fn small_networks_have_pytorchs_gradients() {
    let cases = cases();
    assert!(cases.len() > 12, "tests that look at nothing pass: {} networks", cases.len());
    let wrong: Vec<String> = cases.iter().flat_map(Case::check).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
