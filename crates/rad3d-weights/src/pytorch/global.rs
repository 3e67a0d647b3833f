//! The globals that a pickle of weights may name, and what each stands for.

use crate::DType;

/// A global that the pickle machine knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Global {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) meaning: Meaning,
}

/// What a global does when called; none of them reaches outside the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meaning {
    /// Makes a dictionary.
    Dict,
    /// Gives back the tuple it is called with.
    Size,
    /// Makes a strided view of a storage.
    RebuildTensor,
    /// Gives back the tensor it is called with.
    RebuildParameter,
    /// The class of a storage of one element type.
    Storage(DType),
    /// The class of a storage of bytes.
    UntypedStorage,
    /// An element type by itself, as `torch.float32`.
    ElementType(DType),
    /// Beside weights in training checkpoints, and not needed.
    Opaque,
}

const fn global(module: &'static str, name: &'static str, meaning: Meaning) -> Global {
    Global {
        module,
        name,
        meaning,
    }
}

use Meaning::{
    Dict, ElementType, Opaque, RebuildParameter, RebuildTensor, Size, Storage, UntypedStorage,
};

const KNOWN: &[Global] = &[
    global("collections", "OrderedDict", Dict),
    global("collections", "defaultdict", Dict),
    global("builtins", "dict", Dict),
    global("__builtin__", "dict", Dict),
    global("torch", "Size", Size),
    global("torch._utils", "_rebuild_tensor", RebuildTensor),
    global("torch._utils", "_rebuild_tensor_v2", RebuildTensor),
    global("torch._utils", "_rebuild_tensor_v3", RebuildTensor),
    global("torch._utils", "_rebuild_parameter", RebuildParameter),
    global(
        "torch._utils",
        "_rebuild_parameter_with_state",
        RebuildParameter,
    ),
    global("torch.nn.parameter", "Parameter", RebuildParameter),
    global("torch", "DoubleStorage", Storage(DType::F64)),
    global("torch", "FloatStorage", Storage(DType::F32)),
    global("torch", "HalfStorage", Storage(DType::F16)),
    global("torch", "BFloat16Storage", Storage(DType::BF16)),
    global("torch", "LongStorage", Storage(DType::I64)),
    global("torch", "IntStorage", Storage(DType::I32)),
    global("torch", "ShortStorage", Storage(DType::I16)),
    global("torch", "CharStorage", Storage(DType::I8)),
    global("torch", "ByteStorage", Storage(DType::U8)),
    global("torch", "BoolStorage", Storage(DType::Bool)),
    global("torch.cuda", "DoubleStorage", Storage(DType::F64)),
    global("torch.cuda", "FloatStorage", Storage(DType::F32)),
    global("torch.cuda", "HalfStorage", Storage(DType::F16)),
    global("torch.cuda", "BFloat16Storage", Storage(DType::BF16)),
    global("torch.cuda", "LongStorage", Storage(DType::I64)),
    global("torch.cuda", "IntStorage", Storage(DType::I32)),
    global("torch", "UntypedStorage", UntypedStorage),
    global("torch.storage", "UntypedStorage", UntypedStorage),
    global("torch.storage", "_UntypedStorage", UntypedStorage),
    global("torch", "float64", ElementType(DType::F64)),
    global("torch", "float32", ElementType(DType::F32)),
    global("torch", "float16", ElementType(DType::F16)),
    global("torch", "bfloat16", ElementType(DType::BF16)),
    global("torch", "int64", ElementType(DType::I64)),
    global("torch", "int32", ElementType(DType::I32)),
    global("torch", "int16", ElementType(DType::I16)),
    global("torch", "int8", ElementType(DType::I8)),
    global("torch", "uint8", ElementType(DType::U8)),
    global("torch", "bool", ElementType(DType::Bool)),
    global("torch", "device", Opaque),
    global("builtins", "set", Opaque),
    global("builtins", "frozenset", Opaque),
    global("builtins", "bytearray", Opaque),
    global("builtins", "complex", Opaque),
    global("argparse", "Namespace", Opaque),
    global("pathlib", "PosixPath", Opaque),
    global("datetime", "datetime", Opaque),
    global("_codecs", "encode", Opaque),
    global("numpy", "dtype", Opaque),
    global("numpy", "ndarray", Opaque),
    global("numpy.core.multiarray", "scalar", Opaque),
    global("numpy.core.multiarray", "_reconstruct", Opaque),
    global("numpy._core.multiarray", "scalar", Opaque),
    global("numpy._core.multiarray", "_reconstruct", Opaque),
];

impl Global {
    pub(crate) fn find(module: &str, name: &str) -> Option<Self> {
        KNOWN
            .iter()
            .find(|known| known.module == module && known.name == name)
            .copied()
    }

    /// Whether the name is one of PyTorch's element types that this crate does not read.
    pub(crate) fn is_other_element_type(module: &str, name: &str) -> bool {
        const OTHERS: [&str; 5] = ["float8_", "float4_", "uint", "complex", "q"];
        let is_type = OTHERS.iter().any(|prefix| name.starts_with(prefix));
        let is_storage = name.ends_with("Storage") && name.starts_with(['Q', 'C']);
        matches!(module, "torch" | "torch.cuda") && (is_type || is_storage)
    }
}
