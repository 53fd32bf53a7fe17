//! What may be done, by name, and which role may do it: one table.
//!
//! A handler asks for `Permit<P>` with one of the types named here; there is no other way to the
//! store. Rights are looked up anew for each request.

use serde::Serialize;
use utoipa::ToSchema;

/// Whether what it permits changes or reveals something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
}

/// What a handler can ask of the one who calls it.
pub trait Right: Send + Sync + 'static {
    /// As the API's document states it.
    const NAME: &'static str;
    /// `None`: whoever has signed in.
    const PERMISSION: Option<Permission>;
    /// Also for those who must choose a new password first.
    const EARLY: bool = false;
    /// Only in person: no token will do.
    const IN_PERSON: bool = false;
    /// No sign of life: a login that does nothing else ends.
    const IDLE: bool = false;
}

macro_rules! permissions {
    ($($(#[doc = $text:literal])* $name:ident = $word:literal, $kind:ident;)*) => {
        /// Each permission; its place is its bit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Permission { $($name),* }

        impl Permission {
            pub const ALL: &[Permission] = &[$(Permission::$name),*];

            pub fn name(self) -> &'static str {
                match self { $(Permission::$name => $word),* }
            }

            pub fn kind(self) -> Kind {
                match self { $(Permission::$name => Kind::$kind),* }
            }

            /// In words, for whoever puts a role together.
            pub fn text(self) -> &'static str {
                match self { $(Permission::$name => concat!($($text),*)),* }
            }
        }

        $(
            $(#[doc = $text])*
            pub struct $name;

            impl Right for $name {
                const NAME: &'static str = $word;
                const PERMISSION: Option<Permission> = Some(Permission::$name);
            }
        )*
    };
}

permissions! {
    /// See users, their rows and groups, but no password.
    ReadUsers = "users:read", Read;
    /// Add, change, disable and remove users.
    WriteUsers = "users:write", Write;
    /// See a user's password in clear.
    RevealPasswords = "users:reveal-password", Write;
    /// See groups.
    ReadGroups = "groups:read", Read;
    /// Add, change and remove groups.
    WriteGroups = "groups:write", Write;
    /// See NAS, but no secret.
    ReadNas = "nas:read", Read;
    /// Add, change and remove NAS.
    WriteNas = "nas:write", Write;
    /// See a NAS's secret.
    RevealSecrets = "nas:reveal-secret", Write;
    /// See sessions, live and past.
    ReadSessions = "sessions:read", Read;
    /// Disconnect and change sessions.
    DisconnectSessions = "sessions:disconnect", Write;
    /// See authentications and why they were refused.
    ReadAttempts = "attempts:read", Read;
    /// See usage and reports.
    ReadReports = "reports:read", Read;
    /// See plans, invoices and payments.
    ReadBilling = "billing:read", Read;
    /// Change plans, write invoices, take payments.
    WriteBilling = "billing:write", Write;
    /// Pay money back.
    Refund = "billing:refund", Write;
    /// See tenants.
    ReadTenants = "tenants:read", Read;
    /// Add, change and remove tenants, and say what belongs to which.
    WriteTenants = "tenants:write", Write;
    /// See operators and roles.
    ReadOperators = "operators:read", Read;
    /// Add, change and remove operators and roles, up to what oneself may do.
    WriteOperators = "operators:write", Write;
    /// See everybody's API tokens, but no token's secret.
    ReadTokens = "tokens:read", Read;
    /// Make API tokens for oneself, remove anybody's.
    WriteTokens = "tokens:write", Write;
    /// Read the audit log.
    ReadAudit = "audit:read", Read;
    /// Take a person's data out of the audit log.
    EraseAudit = "audit:erase", Write;
    /// See settings and jobs.
    ReadSettings = "settings:read", Read;
    /// Change settings, run jobs.
    WriteSettings = "settings:write", Write;
}

/// Whoever has signed in, or a token.
pub struct SignedIn;

impl Right for SignedIn {
    const NAME: &'static str = "signed-in";
    const PERMISSION: Option<Permission> = None;
}

/// Whoever has signed in, and waits for what happens.
pub struct Listens;

impl Right for Listens {
    const NAME: &'static str = "signed-in";
    const PERMISSION: Option<Permission> = None;
    const IDLE: bool = true;
}

/// Who has signed in, even with a password that has to be changed first. No token.
pub struct Entered;

impl Right for Entered {
    const NAME: &'static str = "in-person";
    const PERMISSION: Option<Permission> = None;
    const EARLY: bool = true;
    const IN_PERSON: bool = true;
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set(u64);

impl Set {
    pub const NONE: Set = Set(0);

    pub fn all() -> Set {
        Permission::ALL.iter().copied().collect()
    }

    pub fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u32) != 0
    }

    /// Whether the other one has nothing that this one lacks.
    pub fn covers(self, other: Set) -> bool {
        other.0 & !self.0 == 0
    }

    /// What an operator of a tenant can be permitted at all: what is told apart by its owner. A
    /// permission stands here once all its handlers take the `Scope` of their `Permit`.
    pub fn within_a_tenant() -> Set {
        use Permission as P;
        let all = [
            P::ReadUsers,
            P::WriteUsers,
            P::RevealPasswords,
            P::ReadGroups,
            P::WriteGroups,
            P::ReadNas,
            P::WriteNas,
            P::RevealSecrets,
            P::ReadSessions,
            P::DisconnectSessions,
            P::ReadAttempts,
            P::ReadOperators,
            P::WriteOperators,
            P::ReadTokens,
            P::WriteTokens,
        ];
        all.into_iter().collect()
    }

    pub fn both(self, other: Set) -> Set {
        Set(self.0 & other.0)
    }

    /// Names that are none of ours, of a newer version for instance, permit nothing.
    pub fn of_names(names: &[String]) -> Set {
        names.iter().filter_map(|name| find(name)).collect()
    }

    pub fn names(self) -> Vec<&'static str> {
        let all = Permission::ALL.iter().filter(|permission| self.has(**permission));
        all.map(|permission| permission.name()).collect()
    }
}

