//! The instruction set that the kernels use, found at run time.

/// An instruction set that this processor was found to have.
///
/// Cannot be made except by asking the processor, so that holding one proves that its kernels
/// may run. It also fixes the shape of a register tile of the matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Isa {
    /// The fastest one that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().next().unwrap_or(Self(Kind::Portable))
    }

    /// All that this processor has, fastest first; the portable one is always the last.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let found = [
            (
                Kind::Avx512,
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma"),
            ),
            (
                Kind::Avx2,
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            ),
            (Kind::Portable, true),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let found = [(Kind::Portable, true)];
        found
            .into_iter()
            .filter_map(|(kind, present)| present.then_some(Self(kind)))
    }

    /// `avx512`, `avx2` or `portable`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            Kind::Portable => "portable",
        }
    }

    /// Rows of weights in one register tile.
    #[must_use]
    pub const fn tile_rows(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => 12,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => 6,
            Kind::Portable => 4,
        }
    }

    /// Tokens side by side in one register tile: two vectors of f32.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => 32,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => 16,
            Kind::Portable => 8,
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        self.0
    }
}

/// Defines a function over slices once and compiles it for every instruction set.
///
/// The body is plain Rust that the compiler vectorises. Inside it, `FMA` is a constant that says
/// whether `fma::<FMA>(a, b, c)` may fuse. The function gains a first parameter `isa: Isa`.
macro_rules! vectorised {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)+) => {$(
        $(#[$doc])*
        $vis fn $name(isa: $crate::cpu::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body<const FMA: bool>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $ret)? { body::<true>($($arg),*) }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? { body::<true>($($arg),*) }

            match isa.kind() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: an `Isa` of this kind exists only if the processor has these features.
                $crate::cpu::isa::Kind::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::cpu::isa::Kind::Avx2 => unsafe { avx2($($arg),*) },
                $crate::cpu::isa::Kind::Portable => body::<false>($($arg),*),
            }
        }
    )+};
}
pub(crate) use vectorised;
