//! Wildcards of COPY, against the plainest way to match them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| larder_fuzz::fuzzing::wildcard(data));