impl FromIterator<Permission> for Set {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Set {
        Set(permissions.into_iter().fold(0, |bits, permission| bits | 1 << permission as u32))
    }
}

pub fn find(name: &str) -> Option<Permission> {
    Permission::ALL.iter().copied().find(|permission| permission.name() == name)
}

/// A role that every site has. It is no row: an upgrade gives it what is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BuiltIn {
    Administrator,
    Manager,
    Support,
    Billing,
    ReadOnly,
}

impl BuiltIn {
    pub const ALL: [BuiltIn; 5] = [
        BuiltIn::Administrator,
        BuiltIn::Manager,
        BuiltIn::Support,
        BuiltIn::Billing,
        BuiltIn::ReadOnly,
    ];

    /// Its id wherever a role is named.
    pub fn name(self) -> &'static str {
        match self {
            BuiltIn::Administrator => schema::ADMINISTRATOR,
            BuiltIn::Manager => "manager",
            BuiltIn::Support => "support",
            BuiltIn::Billing => "billing",
            BuiltIn::ReadOnly => "read-only",
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            BuiltIn::Administrator => "Everything",
            BuiltIn::Manager => "Everything but operators, tenants and settings",
            BuiltIn::Support => "Users and their sessions",
            BuiltIn::Billing => "Plans, invoices and payments",
            BuiltIn::ReadOnly => "Everything to see, nothing to change; no audit log",
        }
    }

    pub fn permissions(self) -> Set {
        use Permission as P;
        let all = Permission::ALL.iter().copied();
        match self {
            BuiltIn::Administrator => all.collect(),
            BuiltIn::Manager => {
                let not = [P::WriteOperators, P::WriteTenants, P::WriteSettings, P::EraseAudit];
                all.filter(|one| !not.contains(one)).collect()
            }
            BuiltIn::Support => [
                P::ReadUsers,
                P::WriteUsers,
                P::ReadGroups,
                P::ReadNas,
                P::ReadSessions,
                P::DisconnectSessions,
                P::ReadAttempts,
                P::ReadReports,
            ]
            .into_iter()
            .collect(),
            BuiltIn::Billing => [
                P::ReadUsers,
                P::ReadSessions,
                P::ReadReports,
                P::ReadBilling,
                P::WriteBilling,
                P::Refund,
            ]
            .into_iter()
            .collect(),
            BuiltIn::ReadOnly => {
                all.filter(|one| one.kind() == Kind::Read && *one != P::ReadAudit).collect()
            }
        }
    }

    pub fn named(name: &str) -> Option<BuiltIn> {
        BuiltIn::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What an operator may do: by a built-in role, or by the permissions of one of the site's own. A
/// role that is gone permits nothing.
pub fn granted(role: &str, own: Option<&[String]>) -> Set {
    match (BuiltIn::named(role), own) {
        (Some(role), _) => role.permissions(),
        (None, Some(names)) => Set::of_names(names),
        (None, None) => Set::NONE,
    }
}

/// Of what a role permits, what is left to an operator of that tenant, or of none.
pub fn confined(set: Set, tenant: Option<uuid::Uuid>) -> Set {
    if tenant.is_some() { set.both(Set::within_a_tenant()) } else { set }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_its_bit_and_a_name_of_its_own() {
        assert!(Permission::ALL.len() <= 64);
        for (index, permission) in Permission::ALL.iter().enumerate() {
            assert_eq!(*permission as usize, index);
            assert_eq!(find(permission.name()), Some(*permission));
            assert_eq!(permission.name().ends_with(":read"), permission.kind() == Kind::Read);
            assert!(permission.text().trim().ends_with('.'));
        }
    }

    #[test]
    fn a_tenant_has_nothing_that_is_everybodys() {
        let all = confined(Set::all(), Some(uuid::Uuid::nil()));
        for permission in [
            Permission::WriteTenants,
            Permission::ReadAudit,
            Permission::ReadSettings,
            Permission::WriteSettings,
        ] {
            assert!(!all.has(permission), "{}", permission.name());
        }
        assert!(all.has(Permission::WriteUsers));
        assert_eq!(confined(Set::all(), None), Set::all());
    }

    #[test]
    fn roles_have_what_they_are_for() {
        assert_eq!(granted("administrator", None), Set::all());
        assert!(!granted("manager", None).has(Permission::WriteOperators));
        assert!(granted("support", None).has(Permission::DisconnectSessions));
        assert!(!granted("support", None).has(Permission::RevealPasswords));
        assert!(!granted("billing", None).has(Permission::WriteUsers));
        let read = granted("read-only", None);
        assert!(read.names().iter().all(|name| name.ends_with(":read")));
        assert_eq!(granted("gone", None), Set::NONE);
        assert_eq!(
            granted("own", Some(&["users:read".into(), "of:tomorrow".into()])).names(),
            ["users:read"]
        );
        assert!(Set::all().covers(read) && !read.covers(Set::all()));
    }
}
