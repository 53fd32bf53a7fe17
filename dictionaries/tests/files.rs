//! Dictionaries in files: who includes whom, and which files are refused.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use dictionaries::{Dictionary, ParseError};

struct Directory(tempfile::TempDir);

impl Directory {
    fn with(files: &[(&str, &str)]) -> Directory {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Directory(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Result<Dictionary, ParseError> {
        Dictionary::load(&self.path("dictionary"))
    }
}

fn names(dictionary: &Dictionary) -> Vec<&str> {
    dictionary.attributes().map(|attribute| &*attribute.name).collect()
}

#[test]
fn includes_are_relative_to_their_file_and_read_once() {
    let absolute = Directory::with(&[("other", "ATTRIBUTE far 4 string\n")]);
    let root = format!(
        "$INCLUDE sub/one\n$INCLUDE {}\n$INCLUDE- missing\n$INCLUDE dictionary\n",
        absolute.path("other").display()
    );
    let directory = Directory::with(&[
        ("dictionary", &root),
        ("sub/one", "ATTRIBUTE one 1 string\n$INCLUDE two\n$INCLUDE ../dictionary\n"),
        ("sub/two", "ATTRIBUTE two 2 string\n$INCLUDE ./one\n"),
    ]);
    assert_eq!(names(&directory.load().unwrap()), ["one", "two", "far"]);
}

#[test]
fn an_error_names_file_and_line() {
    let directory = Directory::with(&[
        ("dictionary", "# first\n$INCLUDE one\n"),
        ("one", "\nATTRIBUTE a 1 nonsense\n"),
    ]);
    let error = directory.load().unwrap_err();
    assert_eq!((error.file, error.line), (directory.path("one"), 2));
    assert_eq!(&*error.why, "unknown type nonsense");
    let directory = Directory::with(&[("dictionary", "\n$INCLUDE missing\n")]);
    let error = directory.load().unwrap_err();
    assert_eq!((error.file, error.line), (directory.path("dictionary"), 2));
    assert!(error.why.contains("missing") && error.why.contains("No such file"));
    let error = Dictionary::load(Path::new("/nowhere/dictionary")).unwrap_err();
    assert_eq!(error.line, 0);
}

#[test]
fn what_anyone_may_write_is_refused() {
    let directory = Directory::with(&[("dictionary", "$INCLUDE- one\n"), ("one", "")]);
    fs::set_permissions(directory.path("one"), Permissions::from_mode(0o646)).unwrap();
    assert!(directory.load().unwrap_err().why.contains("may be written by anyone"));
    fs::set_permissions(directory.path("one"), Permissions::from_mode(0o664)).unwrap();
    assert!(directory.load().is_ok());
    assert!(Dictionary::load(&directory.path("")).unwrap_err().why.contains("regular file"));
}

#[test]
fn a_site_adds_to_ours_and_replaces_what_modules_define() {
    let directory = Directory::with(&[(
        "dictionary",
        "ATTRIBUTE My-Plan 3000 string\nATTRIBUTE Max-Octets 3001 integer\n\
         VALUE Service-Type My-Service 99\n",
    )]);
    let dictionary = Dictionary::shipped_with(&[directory.path("dictionary")]).unwrap();
    let show = |name| dictionary.attribute(name).unwrap().to_string();
    assert_eq!(show("my-plan"), "My-Plan 3000 string");
    assert_eq!(show("Max-Octets"), "Max-Octets 3001 integer");
    assert_eq!(dictionary.standard(6).unwrap().value_named("my-service"), Some(99));
    assert_eq!(Dictionary::shipped().standard(6).unwrap().value_named("my-service"), None);
}
