//! Scans one phantom into a raw file of little-endian `i16` and prints its size and facts:
//! `cargo run --release -p rad3d-phantom --example scan -- SEED OUT [LABEL…]`.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::time::Instant;

use rad3d_phantom::{FactSheet, Scanner, Scene};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().ok_or("give a seed")?.parse()?;
    let out = arguments.next().ok_or("give a file")?;
    let labels = arguments
        .map(|label| label.parse())
        .collect::<Result<Vec<usize>, _>>()?;
    let facts = match labels.as_slice() {
        [] => FactSheet::sample(seed),
        // Eighteen or more names no label: nothing present.
        labels => FactSheet::with_labels(seed, labels),
    };
    let scanner = Scanner::sample(&facts);
    let start = Instant::now();
    let scene = Scene::new(&facts);
    let built = start.elapsed();
    let voxels = scene.scan(&scanner);
    let bytes: Vec<u8> = voxels.iter().flat_map(|hu| hu.to_le_bytes()).collect();
    std::fs::write(&out, bytes)?;
    println!(
        "{:?} {:?} built in {built:?}, all {:?}",
        scanner.dims_ijk,
        scanner.spacing_mm,
        start.elapsed()
    );
    println!("{facts:?}");
    Ok(())
}
