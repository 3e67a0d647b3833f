//! The forward pass.

use super::cache::{KvCache, Place};
use super::config::{Mlp, NormPlace, Positions, Residual};
use super::elementwise::{NormWeights, activate, normalise, normalised};
use super::load::{Block, Linear};
use super::matrix::Input;
use super::rows::Rows;
use super::simd::LANES;
use super::{CausalLm, attention};

/// Pieces of work that each thread gets at least, so that one that is held up costs little.
const PIECES_PER_THREAD: usize = 4;
/// Weights below which a second thread costs more than it saves.
const SMALLEST_PIECE: usize = 8192;

impl CausalLm {
    /// Runs all blocks over `rows`, whose tokens stand at `places`, and stores keys and values.
    ///
    /// `rows` are embeddings as wide as the token table; the result is the residual stream.
    pub(super) fn run_blocks(&self, rows: Rows, places: &[Place], cache: &mut KvCache) -> Rows {
        let weights = &self.weights;
        let mut stream = match &weights.project_in {
            Some(project) => self
                .linear(&rows, [project])
                .into_iter()
                .next()
                .unwrap_or(rows),
            None => rows,
        };
        if let (Positions::Learned { offset }, Some(table)) =
            (&self.config.positions, &weights.positions)
        {
            let mut position = vec![0.0; self.config.width];
            for (index, place) in places.iter().enumerate() {
                table.row(place.position + offset, &mut position);
                for (value, term) in stream.row_mut(index).iter_mut().zip(&position) {
                    *value += term;
                }
            }
        }
        for (layer, block) in weights.blocks.iter().enumerate() {
            self.run_block(layer, block, &mut stream, places, cache);
        }
        stream
    }

    fn run_block(
        &self,
        layer: usize,
        block: &Block,
        stream: &mut Rows,
        places: &[Place],
        cache: &mut KvCache,
    ) {
        let norm = |weights: &NormWeights, rows: &Rows| {
            normalised(self.config.norm, weights, rows, &self.pool)
        };
        match (self.config.norm_place, self.config.residual) {
            (NormPlace::Before, Residual::Sequential) => {
                let input = norm(&block.attention_norm, stream);
                stream.add(&self.attention(layer, block, &input, places, cache));
                let input = norm(&block.mlp_norm, stream);
                stream.add(&self.mlp(block, &input));
            }
            (NormPlace::Before, Residual::Parallel) => {
                let input = norm(&block.attention_norm, stream);
                let attention = self.attention(layer, block, &input, places, cache);
                let input = norm(&block.mlp_norm, stream);
                stream.add(&self.mlp(block, &input));
                stream.add(&attention);
            }
            (NormPlace::After, _) => {
                stream.add(&self.attention(layer, block, stream, places, cache));
                *stream = norm(&block.attention_norm, stream);
                stream.add(&self.mlp(block, stream));
                *stream = norm(&block.mlp_norm, stream);
            }
        }
    }

    fn attention(
        &self,
        layer: usize,
        block: &Block,
        input: &Rows,
        places: &[Place],
        cache: &mut KvCache,
    ) -> Rows {
        let config = &self.config;
        let width = config.head_width;
        let [mut queries, mut keys, values] =
            self.linear(input, [&block.query, &block.key, &block.value]);
        let scale = 1.0 / (width as f32).sqrt();
        let rotary = cache.rotary.as_ref();
        let turn = |heads: &mut [f32], norm: &Option<NormWeights>, place: &Place| {
            for head in heads.chunks_exact_mut(width) {
                if let Some(norm) = norm {
                    normalise(config.norm, norm, head);
                }
                if let Some(rotary) = rotary {
                    rotary.turn(head, place.position);
                }
            }
        };
        let mut tokens: Vec<_> = queries
            .each_mut()
            .zip(keys.each_mut())
            .zip(places)
            .collect();
        self.pool.for_each(&mut tokens, &|((query, key), place)| {
            turn(query, &block.query_norm, place);
            turn(key, &block.key_norm, place);
            for value in query.iter_mut() {
                *value *= scale;
            }
        });
        for (index, &place) in places.iter().enumerate() {
            cache.store(layer, place, keys.row(index), values.row(index));
        }

        let mut mixed = Rows::zeros(places.len(), config.query_width());
        let shared = mixed.shared();
        let sharing = config.heads / config.kv_heads;
        let cache = &*cache;
        // All heads that share keys and values go together, unless threads would have nothing to do.
        let wanted = self.pool.threads() * PIECES_PER_THREAD;
        let together = if places.len() * config.kv_heads >= wanted {
            sharing
        } else {
            1
        };
        let groups = config.heads / together;
        let pieces = places.len() * groups;
        let grain = (pieces / wanted).max(1);
        self.pool.for_ranges(pieces, grain, &|range| {
            let mut scores = Vec::new();
            for piece in range {
                let (index, group) = (piece / groups, piece % groups);
                let place = places[index];
                let first_head = group * together;
                let (keys, values) = cache.head(layer, place.sequence, first_head / sharing);
                let columns = first_head * width..(first_head + together) * width;
                let own_queries = &queries.row(index)[columns.clone()];
                // SAFETY: each piece is some heads of one row, visited once; `mixed` lives on.
                let out = unsafe { shared.columns(index, columns.start, columns.len()) };
                let seen = attention::Seen {
                    keys,
                    values,
                    length: place.position + 1,
                };
                attention::attend(self.isa, width, own_queries, seen, &mut scores, out);
            }
        });
        let [output] = self.linear(&mixed, [&block.output]);
        output
    }

