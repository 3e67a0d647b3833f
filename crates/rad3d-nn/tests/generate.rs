//! Greedy and beam search against `transformers` (fixtures by tests/golden/causal_lm.py).

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::ops::ControlFlow;
use std::path::PathBuf;

use rad3d_nn::causal_lm::{CausalLm, LmOptions};
use rad3d_nn::generate::{
    BeamSettings, EarlyStopping, Ended, GenerationSettings, Prompt, SampleSettings, Strategy,
    generate,
};
use rad3d_weights::Checkpoint;
use serde::Deserialize;

const FAMILIES: [&str; 10] = [
    "llama2",
    "llama3",
    "qwen2",
    "qwen3",
    "gpt2",
    "gpt_neox",
    "gpt_neox_sequential",
    "opt",
    "opt_post_norm",
    "biogpt",
];

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Vec<u32>>,
    prefix_ids: usize,
    new_tokens: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    prompt: String,
    settings: HfSettings,
    tokens: Vec<u32>,
}

/// Settings as `transformers` names them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HfSettings {
    eos_token_id: Option<u32>,
    repetition_penalty: Option<f32>,
    no_repeat_ngram_size: Option<usize>,
    num_beams: Option<usize>,
    length_penalty: Option<f32>,
    early_stopping: Option<bool>,
}

impl HfSettings {
    fn ours(&self, max_new_tokens: usize) -> GenerationSettings {
        let strategy = self.num_beams.map_or(Strategy::Greedy, |beams| {
            Strategy::Beam(BeamSettings {
                beams,
                length_penalty: self.length_penalty.unwrap_or(1.0),
                early_stopping: match self.early_stopping {
                    Some(true) => EarlyStopping::WhenFull,
                    _ => EarlyStopping::Heuristic,
                },
            })
        });
        GenerationSettings {
            max_new_tokens,
            max_length: None,
            stop_tokens: self.eos_token_id.into_iter().collect(),
            strategy,
            repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
            no_repeat_ngram: self.no_repeat_ngram_size.unwrap_or(0),
        }
    }
}

fn open(family: &str) -> (CausalLm, Golden, Vec<f32>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/causal_lm")
        .join(family);
    let text = std::fs::read_to_string(folder.join("golden.json")).unwrap();
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config =
        rad3d_nn::causal_lm::DecoderConfig::from_hf(folder.join("config.json"), &config).unwrap();
    let weights = Checkpoint::open(folder.join("model.safetensors")).unwrap();
    let tensors = Checkpoint::open(folder.join("golden.safetensors")).unwrap();
    (
        CausalLm::new(config, &weights, LmOptions::default()).unwrap(),
        serde_json::from_str(&text).unwrap(),
        tensors.to_f32("prefix").unwrap(),
    )
}

#[test]
fn greedy_and_beam_search_write_the_same_tokens() {
    for family in FAMILIES {
        let (model, golden, prefix) = open(family);
        let row = &golden.rows[0];
        let tail = model.embed(&row[..golden.prefix_ids]).unwrap();
        let embedded = [prefix, tail].concat();
        for case in &golden.cases {
            let prompt = match case.prompt.as_str() {
                "ids" => Prompt::ids(row),
                _ => Prompt::embeddings(&embedded),
            };
            let settings = case.settings.ours(golden.new_tokens);
            let mut seen = Vec::new();
            let texts = generate(&model, &[prompt], &settings, &mut |new| {
                seen.push(new.token);
                ControlFlow::Continue(())
            })
            .unwrap();
            let what = format!("{family} {} {:?}", case.prompt, case.settings);
            assert_eq!(texts[0].tokens, case.tokens, "{what}");
            assert_eq!(seen, case.tokens, "{what}");
            assert_eq!(texts[0].log_probabilities.len(), case.tokens.len());
            assert!(texts[0].log_probabilities.iter().all(|&log| log <= 0.0));
        }
    }
}

