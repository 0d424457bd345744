//! Platforms as BuildKit writes them (containerd/platforms), and the build arguments that carry them.

use std::fmt;

/// `os/arch[/variant]`, normalised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    os: String,
    arch: String,
    variant: String,
}

impl Platform {
    /// What an engine on this machine builds for when nobody says otherwise: containers are Linux
    /// everywhere, and engines run on the machine's own kind of processor.
    pub fn host() -> Self {
        Self::normalised("linux", std::env::consts::ARCH, "")
    }

    /// `os`, `arch`, `os/arch` or `os/arch/variant`; what is left out is the host's.
    pub fn parse(text: &str) -> Self {
        let host = Self::host();
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os @ ("linux" | "windows" | "darwin" | "freebsd")] => {
                Self::normalised(os, &host.arch, "")
            }
            [arch] => Self::normalised(&host.os, arch, ""),
            [os, arch] => Self::normalised(os, arch, ""),
            [os, arch, variant @ ..] => Self::normalised(os, arch, &variant.join("/")),
            [] => host,
        }
    }

    /// What an image says of itself; `None` where it does not say.
    pub fn of_image(os: &str, arch: &str, variant: &str) -> Option<Self> {
        let says = !os.is_empty() && !arch.is_empty();
        says.then(|| Self::normalised(os, arch, variant))
    }

    /// Whether an image for `other` is one for this: the same, or of an older variant (containerd/platforms
    /// `Only`, without its step from one processor to another).
    pub fn takes(&self, other: &Self) -> bool {
        let version = |variant: &str| variant.trim_start_matches('v').parse::<u32>().ok();
        self.os == other.os
            && self.arch == other.arch
            && (self.variant == other.variant
                || other.variant.is_empty()
                || version(&other.variant) < version(&self.variant))
    }

    fn normalised(os: &str, arch: &str, variant: &str) -> Self {
        let arch = arch.to_ascii_lowercase();
        let variant = variant.to_ascii_lowercase();
        let (arch, variant) = match (arch.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
            ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
            ("i386" | "x86" | "386", _) => ("386", ""),
            ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", ""),
            ("aarch64" | "arm64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", "" | "7" | "v7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6" | "v6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("powerpc64le", variant) => ("ppc64le", variant),
            (arch, variant) => (arch, variant),
        };
        Self {
            os: os.to_ascii_lowercase(),
            arch: arch.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// The predefined arguments: this platform as the target, the engine's own as what builds it
    /// (`dockerfile2llb/platform.go`, `defaultArgs`).
    pub(super) fn arguments(&self, native: &Self) -> Vec<(&'static str, String)> {
        vec![
            ("BUILDPLATFORM", native.to_string()),
            ("BUILDOS", native.os.clone()),
            ("BUILDOSVERSION", String::new()),
            ("BUILDARCH", native.arch.clone()),
            ("BUILDVARIANT", native.variant.clone()),
            ("TARGETPLATFORM", self.to_string()),
            ("TARGETOS", self.os.clone()),
            ("TARGETOSVERSION", String::new()),
            ("TARGETARCH", self.arch.clone()),
            ("TARGETVARIANT", self.variant.clone()),
        ]
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        if self.variant.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.variant)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_platform_has_one_name() {
        let cases = [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/aarch64", "linux/arm64"),
            ("arm64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("Linux/ARM/v6", "linux/arm/v6"),
        ];
        for (text, name) in cases {
            assert_eq!(Platform::parse(text).to_string(), name);
        }
    }

    #[test]
    fn an_older_variant_will_do_and_another_processor_will_not() {
        let takes =
            |asked: &str, image: &str| Platform::parse(asked).takes(&Platform::parse(image));
        assert!(takes("linux/arm64/v8", "linux/arm64"));
        assert!(takes("linux/arm/v7", "linux/arm/v6"));
        assert!(takes("linux/amd64/v2", "linux/amd64"));
        assert!(!takes("linux/arm/v6", "linux/arm/v7"));
        assert!(!takes("linux/amd64", "linux/amd64/v2"));
        assert!(!takes("linux/arm64", "linux/amd64"));
        assert!(!takes("windows/amd64", "linux/amd64"));
        assert_eq!(Platform::of_image("linux", "", ""), None);
    }
}
