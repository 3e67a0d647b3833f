//! What can be wrong with a pickle.

use super::Machine;
use crate::error::{Fault, WeightsError};

impl<'a> Machine<'a, '_> {
    pub(super) fn broken(&self, what: impl Into<String>) -> WeightsError {
        WeightsError::header(self.path, format!("{} (byte {})", what.into(), self.at))
    }

    pub(super) fn unsupported(&self, what: &str) -> WeightsError {
        let hint = "load the file in PyTorch and save its state_dict() again";
        WeightsError::new(Fault::Unsupported, self.path, what, hint)
    }

    pub(super) fn forbidden(&self, what: String) -> WeightsError {
        let what = format!("{what}, which weights have no business with; nothing was run");
        let hint = "don't open this file in Python if you don't trust its source; if you do, load \
                    it there and save only model.state_dict(), best as safetensors";
        WeightsError::new(Fault::ForbiddenPickle, self.path, what, hint)
    }
}
