//! Times of loading, prefill and decoding with a GGUF model, as one line of JSON.
//!
//! ```sh
//! cargo run --release -p rad3d-nn --example decode_bench -- MODEL.gguf fast 1 16 128
//! ```
//!
//! Arguments: the model, `exact`, `fine` or `fast`, sequences, prefix length, tokens to decode, and then
//! maybe the number of threads.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to the terminal"
)]

use std::hint::black_box;
use std::num::NonZero;
use std::process::ExitCode;
use std::time::Instant;

use rad3d_nn::causal_lm::{Arithmetic, CausalLm, LmOptions, LogitsOf, Segment, SegmentInput};
use rad3d_nn::generate::most_likely;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, arithmetic, sequences, prefix, tokens, rest @ ..] = arguments.as_slice() else {
        return Err(
            "usage: decode_bench MODEL exact|fine|fast SEQUENCES PREFIX TOKENS [THREADS]".into(),
        );
    };
    let (sequences, prefix, tokens): (usize, usize, usize) =
        (sequences.parse()?, prefix.parse()?, tokens.parse()?);
    let arithmetic = match arithmetic.as_str() {
        "exact" => Arithmetic::Exact,
        "fine" => Arithmetic::Fine,
        "fast" => Arithmetic::Fast,
        other => return Err(format!("arithmetic {other:?}: take exact, fine or fast").into()),
    };
    let threads: Option<NonZero<usize>> = rest.first().map(|n| n.parse()).transpose()?;

    let begin = Instant::now();
    let model = CausalLm::open(
        model,
        LmOptions {
            arithmetic,
            threads,
        },
    )?;
    let loaded = begin.elapsed();

    let ids: Vec<u32> = (0..prefix as u32).map(|i| 100 + 37 * i).collect();
    let embeddings = model.embed(&ids)?;
    let mut cache = model.cache(sequences, prefix + tokens)?;
    let segments: Vec<Segment<'_>> = (0..sequences)
        .map(|sequence| Segment {
            sequence,
            input: SegmentInput::Embeddings(&embeddings),
        })
        .collect();
    let before_prefill = Instant::now();
    let mut logits = model.forward(&mut cache, &segments, LogitsOf::Last)?;
    let mut next: Vec<[u32; 1]> = (0..sequences)
        .map(|row| [most_likely(logits.row(row))])
        .collect();
    let (prefill, first_token) = (before_prefill.elapsed(), begin.elapsed());

    let before_decode = Instant::now();
    for _ in 1..tokens {
        let segments: Vec<Segment<'_>> = next
            .iter()
            .enumerate()
            .map(|(sequence, token)| Segment {
                sequence,
                input: SegmentInput::Ids(token),
            })
            .collect();
        logits = model.forward(&mut cache, &segments, LogitsOf::Last)?;
        next = (0..sequences)
            .map(|row| [most_likely(logits.row(row))])
            .collect();
    }
    let decode = before_decode.elapsed().as_secs_f64();
    // Before the bandwidth test takes memory of its own.
    let peak_mb = peak_memory_mb();
    let per_second = (sequences * (tokens - 1)) as f64 / decode;
    Ok(format!(
        concat!(
            r#"{{"load_s":{:.4},"prefill_s":{:.4},"first_token_s":{:.4},"tokens_per_s":{:.2},"#,
            r#""bytes_per_token":{},"read_gb_per_s":{:.2},"peak_mb":{:.0},"last":{:?}}}"#
        ),
        loaded.as_secs_f64(),
        prefill.as_secs_f64(),
        first_token.as_secs_f64(),
        per_second,
        model.bytes_per_token(),
        read_bandwidth() / 1e9,
        peak_mb,
        next.first().map_or(0, |token| token[0]),
    ))
}

/// Bytes a second that two threads read from memory, 128 MB each; the best of three.
fn read_bandwidth() -> f64 {
    const WORDS: usize = 32 << 20;
    let data = vec![1u64; WORDS];
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for half in data.chunks(WORDS / 2) {
                scope.spawn(|| {
                    black_box(half.iter().fold(0u64, |sum, word| sum.wrapping_add(*word)))
                });
            }
        });
        best = best.min(begin.elapsed().as_secs_f64());
    }
    (WORDS * 8) as f64 / best
}

/// Largest resident size so far.
fn peak_memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap_or("");
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
