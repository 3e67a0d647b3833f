//! Times loss and gradient of a batch through a decoder, and sets the operations counted beside those
//! on paper: one line of JSON.
//!
//! ```sh
//! cargo run --release -p rad3d-nn --example gradient_bench -- MODEL.gguf frozen 5
//! ```
//!
//! Arguments: the model, `frozen` or `trained`, steps. A batch has 4 sequences of 10 prefix vectors and
//! 160 tokens, all of which are predicted.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to the terminal"
)]

use std::process::ExitCode;
use std::time::Instant;

use rad3d_nn::causal_lm::gradient::{GradientDecoder, Sequence};
use rad3d_nn::causal_lm::{CausalLm, LmOptions};

type Failure = Box<dyn std::error::Error>;

/// Sequences of a batch, and their parts.
const BATCH: u32 = 4;
const PREFIX: usize = 10;
const TOKENS: u32 = 160;

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
    let [model, mode, steps] = arguments.as_slice() else {
        return Err("usage: gradient_bench MODEL frozen|trained STEPS".into());
    };
    let train = match mode.as_str() {
        "frozen" => false,
        "trained" => true,
        other => return Err(format!("{other:?}: take frozen or trained").into()),
    };
    let model = CausalLm::open(model, LmOptions::default())?;
    let decoder = GradientDecoder::new(&model).ok_or("the gradient is written for LLaMA only")?;
    let batch: Vec<Sequence> = (0..BATCH)
        .map(|number| {
            let ids: Vec<u32> = (0..TOKENS).map(|i| 100 + 37 * i + 11 * number).collect();
            let mut embeddings = decoder.embed(&ids[..PREFIX]);
            embeddings.extend(decoder.embed(&ids));
            Sequence {
                embeddings,
                ids: [vec![None; PREFIX], ids.iter().copied().map(Some).collect()].concat(),
                targets: ids
                    .iter()
                    .enumerate()
                    .map(|(place, &id)| (PREFIX - 1 + place, id))
                    .collect(),
                weights: Vec::new(),
            }
        })
        .collect();
    let mut seconds = Vec::new();
    let mut found = decoder.gradient(&batch, train);
    for _ in 0..steps.parse()? {
        let begin = Instant::now();
        found = decoder.gradient(&batch, train);
        seconds.push(begin.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(serde_json::json!({
        "mode": mode,
        "median_s": seconds.get(seconds.len() / 2),
        "least_s": seconds.first(),
        "loss": found.loss,
        "gflop_counted": found.operations as f64 / 1e9,
        "gflop_on_paper": decoder.operations(&batch, train) as f64 / 1e9,
    })
    .to_string())
}
