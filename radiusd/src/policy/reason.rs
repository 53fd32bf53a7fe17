//! Why a login is refused, in one word each: metrics, attempts and the UI use the same.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $text:literal;)*) => {
        /// Why a login is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$name),*];

            /// In metrics and tables.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $word,)* }
            }

            /// A sentence for people.
            pub fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    NoUserName = "no-user-name", "The request has no User-Name.";
    BadUserName = "bad-user-name", "User names like this one are refused before any row is read.";
    UnknownUser = "unknown-user", "No row gives this user a password or a way to log in.";
    InvalidRow = "invalid-row", "A row that cannot be read refuses everybody whom it concerns.";
    ChecksFailed = "checks-failed", "The user's check items do not fit the request.";
    NoPasswordKnown = "no-password-known", "The rows hold no password that could be compared.";
    NoPasswordSent = "no-password-sent", "The request carries no password.";
    PasswordFormUnfit = "password-form-unfit", "The stored password cannot answer this kind of login.";
    BadStoredPassword = "bad-stored-password", "The stored password is unusable.";
    BadPasswordSent = "bad-password-sent", "The password sent is empty, too long, or malformed.";
    WrongPassword = "wrong-password", "The password is wrong.";
    AuthTypeReject = "auth-type-reject", "A row says Auth-Type := Reject.";
    AuthTypeUnfit = "auth-type-unfit", "Auth-Type names a method that this login cannot use.";
    AccountDisabled = "account-disabled", "The account is disabled.";
    AccountExpired = "account-expired", "The account has expired.";
    OutsideLoginTime = "outside-login-time", "Login-Time does not allow this hour.";
    QuotaReached = "quota-reached", "A limit of time or volume is used up.";
    AlreadyLoggedIn = "already-logged-in", "Simultaneous-Use allows no further session.";
    ResponseTypeReject = "response-type-reject", "A row says Response-Packet-Type := Access-Reject.";
    EapNotSupported = "eap-not-supported", "EAP is not served.";
}
