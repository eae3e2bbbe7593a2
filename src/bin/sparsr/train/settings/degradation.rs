//! A photograph's way from the large picture to the small one: what its shares and strengths may be.

use super::super::schema::Training;
use super::Check;
use crate::Result;

impl Check<'_> {
    pub(super) fn degradation(&self, data: &Training) -> Result<()> {
        let way = &data.degradation;
        let key = |name: &str| format!("datasets.train.degradation.{name}");
        for (name, share) in [
            ("clean_prob", way.clean_prob),
            ("blur_prob", way.blur_prob),
            ("blur_aniso_prob", way.blur_aniso_prob),
            ("resize_prob", way.resize_prob),
            ("noise_prob", way.noise_prob),
            ("poisson_prob", way.poisson_prob),
            ("gray_noise_prob", way.gray_noise_prob),
            ("jpeg_prob", way.jpeg_prob),
            ("final_jpeg_prob", way.final_jpeg_prob),
            ("half_chroma_prob", way.half_chroma_prob),
        ] {
            self.share(&key(name), share)?;
        }
        for (name, [from, to], [least, most]) in [
            ("blur_sigma", way.blur_sigma, [0.0, 2.5]),
            ("noise_range", way.noise_range, [0.0, 100.0]),
            ("jpeg_range", way.jpeg_range.map(f64::from), [1.0, 100.0]),
            ("resize_range", way.resize_range, [0.25, 2.0]),
        ] {
            let fits = least <= from && from <= to && to <= most;
            let expected = format!("[from, to] within {least} to {most}");
            self.ensure(fits, &key(name), &expected, format!("[{from}, {to}]"))?;
        }
        Ok(())
    }
}
