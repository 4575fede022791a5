//! Running a command with a deadline, and what came of it.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long one command may take before the test fails. Nothing is measured with it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often [`until`] looks before it gives up.
const LOOKS: u32 = 10;

/// What a command left.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Outcome {
    /// The exit status; a signal counts as 128 and its number, with a minus sign.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| -128 - self.status.signal().unwrap_or(0))
    }

    /// The same outcome, if the command succeeded; otherwise the test fails with what the command said.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// The same outcome, if the exit status is this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{self}");
        self
    }

    /// The same outcome, if the command was refused: that exit status, exactly one line on standard error, which holds every one of
    /// `words` (letters of either case).
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code(), code, "{self}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "one line says what and where: {self}");
        for word in words {
            assert!(
                self.stderr.to_lowercase().contains(&word.to_lowercase()),
                "the line does not say {word:?}: {self}"
            );
        }
        self
    }

    /// The output as a JSON value.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in the output of {self}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |text: &str| text.chars().take(6000).collect::<String>();
        let (stdout, stderr) = (cut(&self.stdout), cut(&self.stderr));
        write!(
            f,
            "`{}` ended with {}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
            self.command, self.status
        )
    }
}

/// Words of a command, for messages.
pub fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|a| a.to_string_lossy().chars().take(200).collect()),
    );
    words.join(" ")
}

fn reader<R: Read + Send + 'static>(mut from: R) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}

/// Runs a command with this input; fails the test if it takes longer than [`DEADLINE`] or leaves a process that keeps its output open.
#[track_caller]
pub fn run(command: &mut Command, input: &[u8]) -> Outcome {
    let shown = words(command);
    command.stdin(if input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    });
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{shown}: {e}"));
    collect(child, shown, input.to_vec(), DEADLINE)
}

/// Waits for a child whose output is piped, and collects it.
#[track_caller]
pub fn collect(mut child: Child, shown: String, input: Vec<u8>, deadline: Duration) -> Outcome {
    if let Some(mut stdin) = child.stdin.take() {
        std::thread::spawn(move || stdin.write_all(&input));
    }
    let out = child.stdout.take().map(reader);
    let err = child.stderr.take().map(reader);
    let until = Instant::now() + deadline;
    let status = wait(&mut child, deadline).unwrap_or_else(|| {
        let state = crate::process::tree_of(child.id());
        let _ = child.kill();
        let _ = child.wait();
        let said = |from: &Option<mpsc::Receiver<Vec<u8>>>| {
            let bytes = from
                .as_ref()
                .and_then(|r| r.recv_timeout(Duration::from_secs(1)).ok())
                .unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        panic!(
            "`{shown}` did not end within {deadline:?}; processes:\n{state}\nstdout: {}\nstderr: {}",
            said(&out),
            said(&err)
        );
    });
    let rest = until
        .saturating_duration_since(Instant::now())
        .max(Duration::from_secs(2));
    let text = |from: Option<mpsc::Receiver<Vec<u8>>>| match from {
        None => String::new(),
        Some(r) => match r.recv_timeout(rest) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => panic!("`{shown}` ended with {status}, but something it started keeps its output open"),
        },
    };
    Outcome {
        stdout: text(out),
        stderr: text(err),
        status,
        command: shown.clone(),
    }
}

/// Waits for a child, at most so long.
pub fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let mut status = None;
    let ended = until(deadline, || {
        status = child.try_wait().expect("wait for a child of ours");
        status.is_some()
    });
    if ended { status } else { None }
}

/// Looks again and again until `condition` holds; false if it never did before the deadline. On a busy machine one look may take as long
/// as that: it is looked ten times at least.
pub fn until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    let mut looks = 0;
    loop {
        if condition() {
            return true;
        }
        looks += 1;
        if Instant::now() >= end && looks >= LOOKS {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command of the host's that must succeed, and returns its output.
#[track_caller]
pub fn output(program: &str, arguments: &[&str]) -> String {
    run(Command::new(program).args(arguments), b"").ok().stdout
}
