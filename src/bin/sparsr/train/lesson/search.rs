//! How a structure is found: a supernet learns, then its weights and its choices in turn, while the radius of sparsestmax grows
//! until one option of each choice is left (Wu et al., *Trilevel Neural Architecture Search for Efficient Single Image
//! Super-Resolution*, arXiv:2101.06658, 2021, section 3).
//!
//! ```text
//!   │ weights │ weights, choices, weights, choices, … │
//!   radius  0   0 ↗                                 1
//!   wanted  –   what all options cost on average ↘ the target
//! ```
//!
//! Weights learn from one half of the pictures, choices from the other. Other than in the paper widths are chosen by
//! sparsestmax too, in place of Gumbel-softmax, and multiply-adds are asked for by a target. Nothing is averaged, since a
//! mean of choices is none.

use sparsr::Model;
use sparsr::learn::{Clip, Objective, Optimiser, Trainer, fresh, search};
use sparsr::low_level::graph::Parameters;
use sparsr::low_level::models::trilevelnas::{Genotype, Pull, Space, Step};
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::low_level::weights::Weights;

use super::super::schema::{self, Config};
use super::super::settings::{Search, Settings};
use super::{Form, Outcome, Tensors, goal, low, tensors_of};
use crate::Result;

/// How far a network that is drawn may be from the target, as a share.
const WITHIN: f64 = 0.03;

pub struct SearchLesson<'a> {
    settings: &'a Settings,
    own: &'a Search,
    /// What the weights and what the choices minimise, once there is a trainer.
    turns: Option<[Objective; 2]>,
    /// Whose turn it is.
    of_choices: Option<bool>,
    /// Multiply-adds as a share of the target, and how far all is decided, as they were seen last.
    seen: [f64; 2],
}

impl<'a> SearchLesson<'a> {
    pub fn new(settings: &'a Settings) -> Result<Self> {
        let own = searched(settings)?;
        Ok(Self { settings, own, turns: None, of_choices: None, seen: [f64::NAN; 2] })
    }

    /// From 0 when the choices begin to learn to 1 in the last iteration.
    fn radius(&self, iteration: u64) -> f64 {
        let span = self.settings.config.train.total_iter.saturating_sub(self.own.start + 1).max(1);
        (iteration.saturating_sub(self.own.start) as f64 / span as f64).min(1.0)
    }

    /// Multiply-adds that are wanted, as a share of the target: as far from those of all options as the radius is.
    fn wanted(&self, iteration: u64) -> f64 {
        let (from, radius) = (self.own.space.undecided_macs() / self.own.target, self.radius(iteration));
        from + (1.0 - from) * radius
    }
}

fn searched(settings: &Settings) -> Result<&Search> {
    Ok(settings.search.as_ref().ok_or("expected a search")?)
}

/// A supernet that has learnt nothing.
pub fn supernet(settings: &Settings, own: &Search) -> Tensors {
    tensors_of(&fresh::trilevelnas_supernet(&own.space, settings.config.manual_seed))
}

/// The supernet's network.
pub fn network(settings: &Settings, own: &Search) -> Result<Model> {
    let weights = Weights::new("supernet", supernet(settings, own));
    Ok(Model::from_weights(settings.config.name.clone(), own.space.network(&weights)?)?)
}

/// A genotype as `sparsr train` reads it.
fn table(genotype: &Genotype) -> schema::Network {
    let operations = genotype.path.iter().filter_map(|step| match step {
        Step::Cell(operations) => Some(operations.map(|operation| operation as u64).to_vec()),
        Step::Up => None,
    });
    let widths = genotype.widths.iter().map(|cell| cell.map(|width| width as u64).to_vec());
    schema::Network {
        kind: "TrilevelNAS".into(),
        num_feat: Some(genotype.channels as u64),
        genotype: Some(operations.collect()),
        widths: Some(widths.collect()),
        ..schema::Network::default()
    }
}

/// The configuration that trains a network that was found, or drawn: the search's own but for the network.
pub fn configuration(config: &Config, name: &str, genotype: &Genotype, how: &str) -> Result<String> {
    let found = Config {
        name: name.into(),
        network_g: table(genotype),
        search: schema::Search::default(),
        ..config.clone()
    };
    Ok(format!("# {how}\n{}", toml::to_string_pretty(&found)?))
}

/// The configuration of a network that is drawn by a seed, of the target's cost.
pub fn drawn(settings: &Settings, seed: u64) -> Result<String> {
    let own = searched(settings)?;
    let genotype = search::random(&own.space, own.target.round() as u64, WITHIN, seed)?;
    let mut how = vec![format!("drawn by `sparsr search --random {seed}`")];
    how.extend(description(&genotype, own));
    let config = &settings.config;
    configuration(config, &format!("{}-random-{seed}", config.name), &genotype, &how.join("\n# "))
}

