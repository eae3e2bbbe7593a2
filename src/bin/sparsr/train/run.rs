//! A training from its first iteration, or from where it was left, to its last.
//!
//! ```text
//!   measure
//!   each iteration: batches ─► step;   now and then: tell · measure, draw the curve · save
//!   measure, save
//! ```
//!
//! Whatever ends it, what was saved last is whole. Ctrl-C ends it after an iteration, saved.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::json;
use sparsr::learn::data::{Ahead, Batches};
use sparsr::low_level::weights::Stored;
use sparsr::{Cancel, Error, Model};

use super::config::Given;
use super::folder::{Folder, network_file};
use super::lesson::{Lesson, Outcome};
use super::log::{Log, Told, span, thousands};
use super::machine::Machine;
use super::metrics::{Metrics, Row};
use super::network::{self, Start};
use super::settings::{Search, Settings};
use super::tensorboard::Events;
use super::validate::{Figures, Validation};
use super::{changes, curve, data};
use crate::{Result, terminal};

/// Iterations at which there is something to look at from the first minute on.
const EARLY: [u64; 3] = [100, 300, 1000];

/// Batches that are made ahead.
const AHEAD: usize = 2;

struct Course<'a> {
    settings: &'a Settings,
    folder: Folder,
    log: Log,
    metrics: Metrics,
    events: Option<Events>,
    lesson: Lesson<'a>,
    validation: Option<Validation<'a>>,
    /// Of iterations, in pictures: how many make an epoch.
    pictures: u64,
    bar: ProgressBar,
    cancel: Cancel,
    clock: Clock,
    since: Since,
    /// The iterations that were saved and measured last.
    saved: Option<u64>,
    measured: Option<u64>,
}

/// Seconds of training, those of earlier runs counted in.
struct Clock {
    start: Instant,
    before: f64,
    /// The iteration that this run began with.
    from: u64,
}

/// What there is to tell of the iterations since it was told last.
#[derive(Default)]
struct Since {
    iterations: u64,
    loss: f64,
    pixels: f64,
    norm: f64,
    seconds: f64,
    waiting: f64,
}

pub fn run(settings: &Settings, machine: &Machine, given: &Given, auto_resume: bool) -> Result<ExitCode> {
    let cancel =
        terminal::end_on_interrupt("finishes the iteration and saves; Ctrl-C again ends it at once")?;
    match Course::begin(settings, machine, given, auto_resume, &cancel)
        .and_then(|(mut course, batches)| course.go(&batches))
    {
        Err(error) if matches!(error.downcast_ref(), Some(Error::Cancelled)) => {
            Ok(ExitCode::from(terminal::INTERRUPTED))
        }
        ended => ended,
    }
}

