//! A device by a word, and an upscaler on it.

use std::str::FromStr;

use sparsr_rs::{Device, DeviceChoice, Error, Gpu, Model, Options, Result, Upscaler, adapters};

/// What a word asks for: what [`DeviceChoice`] does, or `gpu`, the best GPU, one in software if there is no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(Option<DeviceChoice>);

impl Default for Choice {
    fn default() -> Self {
        DeviceChoice::default().into()
    }
}

impl From<DeviceChoice> for Choice {
    fn from(choice: DeviceChoice) -> Self {
        Self(Some(choice))
    }
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let any = word.trim().eq_ignore_ascii_case("gpu");
        Ok(Self(if any { None } else { Some(word.parse()?) }))
    }
}

impl Choice {
    /// The device. For the CPU no driver is asked.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none such.
    pub fn device(&self) -> Result<Device> {
        Ok(match &self.0 {
            Some(DeviceChoice::Cpu) => Device::Cpu,
            Some(choice) => choice.select(&adapters())?.device,
            None => Device::Gpu(DeviceChoice::Auto.adapter(&adapters())?),
        })
    }

    /// Opens the device for a network. The CPU engine goes on where a GPU fails that was not named: who names a device wants
    /// that one.
    ///
    /// # Errors
    /// As [`Choice::device`], [`Gpu::open`], [`Upscaler::new`] and [`Upscaler::on_cpu`].
    pub fn upscaler(&self, model: &Model, options: Options) -> Result<Upscaler> {
        let mut options = options;
        options.cpu_fallback = self.0 == Some(DeviceChoice::Auto);
        match self.device()? {
            Device::Cpu => Upscaler::on_cpu(model, options),
            Device::Gpu(adapter) => Upscaler::new(&Gpu::open(&adapter)?, model, options),
        }
    }
}