/// What a network is and costs, in lines.
pub fn description(genotype: &Genotype, own: &Search) -> Vec<String> {
    let mut widths = genotype.widths.iter();
    let cell = |step: &Step| match step {
        Step::Up => "an upsampling layer".to_owned(),
        Step::Cell(operations) => {
            let own = widths.next().map_or(&[][..], |own| own);
            let place = |(j, operation): (usize, &sparsr::low_level::models::trilevelnas::Operation)| {
                format!("{} {}", operation.name(), own.get(j).unwrap_or(&genotype.channels))
            };
            operations.iter().enumerate().map(place).collect::<Vec<_>>().join(", ")
        }
    };
    let mut told: Vec<String> =
        genotype.path.iter().map(cell).enumerate().map(|(i, cell)| format!("cell {i}: {cell}")).collect();
    let (macs, parameters) = (search::macs(genotype), search::parameters(genotype));
    told.push(format!(
        "{parameters} parameters, {:.3} G multiply-adds at {}, {:.1} % of the target",
        (macs * own.pixels) as f64 / 1e9,
        own.size,
        100.0 * macs as f64 / own.target
    ));
    told
}

impl Form for SearchLesson<'_> {
    fn objective(&self, tensors: &Tensors, pictures: usize) -> Result<(Objective, Parameters)> {
        let supernet = Weights::new("supernet", tensors.clone());
        let pull = Pull { target: self.own.target, weight: self.own.macs_weight };
        let (graph, parameters) =
            self.own.space.training(&supernet, low(self.settings, pictures), goal(self.settings), pull)?;
        Ok((Objective::new(graph)?, parameters))
    }

    fn given(&self, trainer: &Trainer, targets: Vec<Tensor>, _place: u64) -> Result<Vec<Tensor>> {
        let (graph, iteration) = (trainer.objective().forward(), trainer.iteration());
        let number = |number: f64| Tensor::new(Shape::new(1, 1, 1, 1), vec![number as f32]);
        let mut targets = targets.into_iter();
        let tensor = |value| {
            let node = graph.node(value);
            match &*node.name {
                "radius" => number(self.radius(iteration)),
                "macs.wanted" => number(self.wanted(iteration)),
                _ => targets.next().unwrap_or_else(|| Tensor::zeros(node.shape)),
            }
        };
        Ok(graph.given().map(tensor).collect())
    }

    fn aim(&mut self, iteration: u64, trainer: &mut Trainer) -> Result<()> {
        let of_choices = self.own.is_of_choices(iteration);
        if self.of_choices == Some(of_choices) {
            return Ok(());
        }
        if self.turns.is_none() {
            let all = trainer.objective();
            let part = |choices: bool| all.clone().only(|name| Space::is_choice(name) == choices);
            self.turns = Some([part(false)?, part(true)?]);
        }
        let turns = self.turns.as_ref().ok_or("expected objectives of weights and of choices")?;
        trainer.set_objective(turns[usize::from(of_choices)].clone())?;
        self.of_choices = Some(of_choices);
        Ok(())
    }

    /// Choices have a rate of their own, which stays.
    fn rate(&self, iteration: u64) -> Option<f64> {
        self.own.is_of_choices(iteration).then_some(self.own.rate)
    }

    /// A mean of norms would be that of two kinds of gradients.
    fn tune(&self, optimiser: &mut Optimiser) {
        optimiser.ema_decay = 0.0;
        if matches!(optimiser.clip, Clip::Mean(_)) {
            optimiser.clip = Clip::None;
        }
    }

    fn architecture(&self) -> &str {
        "trilevelnas"
    }

    /// Networks of a search cost different amounts: none is the best.
    fn start(&self) -> u64 {
        u64::MAX
    }

    fn see(&mut self, watched: &[f32], _trainer: &mut Trainer) -> Result<()> {
        if let [macs, decided, ..] = *watched {
            self.seen = [macs, decided].map(f64::from);
        }
        Ok(())
    }

    fn told(&self, iteration: u64) -> Vec<(&'static str, f64)> {
        let [macs, decided] = self.seen;
        let giga = macs * self.own.target * self.own.pixels as f64 / 1e9;
        vec![("radius", self.radius(iteration)), ("gmacs", giga), ("decided", decided)]
    }

    fn finish(&self, tensors: &mut Tensors) -> Result<()> {
        *tensors = tensors_of(&self.own.space.network(&Weights::new("supernet", tensors.clone()))?);
        Ok(())
    }

    fn outcome(&self, _network: &Model, tensors: &Tensors) -> Result<Option<Outcome>> {
        let (space, supernet) = (&self.own.space, Weights::new("supernet", tensors.clone()));
        let genotype = space.chosen(&supernet)?;
        let mut told = description(&genotype, self.own);
        let open = space.undecided(&supernet);
        told.push(match &open[..] {
            [] => "every choice is decided: one option of each is left".to_owned(),
            open => format!("not decided, the first of the largest is taken: {}", open.join(", ")),
        });
        let config = &self.settings.config;
        let name = format!("{}-found", config.name);
        let how = format!("found by `sparsr search`\n# {}", told.join("\n# "));
        let text = configuration(config, &name, &genotype, &how)?;
        Ok(Some(Outcome { network: None, file: Some(("found.toml", text)), told }))
    }
}
