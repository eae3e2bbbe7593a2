//! Upscalers: made of a network and a device, asked for what they are, and freed.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, TryLockError};

use sparsr_bindings::{Choice, network};
use sparsr_rs::{Effort, Model, Options, Tiling, Upscaler};

use crate::pointers::{path, put, read, samples, text};
use crate::status::{Failure, Result, SparsrStatus, guarded};

/// Enlarges pictures with one network on one device. It does one call at a time: another meanwhile, from whatever thread, is
/// an error.
#[derive(Debug)]
pub struct SparsrUpscaler {
    inner: Mutex<Upscaler>,
    scale: u32,
    device: CString,
}

/// What may be chosen. All zeros are the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SparsrOptions {
    /// Where it runs: "auto" (also if null) is the best GPU, else the CPU; "cpu"; "gpu" is the best GPU, one in software if
    /// there is no other; a number, or a part of a GPU's name.
    pub device: *const c_char,
    /// Bytes that a GPU's buffers may take; 0: as many as the device should have left.
    pub memory: u64,
    /// The side of the tiles that pictures are cut into, in pixels; 0: in one piece, or in tiles as large as fit.
    pub tile: u32,
    /// 0, for what is to come.
    pub reserved: u32,
}

impl SparsrUpscaler {
    /// The upscaler, unless it is in use.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Upscaler>> {
        self.inner.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                Failure::argument("the upscaler: expected one that is not in use, found it in another call")
            }
            TryLockError::Poisoned(_) => {
                Failure::panic("the upscaler: a mistake of the library's own ended an earlier call; free it")
            }
        })
    }

    fn new((model, ladder): (Model, Option<Effort>), chosen: Chosen) -> Result<Self> {
        let Chosen { device, mut options } = chosen;
        options.ladder = ladder;
        let inner = device.upscaler(&model, options)?;
        let device = CString::new(inner.device().replace('\0', " ")).unwrap_or_default();
        Ok(Self { scale: u32::try_from(model.scale()).unwrap_or(u32::MAX), device, inner: Mutex::new(inner) })
    }
}

/// What was chosen, read from C.
struct Chosen {
    device: Choice,
    options: Options,
}

impl Chosen {
    /// # Safety
    /// `options` is null, or leads to options whose text ends with a NUL.
    unsafe fn read(options: *const SparsrOptions) -> Result<Self> {
        let mut chosen = Self { device: Choice::default(), options: Options::default() };
        if options.is_null() {
            return Ok(chosen);
        }
        // SAFETY: it is not null, and the caller vouches for the rest.
        let SparsrOptions { device, memory, tile, reserved } = *unsafe { read("options", options) }?;
        if reserved != 0 {
            return Err(Failure::argument(format!("options: expected 0 as reserved, found {reserved}")));
        }
        if !device.is_null() {
            // SAFETY: it is not null, and the caller vouches for the rest.
            chosen.device = unsafe { text("options: device", device) }?.parse()?;
        }
        chosen.options.memory = (memory > 0).then_some(memory);
        chosen.options.tiling = if tile > 0 { Tiling::Pixels(tile as usize) } else { Tiling::Auto };
        Ok(chosen)
    }
}

/// Makes an upscaler of what `network` gives, and puts it into `out`; null, if that fails.
///
/// # Safety
/// As that of the functions below.
unsafe fn make(
    options: *const SparsrOptions,
    out: *mut *mut SparsrUpscaler,
    network: impl FnOnce() -> Result<(Model, Option<Effort>)>,
) -> SparsrStatus {
    guarded(|| {
        // SAFETY: as the caller vouches.
        unsafe { put("out", out, ptr::null_mut()) }?;
        // SAFETY: as the caller vouches.
        let chosen = unsafe { Chosen::read(options) }?;
        let made = Box::new(SparsrUpscaler::new(network()?, chosen)?);
        // SAFETY: as the caller vouches.
        unsafe { put("out", out, Box::into_raw(made)) }
    })
}

