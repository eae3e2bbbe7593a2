//! Where memory ends, the program ends: with a sentence and exit 1, and not with the abort of the standard library.
//! Whoever only asks whether there is room, as the library does before it decodes a picture, gets an answer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Display;
use std::io::Write;

use crate::Result;

/// Why a thread could not be started, which takes memory before it asks for any.
pub fn no_thread(error: &dyn Display) -> String {
    format!("no thread could be started ({error}): there is too little memory, or too many programs run")
}

/// Starts the threads that compute: where there is no memory for them, whoever needs them first would panic.
pub fn start_threads() -> Result<()> {
    rayon::ThreadPoolBuilder::new().build_global().map_err(|error| no_thread(&error).into())
}

struct Memory;

#[global_allocator]
static MEMORY: Memory = Memory;

/// What the system answers; the end of the program where it has nothing, and nobody waits for that answer. To say so
/// takes no memory.
fn answered(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if pointer.is_null() && !sparsr::asks_for_memory() {
        let sentence = "bound it with --memory, or take a smaller picture";
        let _ =
            writeln!(std::io::stderr(), "error: there is no memory for another {bytes} bytes: {sentence}");
        std::process::exit(1);
    }
    pointer
}

// SAFETY: all is done by the system's allocator, and what it answers is passed on.
#[expect(unsafe_code, reason = "an allocator is")]
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the system allocator's.
        answered(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        answered(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        answered(unsafe { System.realloc(pointer, layout, size) }, size)
    }
}
