//! Label sets, and values that know which label set they belong to.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::{Fault, ReportError, Result};

/// The 18 abnormalities of CT-RATE in the order of the CT-LiPro head (spec `ct-clip` 2.6).
pub const CT_RATE_LABELS: [&str; 18] = [
    "Medical material",
    "Arterial wall calcification",
    "Cardiomegaly",
    "Pericardial effusion",
    "Coronary artery wall calcification",
    "Hiatal hernia",
    "Lymphadenopathy",
    "Emphysema",
    "Atelectasis",
    "Lung nodule",
    "Lung opacity",
    "Pulmonary fibrotic sequela",
    "Pleural effusion",
    "Mosaic attenuation pattern",
    "Peribronchial thickening",
    "Consolidation",
    "Bronchiectasis",
    "Interlobular septal thickening",
];

/// An ordered list of distinct label names; cheap to clone.
///
/// Two sets are equal when they hold the same names in the same order. Serialises as the list.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LabelSet(Arc<[String]>);

impl LabelSet {
    /// A set of these names in this order.
    ///
    /// # Errors
    /// No names, an empty name, or the same name twice.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let fault = |what: String| {
            ReportError::new(
                Fault::Labels,
                "label set",
                what,
                "give distinct, non-empty names",
            )
        };
        if names.is_empty() {
            return Err(fault("holds no label".into()));
        }
        for (index, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(fault(format!("label {} has no name", index + 1)));
            }
            if names[..index].contains(name) {
                return Err(fault(format!("names \"{name}\" twice")));
            }
        }
        Ok(Self(names.into()))
    }

    /// The 18 labels of CT-RATE, [`CT_RATE_LABELS`].
    pub fn ct_rate() -> Self {
        static CT_RATE: LazyLock<LabelSet> =
            LazyLock::new(|| LabelSet(CT_RATE_LABELS.map(String::from).into()));
        CT_RATE.clone()
    }

    /// How many labels the set holds; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a label set is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The name at a position, if the position exists.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(String::as_str)
    }

    /// The position of a name, exact in spelling and case.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| known == name)
    }

    /// SHA-256 of the names joined by line feeds, in hex: the set's identity in manifests.
    pub fn sha256(&self) -> String {
        Sha256::digest(self.0.join("\n"))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LabelSet").field(&self.0).finish()
    }
}

impl Serialize for LabelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LabelSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Self::new(names).map_err(|error| serde::de::Error::custom(error.what))
    }
}

/// One value a label, tied to its label set, so that values of two sets cannot be mixed.
///
/// Serialises as a map from label name to value, in the set's order.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelValues<T> {
    labels: LabelSet,
    values: Box<[T]>,
}

impl<T> LabelValues<T> {
    /// Values in the order of `labels`.
    ///
    /// # Errors
    /// More or fewer values than labels.
    pub fn new(labels: LabelSet, values: Vec<T>) -> Result<Self> {
        if values.len() != labels.len() {
            return Err(ReportError::new(
                Fault::Labels,
                "label values",
                format!("{} values for {} labels", values.len(), labels.len()),
                "give one value a label, in the label set's order",
            ));
        }
        Ok(Self {
            labels,
            values: values.into(),
        })
    }

    /// Computes one value a label from its position and name.
    pub fn from_fn(labels: LabelSet, mut value: impl FnMut(usize, &str) -> T) -> Self {
        let values = labels
            .names()
            .enumerate()
            .map(|(index, name)| value(index, name))
            .collect();
        Self { labels, values }
    }

    /// The label set these values belong to.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// The values in the label set's order.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The values, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// The value of a label by name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.labels.index_of(name).map(|index| &self.values[index])
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &T)> {
        self.labels.names().zip(&self.values)
    }

    /// The same labels with each value turned into another.
    pub fn map<U>(&self, value: impl FnMut(&T) -> U) -> LabelValues<U> {
        LabelValues {
            labels: self.labels.clone(),
            values: self.values.iter().map(value).collect(),
        }
    }

    /// Pairs these values with those of `other`.
    ///
    /// # Errors
    /// `other` belongs to another label set.
    pub fn zip<'a, U>(
        &'a self,
        other: &'a LabelValues<U>,
    ) -> Result<impl ExactSizeIterator<Item = (&'a str, &'a T, &'a U)>> {
        self.expect_labels(&other.labels)?;
        let pairs = self.iter().zip(&other.values);
        Ok(pairs.map(|((name, mine), theirs)| (name, mine, theirs)))
    }

    /// Checks that these values belong to `labels`.
    ///
    /// # Errors
    /// They belong to another label set; the message names the first difference.
    pub fn expect_labels(&self, labels: &LabelSet) -> Result<()> {
        if self.labels == *labels {
            return Ok(());
        }
        let what = match self
            .labels
            .names()
            .zip(labels.names())
            .position(|(a, b)| a != b)
        {
            Some(index) => format!(
                "belong to another label set: label {} is \"{}\", expected \"{}\"",
                index + 1,
                self.labels.0[index],
                labels.0[index]
            ),
            None => format!(
                "belong to another label set: {} labels, expected {}",
                self.labels.len(),
                labels.len()
            ),
        };
        let hint = "use a classifier, thresholds and rules made for the same labels";
        Err(ReportError::new(Fault::Labels, "label values", what, hint))
    }
}

impl<T: Serialize> Serialize for LabelValues<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LabelValues<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = LabelValues<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from label name to value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut names, mut values) = (Vec::new(), Vec::new());
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    names.push(name);
                    values.push(value);
                }
                let labels = LabelSet::new(names).map_err(serde::de::Error::custom)?;
                Ok(LabelValues {
                    labels,
                    values: values.into(),
                })
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}