impl<'a> Course<'a> {
    fn begin(
        settings: &'a Settings,
        machine: &'a Machine,
        given: &Given,
        auto_resume: bool,
        cancel: &Cancel,
    ) -> Result<(Self, Arc<Batches>)> {
        let config = &settings.config;
        let root = std::path::Path::new(&config.path.experiments_root).join(&config.name);
        let folder = Folder::at(root, config.logger.keep_checkpoints as usize);
        let state = if auto_resume { folder.last_state()? } else { None };
        if !auto_resume {
            folder.refuse_another()?;
        }
        // What cannot be begun leaves no folder.
        let latest = state.as_ref().map(|_| folder.path(&network_file("latest")));
        let Start { model, mut told } = network::start(settings, latest.as_deref())?;
        let description = settings.search.as_ref().map_or_else(|| model.description(), Search::description);
        let mut lesson = Lesson::new(settings, machine, model)?;
        let before = state.as_ref().map(|(_, state)| lesson.restore(state)).transpose()?.flatten();
        let validation = Validation::open(settings, machine, cancel)?;
        let batches = data::open(settings, machine, cancel)?;

        folder.make()?;
        let mut log = Log::open(&folder.path("train.log"))?;
        if let Some((iter, _)) = state {
            told = Some(format!("goes on from iteration {}", thousands(iter)));
        }
        if let Some(changes) = before.and_then(|before| changes(&before, config)) {
            log.info(&format!("with other settings: {changes}"))?;
        }
        let from = lesson.iteration();
        folder.write(&format!("{}.toml", config.name), given.copy(config)?.as_bytes())?;
        let metrics = Metrics::open(&folder.path("metrics.csv"), from)?;
        let events = if config.logger.use_tb_logger {
            let tb = folder.made("tb")?;
            Some(Events::create(&tb, from).map_err(|error| format!("{}: {error}", tb.display()))?)
        } else {
            None
        };
        let pictures = batches.pairs().pairs().len() as u64;
        log.info(&format!("{}: {}, x{}", config.name, description, config.scale))?;
        let measured = validation.as_ref().map_or(0, Validation::len);
        log.info(&format!("learns from {pictures} pictures, is measured on {measured}"))?;
        if let names @ [_, ..] = &config.teacher.network[..] {
            log.info(&format!("is taught by {}", names.join(", ")))?;
        }
        told.map_or(Ok(()), |told| log.info(&told))?;
        log.info(&format!("trains on {}{}", machine.name(), lesson.memory()))?;

        let clock = Clock { start: Instant::now(), before: metrics.seconds(), from };
        let bar = terminal::progress(config.train.total_iter as usize);
        bar.set_position(from);
        let course = Self {
            settings,
            folder,
            log,
            metrics,
            events,
            lesson,
            validation,
            pictures,
            bar,
            cancel: cancel.clone(),
            clock,
            since: Since::default(),
            saved: Some(from).filter(|from| *from > 0),
            measured: Some(from).filter(|from| *from > 0),
        };
        Ok((course, batches))
    }

    fn go(&mut self, batches: &Arc<Batches>) -> Result<ExitCode> {
        let config = &self.settings.config;
        let (total, accumulated) = (config.train.total_iter, config.datasets.train.accum_iter);
        terminal::event(
            "start",
            json!({ "name": config.name, "iter": self.lesson.iteration(), "total": total }),
        );
        if self.lesson.iteration() == 0 {
            self.measure()?;
        }
        let mut ahead = batches.ahead(self.lesson.iteration() * accumulated, AHEAD)?;
        while self.lesson.iteration() < total && !self.cancel.is_cancelled() {
            self.iterate(&mut ahead, accumulated)?;
            let iter = self.lesson.iteration();
            if iter.is_multiple_of(config.logger.print_freq) {
                self.tell()?;
            }
            if EARLY.contains(&iter) || iter.is_multiple_of(config.val.val_freq) {
                self.measure()?;
            }
            if iter.is_multiple_of(config.logger.save_checkpoint_freq) {
                self.save()?;
            }
        }
        self.end(total)
    }

    fn iterate(&mut self, ahead: &mut Ahead, accumulated: u64) -> Result<()> {
        let start = Instant::now();
        let batches: Vec<_> = ahead.take(accumulated as usize).collect();
        if batches.len() < accumulated as usize {
            return Err("the thread that makes batches has ended".into());
        }
        self.since.waiting += start.elapsed().as_secs_f64();
        let (seen, begun) = self.lesson.step(batches).or_else(|error| self.ended_by(&*error))?;
        if let Some(phase) = begun {
            self.log.info(&format!(
                "phase {phase} begins with iteration {}",
                thousands(self.lesson.iteration())
            ))?;
        }
        self.since.iterations += 1;
        self.since.loss += seen.loss;
        self.since.pixels += seen.pixels;
        self.since.norm += seen.norm;
        self.since.seconds += start.elapsed().as_secs_f64();
        self.bar.set_position(self.lesson.iteration());
        self.bar.set_message(format!("loss {:.3}  left {}", seen.loss, span(self.left())));
        Ok(())
    }

