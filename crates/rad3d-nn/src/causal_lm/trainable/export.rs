//! Trained weights under the names, and in the layout, of the family's published files.

use super::super::config::Family;
use super::super::names::{Names, Qkv, names};
use super::{BlockModule, DecoderModule, LinearModule, NormModule};
use crate::trainable::Exported;
use crate::{Fault, NnError, Result};

impl DecoderModule {
    /// All parameters as a Hugging Face checkpoint of the family holds them; a tied head is left
    /// out, as it is there.
    ///
    /// # Errors
    /// [`Fault::Config`] for a model that came from GGUF, whose rows are permuted and whose
    /// weights are quantised; [`Fault::Device`] if parameters can't be read back.
    pub fn export(&self) -> Result<Vec<Exported>> {
        if self.config.family == Family::Gguf {
            return Err(NnError::new(
                Fault::Config,
                "language model",
                "came from a GGUF file, which trained weights cannot be written back to",
                "start from the model's Hugging Face folder",
            ));
        }
        let names = names(self.config.family);
        let root = names.roots.first().copied().unwrap_or_default();
        let mut writer = Writer {
            names,
            head_width: self.config.head_width,
            out: Vec::new(),
        };
        let name = |part: &str| format!("{root}{part}");
        let table = |part: &str| format!("{root}{part}.weight");
        writer
            .out
            .push(Exported::read(table(names.tokens), &self.tokens)?);
        if let Some(positions) = &self.positions {
            let positions = Exported::read(table(names.positions), positions)?;
            writer.out.push(positions);
        }
        if let Some(project) = &self.project_in {
            writer.linear(&name(names.project_in), project)?;
        }
        if let Some(project) = &self.project_out {
            writer.linear(&name(names.project_out), project)?;
        }
        for (index, block) in self.blocks.iter().enumerate() {
            writer.block(&format!("{root}{}{index}.", names.block), block)?;
        }
        if let Some(norm) = &self.final_norm {
            writer.norm(&name(names.final_norm), norm)?;
        }
        if let Some(head) = &self.head {
            // Stored outputs first in every family, GPT-2 included.
            let weight = Exported::read(format!("{}.weight", names.head), &head.weight)?;
            writer.out.push(weight);
        }
        Ok(writer.out)
    }
}

struct Writer {
    names: &'static Names,
    head_width: usize,
    out: Vec<Exported>,
}

impl Writer {
    fn block(&mut self, prefix: &str, block: &BlockModule) -> Result<()> {
        let names = self.names;
        let name = |part: &str| format!("{prefix}{part}");
        self.norm(&name(names.attention_norm), &block.attention_norm)?;
        self.norm(&name(names.mlp_norm), &block.mlp_norm)?;
        let parts = [&block.query, &block.key, &block.value];
        match names.qkv {
            Qkv::Separate(separate) => {
                for (part, linear) in separate.into_iter().zip(parts) {
                    self.linear(&name(part), linear)?;
                }
            }
            Qkv::Stacked(joined) => self.joined(&name(joined), parts, false)?,
            Qkv::ByHead(joined) => self.joined(&name(joined), parts, true)?,
        }
        self.linear(&name(names.output), &block.output)?;
        let head_norms = [
            (names.query_norm, &block.query_norm),
            (names.key_norm, &block.key_norm),
        ];
        for (part, norm) in head_norms {
            if let Some(norm) = norm {
                self.norm(&name(part), norm)?;
            }
        }
        if let Some(gate) = &block.gate {
            self.linear(&name(names.gate), gate)?;
        }
        self.linear(&name(names.up), &block.up)?;
        self.linear(&name(names.down), &block.down)
    }

    fn norm(&mut self, name: &str, norm: &NormModule) -> Result<()> {
        let weight = Exported::read(format!("{name}.weight"), &norm.weight)?;
        self.out.push(weight);
        if let Some(bias) = &norm.bias {
            self.out.push(Exported::read(format!("{name}.bias"), bias)?);
        }
        Ok(())
    }

    fn linear(&mut self, name: &str, linear: &LinearModule) -> Result<()> {
        let weight = Exported::read(format!("{name}.weight"), &linear.weight)?;
        self.weight(weight);
        if let Some(bias) = &linear.bias {
            self.out.push(Exported::read(format!("{name}.bias"), bias)?);
        }
        Ok(())
    }

    /// Query, key and value as one map: one after the other, or head by head.
    fn joined(&mut self, name: &str, parts: [&LinearModule; 3], by_head: bool) -> Result<()> {
        let mut weights = Vec::with_capacity(3);
        let mut biases = Vec::with_capacity(3);
        for part in parts {
            weights.push(Exported::read("", &part.weight)?);
            if let Some(bias) = &part.bias {
                biases.push(Exported::read("", bias)?);
            }
        }
        let columns = weights.first().and_then(|weight| weight.shape.get(1));
        let columns = columns.copied().unwrap_or(1);
        let join = |parts: &[Exported], columns: usize| {
            let parts: Vec<&[f32]> = parts.iter().map(|part| &*part.values).collect();
            if by_head {
                interleave(&parts, self.head_width * columns)
            } else {
                parts.concat()
            }
        };
        let weight = join(&weights, columns);
        let bias = join(&biases, 1);
        self.weight(Exported {
            name: format!("{name}.weight"),
            shape: vec![weight.len() / columns, columns],
            values: weight,
        });
        if !bias.is_empty() {
            self.out.push(Exported {
                name: format!("{name}.bias"),
                shape: vec![bias.len()],
                values: bias,
            });
        }
        Ok(())
    }

    /// A linear map's weight, turned if the family stores inputs first.
    fn weight(&mut self, weight: Exported) {
        let weight = match (self.names.input_major, &*weight.shape) {
            (true, &[rows, columns]) => {
                let turned = (0..columns)
                    .flat_map(|column| (0..rows).map(move |row| row * columns + column))
                    .map(|index| weight.values[index])
                    .collect();
                Exported {
                    name: weight.name,
                    shape: vec![columns, rows],
                    values: turned,
                }
            }
            _ => weight,
        };
        self.out.push(weight);
    }
}

/// The first `chunk` values of each part, then the next of each, and so on.
fn interleave(parts: &[&[f32]], chunk: usize) -> Vec<f32> {
    let length = parts.first().map_or(0, |part| part.len());
    (0..length / chunk)
        .flat_map(|index| {
            parts
                .iter()
                .map(move |part| &part[index * chunk..][..chunk])
        })
        .flatten()
        .copied()
        .collect()
}
