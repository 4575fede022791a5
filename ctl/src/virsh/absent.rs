//! What virsh has and a driver of containers does not: refused in virsh's words, as that driver refuses it. Pure.

/// A verb, what virsh says first where it says something (`{}` is the first operand), and the function that the driver lacks, or all that is said.
const ABSENT: [(&str, &str, &str); 66] = [
    ("allocpages", "", "virNodeAllocPages"),
    (
        "blkdeviotune",
        "Unable to get number of block I/O throttle parameters",
        "virDomainGetBlockIoTune",
    ),
    ("blockcommit", "", "virDomainBlockCommit"),
    ("blockcopy", "", "virDomainBlockCopy"),
    ("blockjob", "", "virDomainGetBlockJobInfo"),
    ("blockpull", "", "virDomainBlockPull"),
    (
        "blockresize",
        "Failed to resize block device '{}'",
        "virDomainBlockResize",
    ),
    ("checkpoint-create", "", "virDomainCheckpointCreateXML"),
    ("checkpoint-list", "", "virDomainListAllCheckpoints"),
    ("cpu-baseline", "", "virConnectBaselineCPU"),
    ("cpu-compare", "", "virConnectCompareCPU"),
    ("cpu-models", "", "virConnectGetCPUModelNames"),
    ("domblkerror", "", "virDomainGetDiskErrors"),
    ("domblkinfo", "", "virDomainGetBlockInfo"),
    ("domblkthreshold", "", "virDomainSetBlockThreshold"),
    (
        "domcapabilities",
        "failed to get emulator capabilities",
        "virConnectGetDomainCapabilities",
    ),
    ("domcontrol", "", "virDomainGetControlInfo"),
    ("domdirtyrate-calc", "", "virDomainStartDirtyRateCalc"),
    ("domfsfreeze", "Unable to freeze filesystems", "virDomainFSFreeze"),
    (
        "domfsinfo",
        "Unable to get filesystem information",
        "virDomainGetFSInfo",
    ),
    ("domfsthaw", "Unable to thaw filesystems", "virDomainFSThaw"),
    ("domfstrim", "Unable to invoke fstrim", "virDomainFSTrim"),
    (
        "domiftune",
        "Unable to get number of interface parameters",
        "virDomainGetInterfaceParameters",
    ),
    ("domjobabort", "", "virDomainAbortJob"),
    ("domjobinfo", "", "virDomainGetJobInfo"),
    (
        "dompmsuspend",
        "Domain '{}' could not be suspended",
        "virDomainPMSuspendForDuration",
    ),
    ("dompmwakeup", "Domain '{}' could not be woken up", "virDomainPMWakeup"),
    ("domtime", "", "virDomainGetTime"),
    ("dump", "Failed to core dump domain '{}' to {2}", "virDomainCoreDump"),
    ("emulatorpin", "", "virDomainGetEmulatorPinInfo"),
    ("guestinfo", "", "virDomainGetGuestInfo"),
    ("guestvcpus", "", "virDomainGetGuestVcpus"),
    ("inject-nmi", "", "virDomainInjectNMI"),
    (
        "iothreadinfo",
        "Unable to get domain IOThreads information",
        "virDomainGetIOThreadInfo",
    ),
    (
        "managedsave",
        "Failed to save domain '{}' state",
        "virDomainManagedSave",
    ),
    ("managedsave-dumpxml", "", "virDomainManagedSaveGetXMLDesc"),
    ("maxvcpus", "", "virConnectGetMaxVcpus"),
    ("migrate", "", "virDomainMigrate3"),
    ("migrate-getspeed", "", "virDomainMigrateGetMaxSpeed"),
    ("migrate-setmaxdowntime", "", "virDomainMigrateSetMaxDowntime"),
    ("node-memory-tune", "", "virNodeGetMemoryParameters"),
    ("nodesuspend", "The host was not suspended", "virNodeSuspendForDuration"),
    (
        "numatune",
        "Unable to get number of memory parameters",
        "virDomainGetNumaParameters",
    ),
    ("perf", "Unable to get perf events", "virDomainGetPerfEvents"),
    ("reset", "Failed to reset domain '{}'", "virDomainReset"),
    ("restore", "Failed to restore domain from {}", "virDomainRestore"),
    ("save", "Failed to save domain '{}' to {2}", "virDomainSave"),
    ("save-image-dumpxml", "", "virDomainSaveImageGetXMLDesc"),
    ("screenshot", "could not take a screenshot of {}", "virDomainScreenshot"),
    ("send-key", "", "virDomainSendKey"),
    ("set-user-password", "", "virDomainSetUserPassword"),
    ("setvcpu", "", "virDomainSetVcpu"),
    ("setvcpus", "", "virDomainSetVcpus"),
    ("snapshot-create", "", "virDomainSnapshotCreateXML"),
    ("snapshot-create-as", "", "virDomainSnapshotCreateXML"),
    ("snapshot-current", "", "virDomainHasCurrentSnapshot"),
    ("snapshot-delete", "", "virDomainSnapshotLookupByName"),
    ("snapshot-dumpxml", "", "virDomainSnapshotLookupByName"),
    ("snapshot-info", "", "virDomainSnapshotLookupByName"),
    ("snapshot-list", "", "virDomainSnapshotNum"),
    ("snapshot-revert", "", "virDomainSnapshotLookupByName"),
    (
        "sysinfo",
        "failed to get sysinfo",
        "unsupported configuration: Host SMBIOS information is not available",
    ),
    ("vcpucount", "Failed to retrieve current vcpu count", ""),
    ("vcpuinfo", "", "virDomainGetVcpuPinInfo"),
    ("vcpupin", "", "virDomainGetVcpuPinInfo"),
    ("vncdisplay", "", "virDomainGetXMLDesc with a display"),
];

