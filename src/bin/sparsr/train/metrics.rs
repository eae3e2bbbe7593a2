//! `metrics.csv`: a row where the training said something. A training that goes on takes out what lies beyond the
//! iteration that it goes on from, so that no iteration is there twice.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sparsr::NewFile;

use crate::Result;

const HEAD: &str = "iter,seconds,lr,loss,grad_norm,tau,density,psnr_y,ssim_y,psnr_y_bicubic";

/// What is not known of an iteration is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Iterations that were made.
    pub iter: u64,
    /// Since the training began, without the time in which it did not run.
    pub seconds: f64,
    pub lr: Option<f64>,
    /// The mean since the last row.
    pub loss: Option<f64>,
    pub grad_norm: Option<f64>,
    /// SMSR's temperature.
    pub tau: Option<f64>,
    /// The running mean of what SMSR's masks keep.
    pub density: Option<f64>,
    pub psnr_y: Option<f64>,
    pub ssim_y: Option<f64>,
    pub psnr_y_bicubic: Option<f64>,
}

/// The rows so far, and their file.
pub struct Metrics {
    path: PathBuf,
    pub rows: Vec<Row>,
}

impl Metrics {
    /// Goes on with a file, if there is one, from an iteration.
    pub fn open(path: &Path, from: u64) -> Result<Self> {
        let mut rows = Vec::new();
        if path.exists() {
            let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            // A last line that was cut short by a kill is no row.
            rows = text.lines().skip(1).filter_map(Row::parse).filter(|row| row.iter <= from).collect();
        }
        let metrics = Self { path: path.to_owned(), rows };
        let mut file = NewFile::create(path).map_err(metrics.cannot())?;
        let text: String = metrics.rows.iter().map(Row::line).collect();
        file.write_all(format!("{HEAD}\n{text}").as_bytes()).map_err(metrics.cannot())?;
        file.finish(true).map_err(metrics.cannot())?;
        Ok(metrics)
    }

    pub fn add(&mut self, row: Row) -> Result<()> {
        let file = fs::File::options().append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(row.line().as_bytes())).map_err(self.cannot())?;
        self.rows.push(row);
        Ok(())
    }

    /// Seconds that the training took so far.
    pub fn seconds(&self) -> f64 {
        self.rows.last().map_or(0.0, |row| row.seconds)
    }

    /// The best PSNR behind an iteration, and when.
    pub fn best(&self, behind: u64) -> Option<(f64, u64)> {
        let measured = self.rows.iter().filter_map(|row| Some((row.psnr_y?, row.iter)));
        measured.filter(|(_, iter)| *iter > behind).max_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn cannot(&self) -> impl FnOnce(std::io::Error) -> String + use<'_> {
        |error| format!("{}: {error}", self.path.display())
    }
}

impl Row {
    fn line(&self) -> String {
        let mut line = format!("{},{:.1}", self.iter, self.seconds);
        for number in self.numbers() {
            let _ = match number {
                Some(number) => write!(line, ",{number}"),
                None => write!(line, ","),
            };
        }
        line + "\n"
    }

    fn numbers(&self) -> [Option<f64>; 8] {
        let Self { lr, loss, grad_norm, tau, density, psnr_y, ssim_y, psnr_y_bicubic, .. } = *self;
        [lr, loss, grad_norm, tau, density, psnr_y, ssim_y, psnr_y_bicubic]
    }

    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != HEAD.split(',').count() {
            return None;
        }
        let mut numbers = [None; 8];
        for (number, cell) in numbers.iter_mut().zip(&cells[2..]) {
            *number = if cell.is_empty() { None } else { Some(cell.parse().ok()?) };
        }
        let [lr, loss, grad_norm, tau, density, psnr_y, ssim_y, psnr_y_bicubic] = numbers;
        let (iter, seconds) = (cells[0].parse().ok()?, cells[1].parse().ok()?);
        Some(Self { iter, seconds, lr, loss, grad_norm, tau, density, psnr_y, ssim_y, psnr_y_bicubic })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_again_up_to_where_the_training_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let rows = [
            Row {
                iter: 0,
                psnr_y: Some(60.0),
                ssim_y: Some(0.9),
                psnr_y_bicubic: Some(33.7),
                ..Row::default()
            },
            Row {
                iter: 100,
                seconds: 12.5,
                lr: Some(1e-3),
                loss: Some(2.5),
                grad_norm: Some(0.1),
                ..Row::default()
            },
            Row {
                iter: 200,
                seconds: 25.0,
                tau: Some(0.4),
                density: Some(0.45),
                psnr_y: Some(34.1),
                ..Row::default()
            },
        ];
        let mut metrics = Metrics::open(&path, 0).unwrap();
        rows.iter().for_each(|row| metrics.add(*row).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            format!(
                "{HEAD}\n0,0.0,,,,,,60,0.9,33.7\n100,12.5,0.001,2.5,0.1,,,,,\n200,25.0,,,,0.4,0.45,34.1,,\n"
            )
        );
        fs::write(&path, text + "300,3").unwrap();
        let again = Metrics::open(&path, 200).unwrap();
        assert_eq!((&again.rows[..], again.seconds(), again.best(0)), (&rows[..], 25.0, Some((34.1, 200))));
        let again = Metrics::open(&path, 150).unwrap();
        assert_eq!((&again.rows[..], again.best(0)), (&rows[..2], None));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