/// Makes an upscaler of a network that is part of the library, "smsr-x2" or "edsrmini-x3" for example. `options` may be null.
///
/// # Safety
/// `name` and the text in `options` end with a NUL, and `out` leads to room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_upscaler_from_builtin(
    name: *const c_char,
    options: *const SparsrOptions,
    out: *mut *mut SparsrUpscaler,
) -> SparsrStatus {
    // SAFETY: as the caller vouches.
    unsafe { make(options, out, || Ok((Model::builtin(text("name", name)?)?, None))) }
}

/// Makes an upscaler of the network in a file: safetensors, or PyTorch's .pth and .pt. `options` may be null. A network that
/// changes a picture's colours is refused.
///
/// # Safety
/// `file` and the text in `options` end with a NUL, and `out` leads to room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_upscaler_from_file(
    file: *const c_char,
    options: *const SparsrOptions,
    out: *mut *mut SparsrUpscaler,
) -> SparsrStatus {
    // SAFETY: as the caller vouches.
    unsafe { make(options, out, || Ok((Model::load(&path("file", file)?)?, None))) }
}

/// Makes an upscaler of the network in such a file's bytes, which are not needed any longer then. `options` may be null.
///
/// # Safety
/// `bytes` leads to `length` bytes, the text in `options` ends with a NUL, and `out` leads to room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_upscaler_from_memory(
    bytes: *const c_void,
    length: usize,
    options: *const SparsrOptions,
    out: *mut *mut SparsrUpscaler,
) -> SparsrStatus {
    let model = || {
        // SAFETY: as the caller vouches.
        let bytes = unsafe { samples("bytes", bytes.cast::<u8>(), length) }?;
        Ok((Model::from_bytes("memory", bytes)?, None))
    };
    // SAFETY: as the caller vouches.
    unsafe { make(options, out, model) }
}

/// Makes an upscaler of a ladder: several networks of one scale, of which easy parts of a picture take the smaller ones.
/// `file` is what `sparsr ladder` made, with its networks beside it; null is the built-in ladder, of x2. `effort` is from 0, the
/// cheapest network everywhere, to 1, the best one everywhere. `options` may be null.
///
/// # Safety
/// `file` is null or ends with a NUL, as the text in `options` does, and `out` leads to room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_upscaler_from_ladder(
    file: *const c_char,
    effort: f64,
    options: *const SparsrOptions,
    out: *mut *mut SparsrUpscaler,
) -> SparsrStatus {
    let ladder = || {
        // SAFETY: it is not null, and the caller vouches for the rest.
        let file = if file.is_null() { None } else { Some(unsafe { path("file", file) }?) };
        Ok(network(None, file.as_deref(), Some(effort))?)
    };
    // SAFETY: as the caller vouches.
    unsafe { make(options, out, ladder) }
}

/// Puts into `scale` how many times as wide and as high pictures become.
///
/// # Safety
/// `upscaler` is one that was made and not freed, and `scale` leads to room for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_upscaler_scale(
    upscaler: *const SparsrUpscaler,
    scale: *mut u32,
) -> SparsrStatus {
    // SAFETY: as the caller vouches.
    guarded(|| unsafe { put("scale", scale, read("upscaler", upscaler)?.scale) })
}

/// Puts into `name` what the upscaler's device is called, "CPU" for example; valid until the upscaler is freed.
///
/// # Safety
/// `upscaler` is one that was made and not freed, and `name` leads to room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_upscaler_device(
    upscaler: *const SparsrUpscaler,
    name: *mut *const c_char,
) -> SparsrStatus {
    // SAFETY: as the caller vouches.
    guarded(|| unsafe { put("name", name, read("upscaler", upscaler)?.device.as_ptr()) })
}

/// Frees an upscaler, which no call is in. Null is nothing.
///
/// # Safety
/// `upscaler` is null, or one that was made and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_upscaler_free(upscaler: *mut SparsrUpscaler) {
    guarded(|| {
        if !upscaler.is_null() {
            // SAFETY: it was made by `Box::into_raw`, and the caller vouches that it was not freed.
            drop(unsafe { Box::from_raw(upscaler) });
        }
        Ok(())
    });
}
