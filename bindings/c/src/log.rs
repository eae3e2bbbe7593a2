//! The library's log, which goes nowhere until a program asks for it.

use std::ffi::{CString, c_char, c_void};

use sparsr_bindings::log::{Level, begin};

use crate::status::{Failure, SparsrStatus, guarded};

/// How much a line of the log matters.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SparsrLogLevel {
    /// Something failed.
    Error = 1,
    /// Something is not as it was asked for: a GPU failed and the CPU went on, for example.
    Warn = 2,
    /// What was chosen.
    Info = 3,
    /// How it is computed.
    Debug = 4,
}

/// Takes a line of the log: what sparsr_set_log() was given, a SparsrLogLevel, and the line, which is valid during the call.
pub type SparsrLogger = Option<unsafe extern "C" fn(user: *mut c_void, level: u32, line: *const c_char)>;

/// A program's logger.
struct Log {
    logger: unsafe extern "C" fn(*mut c_void, u32, *const c_char),
    user: *mut c_void,
}

// SAFETY: whoever set the logger vouches that it may be called on any thread with `user`, on several at once too.
unsafe impl Send for Log {}
// SAFETY: as above.
unsafe impl Sync for Log {}

/// Gives the log to a program: lines as important as `level`, a SparsrLogLevel, and more important ones. That is possible once,
/// and not in a program that has a log of Rust's `tracing`.
///
/// # Safety
/// `logger` may be called with `user` until the program ends, on any thread and on several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparsr_set_log(logger: SparsrLogger, user: *mut c_void, level: u32) -> SparsrStatus {
    guarded(|| {
        let Some(logger) = logger else {
            return Err(Failure::argument("logger: expected a pointer, found null"));
        };
        let most = match level {
            1 => Level::ERROR,
            2 => Level::WARN,
            3 => Level::INFO,
            4 => Level::DEBUG,
            _ => {
                let reason = format!("level: expected one of SparsrLogLevel, found {level}");
                return Err(Failure::argument(reason));
            }
        };
        let log = Log { logger, user };
        begin(most, move |level, line| log.tell(level, &line))
            .map_err(|_| Failure::argument("the log: expected none, found one that is set already"))
    })
}

impl Log {
    fn tell(&self, level: Level, line: &str) {
        let level = match level {
            Level::ERROR => SparsrLogLevel::Error,
            Level::WARN => SparsrLogLevel::Warn,
            Level::INFO => SparsrLogLevel::Info,
            _ => SparsrLogLevel::Debug,
        };
        let line = CString::new(line.replace('\0', " ")).unwrap_or_default();
        // SAFETY: as whoever set it vouches, and the line ends with a NUL.
        unsafe { (self.logger)(self.user, level as u32, line.as_ptr()) }
    }
}
