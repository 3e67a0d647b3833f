//! Small files that claim large volumes must be refused before memory is asked for.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rad3d_volume::{Result, Volume, metaimage, nifti, nrrd};
use support::{
    Folder, Nifti, attached, counting24, gzip, metaimage as mha, nrrd as nrrd_header, zlib,
};

/// The system's allocator, which remembers the largest request.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Watched = Watched;

// SAFETY: every request goes to the system's allocator as it came; only its size is noted, in
// an atomic, which allocates nothing. The test below relies on the note.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        LARGEST.fetch_max(new_size, Ordering::Relaxed);
        // SAFETY: as above, and `pointer` came from the same allocator.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[test]
fn claims_are_checked_before_memory_is_asked_for() {
    let claim = Nifti {
        dim: [3, 4000, 4000, 2000, 1, 1, 1, 1],
        ..Nifti::default()
    };
    let lying = claim.file(&counting24());
    let sizes = ("DimSize", "4000 4000 2000");
    let nrrd_sizes = ("sizes", "4000 4000 2000");
    type Reader = fn(&Path) -> Result<Volume>;
    let files: [(&str, Reader, Vec<u8>); 8] = [
        ("a.nii", nifti::read, lying.clone()),
        ("a.nii.gz", nifti::read, gzip(&lying)),
        (
            "a.mha",
            metaimage::read,
            attached(mha(&[sizes]), b"", &counting24()),
        ),
        (
            "z.mha",
            metaimage::read,
            attached(
                mha(&[sizes, ("CompressedData", "True")]),
                b"",
                &zlib(&counting24()),
            ),
        ),
        (
            "t.mha",
            metaimage::read,
            attached(mha(&[sizes, ("BinaryData", "False")]), b"", b"1 2 3"),
        ),
        (
            "a.nrrd",
            nrrd::read,
            attached(nrrd_header(&[nrrd_sizes]), b"\n", &counting24()),
        ),
        (
            "z.nrrd",
            nrrd::read,
            attached(
                nrrd_header(&[nrrd_sizes, ("encoding", "gzip")]),
                b"\n",
                &gzip(b"short"),
            ),
        ),
        (
            "t.nrrd",
            nrrd::read,
            attached(
                nrrd_header(&[nrrd_sizes, ("encoding", "text")]),
                b"\n",
                b"1 2 3",
            ),
        ),
    ];
    let folder = Folder::new();
    for (name, read, bytes) in files {
        let path = folder.put(name, &bytes);
        LARGEST.store(0, Ordering::Relaxed);
        assert!(read(&path).is_err(), "{name} was read");
        let largest = LARGEST.load(Ordering::Relaxed);
        assert!(
            largest < 1 << 20,
            "{name}: {largest} bytes were asked for, 64 GB claimed"
        );
    }
    // The watch itself works.
    LARGEST.store(0, Ordering::Relaxed);
    drop(std::hint::black_box(vec![0_u8; 5 << 20]));
    assert!(LARGEST.load(Ordering::Relaxed) >= 5 << 20);
}
