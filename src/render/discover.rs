//! What `discover` prints: the targets of a host, and for each the line of the macro that configures it.

use schemars::JsonSchema;
use serde::Serialize;

use super::json::SCHEMA;
use super::text::Page;
use crate::cli::quote;
use crate::iop::discover::{Discovered, Inquirer, place};
use crate::iscsi::login::DEFAULT_PORT;
use crate::iscsi::text::Escaped;
use crate::transport::initiator::DiscoveredTarget;
use crate::values::GENERATE;

/// The document of `discover`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Discovered")]
pub struct DiscoveredDocument {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// The host that was asked, as typed.
    host: String,
    /// Its port.
    port: u16,
    /// The targets that it names to this initiator, in its order.
    targets: Vec<DiscoveredTargetDocument>,
}

/// A target that a host named.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DiscoveredTarget")]
struct DiscoveredTargetDocument {
    /// TargetName (RFC 7143 section 13.4).
    target_name: String,
    /// Where it can be logged in to, in the host's order.
    portals: Vec<PortalDocument>,
    /// The calls that configure it, quoted for a shell; a CHAP secret is in a file.
    lines: Vec<String>,
}

/// A portal of a target.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Portal")]
struct PortalDocument {
    /// Host name or address, an IPv6 address without brackets.
    address: String,
    /// TCP port.
    port: u16,
    /// Target portal group tag (section 13.9); null where the host left it out.
    portal_group_tag: Option<u16>,
}

impl DiscoveredDocument {
    /// Makes the document.
    #[must_use]
    pub fn new(inquirer: &Inquirer, discovered: &Discovered) -> Self {
        Self {
            schema: SCHEMA,
            host: inquirer.host.to_string(),
            port: inquirer.port.number(),
            targets: discovered
                .targets
                .iter()
                .map(|target| DiscoveredTargetDocument {
                    target_name: target.name.to_string(),
                    portals: portals(discovered, target),
                    lines: line(inquirer, discovered, target).into_iter().collect(),
                })
                .collect(),
        }
    }
}

/// Returns where a target can be logged in to; one without an address is where it was asked for.
fn portals(discovered: &Discovered, target: &DiscoveredTarget) -> Vec<PortalDocument> {
    if target.addresses.is_empty() {
        return vec![PortalDocument {
            address: discovered.portal.ip().to_string(),
            port: discovered.portal.port(),
            portal_group_tag: None,
        }];
    }
    target
        .addresses
        .iter()
        .map(|address| PortalDocument {
            address: Escaped(&address.host).to_string(),
            port: address.port,
            portal_group_tag: address.portal_group_tag,
        })
        .collect()
}

/// Returns the call that configures a target, complete and quoted; none where it has no portal that can be configured.
fn line(inquirer: &Inquirer, discovered: &Discovered, target: &DiscoveredTarget) -> Option<String> {
    let place = place(inquirer, discovered, target)?;
    let initiator_name = match inquirer.generated {
        true => GENERATE.to_owned(),
        false => inquirer.initiator_name.to_string(),
    };
    let mut words = vec!["iscsiswiconfig".to_owned()];
    if inquirer.chap.is_some() {
        words.extend(["--secret-file", "FILE"].map(str::to_owned));
    }
    words.extend([
        "-addtarget".to_owned(),
        "-initiatorname".to_owned(),
        initiator_name,
        "-targethostname".to_owned(),
        place.host.to_string(),
        "-targetname".to_owned(),
        target.name.to_string(),
    ]);
    if place.port.number() != DEFAULT_PORT {
        words.extend(["-targetport".to_owned(), place.port.to_string()]);
    }
    if let Some((name, _)) = &inquirer.chap {
        words.extend([
            "-initiatorchapname".to_owned(),
            name.to_string(),
            "-initiatorchapsecret".to_owned(),
        ]);
    }
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    Some(quoted.join(" "))
}

/// Returns the targets as text.
#[must_use]
pub fn page(inquirer: &Inquirer, discovered: &Discovered) -> String {
    let document = DiscoveredDocument::new(inquirer, discovered);
    let place = format!("{} port {}", document.host, document.port);
    let mut page = Page::default();
    match document.targets.len() {
        0 => page.title(&format!(
            "No target: {place} names none to initiator {}.",
            inquirer.initiator_name
        )),
        1 => page.title(&format!("1 target at {place}")),
        count => page.title(&format!("{count} targets at {place}")),
    }
    let mut text = page.into_text();
    for target in &document.targets {
        let mut page = Page::default();
        page.heading("iSCSI target");
        page.line("Target name", &target.target_name);
        for portal in &target.portals {
            let address = match portal.address.contains(':') {
                true => format!("[{}]:{}", portal.address, portal.port),
                false => format!("{}:{}", portal.address, portal.port),
            };
            let group = portal
                .portal_group_tag
                .map(|tag| format!(" (portal group {tag})"));
            page.line("Portal", address + &group.unwrap_or_default());
        }
        text.push_str(&page.into_text());
        for line in &target.lines {
            text.push_str(&format!("  {line}\n"));
        }
        if target.lines.is_empty() {
            text.push_str("  None of its portals can be configured.\n");
        }
    }
    text
}
