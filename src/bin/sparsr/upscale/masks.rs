//! Masks as pictures beside the result.

use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageFormat};
use sparsr::{Encoding, Ladder, Mask, Model, NewFile, Picture};

use crate::batch::Job;
use crate::{Result, files};

/// Where masks go: nowhere, or a folder.
pub struct MaskFiles<'a> {
    folder: Option<&'a Path>,
    /// Sparse modules, or the networks of a ladder.
    modules: Vec<String>,
}

impl<'a> MaskFiles<'a> {
    pub fn plan(
        folder: Option<&'a Path>,
        (model, ladder): (&Model, Option<&Ladder>),
        jobs: &[Job],
    ) -> Result<Self> {
        let modules: Vec<String> = match ladder {
            Some(ladder) => ladder.models().map(|model| model.name().to_owned()).collect(),
            None => model.partitions().into_iter().map(|partition| partition.module).collect(),
        };
        if folder.is_some() {
            if modules.is_empty() {
                return Err(format!("--masks: {} has no spatial masks", model.name()).into());
            }
            let mut places: Vec<PathBuf> = jobs.iter().map(|job| job.below.join(job.source.stem())).collect();
            places.sort_unstable();
            if let Some(twins) = places.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(format!("--masks: two pictures are called {}", twins[0].display()).into());
            }
        }
        Ok(Self { folder, modules })
    }

    pub fn are_none(&self) -> bool {
        self.folder.is_none()
    }

    /// As [`files::prepare`].
    pub fn prepare(&self, job: &Job, force: bool) -> Result<Vec<PathBuf>> {
        let prepare = |path: PathBuf| files::prepare(&path, force);
        Ok(self.paths(job).map(prepare).collect::<Result<Vec<_>>>()?.concat())
    }

    /// Their files, written and without names yet.
    pub fn begin(&self, job: &Job, masks: &[Mask]) -> Result<Vec<NewFile>> {
        let begin = |(path, mask): (PathBuf, &Mask)| {
            let picture = Picture::from(picture_of(mask));
            files::begin(&path, &picture.encode(&path, ImageFormat::Png, &Encoding::default())?)
        };
        self.paths(job).zip(masks).map(begin).collect()
    }

    fn paths(&self, job: &Job) -> impl Iterator<Item = PathBuf> {
        let stem = self.folder.map(|folder| folder.join(&job.below).join(job.source.stem()));
        stem.into_iter().flat_map(|stem| {
            self.modules.iter().map(move |module| {
                let mut path = stem.clone().into_os_string();
                path.push(format!("-{module}.png"));
                path.into()
            })
        })
    }
}

/// White where it worked.
fn picture_of(mask: &Mask) -> DynamicImage {
    let samples = mask.active.iter().map(|&active| if active { 255 } else { 0 }).collect();
    let picture = GrayImage::from_raw(mask.width as u32, mask.height as u32, samples);
    picture.expect("a mask has as many values as pixels").into()
}
