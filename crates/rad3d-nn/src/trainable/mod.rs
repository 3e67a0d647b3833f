//! The same networks as Burn modules: for training, and for the devices that Burn drives.
//!
//! Parameters keep the names, shapes and layout of the published files, so that a module loads
//! from the same [`WeightSource`](crate::WeightSource) as its counterpart for inference and is
//! exported under the same names.

mod ct_vit;
mod device;
mod head;
mod layers;
mod products;
mod projector;

pub use ct_vit::{CtVitModule, CtVitOutput};
pub use device::{EngineTower, engine_device};
pub use head::HeadModule;
pub use layers::{Affine, Exported, InitialWeights, Norm};
pub use projector::{MapperModule, R2GenGptModule};
