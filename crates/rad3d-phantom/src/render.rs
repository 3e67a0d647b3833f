//! From a scene to voxels: slice by slice, the tissues first, then shape over shape, then what a
//! scanner does to it.
//!
//! Slices depend on nothing but the scene and their height, so that they can be made side by side
//! with the same result. Thick slices are the mean of thinner ones, which is what a thick slice is.

use rayon::prelude::*;

use crate::grid::Scanner;
use crate::random::{SmoothNoise, grain, lerp, smoothstep};
use crate::scene::Scene;
use crate::scene::body::{Site, Tissue, horizontal_fissure, oblique_fissure};
use crate::scene::skeleton;
use crate::scene::solid::{Mm3, Shape, Within};

/// Thickest layer that is drawn as if it had no thickness.
const LAYER_MM: f64 = 2.1;
/// What a 12-bit scanner can say.
const RANGE_HU: [f32; 2] = [-1024.0, 3071.0];
/// Air around the patient.
const AIR: f32 = -1000.0;

impl Scene {
    /// Scans the phantom: Hounsfield units, columns fastest, then rows, then slices.
    ///
    /// The same scene and scanner give the same values, on any number of cores.
    #[must_use]
    pub fn scan(&self, scanner: &Scanner) -> Vec<i16> {
        let [columns, rows, slices] = scanner.dims_ijk;
        let mut voxels = vec![0_i16; columns * rows * slices];
        voxels
            .par_chunks_mut((columns * rows).max(1))
            .enumerate()
            .for_each(|(k, slice)| {
                self.slice(scanner, k, slice);
            });
        voxels
    }

    /// One slice.
    fn slice(&self, scanner: &Scanner, k: usize, out: &mut [i16]) {
        let layers = (scanner.slice_mm / LAYER_MM).ceil().max(1.0) as usize;
        let mut plane = Plane::new(self, scanner);
        let mut mean = vec![0.0_f32; out.len()];
        for layer in 0..layers {
            let part = (layer as f64 + 0.5) / layers as f64 - 0.5;
            let centre = scanner.origin_lps_mm[2] + k as f64 * scanner.spacing_mm[2];
            let z = centre + part * scanner.slice_mm;
            plane.draw(z as f32);
            for (sum, hu) in mean.iter_mut().zip(&plane.hu) {
                *sum += hu / layers as f32;
            }
        }
        let place = (k * out.len()) as u64;
        for (index, hu) in mean.iter_mut().enumerate() {
            *hu += scanner.noise_hu * grain(self.facts.seed, place + index as u64);
        }
        blur(&mut mean, scanner);
        for (out, hu) in out.iter_mut().zip(&mean) {
            *out = hu.clamp(RANGE_HU[0], RANGE_HU[1]).round() as i16;
        }
    }
}

/// A horizontal layer being drawn, in the scene's own millimetres.
struct Plane<'a> {
    scene: &'a Scene,
    columns: usize,
    rows: usize,
    origin: [f32; 2],
    step: [f32; 2],
    /// Width of an edge.
    edge: f32,
    hu: Vec<f32>,
    /// How much of each voxel is lung.
    lung: Vec<f32>,
    /// Whether each voxel lies inside the chest wall.
    cavity: Vec<bool>,
}

impl<'a> Plane<'a> {
    fn new(scene: &'a Scene, scanner: &Scanner) -> Self {
        let [columns, rows, _] = scanner.dims_ijk;
        let stature = f64::from(scene.facts.stature);
        let scaled = |mm: [f64; 3]| [(mm[0] / stature) as f32, (mm[1] / stature) as f32];
        Self {
            scene,
            columns,
            rows,
            origin: scaled(scanner.origin_lps_mm),
            step: scaled(scanner.spacing_mm),
            edge: (scanner.edge_mm / stature) as f32,
            hu: vec![0.0; columns * rows],
            lung: vec![0.0; columns * rows],
            cavity: vec![false; columns * rows],
        }
    }

    fn draw(&mut self, z_mm: f32) {
        let z = z_mm / self.scene.facts.stature;
        self.tissues(z);
        let scene = self.scene;
        for shape in &scene.shapes {
            self.shape(shape, z);
        }
    }

    /// What fills the plane before any shape.
    fn tissues(&mut self, z: f32) {
        let scene = self.scene;
        let level = scene.body.level(z);
        let back = scene.body.back_y();
        for row in 0..self.rows {
            let y = self.origin[1] + row as f32 * self.step[1];
            for column in 0..self.columns {
                let x = self.origin[0] + column as f32 * self.step[0];
                let index = row * self.columns + column;
                let site = scene.body.site(&level, x, y);
                let (hu, lung) = self.tissue(&site, [x, y, z], back);
                self.hu[index] = hu;
                self.lung[index] = lung;
                self.cavity[index] = site.tissue.in_cavity();
            }
        }
    }

    /// Radiodensity of a place and how much of it is lung.
    fn tissue(&self, site: &Site, at: Mm3, back: f32) -> (f32, f32) {
        let [x, y, _] = at;
        match site.tissue {
            Tissue::Air => (skeleton::table(x, y, back).unwrap_or(AIR), 0.0),
            Tissue::Lung => {
                let part = smoothstep(0.0, -self.edge, site.lung);
                (lerp(-20.0, self.lung_hu(at, site), part), part)
            }
            solid => (self.solid_hu(solid, at), 0.0),
        }
    }

