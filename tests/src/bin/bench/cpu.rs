//! CPU time of a piece of this program.

use counterfoil_clock::process_cpu_ns;
use std::hint::black_box;

/// CPU time that `run` takes, in nanoseconds, as the kernel counted it for the whole process: nothing else may run in it.
pub(crate) fn cpu_ns_of<T>(run: impl FnOnce() -> T) -> f64 {
    let begun = process_cpu_ns();
    black_box(run());
    (process_cpu_ns() - begun) as f64
}
