//! The forms a password is stored in, as a command line names them.

use clap::ValueEnum;
use mgmt::Form;

/// What each form can be checked by is in FreeRADIUS's own table of passwords and methods.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(super) enum Hash {
    /// Cleartext-Password: every method works (PAP, CHAP, MS-CHAP, EAP)
    #[default]
    None,
    /// NT-Password: PAP and MS-CHAP work
    Nt,
    /// SSHA2-512-Password: only PAP works
    Ssha512,
    /// Crypt-Password with bcrypt: only PAP works, and each login costs time
    Bcrypt,
}

impl From<Hash> for Form {
    fn from(hash: Hash) -> Form {
        match hash {
            Hash::None => Form::Cleartext,
            Hash::Nt => Form::Nt,
            Hash::Ssha512 => Form::Ssha512,
            Hash::Bcrypt => Form::Bcrypt,
        }
    }
}
