//! The pickle machine and the search for a state dict, on any bytes.
#![no_main]

use std::path::Path;

use rad3d_weights::count_tensors_in_pickle;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = count_tensors_in_pickle(Path::new("fuzz.pkl"), data);
});
