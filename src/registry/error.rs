//! How a registry fails, in words that stand behind its name.

use oci_client::errors::{OciDistributionError, OciEnvelope, OciErrorCode};

/// A registry did not answer what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No connection, or it broke off.
    #[error("`{host}` cannot be reached: {why}")]
    Unreachable {
        /// The registry's host.
        host: String,
        /// The system's words.
        why: String,
    },
    /// It took the question and was silent.
    #[error("`{host}` did not answer in time")]
    Silent {
        /// The registry's host.
        host: String,
    },
    /// 401 or 403.
    #[error("`{host}` wants other credentials")]
    Denied {
        /// The registry's host.
        host: String,
    },
    /// 404: it does not have what it was asked for.
    #[error("`{host}` does not have it")]
    Absent {
        /// The registry's host.
        host: String,
    },
    /// 429.
    #[error("`{host}` is asked too often")]
    Busy {
        /// The registry's host.
        host: String,
    },
    /// Any other status.
    #[error("`{host}` answered with {status}")]
    Status {
        /// The registry's host.
        host: String,
        /// The HTTP status, or the registry's own code for it.
        status: String,
    },
    /// An answer that is none.
    #[error("`{host}` gave an answer that is none: {why}")]
    Garbage {
        /// The registry's host.
        host: String,
        /// What is wrong with it.
        why: String,
    },
}

impl RegistryError {
    /// Whether the registry said that it does not have it.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { host } => {
                Some(format!("`docker login {host}` keeps credentials for it"))
            }
            _ => None,
        }
    }

    pub(super) fn garbage(host: &str, why: impl Into<String>) -> Self {
        Self::Garbage {
            host: host.to_owned(),
            why: why.into(),
        }
    }

    /// What an answer with a status other than success means.
    pub(super) fn of_answer(host: &str, status: u16, body: &[u8]) -> Self {
        let host = host.to_owned();
        // Other refusals have a reason of their own.
        let says_all = matches!(status, 401 | 403 | 404 | 429 | 500..);
        match serde_json::from_slice(body) {
            Ok(envelope) if !says_all => of_envelope(host, &envelope),
            _ => of_status(host, status),
        }
    }

    pub(super) fn of(host: &str, error: OciDistributionError) -> Self {
        let host = host.to_owned();
        match error {
            OciDistributionError::RequestError(error) => of_request(host, &error),
            OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_) => Self::Denied { host },
            OciDistributionError::RegistryError { envelope, .. } => of_envelope(host, &envelope),
            OciDistributionError::ServerError { code, .. } => of_status(host, code),
            OciDistributionError::ImageManifestNotFoundError(_) => Self::Absent { host },
            other => Self::Garbage {
                host,
                why: first_line(&other.to_string()),
            },
        }
    }
}

fn of_request(host: String, error: &reqwest::Error) -> RegistryError {
    if error.is_timeout() {
        return RegistryError::Silent { host };
    }
    if let Some(status) = error.status() {
        return of_status(host, status.as_u16());
    }
    // What reqwest says of itself is the address; the last cause is the system's.
    let error: &dyn std::error::Error = error;
    let last = std::iter::successors(Some(error), |error| error.source()).last();
    RegistryError::Unreachable {
        host,
        why: first_line(&last.unwrap_or(error).to_string()),
    }
}

fn of_status(host: String, code: u16) -> RegistryError {
    match code {
        401 | 403 => RegistryError::Denied { host },
        404 => RegistryError::Absent { host },
        429 => RegistryError::Busy { host },
        other => RegistryError::Status {
            host,
            status: format!("status {other}"),
        },
    }
}

/// OCI distribution specification, "Error Codes".
fn of_envelope(host: String, envelope: &OciEnvelope) -> RegistryError {
    let Some(first) = envelope.errors.first() else {
        return RegistryError::garbage(&host, "an error without a code");
    };
    match first.code {
        OciErrorCode::Unauthorized | OciErrorCode::Denied => RegistryError::Denied { host },
        OciErrorCode::ManifestUnknown
        | OciErrorCode::NameUnknown
        | OciErrorCode::NotFound
        | OciErrorCode::BlobUnknown
        | OciErrorCode::ManifestBlobUnknown => RegistryError::Absent { host },
        OciErrorCode::Toomanyrequests => RegistryError::Busy { host },
        _ => RegistryError::Status {
            host,
            status: format!("`{}`", first_line(&first.message)),
        },
    }
}

/// What a registry says may be a page.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(200).filter(|c| !c.is_control()).collect()
}
