import Glibc

/// The wall clock, for comparing it with a server's; nothing depends on it.
enum WallClock {
    /// Seconds since 1970.
    static var seconds: Int { time(nil) }
}
