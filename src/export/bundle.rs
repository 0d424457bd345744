//! What lies beside an export that brings its images: their archive, and what loads it where there is only a shell and docker.

use std::fmt::Write;

use sha2::{Digest as _, Sha256};

/// The Compose file's name.
pub const COMPOSE_FILE: &str = "compose.yaml";
/// The archive's name.
pub const ARCHIVE: &str = "images.tar";
/// The name of what loads it.
pub const LOADER: &str = "load.sh";

/// The SHA-256 of an archive, taken while it is written.
#[derive(Default)]
pub struct Checksum(Sha256);

impl Checksum {
    /// Takes in what comes next.
    pub fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// All of it, in hex digits.
    pub fn hex(self) -> String {
        let mut hex = String::new();
        for byte in self.0.finalize() {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

/// The script that loads an archive and looks whether all is there.
pub fn loader(checksum: &str, names: &[String]) -> String {
    let mut list = String::new();
    for name in names {
        let _ = write!(list, " \\\n\t{name}");
    }
    format!(
        "#!/bin/sh\n\
         # Made by `larder export`: loads the images of the Compose file beside it.\n\
         set -eu\n\
         cd \"$(dirname \"$0\")\"\n\
         fail() {{\n\
         \techo \"load.sh: $*\" >&2\n\
         \texit 1\n\
         }}\n\
         \n\
         [ -f {ARCHIVE} ] || fail \"{ARCHIVE} is not beside this script\"\n\
         if command -v sha256sum >/dev/null; then\n\
         \tsum=$(sha256sum {ARCHIVE})\n\
         elif command -v shasum >/dev/null; then\n\
         \tsum=$(shasum -a 256 {ARCHIVE})\n\
         else\n\
         \tsum=\n\
         \techo \"load.sh: no sha256sum here, so {ARCHIVE} is taken as it is\" >&2\n\
         fi\n\
         [ -z \"$sum\" ] || [ \"${{sum%% *}}\" = {checksum} ] || fail \"{ARCHIVE} is not what was exported\"\n\
         docker load --quiet --input {ARCHIVE} >/dev/null\n\
         for image in{list}; do\n\
         \tdocker image inspect \"$image\" >/dev/null 2>&1 || fail \"$image is not in {ARCHIVE}\"\n\
         done\n\
         echo \"loaded: start it with docker compose --file '$PWD/{COMPOSE_FILE}' up\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_all() {
        let mut sum = Checksum::default();
        sum.take(b"a");
        sum.take(b"bc");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sum.hex(), expected);
    }

    #[test]
    fn the_script_names_each_image() {
        let names = [
            "localhost/larder/image:a".to_owned(),
            "localhost/larder/base:b".to_owned(),
        ];
        let script = loader("abc", &names);
        assert!(script.contains("[ \"${sum%% *}\" = abc ]"), "{script}");
        let list =
            "for image in \\\n\tlocalhost/larder/image:a \\\n\tlocalhost/larder/base:b; do\n";
        assert!(script.contains(list), "{script}");
    }
}
