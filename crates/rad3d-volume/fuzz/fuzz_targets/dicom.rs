#![no_main]

mod file;

use rad3d_volume::Input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = file::holding(bytes, "dcm");
    let Ok(input) = Input::open(&path) else {
        return;
    };
    for index in 0..input.series().len() {
        if let Ok(volume) = input.read(index, true) {
            assert_eq!(volume.voxels.len(), volume.geometry.voxel_count());
        }
    }
});
