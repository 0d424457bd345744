//! Dockerfiles: parsed, their words expanded, read stage by stage.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| larder_fuzz::fuzzing::dockerfile(data));
