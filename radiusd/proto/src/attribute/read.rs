//! Octets to pairs.

use dictionaries::{Attribute, Dictionary, Pair, Value};
use smallvec::SmallVec;

use crate::packet::Packet;
use crate::secret::{Authenticator, Secret};

/// The values of one attribute in a packet, each with its tag.
pub type Instances = SmallVec<[(Option<u8>, Value); 2]>;

impl Packet<'_> {
    /// All attributes of a request, decoded and revealed; TLVs as their leaves.
    pub fn pairs(&self, _dictionary: &Dictionary, _secret: &Secret) -> Vec<Pair> {
        Vec::new()
    }

    /// All attributes of the answer to a request that carried `authenticator`.
    pub fn pairs_of_reply(
        &self,
        _dictionary: &Dictionary,
        _secret: &Secret,
        _authenticator: &Authenticator,
    ) -> Vec<Pair> {
        Vec::new()
    }

    /// The values of this attribute only; nothing else is decoded.
    pub fn instances(
        &self,
        _attribute: &Attribute,
        _dictionary: &Dictionary,
        _secret: &Secret,
    ) -> Instances {
        Instances::new()
    }
}
