//! A picture enlarged: on the caller's thread, or on one of its own while the caller's is told how far it is.

use std::ffi::{c_int, c_void};
use std::thread::{self, Builder};
use std::time::Duration;

use sparsr_rs::{Cancel, Control, Position, Sample, Upscaler, View, ViewMut};

use crate::image::{SparsrImage, SparsrImageMut, Type};
use crate::pointers::{put, read};
use crate::status::{Failure, Result, SparsrStatus, guarded, said};
use crate::upscaler::SparsrUpscaler;

/// How often the caller's thread looks.
const GLANCE: Duration = Duration::from_millis(20);

/// Says to calls that they shall end, from any thread. It says so until it is freed: later calls that are given it end at once.
#[derive(Debug)]
pub struct SparsrCancel(Cancel);

/// How far a call is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SparsrProgress {
    /// The share of the work that is done, 0 to 1.
    pub share: f64,
    /// Seconds that are left if it goes on as it went so far; below 0 while that is not known.
    pub seconds_left: f64,
    /// The phase under way, from 0, and how many there are: networks that look at the whole picture have several.
    pub phase: u32,
    /// Of how many.
    pub phases: u32,
    /// Tiles of this phase that are done.
    pub tile: u32,
    /// Of how many.
    pub tiles: u32,
}

/// Is told how far a call is, on the thread that made the call, about fifty times a second and once when all is done. If it
/// returns other than 0 the call ends with SPARSR_STATUS_CANCELLED. `user` is what the call was given.
pub type SparsrProgressCallback =
    Option<unsafe extern "C" fn(user: *mut c_void, progress: *const SparsrProgress) -> c_int>;

/// Whom to tell.
#[derive(Clone, Copy)]
struct Listener {
    callback: unsafe extern "C" fn(*mut c_void, *const SparsrProgress) -> c_int,
    user: *mut c_void,
}

impl Listener {
    /// Whether the call shall go on.
    fn tell(self, position: Position) -> bool {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let progress = SparsrProgress {
            share: position.share,
            seconds_left: position.left.map_or(-1.0, |left| left.as_secs_f64()),
            phase: count(position.phase),
            phases: count(position.phases),
            tile: count(position.window),
            tiles: count(position.windows),
        };
        // SAFETY: whoever made the call vouches that its callback may be called with its `user`, on its thread: this one.
        (unsafe { (self.callback)(self.user, &raw const progress) }) == 0
    }
}

/// Enlarges a picture. `to` is of the network's scale times the size of `from`, of the same type of samples and the same
/// channels, in whatever order; of gray there is one channel, and alpha is enlarged by bicubic interpolation. After a failure
/// what `to` holds is no picture.
///
/// `cancel` may be null. `progress` may be null; otherwise the work is done on another thread.
///
/// # Safety
/// `upscaler` is one that was made and not freed, and is not freed meanwhile; `from` and `to` lead to pictures whose planes lead
/// to as much memory as their strides and sizes say, which nobody changes meanwhile, and of `to` nobody reads; `cancel` is null,
/// or one that was made and is not freed meanwhile; `progress` is null, or may be called with `user`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_upscale(
    upscaler: *const SparsrUpscaler,
    from: *const SparsrImage,
    to: *const SparsrImageMut,
    cancel: *const SparsrCancel,
    progress: SparsrProgressCallback,
    user: *mut c_void,
) -> SparsrStatus {
    guarded(|| {
        // SAFETY: as the caller vouches.
        let (upscaler, from, to) =
            unsafe { (read("upscaler", upscaler)?, read("from", from)?, read("to", to)?) };
        let cancel = match cancel.is_null() {
            true => Cancel::default(),
            // SAFETY: it is not null, and the caller vouches for the rest.
            false => unsafe { read("cancel", cancel) }?.0.clone(),
        };
        let listener = progress.map(|callback| Listener { callback, user });
        let of = from.sample_type()?;
        if to.sample_type()? != of {
            let expected = "samples of the type that goes in";
            return Err(Failure::argument(format!("to: expected {expected}, {of:?}, found another format")));
        }
        let mut upscaler = upscaler.lock()?;
        // SAFETY: as the caller vouches.
        unsafe {
            match of {
                Type::U8 => run(&mut upscaler, &from.view::<u8>()?, to.view(from)?, &cancel, listener),
                Type::U16 => run(&mut upscaler, &from.view::<u16>()?, to.view(from)?, &cancel, listener),
                Type::F32 => run(&mut upscaler, &from.view::<f32>()?, to.view(from)?, &cancel, listener),
            }
        }
    })
}

fn run<T: Sample>(
    upscaler: &mut Upscaler,
    from: &View<'_, T>,
    mut to: ViewMut<'_, T>,
    cancel: &Cancel,
    listener: Option<Listener>,
) -> Result<()> {
    let Some(listener) = listener else {
        upscaler.set_control(&Control { cancel: cancel.clone(), ..Control::default() });
        upscaler.upscale_into(from, &mut to)?;
        return Ok(());
    };
    // The callback ends this call, and no other that was given the same `cancel`.
    let control = Control::default();
    upscaler.set_control(&control);
    let caller = thread::current();
    thread::scope(|scope| {
        let work = move || {
            let outcome = upscaler.upscale_into(from, &mut to);
            caller.unpark();
            outcome
        };
        let work = Builder::new().name("sparsr".into()).spawn_scoped(scope, work).map_err(|error| {
            sparsr_rs::Error::OutOfMemory(format!(
                "no thread could be started: {error}; close other programs"
            ))
        })?;
        while !work.is_finished() {
            thread::park_timeout(GLANCE);
            if !listener.tell(control.progress.position()) || cancel.is_cancelled() {
                control.cancel.cancel();
            }
        }
        work.join().map_err(|panic| Failure::panic(said(&*panic)))??;
        listener.tell(control.progress.position());
        Ok(())
    })
}

/// Makes what ends calls, and puts it into `out`.
///
/// # Safety
/// `out` leads to room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_cancel_new(out: *mut *mut SparsrCancel) -> SparsrStatus {
    guarded(|| {
        if out.is_null() {
            return Err(Failure::argument("out: expected a pointer, found null"));
        }
        // SAFETY: as the caller vouches.
        unsafe { put("out", out, Box::into_raw(Box::new(SparsrCancel(Cancel::default())))) }
    })
}

/// Ends the calls that were given it: within a tenth of a second or, on a device that is slower, one submission.
///
/// # Safety
/// `cancel` is one that was made and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_cancel(cancel: *const SparsrCancel) -> SparsrStatus {
    guarded(|| {
        // SAFETY: as the caller vouches.
        unsafe { read("cancel", cancel) }?.0.cancel();
        Ok(())
    })
}

/// Frees it. Null is nothing.
///
/// # Safety
/// `cancel` is null, or one that was made and not freed, and no call has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_cancel_free(cancel: *mut SparsrCancel) {
    guarded(|| {
        if !cancel.is_null() {
            // SAFETY: it was made by `Box::into_raw`, and the caller vouches that it was not freed.
            drop(unsafe { Box::from_raw(cancel) });
        }
        Ok(())
    });
}
