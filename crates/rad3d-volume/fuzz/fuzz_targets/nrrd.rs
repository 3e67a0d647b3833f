#![no_main]

mod file;

use rad3d_volume::nrrd;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = file::holding(bytes, "nrrd");
    let _ = nrrd::looks_like(bytes);
    if let Ok(volume) = nrrd::read(&path) {
        let summary = nrrd::summary(&path).expect("a header that was read before");
        assert_eq!(summary.geometry, volume.geometry);
        assert_eq!(volume.voxels.len(), volume.geometry.voxel_count());
    }
});
