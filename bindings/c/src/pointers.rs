//! What pointers from C lead to, if they lead to anything.

use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::slice;

use crate::status::{Failure, Result};

fn null(what: &str) -> Failure {
    Failure::argument(format!("{what}: expected a pointer, found null"))
}

/// # Safety
/// `pointer` is null, or leads to a `T` that nobody changes during `'a`.
pub(crate) unsafe fn read<'a, T>(what: &str, pointer: *const T) -> Result<&'a T> {
    aligned(what, pointer)?;
    // SAFETY: it is not null, it is aligned, and the caller vouches for the rest.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

/// # Safety
/// `pointer` is null, or leads to room for a `T`.
pub(crate) unsafe fn put<T>(what: &str, pointer: *mut T, value: T) -> Result<()> {
    aligned(what, pointer)?;
    // SAFETY: it is not null, it is aligned, and the caller vouches for the rest.
    unsafe { pointer.write(value) };
    Ok(())
}

/// # Safety
/// `pointer` is null, or leads to text that ends with a NUL and that nobody changes during `'a`.
pub(crate) unsafe fn text<'a>(what: &str, pointer: *const c_char) -> Result<&'a str> {
    // SAFETY: as the caller vouches.
    let text = unsafe { bytes_of_text(what, pointer) }?;
    std::str::from_utf8(text).map_err(|error| Failure::argument(format!("{what}: expected UTF-8: {error}")))
}

/// # Safety
/// As [`text`].
pub(crate) unsafe fn path(what: &str, pointer: *const c_char) -> Result<PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        // SAFETY: as the caller vouches.
        let bytes = unsafe { bytes_of_text(what, pointer) }?;
        Ok(std::ffi::OsStr::from_bytes(bytes).into()) // names of files are bytes there
    }
    #[cfg(not(unix))]
    {
        // SAFETY: as the caller vouches.
        Ok(unsafe { text(what, pointer) }?.into())
    }
}

/// # Safety
/// As [`text`].
unsafe fn bytes_of_text<'a>(what: &str, pointer: *const c_char) -> Result<&'a [u8]> {
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: it is not null, and the caller vouches for the rest.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// # Safety
/// `pointer` is null, or leads to `count` of `T` that nobody changes during `'a`.
pub(crate) unsafe fn samples<'a, T>(what: &str, pointer: *const T, count: usize) -> Result<&'a [T]> {
    countable::<T>(what, count)?;
    aligned(what, pointer)?;
    // SAFETY: it is not null, it is aligned, no longer than memory is, and the caller vouches for the rest.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// # Safety
/// `pointer` is null, or leads to `count` of `T` that nobody else reads or changes during `'a`.
pub(crate) unsafe fn samples_mut<'a, T>(what: &str, pointer: *mut T, count: usize) -> Result<&'a mut [T]> {
    countable::<T>(what, count)?;
    aligned(what, pointer)?;
    // SAFETY: it is not null, it is aligned, no longer than memory is, and the caller vouches for the rest.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, count) })
}

/// Whether so many fit into memory at all.
fn countable<T>(what: &str, count: usize) -> Result<()> {
    if count.checked_mul(size_of::<T>()).is_some_and(|bytes| bytes <= isize::MAX as usize) {
        return Ok(());
    }
    Err(Failure::argument(format!("{what}: expected no more bytes than there can be, found {count} samples")))
}

/// Whether it leads to something that begins where a `T` may begin.
fn aligned<T>(what: &str, pointer: *const T) -> Result<()> {
    if pointer.is_null() {
        return Err(null(what));
    }
    if pointer.is_aligned() {
        return Ok(());
    }
    let (expected, found) = (align_of::<T>(), pointer.addr());
    Err(Failure::argument(format!(
        "{what}: expected an address that is a multiple of {expected}, found {found:#x}"
    )))
}
