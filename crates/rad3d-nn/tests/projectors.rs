//! Prefix mapper, linear projector and R2GenGPT's.

mod common;

use common::{Tensors, assert_close};
use rad3d_nn::projector::{
    ImagePrompt, LinearConfig, LinearProjector, MapperConfig, ParameterShape, PrefixMapper,
    Projector, R2GenGpt, join_priors, parameter_count,
};
use rad3d_nn::{Fault, Result, Weight, WeightSource};

fn tiny() -> MapperConfig {
    MapperConfig {
        input_dim: 530,
        width: 32,
        prefix_length: 10,
        clip_length: 10,
        layers: 2,
        heads: 8,
    }
}

#[test]
fn the_mapper_matches_clipcap() {
    let golden = Tensors::read("mapper/mapper_tiny_io.safetensors");
    let mut weights = Tensors::read("mapper/mapper_tiny.safetensors");
    let mapper = PrefixMapper::load(&tiny(), &mut weights).unwrap();
    let prefix = mapper.project(golden.get("input")).unwrap();
    assert_close("prefix", &prefix, golden.get("output"), 1e-4);
    let mut taken = weights.taken.clone();
    taken.sort();
    assert!(
        taken.iter().eq(weights.values.keys()),
        "every parameter of the file is used once"
    );
}

#[test]
fn the_mapper_would_not_match_with_a_norm_at_the_end_or_heads_split_otherwise() {
    let golden = Tensors::read("mapper/mapper_tiny_io.safetensors");
    for heads in [1, 4, 16] {
        let mut weights = Tensors::read("mapper/mapper_tiny.safetensors");
        let mapper = PrefixMapper::load(&MapperConfig { heads, ..tiny() }, &mut weights).unwrap();
        let prefix = mapper.project(golden.get("input")).unwrap();
        assert!(
            common::distance(&prefix, golden.get("output")) > 1e-3,
            "{heads} heads"
        );
    }
}

#[test]
fn the_published_mapper_has_exactly_the_stated_parameters() {
    for (input_dim, stated) in [(512, 279_093_248), (530, 279_461_888)] {
        let config = MapperConfig {
            input_dim,
            ..MapperConfig::default()
        };
        assert_eq!(parameter_count(&config.parameters()), stated);
        // What loading asks for, not only what is listed.
        let mut asked = Asked(0);
        PrefixMapper::load(&config, &mut asked).unwrap();
        assert_eq!(asked.0, stated);
    }
}

/// Counts what a network asks for, and hands out one shared, lazily backed block of zeros.
struct Asked(usize);

impl WeightSource for Asked {
    fn take(&mut self, _: &str, shape: &[usize]) -> Result<Weight> {
        let values = shape.iter().product();
        self.0 += values;
        // Fresh zeros cost no memory until they are read.
        Ok(Weight::new(vec![0.0; values]))
    }
}

fn counting(parameters: &[ParameterShape]) -> Tensors {
    let mut tensors = Tensors::read("mapper/mapper_tiny.safetensors");
    tensors.values.clear();
    for ParameterShape { name, shape } in parameters {
        let size: usize = shape.iter().product();
        let values = (0..size)
            .map(|i| ((i * 7 + name.len()) % 11) as f32 * 0.1 - 0.5)
            .collect();
        tensors.values.insert(name.clone(), (shape.clone(), values));
    }
    tensors
}

fn by_hand(weights: &Tensors, name: &str, input: &[f32]) -> Vec<f32> {
    let rows = weights.get(&format!("{name}.weight")).chunks(input.len());
    rows.zip(weights.get(&format!("{name}.bias")))
        .map(|(row, bias)| row.iter().zip(input).map(|(w, x)| w * x).sum::<f32>() + bias)
        .collect()
}

#[test]
fn the_linear_projector_and_r2gengpt_do_what_they_say() {
    let config = LinearConfig {
        input_dim: 21,
        width: 6,
        prefix_length: 2,
    };
    let inputs: Vec<f32> = (0..42).map(|i| (i as f32 * 0.7).sin()).collect();

    let mut weights = counting(&config.parameters());
    let linear = LinearProjector::load(&config, &mut weights).unwrap();
    let expected: Vec<f32> = inputs
        .chunks(21)
        .flat_map(|input| by_hand(&weights, "linear", input))
        .collect();
    assert_close("linear", &linear.project(&inputs).unwrap(), &expected, 1e-5);

    let mut weights = counting(&R2GenGpt::parameters(&config));
    let baseline = R2GenGpt::load(&config, &mut weights).unwrap();
    let (gain, shift) = (
        weights.get("layer_norm.weight"),
        weights.get("layer_norm.bias"),
    );
    let mut expected = Vec::new();
    for input in inputs.chunks(21) {
        for row in by_hand(&weights, "llama_proj", input).chunks(6) {
            let mean = row.iter().sum::<f32>() / 6.0;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 6.0;
            let scale = 1.0 / (variance + 1e-5).sqrt();
            expected.extend((0..6).map(|i| (row[i] - mean) * scale * gain[i] + shift[i]));
        }
    }
    assert_close(
        "r2gengpt",
        &baseline.project(&inputs).unwrap(),
        &expected,
        1e-5,
    );

    let all: [&dyn Projector; 2] = [&linear, &baseline];
    for projector in all {
        assert_eq!(
            (
                projector.input_dim(),
                projector.prefix_length(),
                projector.width()
            ),
            (21, 2, 6)
        );
        assert_eq!(
            projector.project(&inputs[1..]).unwrap_err().fault,
            Fault::Shape
        );
    }
}

#[test]
fn the_prompt_goes_around_the_image() {
    let prompt = ImagePrompt::new("Human: <Img><ImageHere></Img> Describe it.").unwrap();
    assert_eq!(prompt.before, "Human: <Img>");
    assert_eq!(prompt.after, "</Img> Describe it.");
    for wrong in ["no image", "<ImageHere> <ImageHere>"] {
        assert_eq!(ImagePrompt::new(wrong).unwrap_err().fault, Fault::Config);
    }
    let (before, after) = ([1.0, 2.0], [7.0, 8.0]);
    let prefixes = [3.0, 3.0, 4.0, 4.0, 5.0, 5.0, 6.0, 6.0];
    let wrapped = ImagePrompt::wrap(&before, &prefixes, &after, 2, 2).unwrap();
    let expected = [
        1., 2., 3., 3., 4., 4., 7., 8., 1., 2., 5., 5., 6., 6., 7., 8.,
    ];
    assert_eq!(wrapped, expected);
    assert!(ImagePrompt::wrap(&before, &prefixes[1..], &after, 2, 2).is_err());
}

#[test]
fn logits_go_behind_their_own_embedding() {
    let joined = join_priors(&[1.0, 2.0, 3.0, 4.0], &[9.0, 8.0], 2).unwrap();
    assert_eq!(joined, [1.0, 2.0, 9.0, 3.0, 4.0, 8.0]);
    assert!(join_priors(&[1.0, 2.0, 3.0], &[9.0, 8.0], 2).is_err());
    assert!(join_priors(&[], &[], 0).is_err());
}
