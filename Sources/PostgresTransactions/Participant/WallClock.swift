import Glibc

/// The wall clock, to compare it with a server's and to say when something was read; no decision depends
/// on it.
enum WallClock {
    /// Seconds since 1970.
    static var seconds: Int { time(nil) }
}