    fn mlp(&self, block: &Block, input: &Rows) -> Rows {
        let activation = self.config.mlp.activation();
        let hidden = self.config.mlp_width;
        let mut inner = Rows::zeros(input.count(), hidden);
        let mut outer = match self.config.mlp {
            Mlp::Gated(_) => Rows::zeros(input.count(), hidden),
            Mlp::Plain(_) => Rows::default(),
        };
        // What goes through the activation, and what it is multiplied with.
        let (through, beside) = match &block.gate {
            Some(gate) => (gate, Some(&block.up)),
            None => (&block.up, None),
        };
        let matrices = [
            &through.matrix,
            beside.map_or(&through.matrix, |up| &up.matrix),
        ];
        let product_input = Input::new(self.isa, input, self.arithmetic, &matrices, &self.pool);
        let (inner_columns, outer_columns) = (inner.shared(), outer.shared());
        let panels = through.matrix.panels();
        self.pool
            .for_ranges(panels, self.grain(panels, self.config.width), &|range| {
                // SAFETY: each panel is visited once, and is the only writer of its columns; the
                // padding of `Rows` makes whole panels fit.
                unsafe {
                    through.apply(self.isa, range.clone(), &product_input, inner_columns);
                    if let Some(up) = beside {
                        up.apply(self.isa, range.clone(), &product_input, outer_columns);
                    }
                    let (first, length) = (range.start * LANES, range.len() * LANES);
                    for row in 0..inner_columns.count() {
                        let values = inner_columns.columns(row, first, length);
                        let factors = beside.map(|_| &*outer_columns.columns(row, first, length));
                        activate(self.isa, activation, values, factors);
                    }
                }
            });
        let [output] = self.linear(&inner, [&block.down]);
        output
    }

    /// Several linear maps of the same input, shared out together.
    pub(super) fn linear<const K: usize>(&self, input: &Rows, maps: [&Linear; K]) -> [Rows; K] {
        let mut outputs = maps.map(|map| Rows::zeros(input.count(), map.matrix.rows()));
        let product_input = Input::new(
            self.isa,
            input,
            self.arithmetic,
            &maps.map(|map| &map.matrix),
            &self.pool,
        );
        let shared: [_; K] = outputs.each_mut().map(Rows::shared);
        let panels = maps.iter().map(|map| map.matrix.panels()).sum();
        self.pool
            .for_ranges(panels, self.grain(panels, input.width()), &|range| {
                let mut first = 0;
                for (map, out) in maps.iter().zip(shared) {
                    let own = first..first + map.matrix.panels();
                    let (start, end) = (range.start.max(own.start), range.end.min(own.end));
                    if start < end {
                        // SAFETY: each panel is visited once, and is the only writer of its columns.
                        unsafe {
                            map.apply(self.isa, start - first..end - first, &product_input, out)
                        };
                    }
                    first = own.end;
                }
            });
        outputs
    }

    /// Panels, of `columns` each, that a thread takes at a time.
    fn grain(&self, panels: usize, columns: usize) -> usize {
        let pieces = self.pool.threads() * PIECES_PER_THREAD;
        let smallest = SMALLEST_PIECE / (columns * LANES).max(1);
        // Whole groups of four panels, which the kernels take together.
        panels.div_ceil(pieces).max(smallest).next_multiple_of(4)
    }

    /// Logits of the rows given: `[rows, vocabulary]`.
    pub(super) fn head(&self, stream: &Rows) -> Rows {
        let weights = &self.weights;
        let mut rows = match &weights.final_norm {
            Some(norm) => normalised(self.config.norm, norm, stream, &self.pool),
            None => stream.clone(),
        };
        if let Some(project) = &weights.project_out {
            let [projected] = self.linear(&rows, [project]);
            rows = projected;
        }
        let matrix = weights
            .head
            .as_ref()
            .map_or(&weights.tokens, |head| &head.matrix);
        let mut logits = Rows::zeros(rows.count(), matrix.rows());
        let input = Input::new(self.isa, &rows, self.arithmetic, &[matrix], &self.pool);
        let shared = logits.shared();
        self.pool.for_ranges(
            matrix.panels(),
            self.grain(matrix.panels(), rows.width()),
            &|range| {
                // SAFETY: each panel is visited once, and is the only writer of its columns.
                unsafe { matrix.multiply(self.isa, range, &input, shared) };
            },
        );
        logits
    }
}

impl Linear {
    /// Products and biases for the columns of some panels.
    ///
    /// # Safety
    /// As for [`super::matrix::Matrix::multiply`].
    unsafe fn apply(
        &self,
        isa: super::simd::Isa,
        panels: std::ops::Range<usize>,
        input: &Input<'_>,
        out: super::rows::SharedRows,
    ) {
        let columns = panels.start * LANES..self.matrix.rows().min(panels.end * LANES);
        // SAFETY: passed on from the caller.
        unsafe {
            self.matrix.multiply(isa, panels, input, out);
            if let Some(bias) = &self.bias {
                for row in 0..out.count() {
                    let values = out.columns(row, columns.start, columns.len());
                    for (value, term) in values.iter_mut().zip(&bias[columns.clone()]) {
                        *value += term;
                    }
                }
            }
        }
    }
}
