#![no_main]

mod file;

use rad3d_volume::metaimage;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = file::holding(bytes, "mha");
    let _ = metaimage::looks_like(bytes);
    if let Ok(volume) = metaimage::read(&path) {
        let summary = metaimage::summary(&path).expect("a header that was read before");
        assert_eq!(summary.geometry, volume.geometry);
        assert_eq!(volume.voxels.len(), volume.geometry.voxel_count());
    }
});
