//! Prefixes that wrappers put before every tensor's name.

/// Put before every name: by `DistributedDataParallel`, and by `torch.compile`.
const AROUND_ALL: [&str; 2] = ["module.", "_orig_mod."];

/// Put before the tower's names only, by CT-LiPro's `ImageLatentsClassifier`, whose
/// `classifier.*` stands beside them (spec section 3).
const AROUND_TOWER: &str = "trained_model.";

/// Takes wrappers' prefixes off; gives the new names, in the same order, and notes of what was
/// done.
///
/// A prefix that would make two names one stays.
pub(super) fn strip(mut names: Vec<String>) -> (Vec<String>, Vec<String>) {
    let mut notes = Vec::new();
    // A compiled model in a data-parallel wrapper, or the reverse.
    for _ in 0..AROUND_ALL.len() {
        for prefix in AROUND_ALL {
            if !names.is_empty() && names.iter().all(|name| name.starts_with(prefix)) {
                strip_where_present(&mut names, prefix, &mut notes);
            }
        }
    }
    if names.iter().any(|name| name.starts_with(AROUND_TOWER)) {
        strip_where_present(&mut names, AROUND_TOWER, &mut notes);
    }
    (names, notes)
}

fn strip_where_present(names: &mut Vec<String>, prefix: &str, notes: &mut Vec<String>) {
    let stripped: Vec<String> = names
        .iter()
        .map(|name| name.strip_prefix(prefix).unwrap_or(name).to_owned())
        .collect();
    let distinct: std::collections::HashSet<&String> = stripped.iter().collect();
    if distinct.len() < stripped.len() || distinct.iter().any(|name| name.is_empty()) {
        notes.push(format!(
            "kept the prefix `{prefix}`: without it names would collide"
        ));
        return;
    }
    let count = names.iter().filter(|name| name.starts_with(prefix)).count();
    notes.push(format!("took the prefix `{prefix}` off {count} names"));
    *names = stripped;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(names: &[&str]) -> Vec<String> {
        strip(names.iter().map(|&name| name.to_owned()).collect()).0
    }

    #[test]
    fn wrappers_come_off_in_any_order() {
        assert_eq!(stripped(&["module.a", "module.b"]), ["a", "b"]);
        assert_eq!(stripped(&["_orig_mod.module.a"]), ["a"]);
        assert_eq!(stripped(&["module._orig_mod.a"]), ["a"]);
        assert_eq!(
            stripped(&["module.trained_model.a", "module.classifier.weight"]),
            ["a", "classifier.weight"]
        );
    }

    #[test]
    fn a_prefix_of_some_names_or_one_that_hides_a_collision_stays() {
        assert_eq!(stripped(&["module.a", "b"]), ["module.a", "b"]);
        assert_eq!(
            stripped(&["trained_model.a", "a"]),
            ["trained_model.a", "a"]
        );
    }
}