    /// What is said of an iteration that failed: what was saved before is still there.
    fn ended_by<T>(&mut self, error: &(dyn std::error::Error + 'static)) -> Result<T> {
        let last = self.folder.last()?.map_or("nothing was saved yet".to_owned(), |iter| {
            format!("the state of iteration {} is kept: --auto-resume goes on from it", thousands(iter))
        });
        let sentence = format!("{error}; {last}");
        self.log.error(&sentence)?;
        self.bar.finish_and_clear();
        Err(sentence.into())
    }

    /// Seconds that are left, as the iterations of this run went.
    fn left(&self) -> f64 {
        let (iter, total) = (self.lesson.iteration(), self.settings.config.train.total_iter);
        let made = iter.saturating_sub(self.clock.from).max(1);
        self.clock.start.elapsed().as_secs_f64() / made as f64 * total.saturating_sub(iter) as f64
    }

    fn tell(&mut self) -> Result<()> {
        let config = &self.settings.config;
        let iter = self.lesson.iteration();
        let since = std::mem::take(&mut self.since);
        let count = since.iterations.max(1) as f64;
        let data = &config.datasets.train;
        let rate = self.lesson.rate(iter - 1);
        let (loss, norm) = (since.loss / count, since.norm / count);
        let mut numbers = vec![("l_total", loss), ("grad_norm", norm)];
        let mut row = Row { iter, lr: Some(rate), loss: Some(loss), grad_norm: Some(norm), ..Row::default() };
        let told_besides = self.lesson.told();
        if !told_besides.is_empty() {
            numbers.push(("l_pix", since.pixels / count));
            numbers.extend(&told_besides);
        }
        let told_as =
            |name: &str| told_besides.iter().find(|(own, _)| *own == name).map(|(_, number)| *number);
        (row.tau, row.density) = (told_as("tau"), told_as("density"));
        let told = Told {
            name: &config.name,
            epoch: iter * data.batch_size * data.accum_iter / self.pictures.max(1),
            iter,
            rate,
            eta: self.left(),
            seconds: [since.seconds / count, since.waiting / count],
            numbers,
        };
        self.log.info(&told.line())?;
        terminal::event(
            "iteration",
            json!({ "iter": iter, "lr": rate, "loss": loss, "grad_norm": norm, "left": told.eta }),
        );
        self.scalars(&[&[("lr", rate)], &*told.numbers].concat())?;
        row.seconds = self.clock.seconds();
        self.metrics.add(row)
    }

    /// PSNR and SSIM of the averaged network, previews, the curve, and the best network so far.
    fn measure(&mut self) -> Result<()> {
        let iter = self.lesson.iteration();
        self.measured = Some(iter);
        let save_img = self.settings.config.val.save_img;
        let model = self.lesson.network()?;
        let Some(validation) = &mut self.validation else { return self.draw() };
        self.bar.set_message("measures");
        let measured = validation.measure(&model, save_img);
        let bicubic = validation.bicubic;
        let (figures, previews) = match measured {
            Err(error) if matches!(error.downcast_ref(), Some(Error::Cancelled)) => return Ok(()),
            measured => measured?,
        };
        for (picture, preview) in previews {
            self.folder.made(&format!("visualization/{picture}"))?;
            self.folder.write(&format!("visualization/{picture}/{picture}_{iter}.png"), &preview)?;
        }
        let behind = self.lesson.phase_start();
        let best = self.metrics.best(behind);
        let Figures { psnr_y, ssim_y } = figures;
        let row = Row {
            iter,
            seconds: self.clock.seconds(),
            psnr_y: Some(psnr_y),
            ssim_y: Some(ssim_y),
            ..Row::default()
        };
        self.metrics.add(Row { psnr_y_bicubic: Some(bicubic.psnr_y), ..row })?;
        if iter > behind && best.is_none_or(|(best, _)| psnr_y > best) {
            self.folder.write(&network_file("best"), &file(&model, figures)?)?;
        }
        let best = self
            .metrics
            .best(behind)
            .map_or(String::new(), |(psnr, iter)| format!("  Best: {psnr:.3} @ {} iter", thousands(iter)));
        let (base, iter_told) = (bicubic.psnr_y, thousands(iter));
        self.log.info(&format!(
            "Validation [iter: {iter_told}] psnr_y: {psnr_y:.3} (bicubic {base:.3}) ssim_y: {ssim_y:.4}{best}"
        ))?;
        terminal::event(
            "validation",
            json!({ "iter": iter, "psnr_y": psnr_y, "ssim_y": ssim_y, "psnr_y_bicubic": base }),
        );
        self.scalars(&[
            ("metrics/psnr_y", psnr_y),
            ("metrics/ssim_y", ssim_y),
            ("metrics/psnr_y_bicubic", base),
        ])?;
        self.draw()
    }

    fn draw(&self) -> Result<()> {
        self.folder.write("curve.svg", curve::svg(&self.settings.config.name, &self.metrics.rows).as_bytes())
    }

    fn scalars(&mut self, scalars: &[(&str, f64)]) -> Result<()> {
        let iter = self.lesson.iteration();
        let Some(events) = &mut self.events else { return Ok(()) };
        Ok(events
            .scalars(iter, scalars)
            .map_err(|error| format!("{}: {error}", self.folder.path("tb").display()))?)
    }

    fn save(&mut self) -> Result<()> {
        let iter = self.lesson.iteration();
        let network = self.lesson.network()?.to_safetensors(Stored::F32)?;
        let saved = self.folder.save(iter, &network, &self.lesson.state()?);
        saved.map_err(|error| {
            format!("{error}; iteration {iter} is not saved, what was saved before is whole")
        })?;
        self.saved = Some(iter);
        terminal::event("saved", json!({ "iter": iter }));
        Ok(())
    }

    /// What came of the training besides its network: told, measured and written.
    fn tell_outcome(&mut self) -> Result<()> {
        let Some(Outcome { network, file, told }) = self.lesson.outcome()? else { return Ok(()) };
        told.iter().try_for_each(|line| self.log.info(line))?;
        if let Some((name, text)) = file {
            self.folder.write(name, text.as_bytes())?;
            self.log.info(&format!("the configuration is in {}", self.folder.path(name).display()))?;
        }
        let Some((name, model)) = network else { return Ok(()) };
        let mut about = vec![];
        if let Some(validation) = &mut self.validation {
            let (figures, _) = validation.measure(&model, false)?;
            self.log.info(&format!(
                "the {name} network: psnr_y {:.3}, ssim_y {:.4}",
                figures.psnr_y, figures.ssim_y
            ))?;
            about.push(("psnr_y", format!("{:.3}", figures.psnr_y)));
        }
        let weights = model.weights().clone().with_metadata(about);
        let bytes = Model::from_weights(model.name(), weights)?.to_safetensors(Stored::F32)?;
        let file = network_file(name);
        self.folder.write(&file, &bytes)?;
        self.log.info(&format!("the {name} network is in {}", self.folder.path(&file).display()))
    }

    fn end(&mut self, total: u64) -> Result<ExitCode> {
        let iter = self.lesson.iteration();
        let is_cancelled = self.cancel.is_cancelled();
        if !is_cancelled && self.measured != Some(iter) {
            self.measure()?;
        }
        if self.saved != Some(iter) && iter > 0 {
            self.save()?;
        }
        if !is_cancelled {
            self.tell_outcome()?;
        }
        self.bar.finish_and_clear();
        let latest = self.folder.path(&network_file("latest"));
        let told = if is_cancelled {
            format!("stopped at iteration {} of {}: --auto-resume goes on", thousands(iter), thousands(total))
        } else {
            format!("{} iterations in {}: {}", thousands(iter), span(self.clock.seconds()), latest.display())
        };
        self.log.info(&told)?;
        self.draw()?;
        terminal::event("end", json!({ "iter": iter, "total": total, "cancelled": is_cancelled }));
        Ok(if is_cancelled { ExitCode::from(terminal::INTERRUPTED) } else { ExitCode::SUCCESS })
    }
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }
}

/// A network's file, with what it reached.
fn file(model: &Model, figures: Figures) -> Result<Vec<u8>> {
    let psnr = [("psnr_y".to_owned(), format!("{:.3}", figures.psnr_y))];
    let weights = model.weights().clone().with_metadata(psnr);
    Ok(Model::from_weights(model.name(), weights)?.to_safetensors(Stored::F32)?)
}
