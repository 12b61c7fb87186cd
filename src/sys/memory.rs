//! How the C library's allocator gives memory back.

/// Arenas for all threads together. The default is eight a core, each with room of its own that it keeps.
const ARENAS_MAX: libc::c_int = 2;
/// From this size on a block is mapped by itself and goes back to the system when it is freed. Left alone, the allocator
/// raises this limit to the size of the first picture that is freed, and keeps all pictures from then on.
const MAPPED_FROM_BYTES: libc::c_int = 512 << 10;

/// Keeps a worker's memory near what it uses: it has a thread for each stage and rung, and frees pictures on others than
/// it allocates them on. Called before the first thread is started.
pub fn return_memory_early() {
    // SAFETY: mallopt changes two numbers of the allocator; no thread but this one exists yet. A refusal changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
    }
}
