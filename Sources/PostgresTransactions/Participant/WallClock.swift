import Glibc

/// The wall clock, to compare it with a server's; no decision depends on it.
enum WallClock {
    /// Seconds since 1970.
    static var seconds: Int { time(nil) }
}
