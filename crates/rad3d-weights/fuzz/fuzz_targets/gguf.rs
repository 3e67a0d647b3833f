//! GGUF: header, tensors and tokenizer, on any bytes after the magic.
#![no_main]

use rad3d_weights::{Checkpoint, Tokenizer};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let file = [b"GGUF", data].concat();
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.gguf", file.into()) else {
        return;
    };
    for name in checkpoint.names() {
        let _ = checkpoint.to_f32(name);
    }
    let _ = Tokenizer::of_model(&checkpoint);
});
