//! From the object in a pickle to named tensors: wrappers, nesting, prefixes.

use std::path::Path;

use super::pickle::Pickle;
use super::value::{Id, Strided, Value};
use crate::error::{Fault, Result, WeightsError};

/// Keys under which training programs put the model's state dict beside other things.
const WRAPPERS: [&str; 8] = [
    "model",
    "state_dict",
    "model_state_dict",
    "model_state",
    "module",
    "network",
    "net",
    "weights",
];

/// Nesting of dictionaries and lists that is followed.
const MAX_DEPTH: usize = 32;

/// Containers' items looked at; more than any real file has, so that a pickle whose lists hold
/// each other many times over ends in an error and not in hours.
const MAX_STEPS: usize = 1 << 23;

/// Tensors found under their dotted names, and what was left out or unwrapped.
pub(crate) struct StateDict<'p> {
    pub(crate) tensors: Vec<(String, &'p Strided)>,
    pub(crate) notes: Vec<String>,
}

impl<'p> StateDict<'p> {
    /// Finds the model's tensors in the pickle's object.
    ///
    /// # Errors
    /// [`Fault::OptimiserState`] if it is one, [`Fault::UnknownFormat`] if no tensor is in it.
    pub(crate) fn find(path: &'p Path, pickle: &'p Pickle<'_>) -> Result<Self> {
        let mut notes = Vec::new();
        let mut root = pickle.root;
        // A wrapper in a wrapper happens: {"checkpoint": {"model": ...}} does not, two levels of
        // trainers do.
        for _ in 0..4 {
            if is_optimiser_state(pickle, root) {
                return Err(optimiser_state(path));
            }
            let Some((key, inner, others)) = unwrap(pickle, root) else {
                break;
            };
            let mut note = format!("took the state dict under `{key}`");
            if !others.is_empty() {
                note.push_str(&format!(", left out {}", others.join(", ")));
            }
            notes.push(note);
            root = inner;
        }
        let mut search = Search {
            path,
            pickle,
            steps: 0,
            tensors: Vec::new(),
            optimisers: Vec::new(),
        };
        search.walk(root, String::new(), 0)?;
        for name in &search.optimisers {
            notes.push(format!("left out the optimiser state under `{name}`"));
        }
        if search.tensors.is_empty() {
            let hint = "give a file that holds a model's state_dict()";
            let what = match search.optimisers.is_empty() {
                true => "holds no tensor".to_owned(),
                false => return Err(optimiser_state(path)),
            };
            return Err(WeightsError::new(Fault::UnknownFormat, path, what, hint));
        }
        let tensors = search.tensors;
        Ok(Self { tensors, notes })
    }
}

fn optimiser_state(path: &Path) -> WeightsError {
    let hint = "CT-CLIP's and CT-LiPro's trainers write the optimiser over the model in \
                epoch_N.pt; the model is in the checkpoint_* file beside it";
    let what = "holds an optimiser's state (`state` and `param_groups`), no model";
    WeightsError::new(Fault::OptimiserState, path, what, hint)
}

fn key_text<'a>(pickle: &Pickle<'a>, id: Id) -> Option<&'a str> {
    match pickle.get(id) {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn is_optimiser_state(pickle: &Pickle<'_>, id: Id) -> bool {
    let Value::Dict(items) = pickle.get(id) else {
        return false;
    };
    let has = |name| {
        items
            .iter()
            .any(|&(key, _)| key_text(pickle, key) == Some(name))
    };
    has("state") && has("param_groups")
}

/// The model's dictionary inside a trainer's: its key, itself, the keys left out.
///
/// Only a dictionary that holds no tensor of its own is taken for a wrapper, so that a module
/// which happens to be called `model` stays where it is.
fn unwrap<'a>(pickle: &Pickle<'a>, id: Id) -> Option<(&'static str, Id, Vec<&'a str>)> {
    let Value::Dict(items) = pickle.get(id) else {
        return None;
    };
    if items
        .iter()
        .any(|&(_, value)| matches!(pickle.get(value), Value::Tensor(_)))
    {
        return None;
    }
    let (wrapper, inner) = WRAPPERS.iter().find_map(|&wrapper| {
        let is_model = |&&(key, value): &&(Id, Id)| {
            key_text(pickle, key) == Some(wrapper) && matches!(pickle.get(value), Value::Dict(_))
        };
        let &(_, inner) = items.iter().rev().find(is_model)?;
        Some((wrapper, inner))
    })?;
    let others = items
        .iter()
        .filter_map(|&(key, _)| key_text(pickle, key))
        .filter(|&key| key != wrapper)
        .collect();
    Some((wrapper, inner, others))
}

struct Search<'p, 'a> {
    path: &'p Path,
    pickle: &'p Pickle<'a>,
    steps: usize,
    tensors: Vec<(String, &'p Strided)>,
    optimisers: Vec<String>,
}

impl<'p> Search<'p, '_> {
    fn walk(&mut self, id: Id, name: String, depth: usize) -> Result<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS || depth > MAX_DEPTH {
            let what = "its pickle nests dictionaries and lists beyond reason";
            return Err(WeightsError::header(self.path, what));
        }
        match self.pickle.get(id) {
            Value::Tensor(tensor) => self.tensors.push((name, tensor)),
            Value::Dict(_) if is_optimiser_state(self.pickle, id) => self.optimisers.push(name),
            Value::Dict(items) => {
                for &(key, value) in items {
                    let child = match self.pickle.get(key) {
                        Value::Text(text) => join(&name, text),
                        Value::Int(index) => join(&name, &index.to_string()),
                        _ => continue,
                    };
                    self.walk(value, child, depth + 1)?;
                }
            }
            Value::List(items) | Value::Tuple(items) => {
                for (index, &item) in items.iter().enumerate() {
                    self.walk(item, join(&name, &index.to_string()), depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn join(parent: &str, child: &str) -> String {
    match parent {
        "" => child.to_owned(),
        _ => format!("{parent}.{child}"),
    }
}
