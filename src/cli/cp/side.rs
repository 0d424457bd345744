//! The two sides of a copy, as they are typed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::uncopied;
use crate::failure::Failure;

/// One side of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// A path of here.
    Here(PathBuf),
    /// A path in a service's containers.
    In { service: String, path: String },
}

/// A path that is absolute or begins with a dot is one of here, whatever colons it has.
pub(super) fn side(text: &OsStr) -> Result<Side, Failure> {
    let here = || Ok(Side::Here(text.into()));
    let bytes = text.as_bytes();
    let Some(colon) = bytes.iter().position(|byte| *byte == b':') else {
        return here();
    };
    if bytes.starts_with(b"/") || bytes.starts_with(b".") {
        return here();
    }
    let (service, path) = (&bytes[..colon], &bytes[colon + 1..]);
    match (str::from_utf8(service), str::from_utf8(path)) {
        (_, Ok("")) => Err(uncopied(
            format!("`{}` names no path in the container", text.display()),
            "`/` is all of it",
        )),
        (Ok(service), Ok(path)) => Ok(Side::In {
            service: service.to_owned(),
            // Relative ones are read from the root.
            path: format!("/{}", path.trim_start_matches('/')),
        }),
        _ => Err(uncopied(
            format!("`{}` is no path that the engine takes", text.display()),
            "paths in containers are UTF-8; `./` in front means a path of here",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_a_service_or_here() {
        let here = |text: &str| Side::Here(text.into());
        let inside = |service: &str, path: &str| Side::In {
            service: service.to_owned(),
            path: path.to_owned(),
        };
        for text in ["a", "./a:b", "/a:b", "-", "../a:b"] {
            assert_eq!(side(text.as_ref()).unwrap(), here(text));
        }
        assert_eq!(side("db:/a:b".as_ref()).unwrap(), inside("db", "/a:b"));
        assert_eq!(side("db:a/.".as_ref()).unwrap(), inside("db", "/a/."));
        assert!(side("db:".as_ref()).is_err());
    }
}
