//! MS-CHAP, both versions: the check, and what its answer carries.

use dictionaries::{Attribute, Value};
use proto::attribute::{
    MICROSOFT, MS_CHAP_ERROR, MS_CHAP2_SUCCESS, MS_MPPE_ENCRYPTION_POLICY,
    MS_MPPE_ENCRYPTION_TYPES, MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY, USER_NAME,
};
use proto::mschap::{
    AUTHENTICATION_FAILURE, DISABLED, EXPIRED, MsChap, NtHash, error_v1, error_v2, keys_v1,
    nt_hash, peer_name,
};

use super::Reason;
use super::authenticate::{Known, compared, passwords};
use super::decision::{Case, Halt};
use super::list::{Held, first};
use super::role::Role;
use super::trace::Recorder;

const MS_CHAP_MPPE_KEYS: u8 = 12;
/// Encryption is allowed, not demanded; 40 and 128 bits.
const POLICY: u32 = 1;
const TYPES: u32 = 6;

/// Bits of SMB-Account-CTRL.
const ACCOUNT_DISABLED: u64 = 0x1_0000;
/// FreeRADIUS has one bit for this and for "needs a home directory".
const PASSWORD_EXPIRED: u64 = 0x2_0000;
const NO_PASSWORD_NEEDED: u64 = 0x4_0000;
const ACCOUNT_NORMAL: u64 = 0x10_0000;
const ACCOUNT_WORKSTATION: u64 = 0x80_0000;
const ACCOUNT_LOCKED: u64 = 0x400_0000;

/// What is known of the password.
enum Hash<'l> {
    Known(&'l Attribute, NtHash),
    /// In clear, but no text that MS-CHAP could hash.
    Unhashable,
    Unknown,
}

impl<R: Recorder> Case<'_, '_, R> {
    pub(super) fn ms_chap(&mut self) -> Result<(), Halt> {
        let control = self.account_control();
        if control.is_some_and(|control| control & NO_PASSWORD_NEEDED != 0) {
            return Ok(());
        }
        let login = match MsChap::find(self.request.packet) {
            Some(Ok(login)) => login,
            Some(Err(_)) => return Err(Halt::Refuse(Reason::BadPasswordSent)),
            None => return Err(Halt::Refuse(Reason::AuthTypeUnfit)),
        };
        if matches!(&login, MsChap::V1(login) if login.response.is_none()) {
            return Err(Halt::Refuse(Reason::BadPasswordSent));
        }
        let name = self.request.packet.find(USER_NAME).unwrap_or_default();
        let name = peer_name(super::names::without_end(name));
        let known = match nt_password(&self.control) {
            Hash::Known(attribute, hash) => {
                let fits = match &login {
                    MsChap::V1(login) => login.check(&hash),
                    MsChap::V2(login) => login.check(&hash, name),
                };
                Some((attribute, hash, fits))
            }
            Hash::Unhashable => return Err(Halt::Refuse(Reason::BadStoredPassword)),
            Hash::Unknown => None,
        };
        let fits = known.as_ref().is_some_and(|(_, _, fits)| *fits);
        let refusal = Refusal::of(control, fits);
        let outcome = match (&refusal, &known) {
            (Some(Refusal { reason: Some(reason), .. }), _) => Some(Err(Halt::Refuse(*reason))),
            (_, Some((attribute, ..))) => Some(compared(self.recorder, attribute, fits)),
            (_, None) => None,
        };
        let hash = known.map(|(_, hash, _)| hash);
        if let Some(refusal) = refusal {
            self.answer_error(&login, &refusal);
            return outcome.unwrap_or_else(|| {
                Err(self.no_password("MS-CHAP needs the password in clear, or its NT hash"))
            });
        }
        let (Some(hash), Some(outcome)) = (hash, outcome) else { return Ok(()) };
        self.answer_success(&login, &hash, name);
        outcome
    }

    fn account_control(&self) -> Option<u64> {
        if let Some(held) = first(&self.control, Role::SmbAccountCtrl) {
            return held.pair.value.as_u64();
        }
        let text = first(&self.control, Role::SmbAccountCtrlText);
        text.and_then(|held| held.pair.value.as_octets()).map(account_flags)
    }

