//! RADIUS's signatures, written apart from the code that is tested.

use md5::{Digest, Md5};

pub fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().into()
}

/// RFC 2104.
pub fn hmac(secret: &[u8], octets: &[u8]) -> [u8; 16] {
    let mut key = [0; 64];
    if secret.len() > 64 {
        key[..16].copy_from_slice(&md5(&[secret]));
    } else {
        key[..secret.len()].copy_from_slice(secret);
    }
    let inner = md5(&[&key.map(|octet| octet ^ 0x36), octets]);
    md5(&[&key.map(|octet| octet ^ 0x5c), &inner])
}

/// Makes length and signatures of a changed request right again, wherever they are.
pub fn again(packet: &mut [u8], secret: &str) {
    let length = u16::try_from(packet.len()).expect("a datagram's length");
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    // Accounting, Disconnect and CoA sign themselves, over zeros.
    let signs_itself = matches!(packet[0], 4 | 40 | 43);
    if signs_itself {
        packet[4..20].fill(0);
    }
    if let Some(at) = message_authenticator(packet) {
        packet[at..at + 16].fill(0);
        let right = hmac(secret.as_bytes(), packet);
        packet[at..at + 16].copy_from_slice(&right);
    }
    if signs_itself {
        let right = md5(&[packet, secret.as_bytes()]);
        packet[4..20].copy_from_slice(&right);
    }
}

/// Where the 16 octets of the first Message-Authenticator begin.
pub fn message_authenticator(packet: &[u8]) -> Option<usize> {
    let mut at = 20;
    while let Some(&[number, length]) =
        packet.get(at..at + 2).map(|head| head.first_chunk::<2>())?
    {
        if number == 80 && length == 18 && packet.len() >= at + 18 {
            return Some(at + 2);
        }
        at += usize::from(length.max(2));
    }
    None
}
