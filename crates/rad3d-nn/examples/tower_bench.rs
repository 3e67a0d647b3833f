//! Times the full-size tower: one encoding for every line on standard input.
//!
//! `tower_bench WEIGHTS.safetensors VOLUME.f32 [f32|bf16]`, driven by `benches/tower.py`. Prints one JSON
//! object a line: `{"load_s"}`, then `{"seconds", "cpu_s", "latent"}` for every encoding, and at the end
//! `{"peak_rss_mb"}`. Threads: `RAYON_NUM_THREADS`.

use std::error::Error;
use std::fs::File;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Instant;

use memmap2::Mmap;
use rad3d_nn::cpu::Precision;
use rad3d_nn::{CtVit, CtVitConfig, Fault, NnError, Weight, WeightSource};
use safetensors::SafeTensors;
use serde_json::json;

/// f32 tensors of a mapped safetensors file.
struct Mapped(Arc<Mmap>);

/// A tensor's place in the file.
struct Part {
    file: Arc<Mmap>,
    start: usize,
    bytes: usize,
}

impl AsRef<[f32]> for Part {
    fn as_ref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.file[self.start..self.start + self.bytes])
    }
}

impl WeightSource for Mapped {
    fn take(&mut self, name: &str, shape: &[usize]) -> rad3d_nn::Result<Weight> {
        let fault = |source: safetensors::SafeTensorError| {
            NnError::new(Fault::Weights, name, "cannot be read", "make the file anew")
                .because(source)
        };
        let file = SafeTensors::deserialize(&self.0).map_err(fault)?;
        let view = file.tensor(name).map_err(fault)?;
        if view.shape() != shape {
            return Err(NnError::shape(name, view.shape(), shape));
        }
        let start = view.data().as_ptr() as usize - self.0.as_ptr() as usize;
        let bytes = view.data().len();
        Ok(Weight::new(Part {
            file: self.0.clone(),
            start,
            bytes,
        }))
    }
}

fn map(path: &str) -> Result<Arc<Mmap>, Box<dyn Error>> {
    // SAFETY: the benchmark's own files, which nobody changes while it runs.
    Ok(Arc::new(unsafe { Mmap::map(&File::open(path)?)? }))
}

/// Processor time of all threads of this process so far, in seconds (Linux).
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The fields follow the command's name, which may hold anything but ends with ')'.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: &str| field.parse::<f64>().ok();
    Some((ticks(fields.get(11)?)? + ticks(fields.get(12)?)?) / 100.0)
}

/// The most memory this process ever held, in MB (Linux).
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1e3)
}

#[expect(clippy::print_stdout, reason = "its output is its purpose")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().collect();
    let (weights, volume, precision) = match arguments.as_slice() {
        [_, weights, volume] => (weights, volume, Precision::F32),
        [_, weights, volume, precision] => (weights, volume, precision.parse()?),
        _ => return Err("usage: tower_bench WEIGHTS.safetensors VOLUME.f32 [f32|bf16]".into()),
    };
    let started = Instant::now();
    let tower = CtVit::load_in(
        precision,
        &CtVitConfig::default(),
        &mut Mapped(map(weights)?),
    )?;
    println!("{}", json!({ "load_s": started.elapsed().as_secs_f64() }));

    let volume = map(volume)?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let (started, cpu) = (Instant::now(), cpu_seconds());
        let latent = tower.encode(bytemuck::cast_slice(&volume))?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = cpu_seconds().zip(cpu).map(|(end, start)| end - start);
        println!(
            "{}",
            json!({ "seconds": seconds, "cpu_s": cpu, "latent": latent })
        );
    }
    println!("{}", json!({ "peak_rss_mb": peak_rss_mb() }));
    Ok(())
}
