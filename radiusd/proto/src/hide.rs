//! What the shared secret hides: User-Password, Tunnel-Password and MPPE keys, Ascend's secrets.

use smallvec::SmallVec;

use crate::malformed::Malformed;
use crate::secret::{Authenticator, Secret};

const BLOCK: usize = 16;
/// RFC 2865 §5.2.
pub(crate) const USER_PASSWORD_MAX: usize = 128;
/// Of one tunnel password: 255 − 2 (header) − 1 (tag) − 2 (salt) = 250, down to whole blocks, less
/// its length octet.
const TUNNEL_MAX: usize = 239;

/// Clear octets that lived in a packet.
pub type Clear = SmallVec<[u8; 128]>;

impl Secret {
    /// User-Password as typed, without the NULs that fill its last block, RFC 2865 §5.2.
    pub fn reveal_user_password(
        &self,
        hidden: &[u8],
        authenticator: &Authenticator,
    ) -> Result<Clear, Malformed> {
        if hidden.is_empty() || hidden.len() > USER_PASSWORD_MAX {
            return Err(Malformed::PasswordLength);
        }
        let mut clear = self.reveal_user(hidden, authenticator);
        let end =
            clear.iter().rposition(|octet| *octet != 0).map_or(0, |last| last.saturating_add(1));
        clear.truncate(end);
        Ok(clear)
    }

    /// The same without looking for an end: binary values, such as MS-CHAP-MPPE-Keys.
    pub fn reveal_user(&self, hidden: &[u8], authenticator: &Authenticator) -> Clear {
        self.unchain(hidden, &[authenticator])
    }

    /// Appends `clear`, padded with NULs to whole blocks and hidden. At most 128 octets.
    pub fn hide_user_password(
        &self,
        clear: &[u8],
        authenticator: &Authenticator,
        out: &mut Vec<u8>,
    ) {
        let clear = clear.get(..USER_PASSWORD_MAX).unwrap_or(clear);
        let first: &[&[u8]] = &[authenticator];
        if clear.is_empty() {
            self.chain(&[&[0; BLOCK]], first, out);
        } else {
            self.chain(&[clear], first, out);
        }
    }

    /// The value of a Tunnel-Password or MPPE key; `hidden` begins with its salt (the tag is gone
    /// already), RFC 2868 §3.5. `None`: not made with this secret, or cut.
    pub fn reveal_tunnel(&self, hidden: &[u8], authenticator: &Authenticator) -> Option<Clear> {
        let (salt, hidden) = hidden.split_first_chunk::<2>()?;
        let mut clear = self.unchain(hidden, &[authenticator, salt]);
        let length = usize::from(*clear.first()?);
        if length >= clear.len() {
            return None;
        }
        clear.remove(0);
        clear.truncate(length);
        Some(clear)
    }

    /// Appends salt and hidden value. The caller keeps salts apart within a packet; the first bit
    /// is set here. At most 239 octets of `clear`.
    pub fn hide_tunnel(
        &self,
        clear: &[u8],
        authenticator: &Authenticator,
        salt: u16,
        out: &mut Vec<u8>,
    ) {
        let clear = clear.get(..TUNNEL_MAX).unwrap_or(clear);
        let salt = (salt | 0x8000).to_be_bytes();
        let length = u8::try_from(clear.len()).unwrap_or_default();
        out.extend_from_slice(&salt);
        self.chain(&[&[length], clear], &[authenticator, &salt], out);
    }

    /// Ascend-Send-Secret, both ways: at most 16 octets.
    pub fn ascend(&self, octets: &[u8], authenticator: &Authenticator) -> SmallVec<[u8; BLOCK]> {
        let mask = self.mask_behind(authenticator);
        octets.iter().zip(mask).map(|(octet, mask)| octet ^ mask).collect()
    }

    /// Hides `parts`, one behind the other, in blocks: each is masked by MD5 of the secret and the
    /// block before it, the first by MD5 of the secret and `first`.
    fn chain(&self, parts: &[&[u8]], first: &[&[u8]], out: &mut Vec<u8>) {
        let mut mask = self.mask(first);
        let mut octets = parts.iter().copied().flatten().copied();
        let mut left = parts.iter().map(|part| part.len()).fold(0, usize::saturating_add);
        while left > 0 {
            for octet in &mut mask {
                *octet ^= octets.next().unwrap_or_default();
            }
            out.extend_from_slice(&mask);
            left = left.saturating_sub(BLOCK);
            if left > 0 {
                mask = self.mask(&[&mask]);
            }
        }
    }

    /// The reverse. A last block that isn't whole is revealed as far as it goes.
    fn unchain(&self, hidden: &[u8], first: &[&[u8]]) -> Clear {
        let mut clear = Clear::new();
        let mut before: Option<&[u8]> = None;
        for block in hidden.chunks(BLOCK) {
            let mask = match before {
                Some(before) => self.mask(&[before]),
                None => self.mask(first),
            };
            clear.extend(block.iter().zip(mask).map(|(octet, mask)| octet ^ mask));
            before = Some(block);
        }
        clear
    }
}
