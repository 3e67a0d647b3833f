//! Stored voxel values in the type the file keeps them in.
//!
//! A CT of 512 × 512 × 300 voxels is 157 MB as `i16` and 629 MB as `f64`; so values stay in
//! their stored type until a recipe turns the few that survive its crop into `f32`.

use serde::Serialize;

/// Element type of a stored volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VoxelType {
    /// Unsigned 8-bit.
    U8,
    /// Signed 8-bit.
    I8,
    /// Unsigned 16-bit.
    U16,
    /// Signed 16-bit.
    I16,
    /// Unsigned 32-bit.
    U32,
    /// Signed 32-bit.
    I32,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
}

impl VoxelType {
    /// Bytes an element takes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

impl std::fmt::Display for VoxelType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// An element type of a stored volume.
pub trait Voxel: bytemuck::Pod + Send + Sync + PartialOrd + std::fmt::Debug {
    /// The type's tag.
    const TYPE: VoxelType;
    /// The value as `f32`; integers above 2²⁴ lose their last bits, far outside any CT.
    fn to_f32(self) -> f32;
    /// The value as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// The bytes in reverse order, for files of the other endianness.
    fn swap_bytes(self) -> Self;
    /// Wraps a vector of this type.
    fn wrap(values: Vec<Self>) -> Voxels;
}

macro_rules! voxel_types {
    ($($variant:ident($type:ty) swap $swap:expr;)*) => {
        /// Stored values, the fastest axis first (`i`, then `j`, then `k`).
        #[derive(Debug, Clone, PartialEq)]
        pub enum Voxels {
            $(
                #[doc = concat!("Values of type `", stringify!($type), "`.")]
                $variant(Vec<$type>),
            )*
        }

        $(impl Voxel for $type {
            const TYPE: VoxelType = VoxelType::$variant;

            #[expect(clippy::allow_attributes, reason = "a cast is trivial for one type only")]
            #[allow(clippy::unnecessary_cast, reason = "one body for eight types")]
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn swap_bytes(self) -> Self {
                let swap: fn($type) -> $type = $swap;
                swap(self)
            }

            fn wrap(values: Vec<Self>) -> Voxels {
                Voxels::$variant(values)
            }
        })*
    };
}

voxel_types! {
    U8(u8) swap |v| v;
    I8(i8) swap |v| v;
    U16(u16) swap u16::swap_bytes;
    I16(i16) swap i16::swap_bytes;
    U32(u32) swap u32::swap_bytes;
    I32(i32) swap i32::swap_bytes;
    F32(f32) swap |v| f32::from_bits(v.to_bits().swap_bytes());
    F64(f64) swap |v| f64::from_bits(v.to_bits().swap_bytes());
}

/// Runs the same generic code on whichever vector a [`Voxels`] holds.
macro_rules! with_voxels {
    ($voxels:expr, $values:ident => $body:expr) => {
        match $voxels {
            $crate::Voxels::U8($values) => $body,
            $crate::Voxels::I8($values) => $body,
            $crate::Voxels::U16($values) => $body,
            $crate::Voxels::I16($values) => $body,
            $crate::Voxels::U32($values) => $body,
            $crate::Voxels::I32($values) => $body,
            $crate::Voxels::F32($values) => $body,
            $crate::Voxels::F64($values) => $body,
        }
    };
}
pub(crate) use with_voxels;

impl Voxels {
    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        with_voxels!(self, values => values.len())
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element type.
    #[must_use]
    pub fn voxel_type(&self) -> VoxelType {
        fn tag<T: Voxel>(_: &[T]) -> VoxelType {
            T::TYPE
        }
        with_voxels!(self, values => tag(values))
    }

    /// The stored value at a linear index, as `f64`.
    ///
    /// # Panics
    /// If `index` lies outside the volume.
    #[must_use]
    pub fn get(&self, index: usize) -> f64 {
        with_voxels!(self, values => values[index].to_f64())
    }
}
