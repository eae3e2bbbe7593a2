//! Which kernels a GPU is given: measured once for each device and driver, remembered in the user's cache folder.
//!
//! ```text
//! --no-tune             the shipped table; nothing is read or written
//! otherwise             what is remembered; what is not, a GPU measures within 2 s a run, until nothing is left. An
//!                       adapter in software has the shipped table, which was measured on one
//! --tune[=SECONDS]      all of it is measured anew
//! ```
//!
//! Nothing about this ends the program: without a table that can be read or written it goes on with the shipped one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sparsr::low_level::plan::{Choices, Class, Zeros, classes};
use sparsr::low_level::probe::tune::{Measured, file_name, tune};
use sparsr::low_level::tensor::Shape;
use sparsr::{AdapterKind, Error, Gpu, Model};

use crate::engine::cache_folder;
use crate::{Result, terminal};

/// What measuring may take where it was not asked for.
const UNASKED: Duration = Duration::from_secs(2);

/// The longest side that makes a difference: all larger pictures are of one class.
const LONGEST: usize = 512;

/// How the GPU's kernels are chosen.
#[derive(clap::Args)]
pub struct Tuning {
    /// Measure anew which kernels are fastest on the GPU before the work begins, for all that the network needs or
    /// what SECONDS allow. Without it a GPU measures what it does not know yet, for 2 s at most. Remembered in
    /// the folder SPARSR_CACHE, by default in the user's for caches
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, value_parser = seconds)]
    #[arg(conflicts_with = "no_tune")]
    tune: Option<Option<Duration>>,

    /// Choose kernels by the shipped table, whatever was measured
    #[arg(long)]
    no_tune: bool,
}

/// What is known of a device, and where that is kept.
pub struct Known {
    path: Option<PathBuf>,
    pub choices: Choices,
}

impl Tuning {
    /// The choices for a network and pictures of about this size; none for the shipped ones.
    pub fn choices(&self, gpu: &Gpu, model: &Model, size: [usize; 2]) -> Result<Option<Arc<Choices>>> {
        if self.no_tune {
            return Ok(None);
        }
        let mut known = Known::of(gpu);
        let mut wanted = wanted(gpu, model, size)?;
        if self.tune.is_none() {
            wanted.retain(|class| gpu.kind() != AdapterKind::Software && !known.choices.knows(*class));
        }
        let budget = self.tune.unwrap_or(Some(UNASKED));
        if let Err(error) = known.measure(gpu, &wanted, budget) {
            // What was lost is seen again, and said, when the work begins.
            tracing::warn!("the choice of kernels could not be measured: {error}");
        }
        Ok(Some(Arc::new(known.choices)))
    }
}

impl Known {
    /// What is remembered of a device.
    pub fn of(gpu: &Gpu) -> Self {
        let path = cache_folder().map(|folder| folder.join(file_name(gpu)));
        let found = path.as_deref().map_or(Ok(None), |path| Choices::load(path, gpu));
        let mut known = Self { path, choices: Choices::default() };
        match found {
            Ok(choices) => known.choices = choices.unwrap_or_default(),
            Err(error @ Error::Unsupported(_)) => {
                tracing::warn!("{error}; it is written anew");
                known.save(gpu);
            }
            Err(error) => tracing::debug!("{error}"),
        }
        known
    }

    /// Measures what is wanted, in this order, and remembers it.
    pub fn measure(
        &mut self,
        gpu: &Gpu,
        wanted: &[Class],
        budget: Option<Duration>,
    ) -> sparsr::Result<Vec<Measured>> {
        if wanted.is_empty() {
            return Ok(vec![]);
        }
        let begin = Instant::now();
        let progress = terminal::progress(wanted.len());
        progress.set_message("kernels measured");
        let mut all = Vec::new();
        for class in wanted {
            let left = budget.map(|budget| budget.saturating_sub(begin.elapsed()));
            let tuned = tune(gpu, &[*class], left)?;
            all.extend(tuned.measured);
            progress.inc(1);
        }
        progress.finish_and_clear();
        tracing::info!(
            "{} of {} kinds of convolution were measured in {:.1} s, the others are computed as shipped",
            all.len(),
            wanted.len(),
            begin.elapsed().as_secs_f64()
        );
        for measured in &all {
            self.choices.set(measured.class, measured.ranking.clone());
        }
        self.save(gpu);
        Ok(all)
    }

    fn save(&self, gpu: &Gpu) {
        if let Some(path) = &self.path
            && let Err(error) = self.choices.save(path, gpu)
        {
            tracing::debug!("the choice of kernels is not remembered: {error}");
        }
    }

    pub fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }
}

/// The classes that a network needs for a picture of about this size, the ones with most of the work first.
pub fn wanted(gpu: &Gpu, model: &Model, size: [usize; 2]) -> Result<Vec<Class>> {
    let [width, height] = model.extended(size.map(|side| side.min(LONGEST)));
    let graph = model.graph(Shape::new(1, 3, height, width))?;
    Ok(classes(&graph, &Arc::new(Zeros::of(model.net().numbers())), gpu.limits()))
}

pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("expected a number of seconds, found `{text}`"))
}
