//! What calls come to: a code, and on each thread a sentence.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use sparsr_rs::Error;

/// The version of this interface. A program compares it with sparsr_abi_version(): of two that are equal, one may be built
/// with the header of the other.
pub const SPARSR_ABI_VERSION: u32 = 1;

/// What a call came to. Later versions may have more.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SparsrStatus {
    /// It is done.
    Ok = 0,
    /// An argument that cannot be used: a null pointer, a format that there is not, a stride that is too short.
    Argument = 1,
    /// A checkpoint that cannot be read, or is no network's.
    Weights = 2,
    /// Sizes that do not fit together.
    Shape = 3,
    /// A word that names no choice.
    Parse = 4,
    /// There is no such device, or none that can be used.
    NoAdapter = 5,
    /// The device or this version cannot do it.
    Unsupported = 6,
    /// The picture is too large for the device in one piece.
    Limits = 7,
    /// Too little memory.
    OutOfMemory = 8,
    /// The device was lost, or computes wrongly.
    Device = 9,
    /// A training left the finite numbers.
    Diverged = 10,
    /// It was asked to end, and did.
    Cancelled = 11,
    /// A picture that cannot be decoded or encoded.
    Image = 12,
    /// The operating system refused a read or a write.
    Io = 13,
    /// Something else, which sparsr_last_error() says.
    Other = 98,
    /// A mistake of the library's own. The upscaler of the call can only be freed.
    Panic = 99,
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: SparsrStatus,
    sentence: String,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

impl Failure {
    pub(crate) fn argument(sentence: impl Into<String>) -> Self {
        Self { status: SparsrStatus::Argument, sentence: sentence.into() }
    }

    pub(crate) fn panic(sentence: impl Into<String>) -> Self {
        Self { status: SparsrStatus::Panic, sentence: sentence.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Weights { .. } => SparsrStatus::Weights,
            Error::Shape { .. } => SparsrStatus::Shape,
            Error::Parse { .. } => SparsrStatus::Parse,
            Error::NoAdapter(_) => SparsrStatus::NoAdapter,
            Error::Unsupported(_) => SparsrStatus::Unsupported,
            Error::Limits(_) => SparsrStatus::Limits,
            Error::OutOfMemory(_) => SparsrStatus::OutOfMemory,
            Error::Device(_) => SparsrStatus::Device,
            Error::Diverged { .. } => SparsrStatus::Diverged,
            Error::Cancelled => SparsrStatus::Cancelled,
            Error::Image { .. } => SparsrStatus::Image,
            Error::Io { .. } => SparsrStatus::Io,
            _ => SparsrStatus::Other,
        };
        Self { status, sentence: error.to_string() }
    }
}

/// The code of what `work` comes to. No panic leaves it.
pub(crate) fn guarded(work: impl FnOnce() -> Result<()>) -> SparsrStatus {
    // What a panic may leave behind is an upscaler's, and its lock is poisoned then.
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let failure = match outcome {
        Ok(Ok(())) => return SparsrStatus::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::panic(format!("a mistake of the library's own: {}", said(&*panic))),
    };
    let sentence = CString::new(failure.sentence.replace('\0', " ")).unwrap_or_default();
    LAST.set(sentence);
    failure.status
}

/// What a panic says.
pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}

/// What the last call on this thread that failed has to say, one sentence; empty if none did. Valid until the next call on
/// this thread that fails.
#[unsafe(no_mangle)]
pub extern "C" fn sparsr_last_error() -> *const c_char {
    LAST.with_borrow(|last| last.as_ptr())
}

/// The library's SPARSR_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn sparsr_abi_version() -> u32 {
    SPARSR_ABI_VERSION
}
