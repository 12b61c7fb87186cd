//! Addresses as they may be shown: without what could be a credential.

use crate::model::Locator;
use url::Url;

/// A locator without user name, password and the values of its query, which in presigned addresses are the credentials.
pub(super) fn locator(locator: &Locator) -> String {
    match locator {
        Locator::Http(address) => address_shown(address),
        Locator::File(_) | Locator::S3 { .. } => locator.to_string(),
    }
}

/// An address likewise.
pub(super) fn address_shown(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        return "(an address that cannot be read)".to_owned();
    };
    let hidden = !url.username().is_empty() || url.password().is_some() || url.query().is_some();
    if !hidden {
        return address.to_owned();
    }
    // Neither fails on an address that has a host, which those with the schemes that are taken have.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    if names.is_empty() {
        url.set_query(None);
    } else {
        url.query_pairs_mut().clear().extend_pairs(names.iter().map(|name| (name, "...")));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_left_out() {
        for (address, shown) in [
            ("https://h/p%20a", "https://h/p%20a"),
            ("https://u:secret@h:1/p", "https://h:1/p"),
            ("https://h/p?X-Amz-Signature=secret&X-Amz-Date=1", "https://h/p?X-Amz-Signature=...&X-Amz-Date=..."),
            ("https://h/p?", "https://h/p"),
            ("https://u:secret@", "(an address that cannot be read)"),
        ] {
            assert_eq!(address_shown(address), shown);
        }
        let path: Locator = "/a?b".parse().unwrap();
        assert_eq!(locator(&path), "/a?b");
    }
}
