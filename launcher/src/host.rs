//! What the launcher knows of its host: the policy, the programs, the command line. May touch: `/proc/self/mountinfo`.

use crate::groups::{self, Group};
use crate::piece::{Piece, Programs};
use crate::policy::Policy;
use std::os::fd::AsFd;
use wire::frame::Message;
use wire::ids::IdBlock;
use wire::{Failure, Program, cgroupd, devd, idmapd};

/// This host.
#[derive(Debug)]
pub struct Host {
    /// What its administrator allows.
    pub policy: Policy,
    /// Where our programs are.
    pub programs: Programs,
    /// What whoever called `lazaret` named.
    pub named: Named,
}

/// The paths that the command line and the environment name, each as it is written and, where that is relative, also as an absolute one.
/// Neither is parsed here, only searched.
#[derive(Debug)]
pub struct Named {
    /// Each argument before `--`, which begins what is a container's own business, and what stands behind the first `=`, `:` or `,` of it.
    pub arguments: Vec<String>,
    /// What the variables of the three directories say.
    pub variables: Vec<String>,
}

impl Named {
    /// What is named by these arguments and variables, in the directory `here`.
    pub fn new(arguments: Vec<String>, variables: Vec<String>, here: &str) -> Self {
        let both = |path: String| -> Vec<String> {
            let absolute = (!path.starts_with('/')).then(|| format!("{}/{path}", here.trim_end_matches('/')));
            std::iter::once(path).chain(absolute).collect()
        };
        let arguments = arguments.into_iter().take_while(|a| a != "--");
        let parts = arguments.flat_map(|a| {
            let behind = a.split_once(['=', ':', ',']).map(|(_, rest)| rest.to_owned());
            std::iter::once(a).chain(behind)
        });
        let filled = |path: &String| !path.is_empty();
        Self {
            arguments: parts.filter(filled).flat_map(both).collect(),
            variables: variables.into_iter().filter(filled).flat_map(both).collect(),
        }
    }
}

impl Host {
    /// The mounts that the launcher sees (proc_pid_mountinfo(5)).
    pub fn mountinfo(&self) -> Result<String, Failure> {
        std::fs::read_to_string("/proc/self/mountinfo")
            .map_err(|e| Failure::kernel("read /proc/self/mountinfo", e.raw_os_error().unwrap_or(0)))
    }

    /// Every hierarchy, opened.
    pub fn groups(&self) -> Result<Vec<Group>, Failure> {
        groups::all(&self.mountinfo()?)
    }

    /// Starts a program with the power that its policy gives it.
    pub fn piece<Q: Message, R: Message>(&self, program: Program, block: IdBlock) -> Result<Piece<Q, R>, Failure> {
        self.programs.start(program, block, policies::power(program, true), &[])
    }

    /// Starts the control group writer, which inherits the directories that it may write below.
    pub fn cgroupd(
        &self,
        block: IdBlock,
        groups: &[Group],
    ) -> Result<Piece<cgroupd::Request, cgroupd::Reply>, Failure> {
        let directories: Vec<_> = groups.iter().map(|g| g.directory.as_fd()).collect();
        self.programs.start(
            Program::Cgroupd,
            block,
            policies::power(Program::Cgroupd, true),
            &directories,
        )
    }

    /// Starts the id-map writer; with consent to map host id 0 it has the capability without which the kernel refuses that.
    pub fn idmapd(&self, block: IdBlock, consented: bool) -> Result<Piece<idmapd::Request, idmapd::Reply>, Failure> {
        let power = policies::power(Program::Idmapd, !consented);
        self.programs.start(Program::Idmapd, block, power, &[])
    }

    /// Starts the device rule writer, with the pair that a BPF program needs, or the one capability that version 1 needs.
    pub fn devd(&self, block: IdBlock, groups: &[Group]) -> Result<Piece<devd::Request, devd::Reply>, Failure> {
        let unified = groups.iter().any(|g| g.hierarchy.unified);
        self.programs
            .start(Program::Devd, block, policies::power(Program::Devd, unified), &[])
    }
}