    fn answer_error(&mut self, login: &MsChap<'_>, refusal: &Refusal) {
        // Where the account is at fault, no other password would help.
        let retry = refusal.reason.is_none();
        let challenge = (self.request.challenge)();
        let octets = match login {
            MsChap::V1(login) => {
                let (challenge, _) = challenge.split_at(8);
                error_v1(login.identifier, refusal.code, retry, challenge)
            }
            MsChap::V2(login) => {
                error_v2(login.identifier, refusal.code, retry, &challenge, refusal.message)
            }
        };
        self.answer(MS_CHAP_ERROR, &octets);
    }

    fn answer_success(&mut self, login: &MsChap<'_>, hash: &NtHash, name: &[u8]) {
        match login {
            MsChap::V1(_) => self.answer(MS_CHAP_MPPE_KEYS, &keys_v1(hash)),
            MsChap::V2(login) => {
                self.answer(MS_CHAP2_SUCCESS, &login.success(hash, name));
                let keys = login.keys(hash);
                self.answer(MS_MPPE_RECV_KEY, &keys.receive);
                self.answer(MS_MPPE_SEND_KEY, &keys.send);
            }
        }
        self.answer(MS_MPPE_ENCRYPTION_POLICY, &POLICY.to_be_bytes());
        self.answer(MS_MPPE_ENCRYPTION_TYPES, &TYPES.to_be_bytes());
    }

    /// Appends one of Microsoft's attributes.
    fn answer(&mut self, number: u8, octets: &[u8]) {
        let dictionary = self.request.dictionary;
        let Some(attribute) = dictionary.vendor_attribute(MICROSOFT, u32::from(number)) else {
            return;
        };
        // Error and Success are octets to some dictionaries and text to others.
        if let Some(value) = Value::decode(attribute, octets) {
            self.reply.push(Held::made(attribute, value));
        }
    }
}

/// What MS-CHAP-Error says.
struct Refusal {
    code: u32,
    message: &'static str,
    /// None where it is the password.
    reason: Option<Reason>,
}

impl Refusal {
    /// By the account's flags, if it has some, and the password.
    fn of(control: Option<u64>, fits: bool) -> Option<Refusal> {
        let has = |flags| control.is_some_and(|control| control & flags != 0);
        let disabled = has(ACCOUNT_DISABLED)
            || control.is_some() && !has(ACCOUNT_NORMAL | ACCOUNT_WORKSTATION);
        let (code, message, reason) = if fits && has(PASSWORD_EXPIRED) {
            (EXPIRED, "Password expired", Some(Reason::AccountExpired))
        } else if disabled {
            (AUTHENTICATION_FAILURE, "Account disabled", Some(Reason::AccountDisabled))
        } else if has(ACCOUNT_LOCKED) {
            (DISABLED, "Account locked out", Some(Reason::AccountDisabled))
        } else if fits {
            return None;
        } else {
            (AUTHENTICATION_FAILURE, "Authentication rejected", None)
        };
        Some(Refusal { code, message, reason })
    }
}

/// NT-Password goes before Cleartext-Password, wherever they stand.
fn nt_password<'l>(control: &'l [Held<'_>]) -> Hash<'l> {
    let passwords = passwords(control);
    let nt = passwords.iter().find_map(|(attribute, known)| match known {
        Known::Stored(stored) => Some((*attribute, stored.nt_hash()?)),
        _ => None,
    });
    if let Some((attribute, hash)) = nt {
        return Hash::Known(attribute, hash);
    }
    let clear = passwords.iter().find_map(|(attribute, known)| match known {
        Known::Clear(clear) => Some((*attribute, nt_hash(clear))),
        _ => None,
    });
    match clear {
        Some((attribute, Some(hash))) => Hash::Known(attribute, hash),
        Some((_, None)) => Hash::Unhashable,
        None => Hash::Unknown,
    }
}

/// `[UX         ]`, as Samba writes an account's flags.
fn account_flags(text: &[u8]) -> u64 {
    let Some(inside) = text.strip_prefix(b"[") else { return 0 };
    let flags = inside.iter().map_while(|letter| {
        Some(match letter {
            b'D' => ACCOUNT_DISABLED,
            b'H' | b'e' => PASSWORD_EXPIRED,
            b'N' => NO_PASSWORD_NEEDED,
            b'U' => ACCOUNT_NORMAL,
            b'W' => ACCOUNT_WORKSTATION,
            b'L' => ACCOUNT_LOCKED,
            b'I' | b'M' | b'S' | b'T' | b'X' | b' ' => 0,
            _ => return None,
        })
    });
    flags.fold(0, |flags, flag| flags | flag)
}
