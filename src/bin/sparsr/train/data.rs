//! The pictures to learn from, as the configuration names them, and what teachers make of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sparsr::learn::data::{
    Batches, Blur, Crops, DataOptions, Degradations, Halves, HeldOut, Jpeg, Noise, Pairs, Resize,
};
use sparsr::{Cancel, Progress};

use super::machine::Machine;
use super::schema::{Degradation, Training};
use super::settings::Settings;
use super::teacher;
use crate::{Result, terminal};

/// Reads the pictures, or the cache; then has the teachers look at them.
pub fn open(settings: &Settings, machine: &Machine, cancel: &Cancel) -> Result<Arc<Batches>> {
    let (config, data) = (&settings.config, &settings.config.datasets.train);
    let options = options(data, config.scale as usize)?;
    let teachers = teacher::networks(settings)?;
    let pairs = watched("pictures", |progress| Pairs::open(&options, cancel, progress))?;
    let mut batches = Batches::new(Arc::new(pairs), crops(data), config.manual_seed)?;
    if !teachers.is_empty() {
        let taught = watched("pictures that the teacher enlarges", |progress| {
            teacher::taught(&teachers, &config.teacher.cache, machine, batches.pairs(), cancel, progress)
        })?;
        batches = batches.taught_by(taught)?;
    }
    if let Some(search) = &settings.search {
        let halves = Halves { from: search.start, each: config.datasets.train.accum_iter };
        batches = batches.in_halves(halves)?;
    }
    Ok(Arc::new(batches))
}

/// Does some work with a bar meanwhile.
fn watched<T: Send>(what: &'static str, work: impl FnOnce(&Progress) -> T + Send) -> T {
    let progress = Progress::default();
    let bar = terminal::progress(100);
    bar.set_message(what);
    let done = thread::scope(|scope| {
        let working = scope.spawn(|| work(&progress));
        while !working.is_finished() {
            thread::sleep(Duration::from_millis(50));
            bar.set_position((100.0 * progress.share()) as u64);
        }
        working.join().expect("work on pictures panics on none")
    });
    bar.finish_and_clear();
    done
}

fn options(data: &Training, scale: usize) -> Result<DataOptions> {
    let folders = |roots: &[String]| roots.iter().map(PathBuf::from).collect::<Vec<_>>();
    let mut options = DataOptions::new(folders(&data.dataroot_gt), scale);
    options.dataroot_lq = folders(&data.dataroot_lq);
    options.also_shrunk_above = data.also_shrunk_above.map(|side| side as usize);
    if !data.heldout.is_empty() {
        options.held_out = HeldOut::read(Path::new(&data.heldout))?;
    }
    options.cache = (!data.cache.is_empty()).then(|| data.cache.clone().into());
    Ok(options)
}

fn crops(data: &Training) -> Crops {
    Crops {
        lq_size: data.lq_size as usize,
        batch_size: data.batch_size as usize,
        use_hflip: data.use_hflip,
        use_rot: data.use_rot,
        drop_flat: data.drop_flat,
        degradations: (data.kind == "degraded").then(|| degradations(&data.degradation)),
    }
}

fn degradations(way: &Degradation) -> Degradations {
    Degradations {
        clean: way.clean_prob,
        blur: Blur { probability: way.blur_prob, anisotropic: way.blur_aniso_prob, sigma: way.blur_sigma },
        resize: Resize { probability: way.resize_prob, factor: way.resize_range },
        noise: Noise {
            probability: way.noise_prob,
            poisson: way.poisson_prob,
            gray: way.gray_noise_prob,
            strength: way.noise_range,
        },
        jpeg: Jpeg {
            probability: way.jpeg_prob,
            last: way.final_jpeg_prob,
            quality: way.jpeg_range,
            half_chroma: way.half_chroma_prob,
        },
        ..Degradations::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_librarys() {
        assert_eq!(crops(&Training::default()), Crops::default());
        assert_eq!(degradations(&Degradation::default()), Degradations::default());
        let degraded = Training { kind: "degraded".into(), ..Training::default() };
        assert_eq!(crops(&degraded).degradations, Some(Degradations::default()));
    }
}
