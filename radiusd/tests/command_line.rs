//! The binary as an operator uses it: what it prints, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a run of the binary did.
struct Done {
    code: i32,
    out: String,
    err: String,
}

/// The binary over a data directory of its own, on SQLite.
struct Radiusd {
    folder: tempfile::TempDir,
}

impl Radiusd {
    fn new() -> Radiusd {
        Radiusd { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Done {
        let inherited = std::env::vars_os().map(|(name, _)| name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_radiusd"));
        for name in inherited.filter(|name| name.to_string_lossy().starts_with("RADIUSD")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(arguments)
            .env("RADIUSD__DATA_DIR", self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Done {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A run that must succeed, and what it printed.
    #[track_caller]
    fn does(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}{}", done.out, done.err);
        done.out
    }

    /// A run that must fail with this code and a sentence that has these words.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], code: i32, words: &str) {
        let done = self.run(arguments);
        let said = format!("{}{}", done.out, done.err);
        assert_eq!(done.code, code, "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {words} in {said}");
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.does(arguments)).unwrap()
    }
}

#[test]
fn a_wrong_configuration_says_where_and_ends_with_78() {
    let radiusd = Radiusd::new();
    let file = radiusd.path().join("radiusd.toml");
    std::fs::write(&file, "[radius]\nworkers = 1\nreject_dely = 1\n").unwrap();
    let file = file.to_str().unwrap();
    let words = format!(
        "{file}:3: there is no key radius.reject_dely; the nearest one is radius.reject_delay"
    );
    radiusd.refuses(&["serve", "--config", file], 78, &words);
    radiusd.refuses(&["check-config", "--config", file], 1, &words);
    radiusd.refuses(&["check-config", "--config", "/no/such/file"], 1, "/no/such/file");
    radiusd.refuses(&["serve", "--set", "radius.workers=many"], 78, "--set radius.workers");
    radiusd.refuses(&["serve", "--auth", "nowhere"], 78, "--auth: radius.auth = nowhere");
    radiusd.refuses(&["user", "list", "--database", "mysql://x"], 78, "sqlite:PATH");
    radiusd.refuses(&["serv"], 64, "serve");
}

#[test]
fn a_level_that_would_say_nothing_is_refused() {
    let radiusd = Radiusd::new();
    radiusd.refuses(&["check-config", "--set", "log.level=loud"], 1, "log.level");
    for (program, why) in [
        ("checkrad", "radius.checkrad"),
        ("/no/such/checkrad", "No such file"),
        ("/etc/passwd", "not executable"),
        ("/etc", "no file"),
    ] {
        let set = format!("radius.checkrad={program}");
        radiusd.refuses(&["check-config", "--set", &set], 1, why);
    }
    radiusd.does(&["check-config", "--set", "radius.checkrad=/bin/true"]);
    radiusd.refuses(&["serve", "--set", "log.level=loud"], 78, "log.level");
    for level in ["warn", "INFO", "info,radiusd::server=debug,hyper=off"] {
        radiusd.does(&["check-config", "--set", &format!("log.level={level}")]);
    }
}

#[test]
fn the_shipped_configuration_is_right() {
    let radiusd = Radiusd::new();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/radiusd.toml");
    assert!(radiusd.does(&["check-config", "--config", file]).ends_with("radiusd.toml is right\n"));
    let printed = radiusd.does(&["check-config", "--config", file, "--print"]);
    let data_dir = printed.lines().next().unwrap();
    assert!(data_dir.contains("# environment RADIUSD__DATA_DIR"), "{data_dir}");
}

#[test]
fn a_user_is_added_shown_changed_and_removed() {
    let radiusd = Radiusd::new();
    let done = radiusd.run_with(&["user", "add", "alice", "--password", "-"], "wonder\\land\nrest");
    assert_eq!((done.code, done.out.as_str()), (0, "alice is added\n"), "{}", done.err);
    radiusd.refuses(&["user", "add", "alice", "--password", "x"], 1, "radiusd user change alice");
    radiusd.refuses(&["user", "add", "bob"], 64, "--password");
    radiusd.refuses(&["user", "add", "b b", "--password", "x"], 65, "could never log in");

    let alice = radiusd.json(&["user", "show", "alice", "--json", "--reveal"]);
    assert_eq!(alice["check"][0]["attribute"], "Cleartext-Password");
    assert_eq!(alice["check"][0]["op"], ":=");
    assert_eq!(alice["check"][0]["value"], "wonder\\\\land");
    let shown = radiusd.does(&["user", "show", "alice"]);
    assert!(shown.contains("Cleartext-Password := …") && !shown.contains("wonder"), "{shown}");

    radiusd.does(&["user", "change", "alice", "--group", "gold", "--group", "silver", "--disable"]);
    radiusd.does(&["user", "change", "alice", "--reply", "framed-ip-address = 10.0.0.7"]);
    let alice = radiusd.json(&["user", "show", "alice", "--json"]);
    assert_eq!(alice["disabled"], true);
    assert_eq!(alice["check"][0]["value"], serde_json::Value::Null);
    assert_eq!(alice["reply"][0]["attribute"], "Framed-IP-Address");
    let groups = serde_json::json!([
        { "group": "gold", "priority": 1 },
        { "group": "silver", "priority": 2 },
    ]);
    assert_eq!(alice["groups"], groups);

    radiusd.does(&["user", "change", "alice", "--enable", "--remove-group", "gold"]);
    radiusd.does(&["user", "change", "alice", "--password", "other", "--hash", "nt"]);
    let alice = radiusd.json(&["user", "show", "alice", "--json"]);
    assert_eq!(alice["disabled"], false);
    assert_eq!(alice["check"].as_array().unwrap().len(), 1);
    assert_eq!(alice["check"][0]["attribute"], "NT-Password");

    radiusd.refuses(&["user", "change", "alice"], 64, "--help");
    radiusd.refuses(&["user", "change", "alice", "--reply", "Framed-IP-Address = x y"], 64, "x y");
    radiusd.refuses(&["user", "change", "bob", "--disable"], 1, "there is no user bob");
    assert_eq!(radiusd.json(&["user", "list", "al", "--json"]).as_array().unwrap().len(), 1);
    assert_eq!(radiusd.does(&["user", "list", "b"]), "");
    radiusd.does(&["user", "remove", "alice"]);
    radiusd.refuses(&["user", "remove", "alice"], 1, "there is no user alice");
    radiusd.refuses(&["user", "show", "alice"], 1, "there is no user alice");
}

/// `pass-word`, in forms that only `Auth-Type := PAP` makes FreeRADIUS look at.
const DERIVED: [(&str, &str); 4] = [
    ("PBKDF2-SHA1-Password", "1000$MDEyMzQ1Njc4OWFiY2RlZg==$ianGZt6YCOACrW2kWEb92+sE/E0="),
    (
        "PBKDF2-SHA256-Password",
        "1000$MDEyMzQ1Njc4OWFiY2RlZg==$DyHrbX7GzT4oR2MbRq2wdtROSW9bhavoNikXmT78F2A=",
    ),
    (
        "PBKDF2-SHA512-Password",
        "1000$MDEyMzQ1Njc4OWFiY2RlZg==$5grYRdzh0OLCZc+0EHqwIBP+ubxtJee2JzabiGlhDBdMpWsvddVtHTYht1ef\
         bSYztSoUQHnGK3tTfucOTJnQkg==",
    ),
    (
        "PBKDF2-SHA256-LEGACY",
        "AAAD6AABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj+m\
         zZ3KhldeZLTdUS43yKjWuzbJ7zo6XNIkEVh3d01ujM6nty0HIPVj33dTzvehcLg7VB63zdPZh3bqg0JHSlfUNn1CBMnC\
         Ehh206Nmz5adREWlLrqKJ1wT/3q2ZBwL0UKZeHQE5ghi0ftMZv/9S36gjo9K1IvEcojAjliAobos2WQLvtquyZ6HC6ip\
         Ab8CDC6luhOlwdO2bGNggUaE4RFehKQjHyVKzCCJWJkZSPjq5Srgd3G/KAWPsiZnGFioBzH73t6bXHdbonqv+RaWGYCK\
         Z8xJzkGjPh4ycofSWR2r86bBKf3Bcwdl9rDyGTp99yIe20ssjd79+jnEDtKDEbj/",
    ),
];

#[test]
fn every_derived_password_is_compared_and_never_shown() {
    let radiusd = Radiusd::new();
    for (attribute, value) in DERIVED {
        let row = format!("{attribute} := {value}");
        radiusd.does(&["user", "add", attribute, "--check", &row, "--check", "Auth-Type := PAP"]);
        let explain = ["explain", "--user", attribute, "--password"];
        let right = radiusd.run(&[&explain[..], &["pass-word"]].concat());
        assert_eq!(right.code, 0, "{attribute}: {}", right.out);
        let wrong = radiusd.run(&[&explain[..], &["other"]].concat());
        assert!(wrong.code == 1 && wrong.out.contains("password is wrong"), "{}", wrong.out);
        let traced = radiusd.run(&[&explain[..], &["pass-word", "--json"]].concat()).out;
        let shown = radiusd.does(&["user", "show", attribute]);
        let listed = radiusd.does(&["user", "show", attribute, "--json"]);
        let start = value.get(..24).unwrap();
        for text in [&right.out, &wrong.out, &traced, &shown, &listed] {
            assert!(text.contains(attribute) && !text.contains(start), "{text}");
        }
        let revealed = radiusd.does(&["user", "show", attribute, "--reveal"]);
        assert!(revealed.contains(value), "{revealed}");
    }
}

#[test]
fn a_secret_of_any_kind_is_shown_on_request_only() {
    let radiusd = Radiusd::new();
    let rows = [
        "MS-MPPE-Send-Key = 0x5ec3e7",
        "Tunnel-Password:1 = 5ec3e7",
        "Attr-69 = 0x0035656333653700",
        "Ascend-Receive-Secret = 5ec3e7",
    ];
    let rows: Vec<&str> = rows.iter().flat_map(|row| ["--reply", row]).collect();
    radiusd.does(&[&["user", "add", "bob", "--password", "5ec3e7"], &rows[..]].concat());
    radiusd.does(&[&["group", "add", "gold"], &rows[..]].concat());
    for (noun, name) in [("user", "bob"), ("group", "gold")] {
        for show in [&["show", name][..], &["show", name, "--json"], &["list", "--json"]] {
            let shown = radiusd.does(&[&[noun], show].concat());
            assert!(!shown.contains("5ec3e7") && !shown.contains("3565633365"), "{shown}");
        }
        let revealed = radiusd.does(&[noun, "show", name, "--reveal"]);
        assert!(revealed.matches("5ec3e7").count() >= 3, "{revealed}");
    }
    let explained = radiusd.does(&["explain", "--user", "bob", "--password", "5ec3e7"]);
    assert!(!explained.contains("5ec3e7"), "{explained}");
}

/// Digest-HA1 is as good as a password; of a digest login what computes from it is a secret too.
#[test]
fn a_digest_login_is_explained_without_its_secrets() {
    let radiusd = Radiusd::new();
    let ha1 = "b1726872c344b6dc8365b774f8fd6412";
    radiusd.does(&["user", "add", "alice", "--check", &format!("Digest-HA1 := {ha1}")]);
    let parts = "Digest-Attributes=0x\
                 010d6578616d706c652e636f6d020a33626164613161300308494e564954\
                 4504097369703a3140780a07616c696365";
    let right = "5c8005c71e36212b9a425d1437a4ac3e";
    let wrong = "00000000000000000000000000000000";
    let response = |digits: &str| format!("Digest-Response={digits}");
    let explain = ["explain", "--user", "alice", parts];
    let explained = radiusd.does(&[&explain[..], &[&response(right)]].concat());
    for words in ["is a digest login", "Auth-Type digest decides", "fits the stored Digest-HA1"] {
        assert!(explained.contains(words), "{words}: {explained}");
    }
    let refused = radiusd.run(&[&explain[..], &[&response(wrong)]].concat());
    assert!(refused.code == 1 && refused.out.contains("password is wrong"), "{}", refused.out);
    let lacking = ["explain", "--user", "alice", "Digest-Attributes=0x02036a", &response(wrong)];
    let lacking = radiusd.run(&lacking);
    assert!(lacking.out.contains("the digest login has no user name"), "{}", lacking.out);
    let shown = radiusd.does(&["user", "show", "alice"]);
    assert!(shown.contains("Digest-HA1"), "{shown}");
    for text in [&explained, &refused.out, &lacking.out, &shown] {
        assert!(!text.contains(ha1) && !text.contains(right) && !text.contains(wrong), "{text}");
    }
    let short = ["user", "add", "eve", "--check", "Digest-HA1 := abc"];
    radiusd.refuses(&short, 64, "wrong length");
}

/// What the engine cannot read, or what would do nothing, is refused by the engine's own reading.
#[test]
fn a_row_that_refuses_its_user_is_not_written() {
    let radiusd = Radiusd::new();
    for (table, row, words) in [
        ("--check", "LDAP-Group == x", "module"),
        ("--check", "User-Name =~ (a)\\\\1", "backreferences"),
        ("--check", "NT-Password := abc", "wrong length"),
        ("--check", "Service-Type =~ ^Framed", "Framed"),
        ("--reply", "Reply-Message = `%{md5:x}`", "md5"),
    ] {
        let add = ["user", "add", "eve", "--password", "x", table, row];
        radiusd.refuses(&add, 64, words);
    }
    radiusd.does(&["user", "add", "bob", "--password", "x", "--check", "NAS-Port =~ 10"]);
    radiusd.does(&["explain", "--user", "bob", "--password", "x", "NAS-Port=10"]);
}

/// A limit is named with its difference and is no mistake; a name in the wrong form is one.
#[test]
fn check_policy_names_rows_with_their_difference() {
    let radiusd = Radiusd::new();
    for at in 0..7 {
        let name = format!("user{at}");
        let limits = ["--check", "Simultaneous-Use := 1", "--check", "Max-Daily-Session := 60"];
        radiusd.does(&[&["user", "add", &name, "--password", "x"], &limits[..]].concat());
    }
    let said = radiusd.does(&["check-policy"]);
    assert!(said.contains("user4: Simultaneous-Use :=: differs (4): it limits at once"), "{said}");
    assert!(said.contains("Simultaneous-Use :=: differs (4): 2 more rows"), "{said}");
    assert!(said.contains("7 users, 0 groups, 0 NAS, 21 rows; 21 named"), "{said}");
    let named = radiusd.json(&["check-policy", "--json"]);
    let number = |number: i64| {
        let all = named.as_array().unwrap().iter();
        all.filter(|finding| finding["difference"] == number).count()
    };
    assert_eq!((number(4), number(18)), (14, 7));
    let carried = radiusd.does(&["check-policy", "--set", "compat.counter_carry=true"]);
    assert!(carried.contains("14 named") && !carried.contains("(18)"), "{carried}");
    radiusd.does(&["group", "add", "o'gold", "--reply", "Idle-Timeout = 5"]);
    radiusd.refuses(&["check-policy"], 1, "looks for this group as o=27gold");
}

#[test]
fn a_group_is_added_shown_changed_and_removed() {
    let radiusd = Radiusd::new();
    radiusd.refuses(&["group", "add", "gold"], 64, "a group is its rows");
    // A group that users are in already, without rows of its own.
    radiusd.does(&["user", "add", "bob", "--password", "x", "--group", "gold"]);
    radiusd.does(&["group", "add", "gold", "--check", "Simultaneous-Use := 1"]);
    radiusd.refuses(&["group", "add", "gold", "--check", "Simultaneous-Use := 2"], 1, "exists");
    radiusd.does(&["user", "change", "bob", "--remove-group", "gold"]);
    radiusd.does(&["group", "change", "gold", "--reply", "Session-Timeout = 3600"]);
    radiusd.does(&["user", "add", "alice", "--password", "x", "--group", "gold"]);
    let gold = radiusd.json(&["group", "show", "gold", "--json"]);
    assert_eq!(gold["members"], 1);
    assert_eq!(gold["reply"][0]["value"], "3600");
    radiusd.does(&["group", "change", "gold", "--remove-check", "Simultaneous-Use"]);
    assert!(radiusd.does(&["group", "list"]).contains("0 check, 1 reply"));
    radiusd.refuses(&["group", "remove", "gold"], 1, "--with-members");
    radiusd.does(&["group", "remove", "gold", "--with-members"]);
    radiusd.refuses(&["group", "show", "gold"], 1, "there is no group gold");
    assert_eq!(radiusd.json(&["user", "show", "alice", "--json"])["groups"], serde_json::json!([]));
}

#[test]
fn a_nas_is_added_shown_changed_and_removed() {
    let radiusd = Radiusd::new();
    let secret = "a secret of some length";
    radiusd.refuses(&["nas", "add", "not an address", "--secret", secret], 64, "host name");
    radiusd.does(&["nas", "add", "192.0.2.77/24", "--secret", secret, "--name", "office"]);
    radiusd.refuses(&["nas", "add", "192.0.2.0/24", "--secret", secret], 1, "there already");
    radiusd.does(&["nas", "change", "office", "--require-message-authenticator", "yes"]);
    let nas = radiusd.json(&["nas", "show", "192.0.2.0/24", "--json"]);
    assert_eq!(nas["name"], "office");
    assert_eq!(nas["secret"], serde_json::Value::Null);
    assert_eq!(nas["require_message_authenticator"], "yes");
    radiusd.does(&["nas", "add", "--identifier", "tower-2", "--secret", secret]);
    assert_eq!(radiusd.json(&["nas", "list", "--json"]).as_array().unwrap().len(), 2);
    assert!(!radiusd.does(&["nas", "list"]).contains(secret));
    radiusd.does(&["nas", "remove", "tower-2"]);
    radiusd.does(&["nas", "remove", &nas["id"].to_string()]);
    radiusd.refuses(&["nas", "show", "office"], 1, "there is no NAS office");
}

/// As what it now is, with the ids of its rows; secrets aside.
#[test]
fn a_change_is_told_as_json() {
    let radiusd = Radiusd::new();
    let json = |arguments: &str| {
        let split: Vec<&str> = arguments.split(' ').collect();
        radiusd.json(&[&split[..], &["--json"]].concat())
    };
    let bob = json("user add bob --password secret --reply Idle-Timeout=5");
    assert_eq!(bob, json("user show bob"));
    assert!(bob["reply"][0]["id"].as_i64() > Some(0), "{bob}");
    let bob = json("user change bob --reply Idle-Timeout=6 --disable");
    assert_eq!((&bob["disabled"], &bob["reply"][0]["value"]), (&true.into(), &"6".into()));
    assert_eq!(json("user change bob --disable"), bob);
    let gold = json("group add gold --check Simultaneous-Use:=1");
    assert_eq!(gold, json("group show gold"));
    assert_eq!(json("group change gold --check Simultaneous-Use:=2")["check"][0]["value"], "2");
    let nas = json("nas add 192.0.2.1 --secret 0123456789abc --name tower");
    assert_eq!(nas, json("nas show tower"));
    assert_eq!(json("nas change tower --type cisco")["type"], "cisco");
    let named = json("nas add --identifier roof --secret 0123456789abc");
    assert_eq!(named, json("nas show roof"));
    assert!(!format!("{nas}{named}").contains("0123456789abc"));
    for (arguments, id) in [
        ("user remove bob", ("name", "bob".into())),
        ("group remove gold", ("name", "gold".into())),
        ("nas remove tower", ("id", nas["id"].clone())),
        ("nas remove roof", ("identifier", "roof".into())),
    ] {
        let removed = json(arguments);
        assert_eq!((&removed["removed"], &removed[id.0]), (&true.into(), &id.1), "{removed}");
    }
}

/// The NAS that asks may be called by any of its names.
#[test]
fn explain_knows_a_nas_by_its_name() {
    let radiusd = Radiusd::new();
    for nas in [
        ["192.0.2.7", "--name", "tower"],
        ["192.0.2.0/24", "--name", "office"],
        ["localhost", "--name", "here"],
        ["--identifier", "roof-1", "--name=roof"],
    ] {
        radiusd.does(&[&["nas", "add"], &nas[..], &["--secret", "0123456789abc"]].concat());
    }
    let reply = "Reply-Message = `%{Packet-Src-IP-Address}|%{NAS-IP-Address}|%{NAS-Identifier}`";
    radiusd.does(&["user", "add", "bob", "--password", "x", "--reply", reply]);
    for (nas, said) in [
        ("tower", "192.0.2.7|192.0.2.7|"),
        ("192.0.2.8", "192.0.2.8|192.0.2.8|"),
        ("here", "127.0.0.1|127.0.0.1|"),
        ("roof", "127.0.0.1|127.0.0.1|roof-1"),
        ("roof-1", "127.0.0.1|127.0.0.1|roof-1"),
    ] {
        let explained =
            radiusd.does(&["explain", "--user", "bob", "--password", "x", "--nas", nas]);
        assert!(explained.contains(&format!("Reply-Message = \"{said}\"")), "{nas}: {explained}");
    }
    let explain = ["explain", "--user", "bob", "--nas"];
    radiusd.refuses(&[&explain[..], &["office"]].concat(), 64, "192.0.2.0/24");
    radiusd.refuses(&[&explain[..], &["nowhere"]].concat(), 1, "there is no NAS nowhere");
}

#[test]
fn a_store_is_migrated_once() {
    let radiusd = Radiusd::new();
    assert_eq!(radiusd.run(&["migrate", "--status"]).code, 1);
    radiusd.refuses(&["explain", "--user", "bob"], 78, "radiusd migrate");
    assert!(radiusd.does(&["migrate"]).contains("added 0001_"));
    assert!(radiusd.does(&["migrate"]).contains("nothing was missing"));
    assert!(radiusd.does(&["migrate", "--status"]).starts_with("sqlite "));
    radiusd.refuses(
        &["user", "list", "--database", "postgres://x:y@127.0.0.1:1/radius"],
        69,
        "the store is away",
    );
}

#[test]
fn an_operator_and_a_token_live_and_go() {
    let radiusd = Radiusd::new();
    let added = radiusd.json(&["operator", "add", "root", "--role", "administrator", "--json"]);
    assert_eq!(added["one_time_password"].as_str().unwrap().len(), 23);
    radiusd.refuses(&["operator", "add", "ROOT", "--role", "support"], 1, "exists already");
    radiusd.refuses(&["operator", "add", "x", "--role", "king"], 65, "administrator, manager");
    radiusd.refuses(&["operator", "add", "a b", "--role", "support"], 65, "name: 1 to 64 letters");
    let weak = ["operator", "add", "x", "--role", "support", "--password", "password123"];
    radiusd.refuses(&weak, 65, "easily guessed");
    let add = ["operator", "add", "ann", "--role", "support", "--password", "-"];
    let done = radiusd.run_with(&add, "correct horse battery staple\n");
    assert_eq!((done.code, done.out.as_str()), (0, "ann is added\n"), "{}", done.err);
    let change = ["operator", "change", "ann", "--disable", "--full-name", "Ann", "--json"];
    assert_eq!(radiusd.json(&change)["disabled"], true);
    assert!(radiusd.does(&["operator", "list"]).contains("disabled"));
    assert!(radiusd.does(&["operator", "show", "Ann"]).contains("last login  never"));
    assert!(radiusd.does(&["operator", "reset", "ann"]).contains("change ann --enable"));
    radiusd.refuses(&["operator", "remove", "root"], 1, "the last administrator has to stay");
    radiusd.refuses(&["operator", "reset", "nobody"], 1, "there is no operator nobody");
    radiusd.refuses(&["operator", "reset", "root", "--second-factor"], 1, "no second factor");

    let add = ["token", "add", "backup", "--operator", "root", "--scope", "audit:read", "--json"];
    let token = radiusd.json(&add);
    assert!(token["secret"].as_str().unwrap().starts_with("radiusd_"));
    let wrong = ["token", "add", "x", "--operator", "root", "--scope", "everything"];
    radiusd.refuses(&wrong, 65, "there is no permission everything");
    assert!(!radiusd.does(&["token", "list", "--json"]).contains("radiusd_"));
    radiusd.does(&["token", "remove", "backup"]);
    radiusd.refuses(&["token", "remove", "backup"], 1, "there is no token backup");
    radiusd.does(&["operator", "remove", "ann"]);

    let verified = radiusd.json(&["verify-audit", "--json"]);
    assert_eq!((&verified["rows"], &verified["breaks"]), (&7.into(), &serde_json::json!([])));
    let key = std::fs::metadata(radiusd.path().join("keys/audit")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&key) & 0o777, 0o600);
}

#[test]
fn the_dictionary_is_looked_up() {
    let radiusd = Radiusd::new();
    let shown = radiusd.does(&["dictionary", "show", "Service-Type"]);
    assert!(shown.contains("Framed-User"), "{shown}");
    radiusd.refuses(&["dictionary", "show", "Servce-Type"], 1, "Service-Type");
    assert!(radiusd.does(&["dictionary", "show", "Mikrotik-*"]).lines().count() > 5);
    let pairs = ["User-Name=alice", "Framed-IP-Address=10.0.0.7", "Mikrotik-Rate-Limit=1M/2M"];
    let octets = radiusd.does(&[&["dictionary", "encode"], &pairs[..]].concat());
    assert!(octets.starts_with("0107616c696365"), "{octets}");
    let again = radiusd.does(&["dictionary", "decode", octets.trim()]);
    let expected =
        "User-Name = \"alice\"\nFramed-IP-Address = 10.0.0.7\nMikrotik-Rate-Limit = \"1M/2M\"\n";
    assert_eq!(again, expected);
    radiusd.refuses(&["dictionary", "decode", "0xyz"], 65, "hex");
    radiusd.refuses(&["dictionary", "decode", "0107"], 65, "malformed");
    radiusd.refuses(&["dictionary", "encode", "User-Password=x"], 64, "--secret");
}

#[test]
fn a_request_that_nobody_answers_ends_with_69() {
    let radiusd = Radiusd::new();
    // Bound and never read.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let request = ["client", "status", &address, "secret", "--tries", "2", "--timeout", "0.1"];
    radiusd.refuses(&request, 69, "doesn't answer");
    radiusd.refuses(&["client", "auth", &address, "s", "User-Nam=x"], 64, "User-Name");
}
