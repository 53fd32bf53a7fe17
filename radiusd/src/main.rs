//! Arguments in, exit code out.

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Huge pages would make a small daemon's memory a third larger than what it uses. Where the
    // kernel doesn't know the call, nothing is lost.
    let _ = nix::sys::prctl::set_thp_disable(true);
    cli::run()
}