/// What is said of a verb that there is elsewhere; `None` of one that there is here, or nowhere.
pub fn refusal(words: &[String]) -> Option<Vec<String>> {
    let (verb, rest) = words.split_first()?;
    let (_, first, function) = ABSENT.iter().find(|(name, ..)| name == verb)?;
    let mut operands = rest.iter().filter(|w| !w.starts_with('-'));
    let mut operand = || operands.next().map_or("", String::as_str);
    let (one, two) = (operand(), operand());
    let first = first.replace("{}", one).replace("{2}", two);
    let second = match *function {
        "" => String::new(),
        // Where that driver has the function, and there is nothing here to be told by it.
        said if !said.starts_with("vir") => said.to_owned(),
        name => format!("this function is not supported by the connection driver: {name}"),
    };
    Some([first, second].into_iter().filter(|line| !line.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use clap::CommandFactory;

    fn said(line: &str) -> Option<Vec<String>> {
        refusal(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_absent_is_refused_as_that_driver_does() {
        let unsupported = |name: &str| format!("this function is not supported by the connection driver: {name}");
        assert_eq!(
            said("reset vm1"),
            Some(vec![
                "Failed to reset domain 'vm1'".into(),
                unsupported("virDomainReset")
            ])
        );
        assert_eq!(
            said("save vm1 /tmp/x"),
            Some(vec![
                "Failed to save domain 'vm1' to /tmp/x".into(),
                unsupported("virDomainSave")
            ])
        );
        assert_eq!(said("domjobinfo vm1"), Some(vec![unsupported("virDomainGetJobInfo")]));
        let none = "unsupported configuration: Host SMBIOS information is not available";
        assert_eq!(said("sysinfo"), Some(vec!["failed to get sysinfo".into(), none.into()]));
        assert_eq!((said("list"), said("nope")), (None, None));
    }

    #[test]
    fn nothing_is_absent_that_is_here() {
        let command = Options::command();
        for (verb, ..) in ABSENT {
            assert!(command.find_subcommand(verb).is_none(), "{verb}");
        }
        assert!(ABSENT.is_sorted_by_key(|(verb, ..)| verb));
    }
}
