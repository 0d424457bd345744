//! Compose files: loaded, printed, and loaded again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| larder_fuzz::project::compose(data));
