//! The Burn modules against the same golden values as the inference path.
#![cfg(feature = "burn")]
#![cfg_attr(
    feature = "burn",
    expect(clippy::unwrap_used, reason = "a test without its files has failed")
)]

mod common;
#[path = "common/device.rs"]
mod device;

use burn::tensor::{Device, Tensor, TensorData};
use common::{Tensors, assert_close};
use device::device;
use rad3d_nn::projector::{LinearConfig, MapperConfig, R2GenGpt};
use rad3d_nn::trainable::{
    CtVitModule, EngineTower, HeadModule, InitialWeights, MapperModule, R2GenGptModule,
};
use rad3d_nn::{CtVitConfig, EnginePrecision};

fn upload<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn download<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// The tower of the fixtures.
fn tiny() -> CtVitConfig {
    CtVitConfig {
        volume_dhw: [40, 60, 60],
        patch_dhw: [10, 20, 20],
        dim: 32,
        spatial_depth: 2,
        temporal_depth: 2,
        heads: 4,
        head_dim: 8,
        codebook: Some(64),
        latent: 16,
    }
}

#[test]
fn the_tower_module_matches_the_published_code() {
    let device = device();
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    let tower = CtVitModule::load(&tiny(), &mut weights, &device).unwrap();
    let video = upload(golden.get("video"), [2, 1, 40, 60, 60], &device);

    let patches = download(tower.embed_patches(video.clone()));
    assert_close("patch.out", &patches, golden.get("patch.out"), 5e-4);
    let bias = download(tower.spatial_bias(&device));
    assert_close("bias", &bias, golden.get("spatial.attn_bias"), 5e-4);
    let output = tower.forward(video);
    assert_close(
        "vq.in",
        &download(output.codebook_in),
        golden.get("vq.in"),
        5e-4,
    );
    assert_close(
        "vq.out",
        &download(output.encoded),
        golden.get("vq.out"),
        5e-4,
    );
    assert_close(
        "latent",
        &download(output.latent),
        golden.get("latent"),
        1e-5,
    );
}

#[test]
fn a_scan_is_encoded_on_the_engine_s_device() {
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    let tower = EngineTower::load(&tiny(), &mut weights, &device()).unwrap();
    let scan = &golden.get("video")[..40 * 60 * 60];
    let expected = &golden.get("latent")[..16];
    assert_close("latent", &tower.encode(scan).unwrap(), expected, 1e-5);
    assert!(tower.encode(&scan[1..]).is_err());
    let holed: Vec<f32> = scan.iter().map(|x| x / 0.0).collect();
    assert!(tower.encode(&holed).is_err());
}

/// bfloat16 keeps 8 bits: tokens move by less than 5 % of the largest, and do move.
#[test]
fn the_tower_in_mixed_precision_is_near() {
    let device = device();
    if !EnginePrecision::Bf16.run_on(&device) {
        eprintln!("skipped: the device has no bfloat16");
        return;
    }
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    let tower = CtVitModule::load(&tiny(), &mut weights, &device).unwrap();
    let tower = tower.with_precision(EnginePrecision::Bf16);
    let output = tower.forward(upload(golden.get("video"), [2, 1, 40, 60, 60], &device));
    let tokens = download(output.codebook_in);
    let expected = golden.get("vq.in");
    let size = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    assert_close("tokens", &tokens, expected, 0.05 * size);
    assert_ne!(tokens, expected);
}

#[test]
fn the_mapper_module_matches_clipcap_and_exports_its_names() {
    let config = MapperConfig {
        width: 32,
        layers: 2,
        ..MapperConfig::default()
    };
    let device = device();
    let golden = Tensors::read("mapper/mapper_tiny_io.safetensors");
    let mut weights = Tensors::read("mapper/mapper_tiny.safetensors");
    let mapper = MapperModule::load(&config, &mut weights, &device).unwrap();
    let prefix = mapper.forward(upload(golden.get("input"), [2, 530], &device));
    assert_close("prefix", &download(prefix), golden.get("output"), 1e-4);

    let exported = mapper.export().unwrap();
    assert_eq!(exported.len(), weights.values.len());
    for parameter in exported {
        let (shape, values) = &weights.values[&parameter.name];
        assert_eq!(
            (&parameter.shape, &parameter.values),
            (shape, values),
            "{}",
            parameter.name
        );
    }
}

#[test]
fn gradients_reach_every_trained_parameter_of_the_mapper() {
    let config = MapperConfig {
        width: 32,
        layers: 1,
        input_dim: 20,
        ..MapperConfig::default()
    };
    let device = device().autodiff();
    let mapper = MapperModule::load(&config, &mut InitialWeights::new(7), &device).unwrap();
    let inputs: Vec<f32> = (0..40).map(|i| (i as f32).sin()).collect();
    let input = upload(&inputs, [2, 20], &device).require_grad();
    let gradients = mapper.forward(input.clone()).square().sum().backward();
    let gradient = download(input.grad(&gradients).unwrap());

    // Central differences of the same sum.
    let loss = |inputs: &[f32]| -> f64 {
        let prefix = download(mapper.forward(upload(inputs, [2, 20], &device)));
        prefix.iter().map(|&value| f64::from(value).powi(2)).sum()
    };
    for index in [0, 7, 25, 39] {
        let shifted = |by: f32| {
            let mut inputs = inputs.clone();
            inputs[index] += by;
            loss(&inputs)
        };
        let expected = (shifted(0.01) - shifted(-0.01)) / 0.02;
        let met = f64::from(gradient[index]);
        assert!(
            (met - expected).abs() < 0.02 * expected.abs().max(0.5),
            "{met} for {expected}"
        );
    }
}

#[test]
fn head_and_r2gengpt_modules_load_and_export() {
    let device = device();
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    let head = HeadModule::load(16, 18, &mut InitialWeights::new(1), &device).unwrap();
    let logits = head.forward(upload(golden.get("latent"), [2, 16], &device));
    assert_eq!(logits.dims(), [2, 18]);

    let config = LinearConfig {
        input_dim: 21,
        width: 6,
        prefix_length: 2,
    };
    let module = R2GenGptModule::load(&config, &mut InitialWeights::new(1), &device).unwrap();
    let names: Vec<_> = module
        .export()
        .unwrap()
        .into_iter()
        .map(|p| (p.name, p.shape))
        .collect();
    let stated: Vec<_> = R2GenGpt::parameters(&config)
        .into_iter()
        .map(|p| (p.name, p.shape))
        .collect();
    assert_eq!(names, stated);
}