#[test]
fn a_batch_writes_what_its_prompts_write_alone() {
    for family in ["llama3", "gpt2", "opt"] {
        let (model, golden, prefix) = open(family);
        for strategy in [
            Strategy::Greedy,
            Strategy::Sample(SampleSettings {
                temperature: 0.8,
                top_k: 20,
                ..Default::default()
            }),
        ] {
            let settings = GenerationSettings {
                max_new_tokens: 15,
                strategy,
                ..Default::default()
            };
            let mut prompts: Vec<Prompt<'_>> =
                golden.rows.iter().map(|row| Prompt::ids(row)).collect();
            prompts.push(Prompt::embeddings(&prefix).then_ids(&golden.rows[0][..2]));
            let go_on = &mut |_| ControlFlow::Continue(());
            let together = generate(&model, &prompts, &settings, go_on).unwrap();
            let alone = generate(&model, &prompts[..1], &settings, go_on).unwrap();
            assert_eq!(together[0].tokens, alone[0].tokens, "{family}");
            if strategy == Strategy::Greedy {
                for (text, prompt) in together.iter().zip(&prompts) {
                    let one = std::slice::from_ref(prompt);
                    let alone = generate(&model, one, &settings, go_on).unwrap();
                    assert_eq!(text.tokens, alone[0].tokens, "{family}");
                }
            }
        }
    }
}

#[test]
fn an_observer_can_end_one_text_of_a_batch() {
    let (model, golden, _) = open("llama2");
    let prompts = [Prompt::ids(&golden.rows[0]), Prompt::ids(&golden.rows[1])];
    let settings = GenerationSettings {
        max_new_tokens: 6,
        ..Default::default()
    };
    let mut told = 0;
    let texts = generate(&model, &prompts, &settings, &mut |new| {
        told += usize::from(new.prompt == 0);
        if told == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap();
    assert_eq!(
        (texts[0].tokens.len(), texts[0].ended),
        (3, Ended::Cancelled)
    );
    assert_eq!(texts[1].ended, Ended::Cancelled);
    let texts = generate(&model, &prompts, &settings, &mut |new| match new.prompt {
        0 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .unwrap();
    assert_eq!(
        (texts[0].tokens.len(), texts[0].ended),
        (1, Ended::Cancelled)
    );
    assert_eq!((texts[1].tokens.len(), texts[1].ended), (6, Ended::Length));
}

#[test]
fn a_longest_length_counts_for_each_prompt_by_itself() {
    let (model, golden, _) = open("llama2");
    let (long, short) = (&golden.rows[0], &golden.rows[0][..2]);
    let prompts = [Prompt::ids(long), Prompt::ids(short)];
    for strategy in [Strategy::Greedy, Strategy::Beam(BeamSettings::default())] {
        let settings = GenerationSettings {
            max_new_tokens: usize::MAX,
            max_length: Some(long.len() + 3),
            strategy,
            ..Default::default()
        };
        let mut ended = [0, 0];
        let texts = generate(&model, &prompts, &settings, &mut |new| {
            if let Some(why) = new.ended {
                assert_eq!(why, Ended::Length);
                ended[new.prompt] += 1;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        let lengths = [texts[0].tokens.len(), texts[1].tokens.len()];
        assert_eq!(lengths, [3, long.len() + 1]);
        assert_eq!(ended, [1, 1], "each end is told once");
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let (model, golden, _) = open("llama2");
    let prompts = [Prompt::ids(&golden.rows[0])];
    let wrong = [
        (
            GenerationSettings {
                max_new_tokens: 0,
                ..Default::default()
            },
            "max-new-tokens",
        ),
        (
            GenerationSettings {
                repetition_penalty: 0.0,
                ..Default::default()
            },
            "repetition",
        ),
        (
            GenerationSettings {
                strategy: Strategy::Beam(BeamSettings {
                    beams: 0,
                    ..Default::default()
                }),
                max_new_tokens: 4,
                ..Default::default()
            },
            "beams",
        ),
        (
            GenerationSettings {
                strategy: Strategy::Sample(SampleSettings {
                    top_p: 1.5,
                    ..Default::default()
                }),
                max_new_tokens: 4,
                ..Default::default()
            },
            "top-p",
        ),
        (
            GenerationSettings {
                max_new_tokens: 10_000,
                ..Default::default()
            },
            "prompt 0",
        ),
        (
            GenerationSettings {
                max_length: Some(golden.rows[0].len()),
                ..Default::default()
            },
            "prompt 0",
        ),
    ];
    for (settings, name) in wrong {
        let error = generate(&model, &prompts, &settings, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}
