//! Volumes, tmpfs mounts and devices in their short forms.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| larder_fuzz::project::volumes(data));
