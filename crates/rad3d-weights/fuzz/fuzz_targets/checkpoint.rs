//! Any weight file: zip containers, the old PyTorch format, safetensors, GGUF.
#![no_main]

use rad3d_weights::Checkpoint;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.pt", data.to_vec().into()) else {
        return;
    };
    for name in checkpoint.names() {
        let _ = checkpoint.to_f32(name);
    }
});