    fn solid_hu(&self, tissue: Tissue, at: Mm3) -> f32 {
        // One octave: scanner noise hides what finer ones would add.
        let texture = |scale: f32| self.scene.texture.at(at.map(|x| x / scale));
        match tissue {
            Tissue::Air | Tissue::Lung => AIR,
            Tissue::Skin => 20.0,
            Tissue::Fat => -103.0 + 7.0 * texture(9.0) + strands(self.scene.texture, at),
            Tissue::Muscle => {
                // Fat between the layers of muscle.
                let between = self
                    .scene
                    .texture
                    .at([at[0] / 24.0, at[1] / 17.0, at[2] / 40.0]);
                lerp(-45.0, 54.0, smoothstep(0.02, 0.07, between.abs())) + 6.0 * texture(6.0)
            }
            Tissue::Mediastinum => -92.0 + 10.0 * texture(8.0) + strands(self.scene.texture, at),
            Tissue::Diaphragm => 45.0,
            Tissue::Liver => {
                let rise = if self.scene.facts.contrast { 45.0 } else { 0.0 };
                58.0 + rise + 5.0 * texture(7.0)
            }
            Tissue::LeftUpperAbdomen => -98.0 + 9.0 * texture(9.0),
            Tissue::Effusion => 10.0 + 3.0 * texture(10.0),
        }
    }

    /// Aerated lung: a little denser at the back, finely mottled, with its fissures, and with
    /// what disease does to it.
    fn lung_hu(&self, at: Mm3, site: &Site) -> f32 {
        let scene = self.scene;
        let gravity = 28.0 * smoothstep(-60.0, 90.0, at[1]);
        let mottle = 14.0 * scene.texture.at(at.map(|x| x / 3.5))
            + 10.0 * scene.texture.at(at.map(|x| x / 22.0));
        let mut hu = -868.0 + gravity + mottle;
        let fissure = if at[0] < 0.0 && oblique_fissure(at) < 0.0 {
            oblique_fissure(at).abs().min(horizontal_fissure(at).abs())
        } else {
            oblique_fissure(at).abs()
        };
        hu += 190.0 * smoothstep(0.9, 0.2, fissure);
        for field in &scene.fields {
            let weight = field.weight(at, site.depth);
            if weight > 0.0 {
                hu = lerp(hu, field.hu + mottle, weight);
            }
        }
        hu
    }

    /// Draws a shape over what is there.
    fn shape(&mut self, shape: &Shape, z: f32) {
        let (low, high) = shape.solid.bounds();
        let reach = shape.bumps_mm + self.edge.max(self.step[0]);
        if z < low[2] - reach || z > high[2] + reach {
            return;
        }
        let range = |axis: usize, count: usize| {
            let index = |mm: f32| ((mm - self.origin[axis]) / self.step[axis]).max(0.0) as usize;
            index(low[axis] - reach)..(index(high[axis] + reach) + 2).min(count)
        };
        // What is thinner than an edge shows in part.
        let edge = 0.6 * self.edge;
        for row in range(1, self.rows) {
            let y = self.origin[1] + row as f32 * self.step[1];
            for column in range(0, self.columns) {
                let x = self.origin[0] + column as f32 * self.step[0];
                let index = row * self.columns + column;
                let room = match shape.within {
                    Within::Everything => 1.0,
                    Within::Cavity => f32::from(u8::from(self.cavity[index])),
                    Within::Lung => self.lung[index],
                };
                if room == 0.0 {
                    continue;
                }
                let distance = shape.distance([x, y, z], self.scene.texture);
                let cover = (0.5 - 0.5 * distance / edge).clamp(0.0, 1.0) * room;
                if cover > 0.0 {
                    self.hu[index] = lerp(self.hu[index], shape.hu, cover);
                }
            }
        }
    }
}

/// Thin strands of tissue and small vessels in fat.
fn strands(noise: SmoothNoise, at: Mm3) -> f32 {
    let value = noise.at([at[0] / 7.0 + 91.0, at[1] / 7.0, at[2] / 11.0]);
    45.0 * smoothstep(0.06, 0.0, value.abs())
}

/// Gaussian blur in the plane, rows then columns.
fn blur(plane: &mut [f32], scanner: &Scanner) {
    let [columns, rows, _] = scanner.dims_ijk;
    let sigma = scanner.blur_mm / scanner.spacing_mm[0] as f32;
    if sigma <= 0.05 {
        return;
    }
    // Three taps each side hold all of a blur of up to about a voxel.
    let weights: [f32; 4] = std::array::from_fn(|n| (-0.5 * (n as f32 / sigma).powi(2)).exp());
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
    let weights = weights.map(|weight| weight / total);
    let mut line = vec![0.0; columns];
    for row in plane.chunks_mut(columns.max(1)) {
        line.copy_from_slice(row);
        for (column, out) in row.iter_mut().enumerate() {
            let mut sum = weights[0] * line[column];
            for (n, weight) in weights.iter().enumerate().skip(1) {
                let before = line[column.saturating_sub(n)];
                let after = line[(column + n).min(columns - 1)];
                sum += weight * (before + after);
            }
            *out = sum;
        }
    }
    let source = plane.to_vec();
    for (row, out) in plane.chunks_mut(columns.max(1)).enumerate() {
        let line = |row: usize| &source[row * columns..(row + 1) * columns];
        for (out, here) in out.iter_mut().zip(line(row)) {
            *out = weights[0] * here;
        }
        for (n, weight) in weights.iter().enumerate().skip(1) {
            let before = line(row.saturating_sub(n));
            let after = line((row + n).min(rows - 1));
            for ((out, before), after) in out.iter_mut().zip(before).zip(after) {
                *out += weight * (before + after);
            }
        }
    }
}
