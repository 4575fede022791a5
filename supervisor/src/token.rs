//! What an event is about, as the number that epoll(7) gives back. Pure.

/// Something that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A connection to the control socket.
    Listener,
    /// A message of `init`, or its end.
    Init,
    /// The end of `init`'s process.
    InitProcess,
    /// The end of PID 1, once it is killed.
    First,
    /// The end of `fused`.
    Fused,
    /// Output of a console.
    Console(u8),
    /// A request of a client.
    Client(u32),
    /// Input or room of a viewer.
    Viewer {
        /// Its console.
        console: u8,
        /// Its number.
        id: u32,
    },
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        let (kind, console, id) = match token {
            Token::Listener => (0, 0, 0),
            Token::Init => (1, 0, 0),
            Token::InitProcess => (2, 0, 0),
            Token::First => (3, 0, 0),
            Token::Fused => (4, 0, 0),
            Token::Console(console) => (5, console, 0),
            Token::Client(id) => (6, 0, id),
            Token::Viewer { console, id } => (7, console, id),
        };
        let [a, b, c, d] = id.to_le_bytes();
        Self::from_le_bytes([a, b, c, d, console, kind, 0, 0])
    }
}

impl Token {
    /// The token behind a number; `None` for one that stands for none.
    pub const fn new(number: u64) -> Option<Self> {
        let [a, b, c, d, console, kind, _, _] = number.to_le_bytes();
        let id = u32::from_le_bytes([a, b, c, d]);
        Some(match kind {
            0 => Self::Listener,
            1 => Self::Init,
            2 => Self::InitProcess,
            3 => Self::First,
            4 => Self::Fused,
            5 => Self::Console(console),
            6 => Self::Client(id),
            7 => Self::Viewer { console, id },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_comes_back() {
        let tokens = [
            Token::Listener,
            Token::Init,
            Token::InitProcess,
            Token::First,
            Token::Fused,
            Token::Console(255),
            Token::Client(u32::MAX),
            Token::Viewer {
                console: 3,
                id: 1 << 31,
            },
        ];
        for token in tokens {
            assert_eq!(Token::new(token.into()), Some(token));
        }
        assert_eq!(Token::new(u64::MAX), None);
    }
}
