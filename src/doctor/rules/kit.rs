//! Bindings that are linked from a kit: what only building them needs is of no interest then.

use crate::doctor::facts::Kit;
use crate::doctor::finding::{ANDROID, About, BINDING, Finding};
use crate::model::Device;

/// One finding for each kit.
pub(super) fn kits(kits: &[(Device, Kit)]) -> impl Iterator<Item = Finding> {
    kits.iter().map(|(device, kit)| {
        let devices: &'static [Device] = match device {
            Device::Android => ANDROID,
            Device::Iphone => &[Device::Iphone],
            Device::Macabi => &[Device::Macabi],
        };
        let about = About::new("kit", devices, BINDING);
        match kit {
            Kit::Usable(place) => {
                about.ok(format!("the binding for {device} is linked from a kit: {place}"))
            }
            Kit::Unusable { message, help } => about.problem(message.clone(), help.clone()),
        }
    })
}

/// Takes out what is only needed to build the bindings of these devices.
pub(super) fn not_built(findings: &mut Vec<Finding>, kits: &[(Device, Kit)]) {
    for finding in findings.iter_mut().filter(|finding| finding.phases == BINDING) {
        finding.devices.retain(|device| !kits.iter().any(|(kit, _)| kit == device));
    }
    findings.retain(|finding| !finding.devices.is_empty());
}
