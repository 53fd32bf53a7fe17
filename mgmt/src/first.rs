//! The first operator: a store that has none gets an administrator with a password made up on the
//! spot. There is never a default one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schema::{Actor, AuditKeys, Operator, Store};
use uuid::Uuid;

use crate::{keys, password};

const NAME: &str = "admin";

/// Who was made, and with what to sign in once.
pub struct First {
    pub name: &'static str,
    pub password: String,
    pub file: PathBuf,
}

/// Where the one-time password lies until it is changed.
#[must_use]
pub fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.password")
}

/// `None` when the store has an operator. The file is written first: a password that nobody could
/// read would lock everybody out.
pub async fn make(
    store: &Store,
    data_dir: &Path,
    audit_keys: &Arc<AuditKeys>,
) -> Result<Option<First>, String> {
    if store.count_operators().await.map_err(|error| error.to_string())? > 0 {
        return Ok(None);
    }
    let (file, password) = (file(data_dir), password::generate());
    // What an earlier start left, whose operator was not made or is gone.
    std::fs::remove_file(&file).ok();
    keys::write_private(&file, &format!("{NAME}\n{password}\n"))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let clear = password.clone();
    let hash = tokio::task::spawn_blocking(move || password::hash(&clear)).await;
    let hash = hash.map_err(|error| error.to_string())?;
    let operator = Operator {
        id: Uuid::now_v7(),
        name: NAME.into(),
        full_name: "Administrator".into(),
        role: schema::ADMINISTRATOR.into(),
        must_change: true,
        ..Operator::default()
    };
    let actor = Actor {
        operator: None,
        name: "radiusd".into(),
        means: "first start".into(),
        source: "here".into(),
        keys: Arc::clone(audit_keys),
    };
    match store.add_first_operator(&actor, &operator, &hash).await {
        Ok(true) => Ok(Some(First { name: NAME, password, file })),
        // Another node was first, and has told its own password.
        made => {
            std::fs::remove_file(&file).ok();
            made.map(|_| None).map_err(|error| error.to_string())
        }
    }
}

/// The password of that operator was changed: the file tells nothing any more.
pub(crate) fn forget(file: &Path, name: &str) {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    if text.lines().next() == Some(name) {
        std::fs::remove_file(file).ok();
    }
}
