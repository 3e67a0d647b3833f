//! Runs `lm` or `tower` from a settings file: what `rad3d train` does, without the rest of rad3d.
use std::path::{Path, PathBuf};
use rad3d_train::engine::Progress;
use rad3d_train::read_settings;
use rad3d_train::tasks::{LmSettings, MapperSettings, TowerSettings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (kind, settings, folder) = (&args[0], PathBuf::from(&args[1]), PathBuf::from(&args[2]));
    let show = |p: Progress| {
        if p.step % 10 == 0 || p.step < 4 {
            println!("{} / {} loss {:.4} {:.1}/s {:.0} s left", p.step, p.steps, p.loss, p.items_per_second, p.seconds_left);
        }
    };
    let folder: &Path = &folder;
    let outcome = match kind.as_str() {
        "lm" => read_settings::<LmSettings>(&settings, &args[3..])?.run(folder, true, show)?,
        "mapper" => read_settings::<MapperSettings>(&settings, &args[3..])?.run(folder, true, show)?,
        _ => read_settings::<TowerSettings>(&settings, &args[3..])?.run(folder, true, |done, all| println!("{done} of {all} tensors"), show)?,
    };
    println!("{outcome:?}");
    Ok(())
}
