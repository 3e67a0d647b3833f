#![no_main]

mod file;

use rad3d_volume::nifti;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = file::holding(bytes, "nii");
    let _ = nifti::looks_like(bytes);
    if let Ok(volume) = nifti::read(&path) {
        let summary = nifti::summary(&path).expect("a header that was read before");
        assert_eq!(summary.geometry, volume.geometry);
        assert_eq!(volume.voxels.len(), volume.geometry.voxel_count());
    }
});
